// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

const day = 24 * time.Hour

// play returns a story after its commands.
func play(t *testing.T, commands ...[]string) *story {
	t.Helper()
	s := newStory(t)
	for _, command := range commands {
		s.do(command)
	}
	return s
}

func do(words ...string) []string { return words }

func (s *story) has(value string) bool { return s.find(value) != nil }

func (s *story) find(value string) *secrets.Secret {
	i := slices.IndexFunc(s.list.Secrets, func(secret secrets.Secret) bool {
		return secret.Value.Reveal() == value && secret.Place == s.list.Place
	})
	if i < 0 {
		return nil
	}
	return &s.list.Secrets[i]
}

// retained returns how long a secret stays in the list while another secret is proven
// every hour.
func (s *story) retained(value, proven string) time.Duration {
	s.Helper()
	start := s.now
	for s.has(value) {
		if s.now.Sub(start) > 100*day {
			s.Fatalf("%s is never removed", value)
		}
		s.now = s.now.Add(time.Hour)
		s.list.Accept(text(proven), s.now)
	}
	return s.now.Sub(start).Round(time.Hour)
}

func TestTimeAloneRemovesASecretAndOnlyAfterAProof(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		gone     string
		proven   string
		after    time.Duration
	}{
		{"sent, and nothing is known", [][]string{do("propose", "b"), do("refuse", "b")}, "b", "a", 25 * time.Hour},
		{"sent with a grace period", [][]string{do("propose", "b", "grace"), do("refuse", "b")}, "b", "a", 32 * day},
		{"replaced", [][]string{do("propose", "b"), do("accept", "b")}, "a", "b", 4 * day},
		{"replaced with a grace period", [][]string{do("propose", "b", "grace"), do("accept", "b")}, "a", "b", 32 * day},
		{
			"replaced twice",
			[][]string{do("propose", "b"), do("accept", "b"), do("pass", "50h"), do("propose", "c"), do("accept", "c")},
			"a", "c", 4*day - 50*time.Hour,
		},
		{"never proven, and replaced", [][]string{
			do("propose", "b"), do("refuse", "b"), do("pass", "20h"), do("propose", "c"), do("accept", "c"),
		}, "b", "c", 5 * time.Hour},
		{"brought", [][]string{do("bring", "b"), do("refuse", "b", "codeless")}, "b", "a", 25 * time.Hour},
		{"replaced, and its own change had a grace period", [][]string{
			do("propose", "b", "grace"), do("accept", "b"), do("propose", "c"), do("accept", "c"),
		}, "b", "c", 32 * day},
		{"replaced before a change with a grace period", [][]string{
			do("propose", "b"), do("accept", "b"), do("propose", "c", "grace"), do("refuse", "c"),
		}, "a", "b", 4 * day},
		{"sent after a change with a grace period", [][]string{
			do("propose", "b", "grace"), do("accept", "b"), do("propose", "c"), do("refuse", "c"),
		}, "c", "b", 25 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := play(t, append([][]string{do("write", "a")}, test.commands...)...)
			if test.commands[0][0] != "bring" { // Without a proof, nothing is removed.
				s.now = s.now.Add(time.Second)
			}
			if after := s.retained(test.gone, test.proven); after < test.after || after > test.after+time.Hour {
				t.Errorf("removed after %s, and it must stay for %s", after, test.after)
			}
		})
	}
}

func TestWithoutAProofNothingIsRemoved(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("pass", "2400h"), do("refuse", "b"), do("refuse", "a"))
	if !s.has("a") || !s.has("b") {
		t.Errorf("the list is %s", s.state())
	}
}

func TestTheSecretThatWorksIsNeverTooOld(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("accept", "b"), do("pass", "9600h"), do("propose", "c"), do("accept", "b"))
	if !s.has("b") {
		t.Errorf("the list is %s", s.state())
	}
	// Not even if its first proof was long after the engine sent it.
	s = play(t, do("write", "a"), do("propose", "b"), do("pass", "9600h"), do("accept", "b"))
	if !s.has("b") {
		t.Errorf("the list is %s", s.state())
	}
}

