// SPDX-License-Identifier: MPL-2.0

// Package attempts decides who may make an attempt at Finicity.
//
// Five failed attempts lock the partner for the whole company, and only
// Finicity's support unlocks it. No answer says how many Finicity has counted.
// So the engine counts for itself, per partner, and stops at four.
//
// An attempt is in the record, and the record in storage, before it is sent. A
// refusal stays there. Anything else is taken out again, a timeout included: an
// outage must not end in a stop. What a crash leaves behind counts, since
// Finicity may have refused it, and holds nothing back, since it may not.
//
// The package is pure: the standard library, no storage, no network, no clock.
// All times come from the caller, never run backwards, and differ.
package attempts

import (
	"slices"
	"time"
)

const (
	// Limit is how many failed attempts the engine makes in a row, and in a day:
	// the fifth locks the partner. Nobody knows whether a success in between
	// resets Finicity's count.
	Limit = 4
	// automaticLimit is how many of them apps and jobs may use up, so that the
	// last one is left for the operator.
	automaticLimit = 3
	// changeLimit leaves an automatic attempt for finding out what a change did.
	changeLimit = 2
	// memory is how long a refusal counts, successes or not.
	memory = 24 * time.Hour

	// The waits before the next automatic attempt: long enough to look at the log,
	// short enough to get over a hiccup before a token is missed.
	hold          = 5 * time.Minute
	holdLast      = 30 * time.Minute
	holdConfirmed = 30 * time.Second // after a change that was answered 204
	spread        = 10 * time.Minute // until all of Finicity knows a new secret

	// maxAttempts bounds a record. Only force goes past Limit.
	maxAttempts = 16
)

// Trigger says who is behind an attempt.
type Trigger int

const (
	// Automatic is everything that an app or a job may call: reads, rotations,
	// the schedule. However many callers there are, they share one budget.
	Automatic Trigger = iota
	// Operator is who writes a credential, or calls config/verify.
	Operator
	// Forced is an operator who knows that the limit is reached.
	Forced
)

// Subject says what an attempt tries.
type Subject int

const (
	// Stored is the stored credential: with the secret that was proven last, if any was.
	Stored Subject = iota
	// Candidate is the stored credential with another one of the stored secrets. Its
	// refusals stop automatic attempts too.
	Candidate
	// Written is a credential that an operator is writing. Its refusals stop nothing.
	Written
)

// Outcome is what is known about an attempt.
type Outcome int

const (
	// Unanswered is an attempt under way, or one whose process died.
	Unanswered Outcome = iota
	// Refused without one of Finicity's codes may come from a gateway.
	Refused
	// RefusedWithCode comes from Finicity.
	RefusedWithCode
)

// Attempt is one that was refused, or whose answer is not known.
type Attempt struct {
	// At is when it was stored, before it was sent, and names it.
	At      time.Time
	Trigger Trigger
	Subject Subject
	// Place is the address it was sent to.
	Place   string
	Outcome Outcome
	// Answered is when the refusal came.
	Answered time.Time
	// Credential is the fingerprint of what was refused. Empty when the refusal
	// was no verdict on the credential.
	Credential string
	// Cleared is when an attempt at the same place succeeded, and Passed when one
	// at another place did.
	Cleared time.Time
	Passed  time.Time
}

// Record is what is known about the attempts of one partner, the oldest first.
type Record struct {
	Attempts []Attempt
	// Confirmed is when an operator's attempt last succeeded, and Forced when a forced
	// one did, which settles what came before.
	Confirmed time.Time
	Forced    time.Time
	// Locked is when Finicity said that the partner is locked. Zero when not.
	Locked time.Time
	// Failed is when an attempt last failed, and Failure what Finicity said. Neither
	// an outage nor the refusal of a credential that is not stored replaces what
	// holds the stored one.
	Failed  time.Time
	Failure string
}

// Clone returns a copy that shares nothing with r.
func (r Record) Clone() Record {
	r.Attempts = slices.Clone(r.Attempts)
	return r
}

// At is the record as it counts at a place. What was refused elsewhere, before a
// success here, counts for its day and holds nothing back. At its own place it
// stays in the row, and a lock stays one: the two may be different Finicities.
func (r Record) At(place string) Record {
	r = r.Clone()
	if lock := r.lock(); lock.Place != place && !lock.Passed.IsZero() {
		r.Locked, r.Failed, r.Failure = time.Time{}, time.Time{}, ""
	}
	for i := range r.Attempts {
		if a := &r.Attempts[i]; a.Place != place && a.Cleared.IsZero() {
			a.Cleared = a.Passed
		}
	}
	return r
}

// Charge notes an attempt that is about to be sent. Store the record first.
func (r *Record) Charge(a Attempt) {
	r.prune(a.At)
	r.Attempts = append(r.Attempts, a)
	if over := len(r.Attempts) - maxAttempts; over > 0 {
		r.Attempts = slices.Delete(r.Attempts, 0, over)
	}
}

