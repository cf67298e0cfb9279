// SPDX-License-Identifier: MPL-2.0

package attempts

import (
	"slices"
	"time"
)

// State is how automatic attempts stand, as the status shows it.
type State string

// The states, from good to bad.
const (
	OK      State = "ok"
	Held    State = "held"    // refused: the next automatic attempt waits
	Stopped State = "stopped" // refused again: an operator must act, or Retry be reached
	Locked  State = "locked"  // Finicity's support must act
)

// Facts are what a decision needs and the record does not have.
type Facts struct {
	// Succeeded means that this process has had a success. Until then its record
	// may come from a restored snapshot, and count too few.
	Succeeded bool
	// Copy means that a process began with data in which no engine had been alive for
	// hours, and that no attempt has succeeded since: it may well be a snapshot's.
	Copy bool
	// Acknowledged is when a change of the secret was last answered 204.
	Acknowledged time.Time
}

// State returns how automatic attempts stand.
func (r *Record) State(f Facts, now time.Time) State {
	row, coded := r.row(), r.codedRow()
	switch {
	case !r.Locked.IsZero():
		return Locked
	case r.Left(now) == 0, r.automaticUsed(now) >= automaticLimit,
		row >= automaticLimit,
		coded > 1, coded > 0 && !f.Succeeded && (f.Copy || r.StoredRefused()):
		return Stopped
	case row > 0:
		return Held
	default:
		return OK
	}
}

// Retry is when the next automatic attempt is due. Zero when it does not have to
// wait, or when an operator or Finicity's support must act.
func (r *Record) Retry(f Facts, now time.Time) time.Time {
	switch r.State(f, now) {
	case Held:
		return r.holdEnds(f)
	case Stopped:
		return r.stopEnds(f)
	default:
		return time.Time{}
	}
}

// stopEnds is when a stop ends without an operator, because attempts from before
// the last success are a day old. Zero when only an operator ends it.
func (r *Record) stopEnds(f Facts) time.Time {
	for _, a := range r.Attempts {
		forgotten := a.At.Add(memory + time.Millisecond)
		if r.State(f, forgotten) == Stopped {
			continue
		}
		if held := r.holdEnds(f); held.After(forgotten) {
			return held
		}
		return forgotten
	}
	return time.Time{}
}

// holdEnds is when the wait after the last refusal is over.
func (r *Record) holdEnds(f Facts) time.Time {
	last, row := r.lastRefusal()
	wait := hold
	switch {
	case row > 1:
		wait = holdLast
	case last.Answered.Sub(f.Acknowledged) < spread:
		wait = holdConfirmed
	}
	return last.Answered.Add(wait)
}

// Left is how many more failed attempts the engine makes without force.
func (r *Record) Left(now time.Time) int { return max(0, Limit-r.Used(now)) }

// Used is how many attempts count: refused or unanswered, in the last 24 hours
// or since the last success.
func (r *Record) Used(now time.Time) int {
	return r.count(func(a Attempt) bool { return a.counts(now) })
}

// Rejected is how many of them Finicity has refused.
func (r *Record) Rejected(now time.Time) int {
	return r.count(func(a Attempt) bool { return a.counts(now) && a.Outcome != Unanswered })
}

// Request is an attempt that somebody wants to make.
type Request struct {
	Trigger    Trigger
	Subject    Subject
	Credential string // its fingerprint
	// Change is set for a change of the secret.
	Change bool
	// Reserve is set when the stored credential is proven, and was not refused
	// since: then the last attempt is kept for it, and it does not wait for a candidate.
	Reserve bool
}

// Verdict says whether an attempt may be made, and if not, why.
type Verdict int

// The reasons, in the order in which they are looked for.
const (
	Allowed Verdict = iota
	// AtLimit: four attempts are used up. Only force goes on.
	AtLimit
	// LastReserved: the last attempt is kept for the stored credential.
	LastReserved
	// KnownBad: Finicity has refused this very credential.
	KnownBad
	// StopsAutomatic: stopped or locked, and an operator must act first. Only a stop
	// that has a Retry ends without one.
	StopsAutomatic
	// HoldsAutomatic: not before Retry.
	HoldsAutomatic
	// TooManyForChange: attempts were refused today, and one more has to be left
	// to find out what the change did.
	TooManyForChange
)

