// SPDX-License-Identifier: MPL-2.0

package attempts_test

import (
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// Two copies of a record start out equal. Then each changes separately: on another node,
// or in a snapshot that is restored.
func TestWhatAnotherCopyKnowsIsMerged(t *testing.T) {
	for _, test := range []struct {
		name               string
		begin, here, there string
		succeeded          bool // here, at the end
		state              attempts.State
		used               int
	}{
		{"a refusal", "", "", "read 10001", false, attempts.Held, 1},
		{"two", "read codeless", "", "pass 1h, read codeless", false, attempts.Held, 2},
		{"an attempt without an answer", "", "", "read dies", false, attempts.OK, 1},
		{"what is there is not merged twice", "read 10001", "", "", false, attempts.Held, 1},
		{"a refusal from before a success counts for its day", "", "pass 1h", "read 10001", true, attempts.OK, 1},
		{"one from after it holds", "", "", "pass 1h, read 10001", true, attempts.Held, 1},
		{"a success says nothing of another address", "", "pass 1h", "move there, read 10001", true, attempts.Held, 1},
		{"a lock", "", "", "read 24302", false, attempts.Locked, 1},
		{"not one from before a success", "", "pass 1h", "read 24302", true, attempts.OK, 1},
		{"one that a success has ended here", "read 24302", "pass 1h, verify accepted", "", false, attempts.OK, 1},
		{"nor does one come back", "", "pass 1h, verify accepted", "read 24302", true, attempts.OK, 1},
		{"what came before an operator's success counts for its day", "", "pass 1h, verify accepted", "read 10001", false, attempts.OK, 1},
		{"not if that was forced", "", "pass 1h, force accepted", "read 10001", false, attempts.OK, 0},
		{"a forced success there leaves what is here", "", "read 10001", "pass 1h, force accepted", false, attempts.Held, 1},
	} {
		here, there := newStory(t), newStory(t)
		for _, each := range []struct {
			s        *story
			commands string
		}{{here, test.begin}, {there, test.begin}, {here, test.here}, {there, test.there}} {
			for command := range strings.SplitSeq(each.commands, ", ") {
				if command != "" {
					each.s.do(strings.Fields(command))
				}
			}
		}
		succeeded := here.now
		if !test.succeeded {
			succeeded = succeeded.AddDate(-1, 0, 0)
		}
		here.record.Merge(there.record, "here", succeeded)
		if there.now.After(here.now) {
			here.now = there.now
		}
		record := here.record.At("here")
		if state, used := record.State(here.facts, here.now), record.Used(here.now); state != test.state || used != test.used {
			t.Errorf("%s: the state is %s, and %d are used: %s", test.name, state, used, here.state())
		}
		if here.record.Merge(there.record, "here", succeeded) {
			t.Errorf("%s: it is merged twice", test.name)
		}
	}
}

func TestAnOperatorsSuccessThatIsMergedGivesJobsANewCount(t *testing.T) {
	commands := []string{
		"read codeless", "pass 1h", "read accepted", "read codeless", "pass 1h", "read accepted", "read codeless", "pass 1h",
	}
	here, there := play(t, commands...), play(t, append(commands, "verify accepted")...)
	if here.record.Merge(there.record, "here", there.now); here.record.State(here.facts, there.now) != attempts.OK {
		t.Errorf("the state is %s", here.state())
	}
	before := here.record.Confirmed
	older := play(t, "verify accepted")
	if here.record.Merge(older.record, "here", there.now); !here.record.Confirmed.Equal(before) {
		t.Error("an older success replaces a newer one")
	}
}

// A failure text belongs to the refusal or lock that holds the stored credential back.
func TestAMergedSuccessEndsTheFailureItself(t *testing.T) {
	for _, refusal := range []string{"read 10001", "read 24302"} {
		here, there := play(t, refusal), play(t, refusal, "pass 1h", "verify accepted")
		if here.record.Merge(there.record, "here", there.now); here.record.Failure != "" || !here.record.Locked.IsZero() {
			t.Errorf("%s: it is %s", refusal, here.state())
		}
	}
	// An outage does not hold the stored credential back, so a merge keeps its text.
	here := play(t, "read unanswered")
	if here.record.Merge(play(t, "pass 1h").record, "here", here.now); here.record.Failure == "" {
		t.Error("the failure is gone")
	}
}

func TestAnAttemptThatAnotherNodeMightHaveSettledIsLeftOut(t *testing.T) {
	s := play(t, "read dies", "read codeless")
	if answered := s.record.Answered(); answered.Used(s.now) != 1 || s.record.Used(s.now) != 2 {
		t.Errorf("%d of %d are left", answered.Used(s.now), s.record.Used(s.now))
	}
}

// An attempt of another node succeeded during the call, and cleared the charge.
func TestARefusalThatAnotherNodeHasOvertakenHoldsNothing(t *testing.T) {
	for _, locked := range []bool{false, true} {
		s := newStory(t)
		at := s.charge(attempts.Automatic, attempts.Stored)
		s.record.Attempts[0].Cleared = s.now
		s.settle(at, attempts.Answer{Outcome: attempts.RefusedWithCode, Failure: "10001", Locked: locked})
		if s.record.Failure != "" || !s.record.Locked.IsZero() || s.record.Used(s.now) != 1 {
			t.Errorf("the state is %s", s.state())
		}
	}
}

// The older of two locks has ended, or has another cause.
func TestTheNewerLockCounts(t *testing.T) {
	here, there := play(t, "read 24302", "pass 1h", "verify 24302"), play(t, "read 24302")
	locked := here.record.Locked
	if here.record.Merge(there.record, "here", here.now.AddDate(-1, 0, 0)); !here.record.Locked.Equal(locked) {
		t.Error("the older one replaces the newer one")
	}
	if there.record.Merge(here.record, "here", here.now.AddDate(-1, 0, 0)); !there.record.Locked.Equal(locked) {
		t.Error("the newer one does not replace the older one")
	}
}

func TestTheAttemptsOfADeletedConfigurationCountForTheirDay(t *testing.T) {
	there := play(t, "verify accepted", "read 10001", "pass 1h", "verify 24302")
	settled := there.record.Settled()
	if state := settled.State(there.facts, there.now); state != attempts.OK || settled.Used(there.now) != 2 {
		t.Errorf("the state is %s, and %d are used", state, settled.Used(there.now))
	}
	if !settled.Confirmed.IsZero() || !settled.Locked.IsZero() {
		t.Errorf("the settled record is %+v", settled)
	}
	if there.record.Locked.IsZero() {
		t.Error("the original has changed")
	}
	var here attempts.Record
	if here.Merge(settled, "", there.now.AddDate(-1, 0, 0)); here.Used(there.now.Add(25*60*60*1e9)) != 0 {
		t.Error("they count after their day")
	}
}

// Each address may lead to a different Finicity environment.
func TestALockIsOneAtItsOwnAddress(t *testing.T) {
	s := play(t, "read 24302", "move there")
	if state := s.state(); !strings.HasPrefix(state, "locked") {
		t.Errorf("before a success elsewhere it is %s", state)
	}
	if state := s.do(strings.Fields("verify accepted")); !strings.HasPrefix(state, "ok") {
		t.Errorf("after it, it is %s", state)
	}
	if state := s.do(strings.Fields("move here")); !strings.HasPrefix(state, "locked") {
		t.Errorf("back again it is %s", state)
	}
	if state := s.do(strings.Fields("verify accepted")); !strings.HasPrefix(state, "ok") {
		t.Errorf("after a success it is %s", state)
	}
	s = play(t, "read 24302", "move there", "verify accepted", "pass 1h", "read 10001", "move here")
	if state := s.state(); !strings.HasPrefix(state, "locked") {
		t.Errorf("after a refusal elsewhere it is %s", state)
	}
	s = play(t, "read 24302", "move there", "force accepted", "move here")
	if state := s.state(); !strings.HasPrefix(state, "ok") {
		t.Errorf("after a forced success elsewhere it is %s", state)
	}
}

// The clock of the other copy is two hours behind. Times that only that copy has are
// moved; times that both copies have are not.
func TestTimesOfAnotherClockAreMoved(t *testing.T) {
	begin := []string{"read 10001", "pass 1h"}
	here := play(t, append(begin, "verify 24302", "verify accepted", "move there", "read 10001", "move here", "force accepted", "read 24302")...)
	there := play(t, begin...)
	want, by := here.record.Clone(), 2*time.Hour
	here.record.Redate(there.record, by)
	got := here.record
	for i, a := range got.Attempts {
		w := want.Attempts[i]
		known := there.record.Attempts[0].At.Equal(w.At)
		if moved := a.At.Equal(w.At.Add(by)) && a.Answered.Equal(w.Answered.Add(by)); moved == known {
			t.Errorf("attempt %d is moved: %v", i, moved)
		}
		if !w.Cleared.IsZero() && !a.Cleared.Equal(w.Cleared.Add(by)) || w.Cleared.IsZero() && !a.Cleared.IsZero() {
			t.Errorf("attempt %d is cleared at %s", i, a.Cleared)
		}
	}
	if !got.Confirmed.Equal(want.Confirmed.Add(by)) || !got.Forced.Equal(want.Forced.Add(by)) || !got.Locked.Equal(want.Locked.Add(by)) ||
		!got.Failed.Equal(want.Failed.Add(by)) {
		t.Errorf("the record is %+v", got)
	}
	younger := play(t, begin...)
	if younger.record.Redate(play(t, append(begin, "verify accepted")...).record, by); !younger.record.Confirmed.IsZero() ||
		!younger.record.Attempts[0].Cleared.IsZero() {
		t.Errorf("what has not happened is dated: %+v", younger.record)
	}
	if here.record.Redate(here.record.Clone(), by); !here.record.Forced.Equal(got.Forced) {
		t.Error("what both copies have is moved")
	}
}
