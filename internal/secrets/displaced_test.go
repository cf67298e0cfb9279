// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"testing"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// An operator may bring an older secret, which works because the company's own programs
// have changed it with a grace period.
func TestASecretThatOnlyABroughtOneReplacedIsTriedLast(t *testing.T) {
	s := tell(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "x" || s.list.Unsettled() || s.list.OnlyCopy() {
		t.Errorf("the list is %s", s.state())
	}
	if _, wait := s.list.MustWait(); wait {
		t.Error("no change is possible")
	}
	s.do(do("pass", "120h"))
	s.do(do("accept", "x"))
	s.do(do("pass", "600h"))
	if s.do(do("refuse", "x")); !s.list.Unsettled() {
		t.Error("it is settled")
	}
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("the list is %s", s.state())
	}
	s.do(do("accept", "x"))
	s.do(do("pass", "72h"))
	if s.do(do("accept", "x")); s.has("b") {
		t.Error("it is kept for ever")
	}
}

func TestALaterSecretOfTheEnginesOwnReplacesForGood(t *testing.T) {
	s := tell(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"),
		do("propose", "c"), do("acknowledge", "c"), do("accept", "c"), do("refuse", "c"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "c" {
		t.Errorf("the list is %s", s.state())
	}
	s.do(do("pass", "97h"))
	if s.do(do("accept", "c")); s.has("b") {
		t.Error("it is kept for longer than webhooks need")
	}
}

// Each of them costs an attempt, and the first refusal of a new secret may be a mistake.
func TestAutomaticAttemptsLeaveOutWhatABroughtOneReplaced(t *testing.T) {
	s := tell(t, do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x"), do("refuse", "x"))
	if next, _ := s.list.NextAutomatic(func(secrets.Secret) bool { return false }); next.Value.Reveal() != "x" {
		t.Errorf("it is %s", next.Value.Reveal())
	}
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("an operator's is %s", next.Value.Reveal())
	}
}

// Four attempts must find each that may be in effect.
func TestAReplacedSecretTakesTheRoomOfAChange(t *testing.T) {
	begin := [][]string{do("write", "a"), do("propose", "b"), do("acknowledge", "b"), do("accept", "b"), do("write", "x")}
	s := tell(t, append(begin, do("propose", "c"))...)
	if _, wait := s.list.MustWait(); !wait {
		t.Errorf("another change is possible: %s", s.state())
	}
	// With a grace period, so does one that a late copy may bring back.
	graceful := tell(t, do("write", "a"), do("propose", "b", "grace"), do("accept", "b"), do("pass", "1h"), do("propose", "c", "grace"),
		do("accept", "c"), do("propose", "d", "grace"))
	if until, _ := graceful.list.MustWait(); !until.Equal(graceful.find("b").Superseded.Add(32 * day)) {
		t.Errorf("another change is possible after %s", until)
	}
	// One that was refused is hardly in effect.
	s = tell(t, do("write", "a"), do("propose", "b"), do("refuse", "b"), do("write", "x"), do("propose", "c"))
	if _, wait := s.list.MustWait(); wait {
		t.Errorf("no change is possible: %s", s.state())
	}
	// What was sent later and is not proven ends nothing, and neither does what was proven elsewhere.
	s = tell(t, append(begin, do("propose", "c"), do("move", "there"), do("propose", "d"), do("acknowledge", "d"), do("accept", "d"), do("move", "here"))...)
	s.do(do("refuse", "x"))
	s.do(do("refuse", "c"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
	}
}

// Operators have copies of what they bring. Of their secrets, the last one counts.
func TestASecretThatAnOperatorReplacedIsNotTried(t *testing.T) {
	s := tell(t, do("write", "a"), do("write", "b"), do("refuse", "b"))
	if next, _ := s.list.Next(); next.Value.Reveal() != "b" {
		t.Errorf("next is %s: %s", next.Value.Reveal(), s.state())
	}
}
