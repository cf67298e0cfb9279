// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// attempt is one call to Finicity that may count toward the lockout.
type attempt struct {
	request attempts.Request
	// to has the credential and the address to try: the stored state, or for a
	// config write the state that is about to be stored.
	to *State
	// prepare changes the state before the call, in the same write that charges the
	// attempt. It is nil if only the charge is stored.
	prepare func(st *State)
	send    func(client *finicityapi.Client) error
	// settle changes the state after the call. failure is nil after a success. It can
	// be called again, with a newer state, if storage has changed in the meantime.
	settle func(st *State, failure *finicityapi.Error)
}

// facts returns what the rules of attempts need besides the record.
func (e *Engine) facts(st *State) attempts.Facts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return attempts.Facts{Succeeded: e.succeeded, Copy: !st.Copied.IsZero(), Acknowledged: st.Secrets.Acknowledged()}
}

// allowed returns a *NotAllowed if the attempt must not be made. to is the stored
// state, or the state that is about to be stored.
func (e *Engine) allowed(st, to *State, q attempts.Request) error {
	verdict := e.verdict(st, to, q)
	if verdict == attempts.Allowed {
		return nil
	}
	denied := &NotAllowed{Verdict: verdict, Standing: e.standing(st, to)}
	if verdict == attempts.KnownBad {
		record := st.recordAt(to)
		denied.Known = e.wall(record.RefusedBefore(q.Credential, e.clock.now()))
	}
	return denied
}

func (e *Engine) verdict(st, to *State, q attempts.Request) attempts.Verdict {
	record := st.recordAt(to)
	return record.Allow(q, e.facts(st), e.clock.now())
}

// do makes one attempt: it charges the attempt and stores that, calls Finicity,
// settles the answer and stores that. It returns the resulting state. The upstream
// lock must be held, and ctx must outlive the caller: the answer counts even if the
// caller has stopped waiting.
//
// The error is a *NotAllowed or a *NotCharged if no call was made, a *Refusal if
// Finicity refused, a *NotStored if Finicity accepted but the outcome could not be
// stored, and otherwise the *finicityapi.Error of the call.
func (e *Engine) do(ctx context.Context, s logical.Storage, st *State, a attempt) (*State, error) {
	partner := a.to.PartnerID
	client, err := e.client(ctx, &a.to.Settings)
	if err != nil {
		return st, err
	}
	if err := e.allowed(st, a.to, a.request); err != nil {
		return st, err
	}
	before := e.standing(st, a.to).State

	charged := st.clone()
	if a.prepare != nil {
		a.prepare(charged)
	}
	charge := attempts.Attempt{
		At: e.clock.now(), Trigger: a.request.Trigger, Subject: a.request.Subject, Place: a.to.Settings.place(),
	}
	record := charged.record(partner)
	record.Charge(charge)
	if err := charged.setRecord(partner, record, charge.At); err != nil {
		return st, err
	}
	// Storage might have the charge even if the write failed. The next write corrects
	// that.
	if err := e.store(ctx, s, charged, st); err != nil {
		uncharged := &NotCharged{err}
		if a.request.Trigger == attempts.Automatic && !errors.Is(err, ErrOvertaken) { // After ErrOvertaken, storage works.
			e.storing.Note(uncharged, 0, time.Now())
		}
		return st, uncharged
	}

	failure := asFailure(a.send(client))
	st, stored := e.settle(ctx, s, charged, a, charge, failure)
	e.reportStanding(ctx, st, a.to, before)
	switch {
	case failure == nil && stored != nil:
		return st, &NotStored{stored}
	case failure == nil:
		return st, nil
	case failure.Class == finicityapi.Rejected || failure.Class == finicityapi.Locked:
		return st, &Refusal{Failure: failure, Standing: e.standing(st, a.to)}
	default:
		return st, failure
	}
}

