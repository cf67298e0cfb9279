// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// order returns the order of attempts when Finicity refuses each secret in turn.
func (s *story) order(attempts int) string {
	list, now := s.list.Clone(), s.now
	var tried []string
	for range attempts {
		next, found := list.Next()
		if !found {
			break
		}
		tried = append(tried, next.Value.Reveal())
		now = now.Add(time.Second)
		list.Refuse(next.Value, false, now)
	}
	return strings.Join(tried, " ")
}

func TestTheOrderOfTrying(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		order    string
	}{
		{"nothing", nil, ""},
		{"one secret, again and again", [][]string{do("write", "a")}, "a a"},
		{"untested secrets first, the newest first", [][]string{
			do("write", "a"), do("propose", "b"), do("propose", "c"), do("bring", "x"),
		}, "x c b a x c"},
		{"then the last proven one, before one that was denied", [][]string{
			do("write", "a"), do("propose", "b"), do("deny", "b", "a"),
		}, "a b a b"},
		{"and before one that was refused before the last success", [][]string{
			do("write", "a"), do("propose", "b"), do("refuse", "b"), do("accept", "a"),
		}, "a b a b"},
		{"then the others, the newest first", [][]string{
			do("write", "a"), do("propose", "b"), do("deny", "b", "a"), do("propose", "c"), do("deny", "c", "a"),
		}, "a c b"},
		{"a proven one that another proof did not supersede", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("bring", "a"), do("accept", "a"),
		}, "a b"},
		{"at the end what a late copy may have brought back", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("propose", "c", "grace"), do("accept", "c"),
			do("propose", "d", "grace"), do("refuse", "d"), do("accept", "c"),
		}, "c d b c"},
		{"also what an earlier grace period may have kept", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("propose", "c"), do("accept", "c"),
			do("propose", "d"), do("accept", "d"),
		}, "d c b d"},
		{"also what was never proven", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("propose", "c"), do("accept", "c"),
		}, "c b c"},
		{"not because of a grace period at another address", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("move", "there"), do("write", "p"),
			do("propose", "q"), do("accept", "q"), do("propose", "r"), do("accept", "r"),
		}, "r r"},
		{"which is not possible a day later", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "26h"),
			do("propose", "c", "grace"), do("accept", "c"),
		}, "c c"},
		{"nor without a grace period", [][]string{
			do("write", "a"), do("propose", "b"), do("accept", "b"), do("propose", "c"), do("accept", "c"),
		}, "c c"},
		{"those refused since the last success go last, the first of them first", [][]string{
			do("write", "a"), do("propose", "b"), do("propose", "c"), do("refuse", "c"), do("refuse", "a"),
		}, "b c a b"},
		{"not those of another address", [][]string{
			do("write", "a"), do("propose", "b"), do("move", "there"), do("bring", "x"),
		}, "x x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := play(t, test.commands...)
			if order := s.order(len(strings.Fields(test.order))); order != test.order {
				t.Errorf("the order is %s and not %s:\n%s", order, test.order, s.state())
			}
		})
	}
}

func TestTheCurrentSecret(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		current  string
	}{
		{"the last one that was brought, before any proof", [][]string{do("bring", "a"), do("bring", "b")}, "b"},
		{"not a sent one", [][]string{do("bring", "a"), do("propose", "b")}, "a"},
		{"the last proven one", [][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b")}, "b"},
		{"also when it is the older one", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("bring", "a"), do("accept", "a"),
		}, "a"},
		{"not one that was brought later", [][]string{do("write", "a"), do("bring", "x")}, "a"},
	} {
		s := play(t, test.commands...)
		if current, _ := s.list.Current(); current.Value.Reveal() != test.current {
			t.Errorf("%s: it is %s", test.name, current.Value.Reveal())
		}
	}
	if _, found := newStory(t).list.Current(); found {
		t.Error("an empty list has a current secret")
	}
	// A move can leave two secrets that were brought before any proof. The last is current.
	s := play(t, do("bring", "a"), do("refuse", "a", "codeless"))
	s.list.Secrets = append(s.list.Secrets, s.list.Secrets[0])
	s.list.Secrets[1].Value, s.list.Secrets[1].Added = text("b"), s.now
	if current, _ := s.list.Current(); current.Value.Reveal() != "b" {
		t.Errorf("the current secret is %s", current.Value.Reveal())
	}
}

