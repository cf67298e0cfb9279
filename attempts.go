// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// attempts is the record of what was tried at Finicity for one partner at one address. Five unsuccessful attempts lock
// the partner for the whole company, and no answer says how many Finicity has counted. So the engine counts itself, in
// storage, and forgets only when an attempt succeeds.
//
// An attempt is charged before it is sent and settled by its answer. What a process that died has left charged may have
// been refused, so it counts towards the limit; it may as well have been an outage, so it holds nothing back.
type attempts struct {
	// Rejected are the attempts that Finicity has refused since the last success.
	Rejected int `json:"rejected,omitempty"`
	// Charged are those whose answer is not known.
	Charged int `json:"charged,omitempty"`
	// RejectedAt is when the last one was refused.
	RejectedAt time.Time `json:"rejected_at,omitzero"`
	// Locked means that Finicity has said that the partner is locked.
	Locked bool `json:"locked,omitempty"`
	// LastError is what Finicity said to the last attempt that failed, and LastErrorAt when. After a refusal it is that of
	// the last refusal: an outage later on is not what stops calls.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Refused are fingerprints of credentials that Finicity has refused, the latest first.
	Refused []refusedCredential `json:"refused,omitempty"`
}

type refusedCredential struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	Error       string    `json:"error"` // what Finicity said
	// Secret is set when that was a verdict on the secret, and not on the app key or the partner ID.
	Secret bool `json:"secret,omitempty"`
}

const (
	// attemptsMost is how many unsuccessful attempts the engine makes since the last success, whoever asks: the fifth
	// locks the partner. Only force goes past it.
	attemptsMost = 4
	// automaticMost is how many of them nobody has asked for.
	automaticMost = 2
	// holdFor is how long the second automatic one waits: long enough to look at the log, short enough to get over a
	// hiccup of Finicity before a token is missed.
	holdFor = 5 * time.Minute
	// refusedMost bounds the record; more than attemptsMost different ones come only from force.
	refusedMost = 8
)

// who is on whose behalf an attempt is made.
type who int

const (
	// automatic is the engine by itself: reads, settling, the schedule.
	automatic who = iota
	// following is the second of two automatic calls, which together find out which secret is in force. It waits for
	// nothing, since the first one's refusal is no news then, but it is not made when automatic calls have stopped.
	following
	// person is somebody who waits for the answer: config write, config/verify, rotate-root, rotate-token.
	person
	// forced is a person who knows that the limit is reached.
	forced
)

// next is on whose behalf the second of two calls is made.
func (w who) next() who {
	if w == automatic {
		return following
	}
	return w
}

// Names of the states, as status shows them.
const (
	stateOK      = "ok"
	stateHeld    = "held"    // one rejection: the next automatic call waits
	stateStopped = "stopped" // two: a person must act
	stateLocked  = "locked"  // Finicity's support must act
)

func (a *attempts) state() string {
	switch {
	case a.Locked:
		return stateLocked
	case a.Rejected >= automaticMost, a.left() == 0:
		return stateStopped
	case a.Rejected > 0:
		return stateHeld
	default:
		return stateOK
	}
}

// left is how many more attempts the engine lets through before it insists on force.
func (a *attempts) left() int { return max(0, attemptsMost-a.Rejected-a.Charged) }

// retry is when the next automatic call is due; zero when there is none until a person has acted.
func (a *attempts) retry() time.Time {
	if a.state() == stateHeld {
		return a.RejectedAt.Add(holdFor)
	}
	return time.Time{}
}

// stopped is the error of a call that was not made, because of the record.
type stopped struct{ record attempts }

func (s *stopped) Error() string {
	const text = "no call was made to Finicity, after "
	if s.record.LastError == "" {
		return text + fmt.Sprintf("%d attempts without an answer", s.record.Charged)
	}
	return text + "this one: " + s.record.LastError
}

// redate reports whether the last refusal lay in the future, because the clock was set back, and has it be now, so that
// the hold begins anew rather than last until then. To be kept, or it would begin anew each time.
func (a *attempts) redate(now time.Time) (redated bool) {
	if !now.Before(a.RejectedAt) {
		return false
	}
	a.RejectedAt = now
	return true
}

// allow returns a *stopped when the attempt must not be made.
func (a *attempts) allow(by who, now time.Time) error {
	switch {
	case by == forced:
		return nil
	case a.left() == 0,
		by != person && (a.state() == stateStopped || a.state() == stateLocked),
		by == automatic && a.state() == stateHeld && now.Before(a.retry()):
		return &stopped{record: *a}
	default:
		return nil
	}
}

// charge is to be stored before the attempt is sent.
func (a *attempts) charge() { a.Charged++ }

// giveBack takes back one that was charged. It may be gone already, with a success of another process.
func (a *attempts) giveBack() { a.Charged = max(0, a.Charged-1) }

// settle takes the answer to a charged attempt, nil for a success. fingerprint is that of the credential that the answer
// is a verdict on, if it is one. A refusal stays, a success makes everything forgotten, and anything else is given back, a
// time-out too: an outage of Finicity must not end in stopped.
func (a *attempts) settle(failure *finicityapi.Error, fingerprint string, now time.Time) {
	if failure == nil {
		*a = attempts{}
		return
	}
	a.giveBack()
	verdict := failure.Class == finicityapi.Rejected || failure.Class == finicityapi.Locked
	if verdict || a.Rejected == 0 {
		a.LastError, a.LastErrorAt = failure.Error(), now
	}
	if !verdict { // Unavailable, or a new secret that is against the policy: the credential itself was not judged.
		return
	}
	a.Rejected++
	a.RejectedAt = now
	a.Locked = a.Locked || failure.Class == finicityapi.Locked
	if fingerprint != "" && failure.CredentialRefused() { // And not the place it came from, the request, or a partner who is locked.
		a.pardon(fingerprint)
		secret, _ := failure.SecretRefused()
		a.Refused = slices.Insert(a.Refused, 0, refusedCredential{
			Fingerprint: fingerprint, At: now, Error: failure.Error(), Secret: secret,
		})
		a.Refused = a.Refused[:min(len(a.Refused), refusedMost)]
	}
}

// pardon forgets that the credential with that fingerprint was refused, and reports whether it was. What was spent stays.
func (a *attempts) pardon(fingerprint string) (found bool) {
	_, found = a.refused(fingerprint)
	// A copy: others may hold the list.
	a.Refused = slices.DeleteFunc(slices.Clone(a.Refused), func(r refusedCredential) bool { return r.Fingerprint == fingerprint })
	return found
}

// refused is what is noted of the credential with that fingerprint, if Finicity refused it since the last success.
func (a *attempts) refused(fingerprint string) (noted refusedCredential, found bool) {
	i := slices.IndexFunc(a.Refused, func(r refusedCredential) bool { return r.Fingerprint == fingerprint })
	if i < 0 {
		return refusedCredential{}, false
	}
	return a.Refused[i], true
}