// lock is the attempt that Finicity answered with the lock. Empty when there is none.
func (r *Record) lock() (lock Attempt) {
	for _, a := range r.Attempts {
		if a.Outcome != Unanswered && a.Answered.Equal(r.Locked) {
			lock = a
		}
	}
	return lock
}

// lockedAt reports whether an answer from the place can end the lock: the lock came from
// there, or its attempt is no longer in the record.
func (r *Record) lockedAt(place string) bool {
	lock := r.lock()
	return lock.At.IsZero() || lock.Place == place
}

func (r *Record) index(at time.Time) int {
	return slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.At.Equal(at) })
}

// Answer is what came of an attempt.
type Answer struct {
	// Success is set when Finicity accepted the credential.
	Success bool
	// Outcome is Unanswered when the answer is no verdict.
	Outcome Outcome
	// Credential is the fingerprint of what the answer is a verdict on. Empty when
	// it is none.
	Credential string
	// OfSecret is set when the answer is a verdict on the secret. If a candidate was
	// refused for another reason, like the app key, the proven secret would be too.
	OfSecret bool
	// Locked is set when Finicity said that the partner is locked.
	Locked bool
	// Failure is what went wrong, without any secret.
	Failure string
}

// Settle notes the answer to the attempt charged at the given time.
func (r *Record) Settle(at time.Time, answer Answer, now time.Time) {
	i := r.index(at)
	if i < 0 {
		return // A forced success of another node has cleared it.
	}
	settled := r.Attempts[i]
	switch {
	case answer.Success:
		r.Attempts = slices.Delete(r.Attempts, i, i+1)
		r.succeed(settled, answer.Credential, now)
	case answer.Outcome == Unanswered:
		r.Attempts = slices.Delete(r.Attempts, i, i+1)
		if !r.holds() && answer.Failure != "" {
			r.Failed, r.Failure = now, answer.Failure
		}
	default:
		r.Attempts[i].Outcome, r.Attempts[i].Answered = answer.Outcome, now
		r.Attempts[i].Credential = answer.Credential
		if settled.Subject == Candidate && !answer.OfSecret {
			r.Attempts[i].Subject = Stored
		}
		if !settled.Cleared.IsZero() {
			return // Another node has had a success during the call.
		}
		if settled.Subject != Written || answer.Locked || !r.holds() {
			r.Failed, r.Failure = now, answer.Failure
		}
		switch {
		case answer.Locked:
			r.Locked = now
		case settled.Subject != Written && answer.Outcome == RefusedWithCode && r.lockedAt(settled.Place):
			// Finicity looks at the stored credential again: support has unlocked the
			// partner. Another app key or another address may be refused before that.
			r.Locked = time.Time{}
		}
	}
}

// holds reports whether something holds the stored credential back: a refusal of
// it, or a lock.
func (r *Record) holds() bool { return r.row() > 0 || !r.Locked.IsZero() }

// succeed clears what was refused at the same place before. A refusal goes on
// counting for its day, unless an operator forced this attempt: then all that
// came before it is settled. What was refused and is accepted now may be written
// again: Finicity did not know it everywhere yet, or its answer was wrong.
func (r *Record) succeed(success Attempt, credential string, now time.Time) {
	if success.Trigger >= Operator {
		r.Confirmed = now
	}
	if success.Trigger == Forced {
		r.Forced = now
	}
	r.Attempts = slices.DeleteFunc(r.Attempts, func(a Attempt) bool {
		return success.Trigger == Forced && a.At.Before(success.At)
	})
	if r.Failed.Before(success.At) && r.lockedAt(success.Place) {
		r.Locked, r.Failed, r.Failure = time.Time{}, time.Time{}, ""
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if a.Credential == credential {
			a.Credential = ""
		}
		switch {
		case !a.At.Before(success.At):
		case a.Place == success.Place:
			a.Cleared = now
		default:
			a.Passed = now
		}
	}
	r.prune(now)
}

// prune removes what does not count any more.
func (r *Record) prune(now time.Time) {
	r.Attempts = slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool { return !a.counts(now) })
}

// counts reports whether the attempt is one of the four: for a day, and until an
// attempt at the same place succeeds.
func (a Attempt) counts(now time.Time) bool { return a.Cleared.IsZero() || now.Sub(a.At) <= memory }

// Last is when the last attempt was made that is remembered, or when Finicity said
// that the partner is locked. Zero when neither is.
func (r Record) Last() time.Time {
	last := r.Locked
	for _, a := range r.Attempts {
		if a.At.After(last) {
			last = a.At
		}
	}
	return last
}

// Recent reports whether that was in the last day: another attempt may be the one
// that locks the partner.
func (r Record) Recent(now time.Time) bool { return now.Sub(r.Last()) <= memory }

// Empty reports whether there is nothing to remember.
func (r *Record) Empty(now time.Time) bool {
	return r.Locked.IsZero() && !slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.counts(now) })
}