// settle applies the answer to the state and stores it. If that write fails, the next
// automatic call backs off as after an outage.
func (e *Engine) settle(
	ctx context.Context, s logical.Storage, charged *State, a attempt, charge attempts.Attempt, failure *finicityapi.Error,
) (st *State, err error) {
	answer := a.answer(failure)
	if answer.Success {
		e.mu.Lock()
		e.succeeded, e.copied = true, time.Time{}
		e.mu.Unlock()
	}
	partner := a.to.PartnerID
	for range 3 { // Storage rarely changes during a call, and hardly ever twice in a row.
		st = e.charged(ctx, s, charged)
		record, now := st.record(partner), e.clock.now()
		record.Recharge(charge)
		record.Settle(charge.At, answer, now)
		a.settle(st, failure)
		if err = st.setRecord(partner, record, now); err == nil {
			err = e.store(ctx, s, st, st)
		}
		if !errors.Is(err, ErrOvertaken) {
			break
		}
	}
	// A failure at another address is no reason to back off here. Neither is the failure of
	// another credential: a 429 might be about its app key.
	another := a.request.Subject == attempts.Written
	switch {
	case elsewhere(a.to, st):
	case failure != nil && failure.Class == finicityapi.Unavailable && !another:
		e.backoff.Note(failure, e.patience(ctx, s, st, failure.RetryAfter), time.Now())
	case err != nil:
		e.backoff.Note(err, 0, time.Now())
	case failure == nil || !another:
		e.backoff.Clear()
	}
	return st, err
}

// patience limits a Retry-After to half of what the current token has left, so that one
// more call is possible before reads fail.
func (e *Engine) patience(ctx context.Context, s logical.Storage, st *State, retryAfter time.Duration) time.Duration {
	if retryAfter == 0 { // As most failures.
		return 0
	}
	t := e.tokens.Current()
	if t == nil { // No reader of this process has loaded the stored token yet.
		t, _ = e.storedToken(ctx, s, st)
	}
	if t != nil && e.Remaining(t) > 0 {
		return min(retryAfter, e.Remaining(t)/2)
	}
	return retryAfter
}

// charged returns the state to apply an answer to: the state that was stored before
// the call. If storage has changed since, because another node has taken over or a
// snapshot was restored, it is the stored state, plus what the call may have changed.
func (e *Engine) charged(ctx context.Context, s logical.Storage, charged *State) *State {
	stored, err := e.read(ctx, s)
	if err != nil || stored.Clock.Equal(charged.Clock) {
		return charged.clone()
	}
	stored.retain(charged)
	return stored
}

// answer describes the outcome of the attempt for the record.
func (a attempt) answer(failure *finicityapi.Error) attempts.Answer {
	answer := attempts.Answer{Success: failure == nil && !a.request.Change}
	if failure != nil {
		answer.Failure = failure.Error()
		answer.OfSecret, _ = failure.SecretRefused()
		answer.Locked = failure.Class == finicityapi.Locked
		switch {
		case failure.Class != finicityapi.Rejected && failure.Class != finicityapi.Locked:
			if a.request.Subject == attempts.Written {
				answer.Failure = a.what(false) + " failed: " + answer.Failure
			}
			return answer
		case failure.FromFinicity():
			answer.Outcome = attempts.RefusedWithCode
		default:
			answer.Outcome = attempts.Refused
		}
		answer.Failure = a.what(answer.OfSecret) + " failed: " + answer.Failure
	}
	if answer.Success || failure != nil && failure.CredentialRefused() && failure.FromFinicity() {
		answer.Credential = a.request.Credential
	}
	return answer
}

// what names a failed attempt in last_error, because an operator must know whether the
// stored credential failed. ofSecret means that the refusal is a verdict on the secret.
func (a attempt) what(ofSecret bool) string {
	switch {
	case a.request.Change:
		return "the change of the secret"
	case a.request.Subject == attempts.Written:
		return "an attempt with an unstored credential"
	case a.request.Subject == attempts.Candidate && ofSecret:
		return "an attempt with an unproven stored secret"
	default:
		return "an attempt with the stored credential"
	}
}

// elsewhere reports whether two states have another partner or another address.
func elsewhere(a, b *State) bool {
	return a.PartnerID != b.PartnerID || a.Settings.place() != b.Settings.place()
}

// asFailure turns every error of a call into a *finicityapi.Error. An error that did not
// come from the client is not a verdict on the credential.
func asFailure(err error) *finicityapi.Error {
	var failure *finicityapi.Error
	if err != nil && !errors.As(err, &failure) {
		failure = &finicityapi.Error{Message: err.Error()}
	}
	return failure
}