func TestASecretThatWasNotSentIsRemoved(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("not-sent", "b"))
	if s.has("b") || !s.has("a") {
		t.Errorf("the list is %s", s.state())
	}
}

func TestASecretThatIsBroughtAgain(t *testing.T) {
	t.Run("keeps its place when it may be in effect", func(t *testing.T) {
		s := play(t, do("write", "a"), do("propose", "b", "grace"), do("bring", "a"), do("accept", "a"))
		if b := s.find("b"); b == nil || !b.Superseded.IsZero() {
			t.Errorf("accepting the old secret supersedes the new one: %s", s.state())
		}
	})
	t.Run("keeps its proof when nothing has replaced it", func(t *testing.T) {
		if s := play(t, do("write", "a"), do("bring", "a")); s.find("a").Proven.IsZero() {
			t.Errorf("the list is %s", s.state())
		}
	})
	t.Run("counts as not refused", func(t *testing.T) {
		s := play(t, do("write", "a"), do("propose", "b"), do("refuse", "b"), do("bring", "b"))
		if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
			t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
		}
	})
	t.Run("is the next one to try, and keeps its times", func(t *testing.T) {
		for _, grace := range []string{"", "grace"} {
			s := play(t, do("write", "a"), do("propose", "b", grace), do("accept", "b"), do("bring", "a"))
			if a := s.find("a"); a.Superseded.IsZero() || a.GraceEnds.IsZero() == (grace != "") || a.Proven.IsZero() {
				t.Errorf("the list is %s", s.state())
			}
			if next, _ := s.list.Next(); next.Value.Reveal() != "a" || !s.list.MustProve() {
				t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
			}
			if state := s.do(do("refuse", "a")); !strings.Contains(state, "next: b") {
				t.Errorf("after its refusal the list is %s", state)
			}
			if state := s.do(do("refuse", "b")); !strings.Contains(state, "next: b") {
				t.Errorf("after the refusal of both the list is %s", state)
			}
		}
	})
	t.Run("and again changes nothing", func(t *testing.T) {
		s := play(t, do("write", "a"), do("propose", "b", "grace"), do("bring", "a"))
		before := *s.find("a")
		if s.do(do("bring", "a")); *s.find("a") != before {
			t.Errorf("the list is %s", s.state())
		}
	})
	t.Run("keeps no change from being made", func(t *testing.T) {
		s := play(t, do("write", "a"), do("write", "b"), do("propose", "c"), do("bring", "a"))
		if _, wait := s.list.MustWait(); wait {
			t.Errorf("the list is %s", s.state())
		}
	})
	t.Run("comes before one that the engine has sent", func(t *testing.T) {
		s := play(t, do("write", "a"), do("propose", "b", "grace"), do("bring", "a"))
		if next, _ := s.list.Next(); next.Value.Reveal() != "a" {
			t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
		}
		if state := s.do(do("accept", "a")); !strings.Contains(state, "next: b") {
			t.Errorf("after its proof the list is %s", state)
		}
	})
	t.Run("only until another one is written", func(t *testing.T) {
		s := play(t, do("write", "a"), do("write", "b"), do("bring", "a"), do("bring", "x"))
		if next, _ := s.list.Next(); next.Value.Reveal() != "x" {
			t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
		}
		if state := s.do(do("refuse", "x")); !strings.Contains(state, "next: b") {
			t.Errorf("after the refusal of the other one the list is %s", state)
		}
	})
	t.Run("ages from then on, without a proof", func(t *testing.T) {
		for _, grace := range []string{"", "grace"} {
			s := play(t, do("write", "a"), do("propose", "b", grace), do("refuse", "b"), do("pass", "770h"), do("bring", "b"), do("accept", "a"))
			if !s.has("b") {
				t.Errorf("the list is %s", s.state())
			}
		}
	})
	// The company's own programs may have changed the secret with a grace period.
	t.Run("keeps its place when it had ended", func(t *testing.T) {
		s := play(t, do("write", "a"), do("write", "b"), do("propose", "c"), do("accept", "c"), do("bring", "a"), do("accept", "a"))
		if c := s.find("c"); c == nil || !c.Superseded.IsZero() {
			t.Errorf("accepting an older secret supersedes the new one: %s", s.state())
		}
	})
	t.Run("supersedes what operators brought later", func(t *testing.T) {
		s := play(t, do("write", "a"), do("write", "b"), do("propose", "c"), do("bring", "b"), do("bring", "a"), do("bring", "x"), do("accept", "a"))
		if b, c, x := s.find("b"), s.find("c"), s.find("x"); b.Superseded.IsZero() || !c.Superseded.IsZero() || !x.Superseded.IsZero() {
			t.Errorf("the list is %s", s.state())
		}
		s = play(t, do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("write", "x"), do("accept", "b"))
		if x := s.find("x"); !x.Superseded.IsZero() {
			t.Errorf("a secret of the engine's own does: %s", s.state())
		}
	})
	t.Run("is the next one to try when it had ended", func(t *testing.T) {
		s := play(t, do("write", "a"), do("write", "b"), do("move", "there"), do("propose", "c"), do("move", "here"), do("bring", "a"))
		if next, _ := s.list.Next(); next.Value.Reveal() != "a" {
			t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
		}
		if s.do(do("accept", "a")); s.find("b").Superseded.IsZero() {
			t.Errorf("the list is %s", s.state())
		}
	})
	t.Run("stays one that the engine has sent", func(t *testing.T) {
		s := play(t, do("write", "a"), do("propose", "b"), do("accept", "b"), do("propose", "c"), do("accept", "c"), do("bring", "b"))
		if b := s.find("b"); b == nil || b.Origin != secrets.Sent {
			t.Errorf("the list is %s", s.state())
		}
	})
}

