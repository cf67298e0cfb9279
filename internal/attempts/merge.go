// SPDX-License-Identifier: MPL-2.0

package attempts

import (
	"slices"
	"time"
)

// Recharge adds an attempt again if the record no longer has it, or no longer has its
// outcome. That happens when another node overwrote storage during the call. Recharge
// reports whether it changed the record.
func (r *Record) Recharge(a Attempt) bool {
	if i := r.index(a.At); i >= 0 {
		if r.Attempts[i].Outcome != Unanswered || a.Outcome == Unanswered {
			return false
		}
		// Another node's attempt may have succeeded since.
		a.Cleared, a.Passed = r.Attempts[i].Cleared, r.Attempts[i].Passed
		r.Attempts[i] = a
		return true
	}
	if a.At.Before(r.Forced) {
		return false
	}
	if a.At.Before(r.Confirmed) {
		a.Cleared = r.Confirmed
	}
	r.Charge(a)
	slices.SortStableFunc(r.Attempts, func(a, b Attempt) int { return a.At.Compare(b.At) })
	return true
}

// Merge adds what only another copy of the record has: attempts, the times at which a
// success cleared them, and a lock. succeeded is when an attempt at the place last
// succeeded; it clears earlier attempts that only the other copy has. Merge reports
// whether it changed the record.
func (r *Record) Merge(theirs Record, place string, succeeded time.Time) (added bool) {
	held := r.holds()
	for _, a := range theirs.Attempts {
		if i := r.index(a.At); i >= 0 && r.Attempts[i].Cleared.IsZero() && !a.Cleared.IsZero() {
			r.Attempts[i].Cleared, added = a.Cleared, true
		}
		if a.Place == place && a.Cleared.IsZero() && a.At.Before(succeeded) {
			a.Cleared = succeeded
		}
		added = r.Recharge(a) || added
	}
	if i := r.index(theirs.lock().At); i >= 0 && r.Attempts[i].Cleared.IsZero() && theirs.Locked.After(r.Locked) {
		r.Locked, r.Failed, r.Failure, added = theirs.Locked, theirs.Failed, theirs.Failure, true
	}
	if theirs.Confirmed.After(r.Confirmed) {
		r.Confirmed, added = theirs.Confirmed, true
	}
	if !r.lock().Cleared.IsZero() {
		r.Locked = time.Time{}
	}
	if held && !r.holds() {
		r.Failed, r.Failure = time.Time{}, ""
	}
	return added
}

// Redate moves by the given duration the times that another copy of the record does not
// have. A clock that is ahead of or behind the other copy's clock wrote them.
func (r *Record) Redate(other Record, by time.Duration) {
	for i := range r.Attempts {
		a, known := &r.Attempts[i], Attempt{}
		if j := other.index(a.At); j >= 0 {
			known = other.Attempts[j]
		}
		redate([]*time.Time{&a.At, &a.Answered, &a.Cleared, &a.Passed},
			[]time.Time{known.At, known.Answered, known.Cleared, known.Passed}, by)
	}
	redate([]*time.Time{&r.Confirmed, &r.Forced, &r.Locked, &r.Failed},
		[]time.Time{other.Confirmed, other.Forced, other.Locked, other.Failed}, by)
}

func redate(times []*time.Time, known []time.Time, by time.Duration) {
	for i, t := range times {
		if !t.IsZero() && !t.Equal(known[i]) {
			*t = t.Add(by)
		}
	}
}

// Settled returns the record to store when the configuration is deleted. Its attempts
// count for their 24 hours, and do not delay or stop automatic attempts.
func (r Record) Settled() Record {
	r = r.Clone()
	r.Locked, r.Confirmed = time.Time{}, time.Time{}
	for i := range r.Attempts {
		if a := &r.Attempts[i]; a.Cleared.IsZero() {
			a.Cleared = a.At
		}
	}
	return r
}

// Answered returns the record without the attempts whose answer is unknown. Another node
// may have the answer.
func (r Record) Answered() Record {
	r.Attempts = slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool { return a.Outcome == Unanswered })
	return r
}
