// SPDX-License-Identifier: MPL-2.0

package attempts_test

import (
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

const day = 24 * time.Hour

// play executes the commands of a story. Each of its attempts must be allowed.
func play(t *testing.T, commands ...string) *story {
	t.Helper()
	s := newStory(t)
	for _, command := range commands {
		if state := s.do(strings.Fields(command)); strings.HasPrefix(state, "not sent") {
			t.Fatalf("%s: %s", command, state)
		}
	}
	return s
}

// charge adds an attempt that is in progress.
func (s *story) charge(trigger attempts.Trigger, subject attempts.Subject) time.Time {
	s.now = s.now.Add(time.Second)
	s.record.Charge(attempts.Attempt{At: s.now, Trigger: trigger, Subject: subject, Place: s.place})
	return s.now
}

func (s *story) settle(at time.Time, answer attempts.Answer) {
	s.now = s.now.Add(time.Second)
	s.record.Settle(at, answer, s.now)
}

func (s *story) left() int {
	record := s.record.At(s.place)
	return record.Left(s.now)
}

func TestAnAttemptCountsFromItsChargeToItsAnswer(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer attempts.Answer
		left   int
	}{
		{"accepted", attempts.Answer{Success: true}, 4},
		{"no answer", attempts.Answer{Failure: "timeout"}, 4},
		{"refused", attempts.Answer{Outcome: attempts.Refused}, 3},
		{"refused with a code", attempts.Answer{Outcome: attempts.RefusedWithCode}, 3},
	} {
		s := newStory(t)
		at := s.charge(attempts.Automatic, attempts.Stored)
		if s.left() != 3 {
			t.Errorf("%s: %d left while it is under way", test.name, s.left())
		}
		if s.settle(at, test.answer); s.left() != test.left {
			t.Errorf("%s: %d left and not %d", test.name, s.left(), test.left)
		}
	}
}

func TestAnAnswerSettlesItsOwnAttempt(t *testing.T) {
	s := newStory(t)
	s.charge(attempts.Automatic, attempts.Stored)
	second := s.charge(attempts.Operator, attempts.Written)
	s.settle(second, attempts.Answer{Outcome: attempts.RefusedWithCode, Credential: "x"})
	first := s.record.Attempts[0]
	if first.Outcome != attempts.Unanswered || s.record.Attempts[1].Outcome != attempts.RefusedWithCode {
		t.Errorf("the attempts are %+v", s.record.Attempts)
	}
	if at := s.record.RefusedBefore("x", s.now); !at.Equal(s.now) {
		t.Errorf("x was refused at %s", at)
	}
}

func TestAnAnswerToAnAttemptThatIsForgottenChangesNothing(t *testing.T) {
	s := newStory(t)
	at := s.charge(attempts.Automatic, attempts.Stored)
	s.settle(s.charge(attempts.Forced, attempts.Stored), attempts.Answer{Success: true})
	s.settle(at, attempts.Answer{Outcome: attempts.RefusedWithCode, Failure: "10001"})
	if s.state() != "ok, 4 left" {
		t.Errorf("the state is %s", s.state())
	}
}

func TestASuccessSettlesWhatCameBeforeIt(t *testing.T) {
	for _, test := range []struct {
		name    string
		trigger attempts.Trigger
		left    int
	}{{"a read", attempts.Automatic, 1}, {"config/verify", attempts.Operator, 1}, {"force", attempts.Forced, 2}} {
		s := play(t, "read 10001", "write x 10001")
		success := s.charge(test.trigger, attempts.Stored)
		s.charge(attempts.Operator, attempts.Written) // Still in progress at the success.
		s.settle(success, attempts.Answer{Success: true})
		record := s.record
		if test.trigger == attempts.Forced {
			s.charge(attempts.Operator, attempts.Written) // Started after the success.
		}
		if left := s.left(); left != test.left {
			t.Errorf("%s: %d left and not %d: %+v", test.name, left, test.left, record.Attempts)
		}
		s.now = s.now.Add(day + time.Hour)
		if s.left() != 3 && test.trigger != attempts.Forced {
			t.Errorf("%s: a day later %d are left", test.name, s.left())
		}
	}
}

