// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Rotated is the result of a rotation.
type Rotated struct {
	At time.Time
	// Next is when the schedule replaces the new secret. It is zero without a schedule.
	Next time.Time
}

// RotateRoot changes the partner secret to one that the engine generates.
func (e *Engine) RotateRoot(ctx context.Context, s logical.Storage, operation string) (Rotated, error) {
	return e.rotateTo(ctx, s, confidential.Text{}, operation)
}

// RotateTo changes the partner secret to one that the operator chose.
func (e *Engine) RotateTo(ctx context.Context, s logical.Storage, chosen confidential.Text, operation string) (Rotated, error) {
	if err := checkIdentifier("new_partner_secret", chosen.Reveal()); err != nil {
		return Rotated{}, err
	}
	if err := CheckSecretRules(chosen.Reveal()); err != nil {
		return Rotated{}, userErrorf("field %q: Finicity would not accept this secret: %v", "new_partner_secret", err)
	}
	return e.rotateTo(ctx, s, chosen, operation)
}

func (e *Engine) rotateTo(ctx context.Context, s logical.Storage, chosen confidential.Text, operation string) (Rotated, error) {
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return Rotated{}, err
	}
	defer e.upstream.release()
	if held := e.heldBack(st); held != nil { // Jobs call this too.
		return Rotated{}, held
	}
	st, err = e.rotate(ctx, s, st, chosen, operation, false)
	e.reportRotation(ctx, st, operation, err)
	if err != nil { // Also if only storing the outcome failed: after a restart, the old token may be served.
		return Rotated{}, err
	}
	return Rotated{st.LastRotation, st.nextRotation()}, e.resume(ctx, s, st)
}

// rotate proves which secret is in effect if that is in doubt, changes the secret at
// Finicity to the chosen one or else to a new one, and proves the new one. The upstream
// lock must be held, and ctx must outlive the caller.
//
// The process can die at any line. So before each step, storage has every secret that
// may be in effect after that step.
func (e *Engine) rotate(
	ctx context.Context, s logical.Storage, st *State, chosen confidential.Text, operation string, scheduled bool,
) (*State, error) {
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return st, &NotCharged{err}
	}
	if err := st.checkChosen(chosen, hash); err != nil { // Before anything is sent.
		return st, err
	}
	until, full := st.Secrets.MustWait()
	// After until, a success removes the oldest candidate, which ends the limit. A process
	// whose data may be a copy stops after one refusal, so it must have a success before its
	// change might need a second attempt.
	overdue := full && !e.clock.now().Before(until)
	if full && !overdue && !st.Secrets.Unresolved() {
		// A success of the current secret would make no room.
		if next, _ := e.nextFor(st, attempts.Automatic, hash); !st.Secrets.Candidate(next) {
			return st, &CandidateLimit{Until: e.wall(until)}
		}
	}
	if overdue || st.Secrets.MustProve() || !st.Copied.IsZero() {
		proven, err := e.authenticate(ctx, s, st, attempts.Automatic, operation)
		if err != nil && !accepted(err) {
			return proven, fmt.Errorf("the secret has not changed: %w", err)
		}
		if scheduled && !proven.LastRotation.Equal(st.LastRotation) {
			return proven, nil // The pending rotation was this one, and it had succeeded.
		}
		// Another node may have written another partner or address, or an unverified secret.
		if next, _ := e.nextFor(proven, attempts.Automatic, hash); elsewhere(st, proven) || next.Proven.IsZero() && !st.Secrets.Has(next) {
			return st, ErrOvertaken
		}
		st = proven
	}
	if until, full = st.Secrets.MustWait(); full {
		return st, &CandidateLimit{Until: e.wall(until)}
	}
	if err := st.checkChosen(chosen, hash); err != nil { // Another node may have stored it in the meantime.
		return st, err
	}
	secret := chosen
	if chosen.IsZero() {
		if secret, err = e.newSecret(ctx, st, hash); err != nil {
			return st, err
		}
	}
	current, found := st.Secrets.Current()
	if !found {
		return st, ErrNotConfigured
	}
	st, err = e.change(ctx, s, st, current.Value, secret, !chosen.IsZero(), scheduled)
	if err != nil {
		return st, err
	}
	// Finicity, or a gateway, has acknowledged the change. Only an authentication proves it.
	st, err = e.authenticate(ctx, s, st, attempts.Automatic, operation)
	if last, _ := st.Secrets.Current(); err == nil || accepted(err) {
		if last.Value.Equal(secret) {
			return st, err
		}
		err = errors.New("Finicity acknowledged the change, but accepts the old secret and not the new one")
	}
	return st, &OutcomeUnknown{Err: err}
}

