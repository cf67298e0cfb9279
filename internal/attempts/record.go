// SPDX-License-Identifier: MPL-2.0

// Package attempts limits authentication attempts, so that the engine cannot lock
// the partner.
//
// Five failed attempts lock the partner for the whole company, and only Finicity's
// support can unlock it. No response says how many failures Finicity has counted.
// So the engine counts failed attempts per partner, and stops at four.
//
// The caller charges an attempt to the record, and stores the record, before it sends
// the request. A refused attempt stays in the record. An attempt that ends in any other
// way (a success, a timeout, an unusable answer) is removed again: an outage must not stop
// authentication. If the process dies before the attempt ends, the attempt counts toward
// the limit, because Finicity might have refused it. But it delays no other attempt.
//
// The package is pure: only the standard library, no storage, no network, no clock.
// The caller supplies all times. They must never run backwards, and no two attempts
// may have the same time.
package attempts

import (
	"slices"
	"time"
)

const (
	// Limit is how many failed attempts the engine makes in a row, and in 24 hours:
	// the fifth locks the partner. Whether a success in between resets Finicity's
	// count is undocumented, so the engine assumes that it does not.
	Limit = 4
	// automaticLimit is how many of these attempts may be automatic. The last one is
	// reserved for the operator.
	automaticLimit = 3
	// changeLimit is how many charged automatic attempts prevent a change. With fewer,
	// one is left after the change, to find out which secret is in effect.
	changeLimit = 2
	// memory is how long a refusal counts, even if attempts succeed in the meantime.
	memory = 24 * time.Hour

	// The waits before the next automatic attempt. They leave an operator time to read
	// the log, and are short enough to recover from a hiccup before a token expires.
	hold          = 5 * time.Minute
	holdLast      = 30 * time.Minute
	holdConfirmed = 30 * time.Second // after a change that was answered 204
	spread        = 10 * time.Minute // until all of Finicity knows a new secret

	// maxAttempts bounds the record. Only forced attempts exceed Limit.
	maxAttempts = 16
)

// Trigger says what started an attempt.
type Trigger int

const (
	// Automatic is a request that an app or a job may make: a read, a rotation, or the
	// schedule. All callers share one budget, however many there are.
	Automatic Trigger = iota
	// Operator is a write of a credential to config, or a call of config/verify.
	Operator
	// Forced is config/verify with force=true, by an operator who knows that the limit
	// is reached.
	Forced
)

// Subject says what an attempt tries.
type Subject int

const (
	// Stored is the stored credential, with the secret that was proven last, if any.
	Stored Subject = iota
	// Candidate is the stored credential with another of the stored secrets. Its
	// refusals stop automatic attempts too.
	Candidate
	// Written is a credential that an operator is writing. Its refusals do not stop
	// automatic attempts with the stored credential.
	Written
)

// Outcome is what is known about an attempt.
type Outcome int

const (
	// Unanswered is an attempt in progress, or one whose process died.
	Unanswered Outcome = iota
	// Refused is a refusal without a Finicity code, which may come from a gateway.
	Refused
	// RefusedWithCode is a refusal with a code, which comes from Finicity.
	RefusedWithCode
)

// Attempt is an attempt that was refused, or whose answer is unknown.
type Attempt struct {
	// At is when the attempt was stored, before it was sent. It identifies the attempt.
	At      time.Time
	Trigger Trigger
	Subject Subject
	// Place is the address that the attempt was sent to.
	Place   string
	Outcome Outcome
	// Answered is when the refusal arrived.
	Answered time.Time
	// Credential is the fingerprint of the refused credential. Empty if the refusal
	// was not a verdict on the credential.
	Credential string
	// Cleared is when a later attempt at the same place succeeded, and Passed when one
	// at another place did.
	Cleared time.Time
	Passed  time.Time
}

// Record is the stored state of the attempts of one partner.
type Record struct {
	// Attempts are those that were refused or have no answer yet, the oldest first.
	Attempts []Attempt
	// Confirmed is when an operator's attempt last succeeded. Forced is when a forced
	// attempt last succeeded, which clears everything before it.
	Confirmed time.Time
	Forced    time.Time
	// Locked is when Finicity said that the partner is locked. Zero if it did not.
	Locked time.Time
	// Failed is when an attempt last failed, and Failure is what Finicity said. If a
	// failure holds the stored credential back, neither an outage nor the refusal of
	// another credential replaces it.
	Failed  time.Time
	Failure string
}