// Parts of Finicity that do not know a new secret yet refuse it.
func TestACredentialThatIsAcceptedAfterARefusalMayBeWrittenAgain(t *testing.T) {
	s := play(t, "write x 10001", "write y 10001")
	s.settle(s.charge(attempts.Operator, attempts.Stored), attempts.Answer{Success: true, Credential: "here x"})
	x, y := s.record.RefusedBefore("here x", s.now), s.record.RefusedBefore("here y", s.now)
	if !x.IsZero() || y.IsZero() {
		t.Errorf("x was refused on %s and y on %s", x, y)
	}
}

func TestASuccessSettlesNothingAtAnotherAddress(t *testing.T) {
	s := play(t, "read 10001", "move there")
	s.settle(s.charge(attempts.Operator, attempts.Written), attempts.Answer{Success: true})
	if s.state() != "ok, 3 left" {
		t.Errorf("there, the state is %s", s.state())
	}
	s.now = s.now.Add(25 * time.Hour)
	if s.state() != "ok, 4 left" {
		t.Errorf("there, a day later, the state is %s", s.state())
	}
	s.do([]string{"read", "accepted"})
	s.do([]string{"move", "here"})
	if s.state() != "held, 3 left" {
		t.Errorf("here, the state is %s", s.state())
	}
}

func TestForceSettlesWhatWasRefusedAnywhere(t *testing.T) {
	s := play(t, "read 10001", "verify 10001", "verify 10001", "verify 10001", "move there", "force accepted")
	if s.state() != "ok, 4 left" {
		t.Errorf("there, the state is %s", s.state())
	}
	if s.do([]string{"move", "here"}); s.state() != "ok, 4 left" {
		t.Errorf("here, the state is %s", s.state())
	}
}

func TestARefusalThatWasSettledElsewhereStaysSettled(t *testing.T) {
	s := play(t, "read 10001", "pass 5m", "read accepted", "pass 20h", "move there", "read accepted")
	if s.state() != "ok, 3 left" {
		t.Errorf("there, the state is %s", s.state())
	}
	first := s.record.At("there").Attempts[0]
	if !first.Cleared.Equal(s.record.Attempts[0].Cleared) || first.Cleared.IsZero() {
		t.Errorf("the refusal was cleared at %s and then at %s", s.record.Attempts[0].Cleared, first.Cleared)
	}
	if s.now = s.now.Add(5 * time.Hour); s.left() != 4 {
		t.Errorf("a day later %d are left", s.left())
	}
}

func TestTheFailureIsTheLastRefusalUntilASuccess(t *testing.T) {
	for _, test := range []struct {
		commands []string
		failure  string
	}{
		{[]string{"read unanswered"}, "unanswered"},
		{[]string{"read codeless"}, "codeless"},
		{[]string{"read 10001", "pass 5m", "read unanswered"}, "10001"},
		{[]string{"read codeless", "pass 5m", "read 10001"}, "10001"},
		{[]string{"read 10001", "pass 5m", "read accepted"}, ""},
		{[]string{"read unanswered", "read accepted"}, ""},
		{[]string{"write x 10001"}, "10001"},
		{[]string{"write x 10001", "read unanswered"}, "unanswered"},
		{[]string{"read 10001", "write x codeless"}, "10001"},
		{[]string{"read 10001", "write x 24302"}, "24302"},
		{[]string{"write x 24302", "write y 10001"}, "24302"},
		{[]string{"write x 24302", "verify unanswered"}, "24302"},
		{[]string{"read unanswered", "rotate accepted"}, "unanswered"}, // A 204 is neither a success nor a failure.
	} {
		s := play(t, test.commands...)
		if s.record.Failure != test.failure || s.record.Failed.IsZero() != (test.failure == "") {
			t.Errorf("after %v the failure is %q at %s", test.commands, s.record.Failure, s.record.Failed)
		}
	}
	if s := play(t, "rotate accepted"); !s.record.Failed.IsZero() {
		t.Error("a 204 is a failure")
	}
}