func TestACandidateIsOneBesideTheLastProvenSecret(t *testing.T) {
	for _, test := range []struct {
		name       string
		commands   [][]string
		candidates string
	}{
		{"nothing is proven", [][]string{do("bring", "a"), do("propose", "b")}, ""},
		{"one that is not proven", [][]string{do("write", "a"), do("propose", "b"), do("bring", "x")}, "b x"},
		{"one that was proven before", [][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b")}, "a"},
	} {
		s := newStory(t)
		for _, command := range test.commands {
			s.do(command)
		}
		var candidates []string
		for _, secret := range s.list.Secrets {
			if s.list.Candidate(secret) {
				candidates = append(candidates, secret.Value.Reveal())
			}
		}
		if got := strings.Join(candidates, " "); got != test.candidates {
			t.Errorf("%s: the candidates are %q, want %q", test.name, got, test.candidates)
		}
	}
}

func TestAPendingSecretWasSentAndIsUntested(t *testing.T) {
	for _, test := range []struct {
		commands [][]string
		pending  string
	}{
		{[][]string{do("write", "a"), do("bring", "x")}, ""},
		{[][]string{do("write", "a"), do("propose", "b")}, "b"},
		{[][]string{do("write", "a"), do("propose", "b"), do("propose", "c")}, "c"},
		{[][]string{do("write", "a"), do("propose", "b"), do("acknowledge", "b")}, "b"},
		{[][]string{do("write", "a"), do("propose", "b"), do("refuse", "b")}, ""},
		{[][]string{do("write", "a"), do("propose", "b"), do("deny", "b", "a")}, "b"},
		{[][]string{do("write", "a"), do("propose", "b"), do("deny", "b", "a"), do("refuse", "b")}, ""},
		{[][]string{do("write", "a"), do("propose", "b"), do("deny", "b", "a"), do("accept", "a")}, ""},
		{[][]string{do("write", "a"), do("propose", "b"), do("accept", "b")}, ""},
		{[][]string{do("write", "a"), do("propose", "b"), do("propose", "c", "grace"), do("accept", "c")}, ""},
	} {
		s := play(t, test.commands...)
		if pending, found := s.list.Pending(); pending.Value.Reveal() != test.pending || found != (test.pending != "") {
			t.Errorf("%q is pending and not %q:\n%s", pending.Value.Reveal(), test.pending, s.state())
		}
	}
}

func TestTheEngineWaitsForACallThatMightBeOnItsWay(t *testing.T) {
	for _, test := range []struct {
		commands [][]string
		wait     time.Duration
	}{
		{[][]string{do("write", "a")}, 0},
		{[][]string{do("write", "a"), do("propose", "b")}, 30 * time.Second},
		{[][]string{do("write", "a"), do("propose", "b"), do("pass", "10s")}, 19 * time.Second},
		{[][]string{do("write", "a"), do("propose", "b"), do("pass", "1h")}, 0},
		{[][]string{do("write", "a"), do("propose", "b"), do("acknowledge", "b")}, 0},
		{[][]string{do("write", "a"), do("propose", "b"), do("deny", "b", "a")}, 0},
		{[][]string{do("write", "a"), do("propose", "b"), do("propose", "c"), do("acknowledge", "c"), do("accept", "c")}, 0},
		{[][]string{do("write", "a"), do("propose", "b"), do("pass", "10s"), do("propose", "c")}, 30 * time.Second},
		{[][]string{do("write", "a"), do("propose", "b"), do("move", "there"), do("bring", "x")}, 0},
	} {
		if s := play(t, test.commands...); s.list.Wait(s.now) != test.wait {
			t.Errorf("the wait is %s and not %s:\n%s", s.list.Wait(s.now), test.wait, s.state())
		}
	}
}

func TestAChangeWaitsForAProofIfAnythingIsUnresolved(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		must     bool
	}{
		{"all is known", [][]string{do("write", "a")}, false},
		{"and was for long", [][]string{do("write", "a"), do("propose", "b"), do("accept", "b"), do("pass", "2400h")}, false},
		{"an untried secret", [][]string{do("write", "a"), do("bring", "x")}, true},
		{"the current one was refused", [][]string{do("write", "a"), do("refuse", "a")}, true},
		{"and was accepted since", [][]string{do("write", "a"), do("refuse", "a"), do("accept", "a")}, false},
		{"one that has ended was refused", [][]string{
			do("write", "a"), do("propose", "b"), do("accept", "b"), do("propose", "c"), do("accept", "c"), do("refuse", "b"),
		}, false},
		{"a change may arrive late", [][]string{do("write", "a"), do("propose", "b"), do("refuse", "b"), do("accept", "a")}, true},
		{"a copy may arrive late", [][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b")}, true},
		{"which it can't after a day", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "26h"), do("accept", "b"),
		}, false},
	} {
		if s := play(t, test.commands...); s.list.MustProve() != test.must {
			t.Errorf("%s: %v\n%s", test.name, s.list.MustProve(), s.state())
		}
	}
}

func TestThereIsNoChangeWhileFourAttemptsMightNotFindTheSecret(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		until    time.Duration // 0 when there is room
	}{
		{"one is open", [][]string{do("write", "a"), do("propose", "b")}, 0},
		{"two are open", [][]string{do("write", "a"), do("propose", "b"), do("pass", "1h"), do("propose", "c")}, 24 * time.Hour},
		{"three are open", [][]string{
			do("write", "a"), do("propose", "b"), do("pass", "1h"), do("propose", "c"), do("pass", "1h"), do("propose", "d"),
		}, 24 * time.Hour},
		{"one of them was proven", [][]string{do("write", "a"), do("propose", "b"), do("propose", "c"), do("accept", "b")}, 0},
		{"all of them have ended", [][]string{do("write", "a"), do("propose", "b"), do("propose", "c"), do("accept", "c")}, 0},
		{"one has a grace period, so both are open for longer", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("pass", "1h"), do("propose", "c"),
		}, 32*day - time.Hour},
		{"an untried one is no change", [][]string{do("write", "a"), do("propose", "b"), do("bring", "x")}, 0},
		{"two changes today, and a grace period", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("propose", "c", "grace"), do("accept", "c"),
		}, 25 * time.Hour},
		{"the first of them is over", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "26h"),
			do("propose", "c", "grace"), do("accept", "c"),
		}, 0},
		{"both are, and a copy of the first may have arrived", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("propose", "c", "grace"), do("accept", "c"),
			do("pass", "26h"), do("accept", "c"), do("propose", "d", "grace"),
		}, 32*day - 26*time.Hour},
		{"one of them is proven, and an older one was accepted since", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "26h"), do("accept", "b"), do("refuse", "b", "codeless"),
			do("accept", "a"), do("propose", "c", "grace"),
		}, 32 * day},
		{"not any more after the grace period", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "792h"), do("accept", "a"), do("propose", "c", "grace"),
		}, 0},
		{"two changes today without a grace period", [][]string{
			do("write", "a"), do("propose", "b"), do("accept", "b"), do("propose", "c"), do("accept", "c"),
		}, 0},
		{"two secrets that an operator has brought", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("write", "p"), do("write", "q"),
		}, 0},
	} {
		s := play(t, test.commands...)
		until, full := s.list.MustWait()
		if full != (test.until > 0) || full && until.Sub(s.now).Round(time.Hour) != test.until {
			t.Errorf("%s: %v, for %s\n%s", test.name, full, until.Sub(s.now), s.state())
		}
	}
}

