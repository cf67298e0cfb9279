// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"fmt"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// The errors of this package say what happened. The paths add the command to type,
// because only they know the name of the mount.
var (
	// ErrNotConfigured means that the mount has no credential.
	ErrNotConfigured = errors.New("this mount is not configured")
	// ErrChanging means that the configuration changed during a read of the token.
	ErrChanging = errors.New("the configuration changed while the token was read: try again")
	// ErrTooSlow means that a new token was already too old when it arrived.
	ErrTooSlow = errors.New("Finicity answered so late that the new token has too little lifetime left: try again")
)

// UserError is an error that only the caller can fix.
type UserError string

func (u UserError) Error() string { return string(u) }

func userErrorf(format string, args ...any) UserError { return UserError(fmt.Sprintf(format, args...)) }

// Standing describes the attempts of a partner at an address, for errors and the
// status.
type Standing struct {
	State    attempts.State
	Rejected int       // refused attempts that count
	Used     int       // Rejected, plus the attempts that got no answer
	Left     int       // failed attempts left until force is required
	Reserved bool      // one attempt is left, and it is reserved for the stored credential
	Retry    time.Time // of the next automatic attempt, by the wall clock; zero if none is scheduled
	Failure  string    // the text of the last failure
	Failed   time.Time // the time of the last failure, by the wall clock
}

// standing returns the Standing for the partner and the address of to: the stored
// state, or the state that is about to be stored.
func (e *Engine) standing(st, to *State) Standing {
	record, facts, now := st.recordAt(to), e.facts(st), e.clock.now()
	retry := record.Retry(facts, now)
	if !retry.IsZero() {
		retry = wholeSecond(e.wall(retry))
	}
	left := record.Left(now)
	return Standing{
		State: record.State(facts, now), Rejected: record.Rejected(now), Used: record.Used(now), Left: left,
		Reserved: left == 1 && st.PartnerID == to.PartnerID && st.reserves(),
		Retry:    retry, Failure: record.Failure, Failed: e.wall(record.Failed),
	}
}

// NotAllowed is an attempt that was not made, because of the attempts before it.
type NotAllowed struct {
	Verdict  attempts.Verdict
	Standing Standing
	// Known is when Finicity refused the same credential, by the wall clock.
	Known time.Time
}

func (n *NotAllowed) Error() string {
	switch {
	case n.Verdict == attempts.KnownBad:
		return fmt.Sprintf("Finicity refused this credential on %s, so the engine does not send it again", n.Known.Format(time.RFC3339))
	case n.Standing.Failure == "":
		return fmt.Sprintf("no request was sent to Finicity, because of %d failed or unanswered attempts", n.Standing.Used)
	default:
		return "no request was sent to Finicity, because " + n.Standing.Failure
	}
}

// Refusal is an attempt that Finicity refused.
type Refusal struct {
	Failure  *finicityapi.Error
	Standing Standing
}

func (r *Refusal) Error() string { return r.Failure.Error() }
func (r *Refusal) Unwrap() error { return r.Failure }

// Unanswered is an attempt of an operator or a job that was sent, but got no verdict.
// Vault's clients retry a 5xx automatically, and each retry could count as an
// attempt, so the paths must not make this a 5xx.
type Unanswered struct{ Failure *finicityapi.Error }

func (u *Unanswered) Error() string { return u.Failure.Error() }
func (u *Unanswered) Unwrap() error { return u.Failure }

// NotCharged is an attempt that was not made, because the charge could not be stored.
type NotCharged struct{ Err error }

func (n *NotCharged) Error() string {
	return "no request was sent to Finicity, because the attempt could not be stored: " + n.Err.Error()
}
func (n *NotCharged) Unwrap() error { return n.Err }

// NotStored is a success whose outcome could not be stored.
type NotStored struct{ Err error }

func (n *NotStored) Error() string {
	return "Finicity accepted the request, but the outcome could not be stored: " + n.Err.Error()
}
func (n *NotStored) Unwrap() error { return n.Err }

// Pending is an attempt that must wait until the request of a rotation has ended.
type Pending struct{ Wait time.Duration }

func (p *Pending) Error() string {
	return "a rotation is pending, and its request might still be in progress"
}

// CandidateLimit is a change that was not made, because earlier changes are
// unconfirmed. Until is when it becomes possible, by the wall clock.
type CandidateLimit struct{ Until time.Time }

func (c *CandidateLimit) Error() string {
	return fmt.Sprintf("the secret has not changed: earlier changes are unconfirmed, and after one "+
		"more, four attempts might not be enough to find the secret in effect. Rotation is possible again after %s",
		c.Until.Format(time.RFC3339))
}

// OutcomeUnknown is a rotation that Finicity may or may not have carried out.
type OutcomeUnknown struct {
	Err error
	// Refused means that the change was refused without a Finicity code. The refusal may
	// come from a gateway that has forwarded the change.
	Refused bool
}

func (o *OutcomeUnknown) Error() string {
	return "the outcome of the rotation is unknown, and both secrets are stored: " + o.Err.Error()
}
func (o *OutcomeUnknown) Unwrap() error { return o.Err }

// MovePending is a move to another address while a rotation is pending. The engine must
// not send the pending secret to another address.
type MovePending struct{ Standing Standing }

func (*MovePending) Error() string {
	return "a rotation is pending at the current address, and the engine does not send the pending secret to another address"
}

// OnlyCopy is a deletion, or a change of the partner, that could lose the secret.
type OnlyCopy struct {
	Unresolved bool
	Standing   Standing
}

func (o *OnlyCopy) Error() string {
	if o.Unresolved {
		return "a rotation is unresolved, and this mount might hold the only copy of the secret"
	}
	return "this mount has rotated the secret, and might hold the only copy of it"
}