func TestASuccessEndsNoFailureThatCameLater(t *testing.T) {
	s := newStory(t)
	first := s.charge(attempts.Automatic, attempts.Stored)
	second := s.charge(attempts.Automatic, attempts.Stored)
	s.settle(second, attempts.Answer{Outcome: attempts.RefusedWithCode, Locked: true, Failure: "24302"})
	s.settle(first, attempts.Answer{Success: true})
	if s.record.Failure != "24302" || s.record.Locked.IsZero() {
		t.Errorf("the state is %s", s.state())
	}
}

func TestALockLastsUntilFinicitySaysOtherwise(t *testing.T) {
	for _, test := range []struct {
		commands []string
		locked   bool
	}{
		{[]string{"read 24302"}, true},
		{[]string{"read 24302", "pass 48h"}, true},
		{[]string{"read 24302", "verify unanswered"}, true},
		{[]string{"read 24302", "verify codeless"}, true},
		{[]string{"read 24302", "write x 10001"}, true},
		{[]string{"read 24302", "move there", "write x 10001"}, true},
		{[]string{"write x 24302", "write y 10001"}, true},
		{[]string{"read 24302", "verify 10001"}, false},
		{[]string{"read 24302", "verify accepted"}, false},
	} {
		s := play(t, test.commands...)
		if locked := s.record.State(s.facts, s.now) == attempts.Locked; locked != test.locked {
			t.Errorf("after %v, locked: %v", test.commands, locked)
		}
	}
}

func TestARecordIsBounded(t *testing.T) {
	s := newStory(t)
	for range 30 {
		s.settle(s.charge(attempts.Forced, attempts.Stored), attempts.Answer{Outcome: attempts.Refused})
	}
	if n := len(s.record.Attempts); n != 16 || !s.record.Attempts[15].Answered.Equal(s.now) {
		t.Errorf("the record has %d attempts", n)
	}
}

func TestALockWhoseAttemptIsGoneEndsAsOthersDo(t *testing.T) {
	for _, answer := range []attempts.Answer{{Success: true}, {Outcome: attempts.RefusedWithCode, Failure: "10001"}} {
		s := play(t, "read 24302")
		for range 16 {
			s.settle(s.charge(attempts.Forced, attempts.Stored), attempts.Answer{Outcome: attempts.Refused})
		}
		if s.record.Locked.IsZero() {
			t.Error("refusals without a code end the lock")
		}
		s.settle(s.charge(attempts.Forced, attempts.Stored), answer)
		if !s.record.Locked.IsZero() {
			t.Errorf("after %+v, it is locked", answer)
		}
	}
}

// A snapshot was restored during the call.
func TestAnAttemptThatIsGoneIsNotedAgainInItsPlace(t *testing.T) {
	s := play(t, "read 10001", "pass 5m", "read codeless")
	gone := s.record.Attempts[0]
	s.record.Attempts = s.record.Attempts[1:]
	if !s.record.Recharge(gone) || s.record.Recharge(gone) {
		t.Error("the attempt is not added exactly once")
	}
	if s.left() != 2 || !s.record.Attempts[0].At.Equal(gone.At) {
		t.Errorf("the attempts are %+v", s.record.Attempts)
	}
}

func TestAnOutcomeThatIsGoneIsNotedAgain(t *testing.T) {
	s := play(t, "read 10001")
	known := s.record.Attempts[0]
	s.record.Attempts[0].Outcome = attempts.Unanswered
	if !s.record.Recharge(known) || s.record.Recharge(known) {
		t.Error("the outcome is not added exactly once")
	}
	for _, other := range []attempts.Outcome{attempts.Unanswered, attempts.Refused} {
		again := known
		if again.Outcome = other; s.record.Recharge(again) {
			t.Errorf("outcome %d takes the place of what was known", other)
		}
	}
	if len(s.record.Attempts) != 1 || s.record.Attempts[0].Outcome != attempts.RefusedWithCode {
		t.Errorf("the attempts are %+v", s.record.Attempts)
	}
}