// Allow decides on an attempt.
func (r *Record) Allow(q Request, f Facts, now time.Time) Verdict {
	switch {
	case q.Trigger == Forced:
		return Allowed
	case r.Left(now) == 0:
		return AtLimit
	case q.Subject == Written && r.refusedBefore(q.Credential, now):
		return KnownBad
	case q.Subject == Written && q.Reserve && r.Left(now) == 1:
		return LastReserved
	case q.Subject == Written && q.Reserve && q.Trigger == Automatic &&
		(r.codedRow() > 0 || r.row() >= automaticLimit-1 || r.automaticUsed(now) >= automaticLimit-1):
		return LastReserved // Its refusal would leave apps no attempt with the stored one.
	case q.Trigger == Operator:
		return Allowed
	}
	switch state := r.State(f, now); {
	case q.Subject == Stored && q.Reserve && state != Locked && r.mayFollow(f, now):
	case state == Stopped, state == Locked:
		return StopsAutomatic
	case state == Held && now.Before(r.Retry(f, now)):
		return HoldsAutomatic
	}
	if q.Change && (r.automaticCharged(now) >= changeLimit || r.Left(now) < 2) {
		return TooManyForChange
	}
	return Allowed
}

// storedIsNext reports whether all that was refused since the last success is one
// candidate: the proven secret may be in effect, and does not have to wait for that.
func (r *Record) storedIsNext() bool {
	last, row := r.lastRefusal()
	return row == 1 && last.Subject == Candidate
}

// mayFollow reports whether the stored credential may follow a candidate at once: an
// automatic attempt is left for it, and the record is no old copy.
func (r *Record) mayFollow(f Facts, now time.Time) bool {
	return r.storedIsNext() && r.automaticUsed(now) < automaticLimit && !f.Copy
}

// RefusedBefore is when Finicity refused that very credential. Zero when it did
// not, or when that no longer counts.
func (r *Record) RefusedBefore(credential string, now time.Time) time.Time {
	for _, a := range slices.Backward(r.Attempts) {
		if a.Credential != "" && a.Credential == credential && a.counts(now) {
			return a.Answered
		}
	}
	return time.Time{}
}

func (r *Record) refusedBefore(credential string, now time.Time) bool {
	return !r.RefusedBefore(credential, now).IsZero()
}

// automaticUsed is how many refused attempts apps and jobs have used up since an
// operator's last success.
func (r *Record) automaticUsed(now time.Time) int {
	return r.count(func(a Attempt) bool { return r.byJobs(a, now) && a.Outcome != Unanswered })
}

// automaticCharged counts the unanswered ones too. A crash during a change leaves
// one, and finding out what the change did may cost another.
func (r *Record) automaticCharged(now time.Time) int {
	return r.count(func(a Attempt) bool { return r.byJobs(a, now) })
}

func (r *Record) byJobs(a Attempt, now time.Time) bool {
	return a.Trigger == Automatic && a.counts(now) && a.At.After(r.Confirmed)
}

// inRow reports whether the attempt is a refusal of the stored credential, or of a
// candidate, since the last success.
func (a Attempt) inRow() bool {
	return a.Subject != Written && a.Outcome != Unanswered && a.Cleared.IsZero()
}

// StoredRefused reports whether Finicity has refused the stored credential with
// one of its codes since the last success.
func (r *Record) StoredRefused() bool {
	return r.count(func(a Attempt) bool { return a.inCodedRow() && a.Subject == Stored }) > 0
}

func (r *Record) row() int { return r.count(Attempt.inRow) }

// codedRow counts those of the row that carry one of Finicity's codes. The others
// may come from a gateway that never asked Finicity.
func (r *Record) codedRow() int { return r.count(Attempt.inCodedRow) }

func (a Attempt) inCodedRow() bool { return a.inRow() && a.Outcome == RefusedWithCode }

func (r *Record) lastRefusal() (last Attempt, row int) {
	for _, a := range r.Attempts {
		if a.inRow() {
			last, row = a, row+1
		}
	}
	return last, row
}

func (r *Record) count(which func(Attempt) bool) (n int) {
	for _, a := range r.Attempts {
		if which(a) {
			n++
		}
	}
	return n
}
