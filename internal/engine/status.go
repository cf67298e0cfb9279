// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/token"
)

// Status is the state of the mount. It contains no secret. Times are by the wall clock,
// and zero if there is none.
type Status struct {
	Configured bool
	// Token is the shared token, or nil if there is none that can be served.
	Token *token.Token
	// TokenAvailable is whether a read would get a token now: there is one, or one
	// may be requested, and Finicity answered the last request.
	TokenAvailable bool
	Standing       Standing
	// Retry is the earliest time of the next automatic attempt, if it has to wait.
	Retry time.Time

	Pending      bool
	LastRotation time.Time
	NextRotation time.Time
	// RotationError is why the last scheduled rotation failed.
	RotationError string
	// Stopped is whether the schedule waits for an operator, after changes were refused.
	Stopped bool
	// RotateAfter is when rotate-root is possible again, if too many changes are
	// unconfirmed. Otherwise it is zero.
	RotateAfter time.Time
	// VerifyFirst is whether config/verify must succeed before rotate-root.
	VerifyFirst bool
	// Paused is when the restore guard paused the schedule. Alive is the last time before
	// that at which an engine was running.
	Paused time.Time
	Alive  time.Time

	// StorageError is why the last write to storage failed. StorageErrorTime is when.
	StorageError     string
	StorageErrorTime time.Time
}

// Status reads storage. It does not call Finicity.
func (e *Engine) Status(ctx context.Context, s logical.Storage) (Status, error) {
	st, err := e.view(ctx, s)
	if err != nil {
		return Status{}, err
	}
	status := Status{Configured: st.Configured(), Standing: Standing{State: attempts.OK, Left: attempts.Limit}}
	e.mu.Lock()
	if e.storageError != nil {
		status.StorageError, status.StorageErrorTime = e.storageError.Error(), e.storageErrorTime
	}
	e.mu.Unlock()
	if !st.Configured() {
		return status, nil
	}
	status.Standing = e.standing(st, st)
	t := e.tokens.Current()
	if t == nil {
		t, _ = e.storedToken(ctx, s, st)
	}
	if t != nil && e.Remaining(t) > 0 {
		status.Token = t
	}
	_, held := e.held()
	allowed := e.nextAllowed(ctx, s, st)
	status.TokenAvailable = status.Token != nil || status.StorageError == "" && !e.backoff.Failing() &&
		st.Secrets.Wait(e.clock.now()) <= 0 && allowed
	status.Retry = e.retry(st, status.Standing, held, allowed)

	_, status.Pending = st.Secrets.Pending()
	status.LastRotation, status.NextRotation = st.LastRotation, st.nextRotation()
	status.RotationError = st.Plan.LastError(st.LastRotation)
	status.Stopped = st.Plan.Stopped(st.LastRotation)
	if until, full := st.Secrets.MustWait(); full && until.After(e.clock.now()) {
		status.RotateAfter = wholeSecond(e.wall(until))
	}
	status.VerifyFirst = e.allowed(st, st, attempts.Request{Trigger: attempts.Automatic, Change: true}) != nil
	if st.Secrets.Wait(e.clock.now()) > 0 {
		status.RotationError = "" // A new rotation may be in progress.
	}
	if st.Settings.Schedule.active() {
		status.Paused, status.Alive = st.Guard.Paused, st.Guard.Alive
	}
	return status, nil
}

// nextAllowed reports whether the record allows the next automatic attempt now.
func (e *Engine) nextAllowed(ctx context.Context, s logical.Storage, st *State) bool {
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return false
	}
	next, _ := e.nextFor(st, attempts.Automatic, hash)
	q := attempts.Request{Subject: subject(&st.Secrets, next), Reserve: st.reserves()}
	return e.verdict(st, st, q) == attempts.Allowed
}

// retry returns the earliest time of the next automatic attempt. It is zero if the
// attempt does not have to wait, or if there will be none.
func (e *Engine) retry(st *State, standing Standing, held error, allowed bool) time.Time {
	if standing.State != attempts.OK && !allowed {
		if standing.Retry.After(e.now()) {
			return standing.Retry
		}
		return time.Time{}
	}
	wait := max(0, st.Secrets.Wait(e.clock.now()))
	heldBack := new(token.HeldError)
	if errors.As(held, &heldBack) {
		wait = max(wait, heldBack.Wait)
	}
	if wait == 0 {
		return time.Time{}
	}
	return wholeSecond(e.now().Add(wait))
}

// wholeSecond rounds the time of an attempt up to a second, because operators try again
// at the second that is shown.
func wholeSecond(t time.Time) time.Time {
	return t.Add(time.Second - time.Millisecond).Truncate(time.Second)
}