// The refusal was not stored, and an attempt of another node has succeeded since.
func TestARefusalThatIsNotedAgainStaysCleared(t *testing.T) {
	s := newStory(t)
	at := s.charge(attempts.Automatic, attempts.Stored)
	late := s.record.Clone()
	late.Settle(at, attempts.Answer{Outcome: attempts.RefusedWithCode}, s.now.Add(time.Second))
	s.settle(s.charge(attempts.Automatic, attempts.Stored), attempts.Answer{Success: true})
	if !s.record.Recharge(late.Attempts[0]) || s.record.State(attempts.Facts{}, s.now) != attempts.OK {
		t.Errorf("the attempts are %+v", s.record.Attempts)
	}
}

func TestARecordForgetsWhatDoesNotCount(t *testing.T) {
	s := play(t, "write x 10001", "read accepted", "pass 23h", "read accepted")
	if n := len(s.record.Attempts); n != 1 {
		t.Errorf("the record has %d attempts", n)
	}
	s.now = s.now.Add(2 * time.Hour)
	before := s.record.Clone()
	if s.charge(attempts.Automatic, attempts.Stored); len(s.record.Attempts) != 1 {
		t.Errorf("after a charge, it has %d attempts", len(s.record.Attempts))
	}
	s.record = before
	s.charge(attempts.Automatic, attempts.Stored)
	s.record.Attempts = append(before.Clone().Attempts, s.record.Attempts...)
	if s.settle(s.now, attempts.Answer{Success: true}); len(s.record.Attempts) != 0 {
		t.Errorf("after a success, it has %d attempts", len(s.record.Attempts))
	}
	// A refusal that no success has cleared is never forgotten.
	s = play(t, "read 10001", "pass 48h")
	if s.charge(attempts.Automatic, attempts.Stored); len(s.record.Attempts) != 2 {
		t.Errorf("the record has %d attempts", len(s.record.Attempts))
	}
}

func TestARecordIsEmptyWhenThereIsNothingToRemember(t *testing.T) {
	for _, test := range []struct {
		commands []string
		empty    bool
	}{
		{nil, true},
		{[]string{"read accepted"}, true},
		{[]string{"read unanswered"}, true},
		{[]string{"read 10001"}, false},
		{[]string{"read 10001", "pass 48h"}, false},
		{[]string{"read dies"}, false},
		{[]string{"write x 10001", "read accepted", "pass 23h"}, false},
		{[]string{"write x 10001", "read accepted", "pass 24h"}, true},
	} {
		if s := play(t, test.commands...); s.record.Empty(s.now) != test.empty {
			t.Errorf("after %v, empty: %v", test.commands, !test.empty)
		}
	}
	locked := attempts.Record{Locked: time.Now()}
	if locked.Empty(time.Now()) {
		t.Error("a locked record is empty")
	}
}

func TestACloneSharesNothing(t *testing.T) {
	s := play(t, "read 10001")
	for _, c := range []attempts.Record{s.record.Clone(), s.record.At("there")} {
		c.Attempts[0].Outcome = attempts.Unanswered
	}
	if s.record.Attempts[0].Outcome != attempts.RefusedWithCode {
		t.Error("a change of the clone changes the record")
	}
}

func TestARecordIsRecentForADay(t *testing.T) {
	start := newStory(t).now
	for _, test := range []struct {
		commands []string
		last     time.Duration
		recent   bool
	}{
		{nil, 0, false},
		{[]string{"read accepted"}, 0, false},
		{[]string{"read 10001", "pass 23h"}, time.Second, true},
		{[]string{"read 10001", "pass 24h"}, time.Second, false},
		{[]string{"read dies", "pass 23h"}, time.Second, true},
		{[]string{"read 10001", "pass 23h", "verify 10001", "pass 23h"}, 23*time.Hour + 4*time.Second, true},
		{[]string{"read 24302", "pass 24h"}, 2 * time.Second, false},
	} {
		s := play(t, test.commands...)
		if recent := s.record.Recent(s.now); recent != test.recent {
			t.Errorf("after %v, recent: %v", test.commands, recent)
		}
		if last := s.record.Last(); !last.IsZero() && last.Sub(start) != test.last {
			t.Errorf("after %v, the last was at %s", test.commands, last.Sub(start))
		}
	}
	record := play(t, "read 10001").record
	if day := record.Last().Add(24 * time.Hour); !record.Recent(day) || record.Recent(day.Add(1)) {
		t.Error("the record is not recent for exactly 24 hours")
	}
}
