// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/token"
)

func (e *Engine) age(t *token.Token) time.Duration {
	return t.Age(e.options.Now(), time.Since(t.Started))
}

// Remaining returns how much longer a token may be served, in whole seconds.
func (e *Engine) Remaining(t *token.Token) time.Duration { return t.Remaining(e.age(t)) }

// UntilRefresh returns the time until the token is due for a refresh, rounded up to whole
// seconds. It can be negative.
func (e *Engine) UntilRefresh(t *token.Token) time.Duration {
	return (token.RefreshAge(t.Lifetime) - e.age(t) + time.Second - 1).Truncate(time.Second)
}

// Token returns the shared token with at least minTTL left. If the token is due for a
// refresh, Token starts one and returns the current token, with the failure of the
// last refresh, if any. Only a reader without a usable token waits for the refresh,
// for as long as ctx allows, or until another request has brought a token. A read of a
// fresh token uses no storage and no lock.
func (e *Engine) Token(ctx context.Context, s logical.Storage, minTTL time.Duration) (
	t *token.Token, failure, err error,
) {
	minTTL = max(minTTL, time.Second)
	refresh := func() error { return e.refresh(context.WithoutCancel(ctx), s, minTTL) }
	// One refresh is enough, unless a change of the configuration dropped its token at
	// once, or another reader started it with a smaller minTTL.
	for refreshes := 0; ; refreshes++ {
		if err := e.CheckMinTTL(ctx, s, minTTL); err != nil {
			return nil, nil, err
		}
		if t, ok := e.usable(minTTL); ok { // A failed refresh does not matter then.
			return t, e.serve(t, refresh), nil
		}
		if err == nil && refreshes == 3 {
			err = ErrChanging
		}
		if err != nil {
			return nil, nil, err
		}
		err = e.await(ctx, e.tokens.Refresh(time.Now, refresh), minTTL)
		// Another reader, who asks for too much, may have started the refresh.
		if much, is := errors.AsType[*tooMuch](err); is && minTTL <= much.limit {
			err = nil
		}
	}
}

