// SPDX-License-Identifier: MPL-2.0

package secrets_test

import "testing"

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
	s.do(do("pass", "720h"))
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