// Clone returns a copy that shares nothing with r.
func (r Record) Clone() Record {
	r.Attempts = slices.Clone(r.Attempts)
	return r
}

// At returns the record as it applies to a place.
//
// A refusal at another place, before a success here, counts for its 24 hours but does
// not delay or stop automatic attempts here. At its own place it still does, and so does
// a lock: each address may lead to a different Finicity environment.
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

// Charge adds an attempt that is about to be sent. Store the record before you send it.
func (r *Record) Charge(a Attempt) {
	r.prune(a.At)
	r.Attempts = append(r.Attempts, a)
	if over := len(r.Attempts) - maxAttempts; over > 0 {
		r.Attempts = slices.Delete(r.Attempts, 0, over)
	}
}

// lock returns the attempt to which Finicity answered that the partner is locked. The
// result is empty if there is none.
func (r *Record) lock() (lock Attempt) {
	for _, a := range r.Attempts {
		if a.Outcome != Unanswered && a.Answered.Equal(r.Locked) {
			lock = a
		}
	}
	return lock
}

// lockedAt reports whether an answer from the place can end the lock: Finicity reported
// the lock there, or the attempt is no longer in the record.
func (r *Record) lockedAt(place string) bool {
	lock := r.lock()
	return lock.At.IsZero() || lock.Place == place
}

func (r *Record) index(at time.Time) int {
	return slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.At.Equal(at) })
}

// Answer is the result of an attempt.
type Answer struct {
	// Success means that Finicity accepted the credential.
	Success bool
	// Outcome is Unanswered if the answer is not a verdict on the credential or the
	// request, for example after a timeout.
	Outcome Outcome
	// Credential is the fingerprint of the credential that the answer is a verdict on.
	// Empty if the answer is not a verdict on a credential.
	Credential string
	// OfSecret means that the answer is a verdict on the secret. If a candidate was
	// refused for another reason, such as the app key, Finicity would refuse the proven
	// secret too.
	OfSecret bool
	// Locked means that Finicity said that the partner is locked.
	Locked bool
	// Failure is the error text, which must not contain a secret.
	Failure string
}

// Settle records the answer to the attempt that was charged at the given time.
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
			// Finicity checks the stored credential again, so support has unlocked the partner.
			// A locked partner could still get another refusal for another app key or at another
			// address, so those do not end the lock.
			r.Locked = time.Time{}
		}
	}
}

// holds reports whether a refusal or a lock delays or stops attempts with the stored
// credential.
func (r *Record) holds() bool { return r.row() > 0 || !r.Locked.IsZero() }

// succeed clears the earlier refusals at the same place.
//
// A cleared refusal still counts for its 24 hours. After a forced success, all earlier
// attempts are removed instead. A credential that Finicity refused before and accepts
// now may be written again: either not all of Finicity knew it yet, or the refusal was
// a mistake.
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

// prune removes the attempts that no longer count.
func (r *Record) prune(now time.Time) {
	r.Attempts = slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool { return !a.counts(now) })
}

// counts reports whether the attempt counts toward Limit: for 24 hours, and longer if no
// attempt at the same place has succeeded since.
func (a Attempt) counts(now time.Time) bool { return a.Cleared.IsZero() || now.Sub(a.At) <= memory }

// Last returns the time of the last attempt in the record, or of the lock if that is
// later. Zero if there is neither.
func (r Record) Last() time.Time {
	last := r.Locked
	for _, a := range r.Attempts {
		if a.At.After(last) {
			last = a.At
		}
	}
	return last
}

// Recent reports whether [Record.Last] is within the last 24 hours. If so, one more
// attempt could lock the partner.
func (r Record) Recent(now time.Time) bool { return now.Sub(r.Last()) <= memory }

// Empty reports whether the record has no lock and no attempt that counts.
func (r *Record) Empty(now time.Time) bool {
	return r.Locked.IsZero() && !slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.counts(now) })
}
