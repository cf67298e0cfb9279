// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"fmt"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// The errors say what happened. The paths add what to type, since only they know
// the name of the mount.
var (
	// ErrNotConfigured means that the mount has no credential.
	ErrNotConfigured = errors.New("this mount is not configured")
	// ErrChanging means that the configuration changed during a read.
	ErrChanging = errors.New("the configuration changed while the token was read: try again")
	// ErrTooSlow means that a new token was already too old when it came.
	ErrTooSlow = errors.New("the answer from Finicity came so late that too little is left of the token: try again")
)

// UserError is an error that the caller must do something about.
type UserError string

func (u UserError) Error() string { return string(u) }

func userErrorf(format string, args ...any) UserError { return UserError(fmt.Sprintf(format, args...)) }

// Standing is how the attempts of a partner stand, as errors and the status
// show it.
type Standing struct {
	State    attempts.State
	Rejected int       // refused attempts that count
	Used     int       // these, and those without an answer
	Left     int       // failed attempts until force is needed
	Reserved bool      // the last one is left, and is kept for the stored credential
	Retry    time.Time // of the next automatic attempt, by the wall clock; zero when it waits for no time
	Failure  string    // what Finicity said last
	Failed   time.Time // when, by the wall clock
}

// standing is how the attempts stand at the partner and the address of to: the
// stored state, or what is about to be stored.
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

// NotAllowed is an attempt that was not made, because of the record.
type NotAllowed struct {
	Verdict  attempts.Verdict
	Standing Standing
	// Known is when Finicity refused this very credential, by the wall clock.
	Known time.Time
}

func (n *NotAllowed) Error() string {
	switch {
	case n.Verdict == attempts.KnownBad:
		return fmt.Sprintf("Finicity refused this credential on %s, so it is not sent again", n.Known.Format(time.RFC3339))
	case n.Standing.Failure == "":
		return fmt.Sprintf("no request was sent to Finicity, because of %d failed or unanswered attempts before", n.Standing.Used)
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

// Unanswered is an attempt of a person or a job that was sent, and whose answer
// is no verdict. Vault's clients retry a 5xx automatically, and each retry may
// count as an attempt, so this must not become one.
type Unanswered struct{ Failure *finicityapi.Error }

func (u *Unanswered) Error() string { return u.Failure.Error() }
func (u *Unanswered) Unwrap() error { return u.Failure }

// NotCharged is an attempt that was not made, because it could not be stored.
type NotCharged struct{ Err error }

func (n *NotCharged) Error() string {
	return "nothing was sent to Finicity, because the attempt could not be stored: " + n.Err.Error()
}
func (n *NotCharged) Unwrap() error { return n.Err }

// NotStored is a success whose outcome storage did not take.
type NotStored struct{ Err error }

func (n *NotStored) Error() string {
	return "Finicity accepted the request, but the outcome could not be stored: " + n.Err.Error()
}
func (n *NotStored) Unwrap() error { return n.Err }

// Pending is an attempt that has to wait for a change of the secret.
type Pending struct{ Wait time.Duration }

func (p *Pending) Error() string {
	return "a rotation is pending, and its request may still be on its way"
}

// CandidateLimit is a change that was not made, because earlier ones are
// unconfirmed. Until is when it can be made, by the wall clock.
type CandidateLimit struct{ Until time.Time }

func (c *CandidateLimit) Error() string {
	return fmt.Sprintf("the secret has not changed, and nothing was sent: earlier changes are unconfirmed, and with another one "+
		"four attempts might not find the secret in effect. Rotation is possible again after %s",
		c.Until.Format(time.RFC3339))
}

// OutcomeUnknown is a rotation that Finicity may have carried out.
type OutcomeUnknown struct {
	Err error
	// Refused means that the change was refused, without a code of Finicity's. The
	// refusal may come from a gateway that has passed the change on.
	Refused bool
}

func (o *OutcomeUnknown) Error() string {
	return "the outcome of the rotation is unknown, and both secrets are stored: " + o.Err.Error()
}
func (o *OutcomeUnknown) Unwrap() error { return o.Err }

// MovePending is a move to another address during a rotation, whose secret is sent
// to no other address.
type MovePending struct{ Standing Standing }

func (*MovePending) Error() string {
	return "a rotation is pending at the current address, and its secret is not sent to another one"
}

// OnlyCopy is a deletion or a change of partner that may lose the secret.
type OnlyCopy struct {
	Unsettled bool
	Standing  Standing
}

func (o *OnlyCopy) Error() string {
	if o.Unsettled {
		return "a rotation is unresolved, and this mount may hold the only copy of the secret"
	}
	return "this mount has rotated the secret, and may hold the only copy of it"
}