func TestASecretThatIsBroughtReplacesOnlyWhatAnOperatorHas(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("bring", "x"), do("move", "there"), do("bring", "y"), do("move", "here"))
	if !s.has("a") || !s.has("b") || s.has("x") {
		t.Errorf("the list is %s", s.state())
	}
}

func TestARefusalRemovesOnlyWhatAnOperatorHas(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands [][]string
		value    string
		removed  bool
	}{
		{"brought, and Finicity says that it is wrong", [][]string{do("bring", "x"), do("refuse", "x")}, "x", true},
		{"brought, without a code", [][]string{do("bring", "x"), do("refuse", "x", "codeless")}, "x", false},
		{"sent", [][]string{do("propose", "b"), do("refuse", "b")}, "b", false},
		{"proven before", [][]string{do("refuse", "a")}, "a", false},
	} {
		s := play(t, append([][]string{do("write", "a")}, test.commands...)...)
		if s.has(test.value) == test.removed {
			t.Errorf("%s: the list is %s", test.name, s.state())
		}
	}
	if s := play(t, do("bring", "x"), do("refuse", "x")); !s.has("x") {
		t.Error("the only secret is removed")
	}
	if s := play(t, do("write", "a"), do("move", "there"), do("bring", "x"), do("refuse", "x")); !s.has("x") {
		t.Error("the only secret of an address is removed")
	}
}

func TestADeniedChangeSaysNothingOfTheOldSecretUnlessFinicityDoes(t *testing.T) {
	if s := play(t, do("write", "a"), do("propose", "b"), do("deny", "b", "a")); s.list.Refused(*s.find("a")) {
		t.Errorf("the list is %s", s.state())
	}
	s := play(t, do("write", "a"), do("propose", "b"), do("deny", "b", "a", "10001"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
	}
}

func TestAProofSaysNothingOfOtherAddresses(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("move", "there"), do("write", "z"), do("pass", "2400h"), do("accept", "z"))
	s.list.Move("here")
	if a, b := s.find("a"), s.find("b"); a == nil || b == nil || !a.Superseded.IsZero() {
		t.Errorf("the list is %s", s.state())
	}
}

func TestTheSameSecretAtTwoAddressesIsTwo(t *testing.T) {
	s := play(t, do("write", "a"), do("move", "there"), do("bring", "a"), do("refuse", "a"))
	s.list.Move("here")
	if a := s.find("a"); a == nil || a.Proven.IsZero() || s.list.Refused(*a) {
		t.Errorf("the list is %s", s.state())
	}
}