// await waits for the end of a refresh, or for a usable token if one is shared before that:
// by the refresh, which still has events to send, or by a request that then changes
// the secret.
func (e *Engine) await(ctx context.Context, running *token.Refresh, minTTL time.Duration) error {
	for {
		shared := e.tokens.Shared()
		if _, ok := e.usable(minTTL); ok {
			return nil
		}
		select {
		case <-running.Done():
			return running.Err()
		case <-shared:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// serve records that the token is in use, and starts a refresh if it is due.
func (e *Engine) serve(t *token.Token, refresh func() error) (failure error) {
	if e.served.Load() != t { // Avoid a write on each read: all readers share the cache line.
		e.served.Store(t)
	}
	return e.refreshIfDue(t, refresh)
}

// refreshPause is the time between a failed refresh and the next. Not every failure
// makes the engine back off, and each refresh reads storage.
const refreshPause = time.Second

// refreshIfDue starts a refresh if the token is due for one and the engine is not backing
// off. It does not wait for the refresh. It returns the failure of the last refresh since
// the token became due, if any.
func (e *Engine) refreshIfDue(t *token.Token, refresh func() error) error {
	due := e.age(t) - token.RefreshAge(t.Lifetime)
	if due < 0 {
		return nil
	}
	if since, held := e.held(); held != nil {
		if since > due { // It was a failure of something else.
			return nil
		}
		return held
	}
	at, failure := e.tokens.Failure(t)
	since := time.Since(at)
	if since > due { // It was a refresh for a reader with a min_ttl.
		failure = nil
	}
	if failure == nil || since >= refreshPause {
		e.tokens.Refresh(time.Now, refresh)
	}
	return failure
}

func (e *Engine) usable(minTTL time.Duration) (*token.Token, bool) {
	t := e.tokens.Current()
	return t, t != nil && e.Remaining(t) >= minTTL
}

// CheckMinTTL refuses a min_ttl that would replace the token too often. Without a token,
// the refresh checks it, except for one that no lifetime allows: such a request must not
// start a refresh.
func (e *Engine) CheckMinTTL(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	if t := e.tokens.Current(); t != nil {
		return checkMinTTL(minTTL, t.Lifetime)
	}
	if checkMinTTL(minTTL, maxTokenLifetime) == nil {
		return nil
	}
	st, err := e.view(ctx, s)
	if err == nil && !st.Configured() {
		err = ErrNotConfigured
	}
	if err != nil {
		return err
	}
	return checkMinTTL(minTTL, st.Settings.TokenLifetime)
}

func checkMinTTL(minTTL, lifetime time.Duration) error {
	if limit := token.MaxMinTTL(lifetime); minTTL > limit {
		return &tooMuch{limit}
	}
	return nil
}

// tooMuch refuses a min_ttl over the limit. Readers who ask for less and share the refresh
// must not get this error.
type tooMuch struct{ limit time.Duration }

func (m *tooMuch) Error() string { return m.Unwrap().Error() }
func (m *tooMuch) Unwrap() error {
	return userErrorf("field %q must be at most %s, so that a token is used for at least a quarter of its lifetime", "min_ttl", short(m.limit))
}

// refresh replaces the shared token, unless the current one is not due and has minTTL
// left. In a process that has no token yet, it ends with the stored token if that is
// usable at all: readers who can use that token must not wait for Finicity.
func (e *Engine) refresh(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	epoch := e.tokens.Epoch()
	if e.tokens.Current() == nil {
		usable, err := e.loadToken(ctx, s, epoch)
		if err != nil { // Once more: the lock might not be free for minutes.
			usable, err = e.loadToken(ctx, s, epoch)
		}
		if usable || err != nil {
			return err
		}
	}
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return err
	}
	defer e.upstream.release()

	if err := checkMinTTL(minTTL, st.Settings.TokenLifetime); err != nil {
		return err
	}
	// The previous holder of the lock may have got a new token.
	t, err := e.currentToken(ctx, s, st, epoch)
	if err != nil {
		return err
	}
	if t != nil {
		if age := e.age(t); age < token.RefreshAge(t.Lifetime) && t.Remaining(age) >= minTTL {
			return nil
		}
	}
	if held := e.heldBack(st); held != nil {
		return held
	}
	if held := e.storing.Held(time.Now()); held != nil {
		return held
	}
	if _, err = e.authenticate(ctx, s, st, attempts.Automatic, operationRead); err != nil && !accepted(err) {
		return err
	}
	if t := e.tokens.Current(); t != nil && e.Remaining(t) < minTTL {
		return ErrTooSlow // The next attempts might be as slow, so do not try again here.
	}
	return nil
}

// held returns an error while reads back off, and the time since the failure.
func (e *Engine) held() (since time.Duration, err error) {
	now, held := time.Now(), new(token.HeldError)
	if err = e.backoff.Held(now); err == nil {
		err = e.storing.Held(now)
	}
	if errors.As(err, &held) {
		since = now.Sub(held.Failed)
	}
	return since, err
}

// heldBack returns an error while the engine backs off. If a pending rotation takes
// longer than that, the error is a *Pending.
func (e *Engine) heldBack(st *State) error {
	held, backingOff := e.backoff.Held(time.Now()), new(token.HeldError)
	if !errors.As(held, &backingOff) {
		return nil
	}
	if wait := st.Secrets.Wait(e.clock.now()); wait > backingOff.Wait {
		return &Pending{Wait: wait}
	}
	return held
}

// loadToken shares the stored token, and reports whether it is usable. It does not wait
// for the upstream lock, because a call can hold that for as long as request_timeout,
// for example after a failover.
func (e *Engine) loadToken(ctx context.Context, s logical.Storage, epoch uint64) (usable bool, err error) {
	st, err := e.view(ctx, s)
	if err != nil || !st.Configured() {
		return false, err
	}
	t, err := e.storedToken(ctx, s, st)
	if t == nil {
		return false, err
	}
	e.tokens.ShareFirst(t, epoch)
	return e.Remaining(t) >= time.Second, nil
}

// currentToken returns the shared token, or nil. If this process has none yet, it loads
// the stored one. epoch must be from before st was read.
func (e *Engine) currentToken(ctx context.Context, s logical.Storage, st *State, epoch uint64) (*token.Token, error) {
	if t := e.tokens.Current(); t != nil {
		return t, nil
	}
	t, err := e.storedToken(ctx, s, st)
	if t != nil {
		e.tokens.Share(t, epoch)
	}
	return t, err
}

// storedToken returns the stored token if it belongs to the stored credential, or nil.
func (e *Engine) storedToken(ctx context.Context, s logical.Storage, st *State) (*token.Token, error) {
	if st.Token == nil {
		return nil, nil //nolint:nilnil // There is none.
	}
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return nil, err
	}
	return st.sharedToken(hash, e.now()), nil
}

// RotateTokenEvery is the minimum time between two replacements of the token. If Finicity
// stops accepting a token, all apps get a 401 and request another one at the same time.
const RotateTokenEvery = time.Minute

// RotateToken replaces the shared token. kept means that the token is less than a minute
// old and was not replaced.
func (e *Engine) RotateToken(ctx context.Context, s logical.Storage, operation string) (t *token.Token, kept bool, err error) {
	epoch := e.tokens.Epoch()
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return nil, false, err
	}
	defer e.upstream.release()
	// First repeat a failed write, so that the replaced token does not return after a
	// restart.
	if err := e.flush(ctx, s, st); err != nil {
		return nil, false, &NotCharged{err}
	}
	if t, err = e.currentToken(ctx, s, st, epoch); err != nil {
		return nil, false, &NotCharged{err}
	}
	if t != nil && e.age(t) < RotateTokenEvery && e.Remaining(t) > 0 {
		return t, true, nil
	}
	if held := e.heldBack(st); held != nil { // Apps call this too.
		return nil, false, held
	}
	if _, err = e.authenticate(ctx, s, st, attempts.Automatic, operation); err != nil {
		return nil, false, err
	}
	if t = e.tokens.Current(); t == nil {
		return nil, false, ErrChanging
	}
	return t, false, nil
}

// Verify authenticates with the stored credential for an operator.
func (e *Engine) Verify(ctx context.Context, s logical.Storage, force bool, operation string) error {
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return err
	}
	defer e.upstream.release()
	trigger := attempts.Operator
	// While two or more attempts are left, force changes nothing: a forced success clears
	// the failed attempts, which must not happen without need.
	if force && e.standing(st, st).Left < 2 {
		trigger = attempts.Forced
	}
	if st, err = e.authenticate(ctx, s, st, trigger, operation); err != nil && (!accepted(err) || !st.Guard.IsPaused()) {
		return err
	}
	return e.resume(ctx, s, st)
}

// resume ends a pause of the schedule.
func (e *Engine) resume(ctx context.Context, s logical.Storage, st *State) error {
	if !st.Guard.IsPaused() {
		return nil
	}
	resumed := st.clone()
	resumed.Guard.Resume(e.now())
	if err := e.store(ctx, s, resumed, resumed); err != nil {
		return &NotStored{err}
	}
	e.host.Logger().Info("the rotation schedule is resumed", "partner_id", st.PartnerID)
	return nil
}

// short formats a duration as people type it: 90m and not 1h30m0s.
func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
