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

// noteAliveEvery is how often an idle engine stores that it is alive, for the restore
// guard, and the time of its clock: after a restart, the clock lags by the time since
// the last write.
const noteAliveEvery = time.Hour

// Periodic is called by Vault about once a minute, on each node. It repeats a failed
// write, resolves a pending rotation, rotates if that is due, and refreshes the token.
func (e *Engine) Periodic(ctx context.Context, s logical.Storage) error {
	if !e.mayWrite() {
		return nil
	}
	err := e.doDue(ctx, s)
	e.refreshInUse(ctx, s)
	return err
}

// refreshInUse starts a refresh if the token is due and has been read. Without this, an
// app that reads every 50 minutes would get a token with 15 minutes left, because no
// reader waits for a refresh. A token that is not used is not refreshed.
func (e *Engine) refreshInUse(ctx context.Context, s logical.Storage) {
	t, ok := e.usable(time.Second)
	// Compare the values: a write of the configuration loads the same token again.
	if served := e.served.Load(); ok && served != nil && served.Value.Equal(t.Value) {
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
	if st.version1 != "" { // Otherwise each read would migrate it again, with other times.
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
	if st.Secrets.Unresolved() {
		st, err = e.authenticate(ctx, s, st, attempts.Automatic, operationSettle)
		if err != nil && !accepted(err) {
			if !due {
				return unreported(err)
			}
			if _, pending := st.Secrets.Pending(); !pending { // A pending rotation may have succeeded.
				e.reportRotation(ctx, st, operationSchedule, err)
			}
			return e.scheduleFailed(ctx, s, st, err)
		}
		// The rotation that is now resolved may be the one that was due, and another node may
		// have changed the schedule.
		still, _ := st.Plan.Due(st.Settings.Schedule.spec(), st.LastRotation, e.now())
		due = due && still
	}
	if !due {
		return nil
	}
	before, last := st.Plan, st.LastRotation
	st, err = e.rotate(ctx, s, st, confidential.Text{}, operationSchedule, true)
	e.reportRotation(ctx, st, operationSchedule, err)
	if err == nil || !st.LastRotation.Equal(last) || errors.Is(err, ErrOvertaken) { // Then the plan is that of another node.
		return nil
	}
	st.Plan = before // scheduleFailed records the outcome instead of the start.
	return e.scheduleFailed(ctx, s, st, err)
}

// plan updates the schedule, stores any change and once an hour that the engine is alive,
// and reports whether a rotation is due.
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
		e.host.Logger().Warn("the scheduled rotation missed its window", "partner_id", st.PartnerID,
			"next", next.nextRotation())
	}
	return next, due && !next.Guard.IsPaused(), nil
}

// silent reports whether nothing was stored for an hour, or the wall clock was set back.
func (e *Engine) silent(st *State) bool {
	since := e.now().Sub(st.Guard.Alive)
	return since >= noteAliveEvery || since < 0
}

// noteAlive stores the time of the clock on a mount that has refusals but no credential,
// so that the refusals expire after 24 hours even if the process restarts.
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
		return nil // The rotation has not ended.
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
		log.Warn("scheduled rotation is stopped until an operator rotates the secret", "partner_id", st.PartnerID, "failures", failures)
	} else {
		log.Info("the scheduled rotation will be retried", "partner_id", st.PartnerID, "failures", failures,
			"retry", failed.Plan.Retry(failed.LastRotation))
	}
	return e.store(ctx, s, failed, failed)
}

// unreported returns the error unless it is already in the log, as a refusal and an
// outage are. Vault would log it again each minute.
func unreported(err error) error {
	var failure *finicityapi.Error
	var halted *NotAllowed
	var pending *Pending
	if errors.As(err, &failure) || errors.As(err, &halted) || errors.As(err, &pending) {
		return nil
	}
	return err
}