func TestAMoveBackBringsTheLastSuccessBack(t *testing.T) {
	s := play(t, do("write", "a"), do("refuse", "a", "codeless"), do("accept", "a"), do("propose", "b"), do("deny", "b", "a"))
	before := s.state()
	s.do(do("move", "there"))
	if !s.list.Succeeded().IsZero() {
		t.Error("a success counts at another address")
	}
	s.do(do("write", "z"))
	if s.list.Move("here"); s.list.Refused(*s.find("a")) {
		t.Errorf("the list is %s\nand was %s", s.state(), before)
	}
}

func TestAnAcceptedSecretThatIsNotInTheListChangesNothing(t *testing.T) {
	s := play(t, do("write", "a"))
	before := s.list.Succeeded()
	s.list.Accept(text("x"), s.now.Add(time.Hour))
	if !s.list.Succeeded().Equal(before) || len(s.list.Secrets) != 1 {
		t.Errorf("the list is %s", s.state())
	}
}

func TestTheListIsBounded(t *testing.T) {
	s := play(t, do("write", "a"))
	for i := range 150 {
		value := fmt.Sprintf("s%d", i)
		s.list.Propose(text(value), false, s.now, s.now)
		s.now = s.now.Add(time.Second)
		s.list.Accept(text(value), s.now)
	}
	if n := len(s.list.Secrets); n != 100 {
		t.Errorf("the list has %d secrets", n)
	}
	if s.has("a") || !s.has("s149") || !s.has("s60") {
		t.Error("newer secrets make room, not the oldest")
	}
}

// crowd returns a list full of secrets that a grace period keeps. Moves between two
// addresses and many changes could result in such a list.
func crowd(t *testing.T) *story {
	t.Helper()
	s := play(t, do("write", "a"))
	for i := range 99 {
		s.now = s.now.Add(26 * time.Hour)
		s.list.Propose(text(fmt.Sprintf("s%d", i)), true, s.now, s.now)
	}
	s.now = s.now.Add(26 * time.Hour)
	for i := range s.list.Secrets {
		one := &s.list.Secrets[i]
		one.Proven, one.Superseded, one.GraceEnds = one.Added, s.now, s.now.Add(30*day)
	}
	last := &s.list.Secrets[99]
	last.Proven, last.Superseded, last.GraceEnds = s.now, time.Time{}, time.Time{}
	return s
}

func TestOnlySecretsThatCannotBeInEffectMakeRoom(t *testing.T) {
	s := crowd(t)
	s.list.Propose(text("new"), true, s.now, s.now)
	s.list.Accept(text("new"), s.now.Add(time.Second))
	if len(s.list.Secrets) != 101 || !s.has("a") {
		t.Errorf("the list has %d secrets", len(s.list.Secrets))
	}
	// A secret of another address is not needed if an operator has a copy.
	s = crowd(t)
	s.do(do("move", "there"))
	s.do(do("write", "z"))
	if len(s.list.Secrets) != 100 || s.list.Secrets[0].Value.Reveal() == "a" {
		t.Errorf("the list has %d secrets", len(s.list.Secrets))
	}
	if !s.has("z") {
		t.Error("the new secret makes room")
	}
	// The engine may have the only copy of a secret that it sent to another address.
	s = crowd(t)
	s.list.Secrets = append(s.list.Secrets[1:], s.list.Secrets[0])
	s.do(do("move", "there"))
	s.do(do("write", "z"))
	if first := s.list.Secrets[0].Value.Reveal(); len(s.list.Secrets) != 100 || first != "s0" {
		t.Error("a sent secret makes room before a brought one")
	}
}

func TestACloneSharesNothing(t *testing.T) {
	s := play(t, do("write", "a"))
	c := s.list.Clone()
	c.Refuse(confidential.New("a"), true, s.now.Add(time.Hour))
	if !s.find("a").Refused.IsZero() {
		t.Error("a change of the clone changes the list")
	}
}
