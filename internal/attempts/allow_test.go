// SPDX-License-Identifier: MPL-2.0

package attempts_test

import (
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// verdict returns the verdict on an attempt after the commands of a story.
func verdict(t *testing.T, commands, attempt string) string {
	t.Helper()
	var all []string
	if commands != "" {
		all = strings.Split(commands, ", ")
	}
	s := play(t, all...)
	state := s.do(strings.Fields(attempt))
	if reason, found := strings.CutPrefix(strings.SplitN(state, "\n", 2)[0], "not sent: "); found {
		return reason
	}
	return "sent"
}

func TestWhoMayMakeAnAttempt(t *testing.T) {
	const (
		sent        = "sent"
		limit       = "four attempts are used up"
		reserved    = "the last attempt is reserved for the stored credential"
		known       = "this credential was refused before"
		operator    = "an operator must act first"
		early       = "it must wait"
		toFindOut   = "no attempt would be left to find the secret in effect"
		refusedFour = "read 10001, verify 10001, verify 10001, verify 10001"
	)
	for _, test := range []struct{ name, before, attempt, verdict string }{
		{"without any attempt", "", "read accepted", sent},
		{"a job waits after a refusal", "read 10001", "read accepted", early},
		{"for five minutes", "read 10001, pass 4m57s", "read accepted", early},
		{"and no longer", "read 10001, pass 5m", "read accepted", sent},
		{"for half an hour after the second", "read codeless, pass 5m, read codeless, pass 29m", "read accepted", early},
		{"and no longer", "read codeless, pass 5m, read codeless, pass 30m", "read accepted", sent},
		{"for half a minute after a change", "rotate accepted, read 10001, pass 27s", "read accepted", early},
		{"and no longer", "rotate accepted, read 10001, pass 30s", "read accepted", sent},
		{"within ten minutes of it", "rotate accepted, pass 9m50s, read 10001, pass 1m", "read accepted", sent},
		{"and no later", "rotate accepted, pass 10m, read 10001, pass 1m", "read accepted", early},

		{"a job stops after two with a code", "read 10001, pass 5m, read 10001, pass 48h", "read accepted", operator},
		{"one of them without is not enough", "read 10001, pass 5m, read codeless, pass 30m", "read accepted", sent},
		{"nor is it the other way round", "read codeless, pass 5m, read 10001, pass 30m", "read accepted", sent},
		{"three are", "read 10001, pass 5m, read codeless, pass 30m, read codeless, pass 48h", "read accepted", operator},
		{"without any code too", "read codeless, pass 5m, read codeless, pass 30m, read codeless, pass 48h", "read accepted", operator},
		{"a process without a success stops after one", "restart, read 10001, pass 48h", "read accepted", operator},
		{"also when it came before the restart", "read 10001, restart, pass 48h", "read accepted", operator},
		{"not without a code", "restart, read codeless, pass 5m", "read accepted", sent},
		{"three in a day are enough", "read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted, read 10001, pass 5m", "read accepted", operator},
		{
			"though not after a day",
			"read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted, pass 24h, read 10001, pass 5m",
			"read accepted", sent,
		},
		{"nor after an operator's success", "read codeless, pass 5m, read codeless, pass 30m, read codeless, verify accepted", "read accepted", sent},
		{"a success of a job changes nothing", "read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted, read 10001, pass 5m", "read accepted", operator},
		{"a colleague's typos stop no job", "write x 10001, write y 10001, write z 10001", "read accepted", sent},
		{"regardless of what was wrong with them", "write x gateway, write y 10026", "read accepted", sent},
		{"a crash stops no job", "read dies, read dies", "read accepted", sent},
		{"four do", "read dies, read dies, read dies, read dies", "read accepted", limit},
		{"an operator is refused, and jobs wait", "verify 10001", "read accepted", early},
		{"a lock stops jobs", "read 24302, pass 48h", "read accepted", operator},

		{"the proven secret does not wait for a candidate", "candidate 10001", "read accepted", sent},
		{"without an answer it is tried again", "candidate 10001, read unanswered", "read accepted", sent},
		{"nor does it stop in a process without a success", "restart, candidate 10001", "read accepted", sent},
		{"whichever process tried the candidate", "candidate 10001, restart", "read accepted", sent},
		{"it is the second one only", "candidate 10001, read 10001", "read accepted", operator},
		{"for any kind of refusal", "candidate codeless", "read accepted", sent},
		{"not after another one", "read codeless, pass 5m, candidate 10001", "read accepted", early},
		{"nor in a copy", "copy, candidate 10001", "read accepted", operator},
		{"not even after a restart", "copy, candidate 10001, restart", "read accepted", operator},
		{"nor one that was never proven", "candidate 10001", "read-unproven accepted", early},
		{"another candidate waits", "candidate 10001", "candidate accepted", early},
		{"it follows no lock", "candidate 10001, write x 24302", "read accepted", operator},
		{"a change waits", "candidate 10001", "rotate accepted", early},
		{"and the proven one too, if it was not the secret", "candidate 10026", "read accepted", early},
		{"or if the secret was not checked", "candidate gateway", "read accepted", early},
		{
			"it takes no more than a job may",
			"read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted, candidate 10001", "read accepted", operator,
		},
		{"a process without a success continues with it", "restart, candidate 10001, read codeless, pass 30m", "read accepted", sent},
		{"and with another candidate", "restart, candidate 10001, pass 5m", "candidate accepted", sent},
		{"once", "restart, candidate 10001, pass 5m, candidate 10001", "read accepted", operator},
		{"nor after its refusal", "restart, candidate codeless, pass 5m, read 10001, pass 30m", "read accepted", operator},
		{"candidates stop jobs", "candidate 10001, pass 5m, candidate 10001", "read accepted", operator},

		{"an operator continues when jobs wait", "read 10001", "verify accepted", sent},
		{"and when they stop", "read 10001, pass 5m, read 10001", "verify accepted", sent},
		{"and when Finicity says locked", "read 24302", "verify accepted", sent},
		{"until four are used up", refusedFour, "verify accepted", limit},
		{"however long it is ago", refusedFour + ", pass 48h", "verify accepted", limit},
		{"at another address too", refusedFour + ", move there", "write x accepted", limit},
		{"and so do jobs", refusedFour, "read accepted", limit},
		{"force continues", refusedFour, "force accepted", sent},
		{"and again", refusedFour + ", force 10001", "force accepted", sent},

		{"a refused credential is not written again", "write x 10001", "write x accepted", known},
		{"another one is", "write x 10001", "write y accepted", sent},
		{"for a day", "write x 10001, read accepted, pass 24h", "write x accepted", sent},
		{"without a verdict it is", "write x codeless", "write x accepted", sent},
		{"so is one without an answer", "write x unanswered", "write x accepted", sent},
		{"three new ones are", "write x 10001, write y 10001", "write z accepted", sent},
		{"the last attempt is kept", "write x 10001, write y 10001, write z 10001", "write w accepted", reserved},
		{"for config/verify", "write x 10001, write y 10001, write z 10001", "verify accepted", sent},
		{"also when a candidate was refused", "candidate 10001, write x 10001, write y 10001", "write z accepted", reserved},
		{"not if that was because of the app key", "candidate 10026, write x 10001, write y 10001", "write z accepted", sent},
		{"not for a credential that was refused", "read 10001, write x 10001, write y 10001", "write z accepted", sent},

		{"apps try a secret that was stored untried", "write x 10001, write y 10001", "untried z accepted", sent},
		{"not one that was refused", "write x 10001", "untried x accepted", known},
		{"nor with the last attempt", "write x 10001, write y 10001, write z 10001", "untried w accepted", reserved},
		{
			"nor if its refusal left them none for the stored one",
			"read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted", "untried x accepted", reserved,
		},
		{"nor after a gateway's two", "read codeless, verify codeless, pass 30m", "untried x accepted", reserved},
		{"nor after another candidate", "candidate 10001, pass 5m", "untried x accepted", reserved},
		{"unless that was refused too", "read 10001, pass 5m, read accepted, read 10001, pass 5m", "untried x accepted", sent},
		{"which an operator may write", "read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted", "write x accepted", sent},

		{"a change needs an attempt to spare", "read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted", "rotate accepted", toFindOut},
		{"one refusal is no obstacle", "read 10001, pass 5m, read accepted", "rotate accepted", sent},
		{"nor are those of yesterday", "read 10001, pass 5m, read accepted, read 10001, pass 5m, read accepted, pass 24h", "rotate accepted", sent},
		{"crashes count", "rotate dies, read accepted, rotate dies, read accepted", "rotate accepted", toFindOut},
		{"so do an operator's", "write x 10001, write y 10001, write z 10001, read accepted", "rotate accepted", toFindOut},
		{"two of these leave enough", "write x 10001, write y 10001, read accepted", "rotate accepted", sent},
		{"a change waits as a read does", "read 10001", "rotate accepted", early},
	} {
		if got := verdict(t, test.before, test.attempt); got != test.verdict {
			t.Errorf("%s (%s): %s is %s, and must be: %s", test.name, test.before, test.attempt, got, test.verdict)
		}
	}
}

func TestTheStoredCredentialMayBeTriedAgain(t *testing.T) {
	s := newStory(t)
	q := attempts.Request{Trigger: attempts.Operator, Credential: "a"}
	at := s.charge(attempts.Automatic, attempts.Stored)
	s.settle(at, attempts.Answer{Outcome: attempts.RefusedWithCode, Credential: "a"})
	if v := s.record.Allow(q, s.facts, s.now); v != attempts.Allowed {
		t.Errorf("the verdict is %d", v)
	}
	if q.Reserve = true; true {
		s.charge(attempts.Operator, attempts.Written)
		s.charge(attempts.Operator, attempts.Written)
	}
	if v := s.record.Allow(q, s.facts, s.now); v != attempts.Allowed {
		t.Errorf("the verdict on the last attempt is %d", v)
	}
}

func TestNoVerdictIsNoRefusalOfACredential(t *testing.T) {
	s := play(t, "read 10001")
	if at := s.record.RefusedBefore("", s.now); !at.IsZero() {
		t.Errorf("no credential was refused at %s", at)
	}
	s = play(t, "write x 10001", "read accepted")
	first := s.record.RefusedBefore("here x", s.now)
	s.now = s.now.Add(time.Hour)
	s.settle(s.charge(attempts.Forced, attempts.Written), attempts.Answer{Outcome: attempts.RefusedWithCode, Credential: "here x"})
	if last := s.record.RefusedBefore("here x", s.now); !last.After(first) {
		t.Errorf("x was refused at %s and last at %s", first, last)
	}
}

func TestUsedAndRemainingAttempts(t *testing.T) {
	for _, test := range []struct {
		commands             []string
		used, rejected, left int
	}{
		{nil, 0, 0, 4},
		{[]string{"read 10001", "read dies"}, 1, 1, 3},
		{[]string{"read dies", "write x 10001"}, 2, 1, 2},
		{[]string{"read 10001", "verify 10001", "verify 10001", "verify 10001", "force 10001"}, 5, 5, 0},
	} {
		s := newStory(t)
		for _, command := range test.commands {
			s.do(strings.Fields(command))
		}
		r, now := &s.record, s.now
		if r.Used(now) != test.used || r.Rejected(now) != test.rejected || r.Left(now) != test.left {
			t.Errorf("after %v: %d used, %d rejected, %d left", test.commands, r.Used(now), r.Rejected(now), r.Left(now))
		}
	}
}

func TestAStopOfADayEndsWhenItsOldestIsADayOld(t *testing.T) {
	const refusal = "read 10001, pass 5m, read accepted, "
	for _, test := range []struct {
		name, before string
		wait         time.Duration // since the last refusal
	}{
		{"three refusals", refusal + refusal + "read 10001", day - 10*time.Minute - 11*time.Second},
		{"the last one has its own wait", refusal + "pass 1h, " + refusal + "pass 22h47m, read 10001", 5 * time.Minute},
		{"four of which three are typos", "write x 10001, write y 10001, write z 10001, read accepted, read 10001", day - 9*time.Second},
		{"the state ok is reached too", "read dies, read dies, read dies, read accepted, read dies", day - 9*time.Second},
	} {
		s := play(t, strings.Split(test.before, ", ")...)
		if state := s.record.State(s.facts, s.now); state != attempts.Stopped {
			t.Errorf("%s: the state is %s", test.name, state)
		}
		retry := s.record.Retry(s.facts, s.now)
		if got := retry.Sub(s.now).Round(time.Second); got != test.wait {
			t.Errorf("%s: the next one is after %s, want %s", test.name, got, test.wait)
		}
		q := attempts.Request{Trigger: attempts.Automatic}
		if v := s.record.Allow(q, s.facts, retry.Add(-2*time.Millisecond)); v == attempts.Allowed {
			t.Errorf("%s: one is made before that", test.name)
		}
		if v := s.record.Allow(q, s.facts, retry); v != attempts.Allowed {
			t.Errorf("%s: none is made then, but %d", test.name, v)
		}
	}
}

func TestOnlyAHoldAndAStopOfADayEndAtATime(t *testing.T) {
	for _, commands := range [][]string{
		nil,
		{"read 10001", "pass 5m", "read accepted"},
		{"read 10001", "pass 5m", "read 10001"},
		{"read 24302"},
		{"read codeless", "pass 5m", "read codeless", "pass 30m", "read codeless"},
		{"write x 10001", "read accepted", "read 10001", "verify 10001"},
		{"read 10001", "verify 10001", "verify 10001", "verify 10001"},
		{"write x 10001", "write y 10001", "read accepted", "read 24302"},
	} {
		s := play(t, commands...)
		if retry := s.record.Retry(s.facts, s.now); !retry.IsZero() {
			t.Errorf("after %v, the next one is at %s", commands, retry)
		}
	}
	s := play(t, "read 10001")
	if retry := s.record.Retry(s.facts, s.now); !retry.Equal(s.now.Add(5 * time.Minute)) {
		t.Errorf("the next one is at %s", retry)
	}
}

func TestTheWaitBeginsWithTheAnswer(t *testing.T) {
	s := newStory(t)
	at := s.charge(attempts.Automatic, attempts.Stored)
	s.now = s.now.Add(time.Minute)
	s.settle(at, attempts.Answer{Outcome: attempts.RefusedWithCode})
	if retry := s.record.Retry(s.facts, s.now); !retry.Equal(s.now.Add(5 * time.Minute)) {
		t.Errorf("the next one is at %s, and the answer came at %s", retry, s.now)
	}
}