func TestTheEngineMightHaveTheOnlyCopy(t *testing.T) {
	for _, test := range []struct {
		commands             [][]string
		onlyCopy, unresolved bool
	}{
		{[][]string{do("write", "a")}, false, false},
		{[][]string{do("write", "a"), do("bring", "x")}, false, false},
		{[][]string{do("write", "a"), do("refuse", "a")}, false, false},
		{[][]string{do("write", "a"), do("propose", "b")}, true, true},
		{[][]string{do("write", "a"), do("propose", "b"), do("refuse", "b")}, true, true},
		{[][]string{do("write", "a"), do("propose", "b"), do("refuse", "b"), do("accept", "a")}, true, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("accept", "b")}, true, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("accept", "b"), do("move", "there"), do("write", "z")}, true, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("accept", "b"), do("write", "p")}, false, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("write", "p")}, false, false},
		{[][]string{do("write", "a"), do("propose", "b", "grace"), do("write", "p")}, true, false}, // Its change may still arrive.
		{[][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("write", "p")}, false, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("bring", "b"), do("accept", "b")}, false, false},
		{[][]string{do("write", "a"), do("propose", "b"), do("bring", "b"), do("accept", "b"), do("bring", "x")}, true, false},
	} {
		s := play(t, test.commands...)
		if s.list.OnlyCopy() != test.onlyCopy || s.list.Unresolved() != test.unresolved {
			t.Errorf("only copy: %v, unresolved: %v\n%s", s.list.OnlyCopy(), s.list.Unresolved(), s.state())
		}
	}
}

func TestTheLastAcknowledgmentOfThisAddressCounts(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("propose", "c"), do("acknowledge", "c"))
	if !s.list.Acknowledged().Equal(s.now) {
		t.Errorf("the last acknowledgment was %s ago", s.now.Sub(s.list.Acknowledged()))
	}
	if s.do(do("propose", "d")); s.list.Acknowledged().IsZero() {
		t.Error("a change that is not acknowledged yet makes it none")
	}
	if s.do(do("move", "there")); !s.list.Acknowledged().IsZero() {
		t.Error("an acknowledgment of another address counts")
	}
}

