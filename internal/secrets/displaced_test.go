// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"testing"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// An operator may bring an older secret. It works because the company's own programs
// have changed the secret with a grace period.
func TestASecretThatOnlyABroughtOneReplacedIsTriedLast(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "x" || s.list.Unresolved() || s.list.OnlyCopy() {
		t.Errorf("the list is %s", s.state())
	}
	if _, wait := s.list.MustWait(); wait {
		t.Error("no change is possible")
	}
	s.do(do("pass", "120h"))
	s.do(do("accept", "x"))
	s.do(do("pass", "600h"))
	if s.do(do("refuse", "x")); !s.list.Unresolved() {
		t.Error("a displaced secret leaves the list settled")
	}
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("the list is %s", s.state())
	}
	s.do(do("accept", "x"))
	s.do(do("pass", "72h"))
	if s.do(do("accept", "x")); s.has("b") {
		t.Error("a displaced secret is kept forever")
	}
}

func TestALaterSecretOfTheEnginesOwnReplacesForGood(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"),
		do("propose", "c"), do("acknowledge", "c"), do("accept", "c"), do("refuse", "c"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "c" {
		t.Errorf("the list is %s", s.state())
	}
	s.do(do("pass", "97h"))
	if s.do(do("accept", "c")); s.has("b") {
		t.Error("the secret is kept for longer than webhooks need")
	}
}

// Each displaced secret would cost an attempt, and the first refusal of a new secret may
// be a mistake.
func TestAutomaticAttemptsLeaveOutWhatABroughtOneReplaced(t *testing.T) {
	s := play(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"), do("refuse", "x"))
	if next, _ := s.list.NextAutomatic(func(secrets.Secret) bool { return false }); next.Value.Reveal() != "x" {
		t.Errorf("the next secret is %s", next.Value.Reveal())
	}
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("an operator's is %s", next.Value.Reveal())
	}
}

// Four attempts must be enough to try every secret that may be in effect.
func TestAReplacedSecretTakesTheRoomOfAChange(t *testing.T) {
	begin := [][]string{do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x")}
	s := play(t, append(begin, do("propose", "c"))...)
	if _, wait := s.list.MustWait(); !wait {
		t.Errorf("another change is possible: %s", s.state())
	}
	// With a grace period, so does a secret that a late copy of a change may restore.
	graceful := play(t, do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "1h"), do("propose", "c", "grace"),
		do("accept", "c"), do("propose", "d", "grace"))
	if until, _ := graceful.list.MustWait(); !until.Equal(graceful.find("b").Superseded.Add(32 * day)) {
		t.Errorf("another change is possible after %s", until)
	}
	// A displaced secret that was refused is probably not in effect.
	s = play(t, do("write", "a"), do("propose", "b"), do("refuse", "b"), do("write", "x"), do("propose", "c"))
	if _, wait := s.list.MustWait(); wait {
		t.Errorf("no change is possible: %s", s.state())
	}
	// A newer secret that is not proven does not supersede it, nor does one that was
	// proven at another address.
	s = play(t, append(begin, do("propose", "c"), do("move", "there"), do("propose", "d"), do("acknowledge", "d"), do("accept", "d"), do("move", "here"))...)
	s.do(do("refuse", "x"))
	s.do(do("refuse", "c"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
	}
}

// Operators have copies of the secrets that they bring, so only the last one counts.
func TestASecretThatAnOperatorReplacedIsNotTried(t *testing.T) {
	s := play(t, do("write", "a"), do("write", "b"), do("refuse", "b"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
	}
}
