// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/schedule"
)

// noteAliveEvery is how often an idle engine stores that it is alive, for the
// restore guard, and what its clock shows: after a restart, the clock lags by what
// was not stored.
const noteAliveEvery = time.Hour

// Periodic is called by Vault about once a minute, on each node. It stores what
// storage did not take before, resolves a rotation that is open, rotates when
// that is due, and refreshes the token.
func (e *Engine) Periodic(ctx context.Context, s logical.Storage) error {
	if !e.mayWrite() {
		return nil
	}
	err := e.doDue(ctx, s)
	e.refreshInUse(ctx, s)
	return err
}

// refreshInUse starts a refresh of a due token that somebody has read. Otherwise an
// app that reads once an hour would get a token with a few minutes left, since no
// reader waits for a refresh. A token that nobody has read is left alone.
func (e *Engine) refreshInUse(ctx context.Context, s logical.Storage) {
	if t, ok := e.usable(time.Second); ok && e.served.Load() == t {
		// The next reader learns of a failure.
		_ = e.refreshIfDue(t, func() error { return e.refresh(context.WithoutCancel(ctx), s, time.Second) })
	}
}

func (e *Engine) doDue(ctx context.Context, s logical.Storage) error {
	if e.upstream.take(ctx) != nil {
		return nil // Vault is shutting down.
	}
	defer e.upstream.release()
	st, err := e.load(ctx, s)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := e.flush(ctx, s, st); err != nil {
		return err
	}
	if !st.Configured() {
		return e.noteAlive(ctx, s, st)
	}
	if st.version1 != "" { // Or each read would migrate it anew, with other times.
		if err := e.store(ctx, s, st, st); err != nil {
			return err
		}
	}
	e.reportStanding(ctx, st, st, "")
	st, due, err := e.plan(ctx, s, st)
	if err != nil {
		return err
	}
	if e.backoff.Held(time.Now()) != nil {
		return nil
	}
	if st.Secrets.Unsettled() {
		st, err = e.authenticate(ctx, s, st, attempts.Automatic, operationSettle)
		if err != nil && !accepted(err) {
			if !due {
				return unreported(err)
			}
			if _, pending := st.Secrets.Pending(); !pending { // Otherwise it may have succeeded.
				e.reportRotation(ctx, st, operationSchedule, err)
			}
			return e.scheduleFailed(ctx, s, st, err)
		}
		// This rotation may have succeeded, or another node may have changed the schedule.
		still, _ := st.Plan.Due(st.Settings.Schedule.spec(), st.LastRotation, e.now())
		due = due && still
	}
	if !due {
		return nil
	}
	before, last := st.Plan, st.LastRotation
	st, err = e.rotate(ctx, s, st, confidential.Text{}, operationSchedule, true)
	e.reportRotation(ctx, st, operationSchedule, err)
	if err == nil || !st.LastRotation.Equal(last) || errors.Is(err, ErrOvertaken) { // The plan is another node's then.
		return nil
	}
	st.Plan = before // With the outcome instead of only the start.
	return e.scheduleFailed(ctx, s, st, err)
}

// plan brings the schedule up to date, stores what has changed or that the engine
// is alive, and reports whether a rotation is due.
func (e *Engine) plan(ctx context.Context, s logical.Storage, st *State) (next *State, due bool, err error) {
	now, spec, active := e.now(), st.Settings.Schedule.spec(), st.Settings.Schedule.active()
	next = st.clone()
	missed, changed := false, next.Plan.Redate(spec, &next.LastRotation, now)
	if active {
		due, missed = next.Plan.Due(spec, next.LastRotation, now)
	}
	if changed || missed || e.silent(st) {
		if err := e.store(ctx, s, next, st); err != nil {
			return st, false, err
		}
	}
	if missed {
		e.host.Logger().Warn("no rotation was possible within its window", "partner_id", st.PartnerID,
			"next", next.nextRotation())
	}
	return next, due && !next.Guard.IsPaused(), nil
}

// silent reports whether nothing was stored for an hour, by a wall clock that may
// have been set back.
func (e *Engine) silent(st *State) bool {
	since := e.now().Sub(st.Guard.Alive)
	return since >= noteAliveEvery || since < 0
}

// noteAlive stores what the clock shows on a mount that has refusals and no
// credential, so that their day ends.
func (e *Engine) noteAlive(ctx context.Context, s logical.Storage, st *State) error {
	if len(st.Records) == 0 || !e.silent(st) {
		return nil
	}
	return e.store(ctx, s, st, st)
}

// scheduleFailed stores that a scheduled rotation failed, and how.
func (e *Engine) scheduleFailed(ctx context.Context, s logical.Storage, st *State, err error) error {
	var halted *NotAllowed
	if _, pending := errors.AsType[*Pending](err); pending {
		return nil // It is not over.
	}
	outcome := schedule.Failed
	var refusal *Refusal
	var unknown *OutcomeUnknown
	var failure *finicityapi.Error
	switch {
	case errors.As(err, &unknown) && !unknown.Refused:
		outcome = schedule.Unanswered
	case errors.As(err, &halted):
	case errors.As(err, &refusal), errors.As(err, &failure) && failure.Class == finicityapi.RefusedByPolicy:
		outcome = schedule.Refused
	}
	failed := st.clone()
	failed.Plan.Failed(outcome, err.Error(), failed.LastRotation, e.now())
	log, failures := e.host.Logger(), failed.Plan.Failures
	if failed.Plan.Stopped(failed.LastRotation) {
		log.Warn("scheduled rotation has stopped until an operator rotates the secret", "partner_id", st.PartnerID, "failures", failures)
	} else {
		log.Info("the scheduled rotation is retried", "partner_id", st.PartnerID, "failures", failures,
			"retry", failed.Plan.Retry(failed.LastRotation))
	}
	return e.store(ctx, s, failed, failed)
}

// unreported is an error that no one has been told of yet. A refusal or an outage
// is in the log already, and a stop would be an error each minute.
func unreported(err error) error {
	var failure *finicityapi.Error
	var halted *NotAllowed
	var pending *Pending
	if errors.As(err, &failure) || errors.As(err, &halted) || errors.As(err, &pending) {
		return nil
	}
	return err
}