func TestWhatSignsWebhooks(t *testing.T) {
	for _, test := range []struct {
		name              string
		commands          [][]string
		current, previous string
	}{
		{"not what was merely written", [][]string{do("bring", "x")}, "", ""},
		{"nor when Finicity refuses it", [][]string{do("write", "a"), do("bring", "x"), do("refuse", "x", "codeless")}, "a", ""},
		{"what was sent", [][]string{do("write", "a"), do("propose", "b")}, "b a", ""},
		{"what was replaced", [][]string{do("write", "a"), do("propose", "b"), do("accept", "b"), do("pass", "95h")}, "b", "a"},
		{"for four days", [][]string{do("write", "a"), do("propose", "b"), do("accept", "b"), do("pass", "97h")}, "b", ""},
		{"with a grace period", [][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "719h")}, "b", "a"},
		{"for 30 days", [][]string{do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "721h")}, "b", ""},
		{"for four days, if only its own change had a grace period", [][]string{
			do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("propose", "c"), do("accept", "c"), do("pass", "97h"),
		}, "c", "a"},
		{"a change with a grace period extends nothing that has ended", [][]string{
			do("write", "a"), do("propose", "b"), do("accept", "b"), do("propose", "c", "grace"), do("accept", "c"), do("pass", "97h"),
		}, "c", "b"},
		{"after a move, what was replaced since", [][]string{
			do("write", "a"), do("move", "there"), do("write", "z"), do("pass", "95h"),
		}, "z", "a"},
		{"for four days too", [][]string{do("write", "a"), do("move", "there"), do("write", "z"), do("pass", "97h")}, "z", ""},
		{"after a move back, not what a host accepted that came later", [][]string{
			do("write", "a"), do("move", "there"), do("write", "z"), do("move", "here"),
		}, "a", ""},
		{"before anything is proven at an address, what was elsewhere", [][]string{do("write", "a"), do("move", "there")}, "a", ""},
		{"also when it is accepted once more", [][]string{do("write", "a"), do("accept", "a"), do("move", "there")}, "a", ""},
		{"not when it is accepted after a change there", [][]string{
			do("write", "a"), do("move", "there"), do("propose", "b"), do("move", "here"), do("accept", "a"), do("move", "there"),
		}, "b", ""},
		{"also when something was merely written there before", [][]string{
			do("write", "a"), do("move", "there"), do("bring", "x"), do("move", "here"), do("accept", "a"), do("move", "there"),
		}, "a", ""},
	} {
		s := play(t, test.commands...)
		current, previous := s.list.Signers(s.now)
		want := [2][]string{strings.Fields(test.current), strings.Fields(test.previous)}
		have := [2][]string{}
		for _, one := range current {
			have[0] = append(have[0], one.Reveal())
		}
		for _, one := range previous {
			have[1] = append(have[1], one.Reveal())
		}
		if !slices.Equal(have[0], want[0]) || !slices.Equal(have[1], want[1]) {
			t.Errorf("%s: %v and not %v\n%s", test.name, have, want, s.state())
		}
	}
}

// If a write could not try a secret, apps do not try it either.
func TestAutomaticAttemptsLeaveOutOnlyWhatAnOperatorWrote(t *testing.T) {
	always := func(secrets.Secret) bool { return true }
	for _, test := range []struct {
		commands [][]string
		next     string
	}{
		{[][]string{do("write", "a"), do("bring", "x")}, "a"},
		{[][]string{do("write", "a"), do("write", "b"), do("bring", "a")}, "b"},
		{[][]string{do("write", "a"), do("propose", "b"), do("bring", "x")}, "b"},
		{[][]string{do("write", "a"), do("bring", "x"), do("pass", "1h"), do("accept", "a")}, "a"},
		{[][]string{do("write", "a"), do("propose", "b"), do("deny", "b", "a"), do("bring", "a")}, "a"}, // The current one.
		{[][]string{do("write", "a"), do("propose", "b"), do("refuse", "b"), do("refuse", "a")}, "a"},   // And b was refused longer ago.
		{[][]string{do("write", "a"), do("propose", "b"), do("bring", "b")}, "b"},                       // An operator has chosen it.
		{[][]string{do("bring", "x")}, "x"},                                                             // There is nothing else.
	} {
		s := play(t, test.commands...)
		if next, _ := s.list.NextAutomatic(always); next.Value.Reveal() != test.next {
			t.Errorf("after %v, next is %s", test.commands, next.Value.Reveal())
		}
	}
}