// errKnownSecret refuses a chosen secret that the engine already knows: its history would
// be mistaken for the outcome of the change.
const errKnownSecret = UserError("field \"new_partner_secret\" has a secret that is or was in use here, " +
	"or was sent to Finicity before: choose another one")

func (st *State) checkChosen(chosen confidential.Text, hash hasher) error {
	if !chosen.IsZero() && st.knows(chosen, hash) {
		return errKnownSecret
	}
	return nil
}

// change sends the new secret. chosen means that an operator has a copy of it. The error
// is an *OutcomeUnknown if Finicity may have carried out the change.
func (e *Engine) change(
	ctx context.Context, s logical.Storage, st *State, current, secret confidential.Text, chosen, scheduled bool,
) (*State, error) {
	// After a crash, other processes wait one request_timeout from the proposal on. The
	// call must end by then, however long storage takes.
	limit := st.Settings.RequestTimeout
	deadline, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no complete answer within %s", limit))
	defer cancel()
	to, grace := st, st.Settings.SecretGracePeriod
	st, err := e.do(ctx, s, st, attempt{
		request: attempts.Request{Trigger: attempts.Automatic, Change: true}, to: to,
		prepare: func(st *State) {
			now := e.clock.now()
			st.Secrets.Propose(secret, grace, now.Add(limit), now)
			if chosen {
				st.Secrets.Bring(secret, now)
			}
			if scheduled { // Store it now, in case the process dies during the call.
				st.Plan.Begun(st.LastRotation, e.now())
			}
		},
		send: func(client *finicityapi.Client) error {
			return client.ModifySecret(deadline, to.credential(current), secret, grace)
		},
		settle: func(st *State, failure *finicityapi.Error) {
			now := e.clock.now()
			switch {
			case failure == nil:
				st.Secrets.Acknowledge(secret, now)
			case failure.NotSent:
				st.Secrets.NotSent(secret)
			case failure.Ambiguous():
			default:
				_, oldRefused := failure.SecretRefused()
				st.Secrets.Deny(secret, current, oldRefused, now)
			}
		},
	})
	var failure *finicityapi.Error
	switch {
	case err == nil, accepted(err):
		return st, nil
	case errors.As(err, &failure) && failure.Ambiguous():
		return st, &OutcomeUnknown{Err: &Unanswered{failure}}
	case failure != nil && !failure.NotSent && !failure.FromFinicity() && !failure.AppKeyRefused():
		return st, &OutcomeUnknown{Err: err, Refused: true}
	case failure != nil && !failure.NotSent: // The answer may be to a duplicate of the request.
		return st, fmt.Errorf("Finicity refused the change, and the engine keeps both secrets until an authentication proves one of them: %w", err)
	default:
		return st, fmt.Errorf("the secret has not changed: %w", err)
	}
}

// reportRotation logs the outcome of a rotation, and emits an event if it failed. The
// event of a success was emitted by the authentication that proved it.
func (e *Engine) reportRotation(ctx context.Context, st *State, operation string, err error) {
	unknown := new(OutcomeUnknown)
	switch {
	case err == nil, accepted(err):
		e.host.Logger().Info("rotated the partner secret", "partner_id", st.PartnerID)
	case errors.As(err, &unknown):
		e.host.Logger().Warn("the outcome of a rotation is unknown", "partner_id", st.PartnerID, "error", err)
	default:
		e.host.Logger().Warn("rotation failed", "partner_id", st.PartnerID, "error", err)
		e.emit(ctx, eventRotateFail, operation, "partner_id", st.PartnerID, "error", err.Error())
	}
}
