// SPDX-License-Identifier: MPL-2.0

package attempts

import (
	"slices"
	"time"
)

// State says whether the engine makes automatic attempts. The status shows it.
type State string

// The states, from good to bad.
const (
	OK      State = "ok"
	Held    State = "held"    // After a refusal: the next automatic attempt waits.
	Stopped State = "stopped" // No automatic attempt before an operator acts, or until Retry.
	Locked  State = "locked"  // Finicity's support must unlock the partner.
)

// Facts are the inputs of a decision that are not in the record.
type Facts struct {
	// Succeeded means that an attempt of this process has succeeded. Until then, its
	// record may come from a restored snapshot, and be missing attempts.
	Succeeded bool
	// Copy means that the data is probably a restored snapshot: when a process started,
	// no engine had been alive for hours, and no attempt has succeeded since.
	Copy bool
	// Acknowledged is when a change of the secret was last answered 204.
	Acknowledged time.Time
}

// State returns the state of automatic attempts at the time now.
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

// Retry returns the time of the next automatic attempt. Zero if it does not have to
// wait, or if an operator or Finicity's support must act first.
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

// stopEnds returns when a stop ends without an operator, because attempts from before
// the last success are 24 hours old. Zero if only an operator can end it.
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

// holdEnds returns when the wait after the last refusal is over.
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

// Left returns how many more failed attempts the engine makes without force=true.
func (r *Record) Left(now time.Time) int { return max(0, Limit-r.Used(now)) }

// Used returns how many attempts count toward [Limit]: refused or unanswered, in the
// last 24 hours or since the last success.
func (r *Record) Used(now time.Time) int {
	return r.count(func(a Attempt) bool { return a.counts(now) })
}

// Rejected returns how many of the attempts that count were refused.
func (r *Record) Rejected(now time.Time) int {
	return r.count(func(a Attempt) bool { return a.counts(now) && a.Outcome != Unanswered })
}

// Request is an attempt that a caller wants to make.
type Request struct {
	Trigger    Trigger
	Subject    Subject
	Credential string // The fingerprint of the credential.
	// Change means that the request changes the secret.
	Change bool
	// Reserve means that the stored credential is proven and was not refused since.
	// Then the last attempt is reserved for the stored credential, and a refused
	// candidate does not delay it.
	Reserve bool
}

// Verdict says whether an attempt may be made, and if not, why.
type Verdict int

// The reasons, in the order in which Allow checks them.
const (
	Allowed Verdict = iota
	// AtLimit means that four attempts are used up. Only a forced attempt is allowed.
	AtLimit
	// LastReserved means that the last attempt is reserved for the stored credential.
	LastReserved
	// KnownBad means that Finicity has already refused this credential.
	KnownBad
	// StopsAutomatic means that the state is stopped or locked, and that an operator
	// must act first. Only a stop with a Retry ends without an operator.
	StopsAutomatic
	// HoldsAutomatic means that the attempt must wait until Retry.
	HoldsAutomatic
	// TooManyForChange means that attempts were refused in the last 24 hours, and that
	// a change would not leave one to find out which secret is in effect after it.
	TooManyForChange
)

// Allow decides whether an attempt may be made now. The caller must charge and store an
// allowed attempt before sending it.
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
		return LastReserved // A refusal would leave apps no attempt with the stored one.
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

// storedIsNext reports whether one candidate is all that was refused since the last
// success. Then the proven secret may be in effect, and need not wait for that refusal.
func (r *Record) storedIsNext() bool {
	last, row := r.lastRefusal()
	return row == 1 && last.Subject == Candidate
}

// mayFollow reports whether the stored credential may be tried right after a candidate:
// an automatic attempt is left, and the record is not from a restored snapshot.
func (r *Record) mayFollow(f Facts, now time.Time) bool {
	return r.storedIsNext() && r.automaticUsed(now) < automaticLimit && !f.Copy
}

// RefusedBefore returns when Finicity last refused the credential with this fingerprint.
// Zero if it did not, or if that refusal no longer counts.
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

// automaticUsed returns how many automatic attempts were refused since an operator's
// last success.
func (r *Record) automaticUsed(now time.Time) int {
	return r.count(func(a Attempt) bool { return r.byJobs(a, now) && a.Outcome != Unanswered })
}

// automaticCharged also counts the unanswered automatic attempts. A crash during a
// change leaves one, and finding the secret in effect after it may cost another.
func (r *Record) automaticCharged(now time.Time) int {
	return r.count(func(a Attempt) bool { return r.byJobs(a, now) })
}

func (r *Record) byJobs(a Attempt, now time.Time) bool {
	return a.Trigger == Automatic && a.counts(now) && a.At.After(r.Confirmed)
}

// inRow reports whether the attempt is one of the consecutive refusals: of the stored
// credential or of a candidate, since the last success.
func (a Attempt) inRow() bool {
	return a.Subject != Written && a.Outcome != Unanswered && a.Cleared.IsZero()
}

// StoredRefused reports whether Finicity has refused the stored credential with one of
// its codes since the last success.
func (r *Record) StoredRefused() bool {
	return r.count(func(a Attempt) bool { return a.inCodedRow() && a.Subject == Stored }) > 0
}

func (r *Record) row() int { return r.count(Attempt.inRow) }

// codedRow returns how many of the consecutive refusals have a Finicity code. The others
// may come from a gateway that never called Finicity.
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
