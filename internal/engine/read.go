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

// Remaining is how much longer a token may be served, in whole seconds.
func (e *Engine) Remaining(t *token.Token) time.Duration { return t.Remaining(e.age(t)) }

// UntilRefresh is the time until the token is due for a refresh, in whole seconds, rounded up. It may be negative.
func (e *Engine) UntilRefresh(t *token.Token) time.Duration {
	return (token.RefreshAge(t.Lifetime) - e.age(t) + time.Second - 1).Truncate(time.Second)
}

// Token returns the shared token with at least minTTL left. If it is due for a
// refresh, Token starts one and returns the token at hand, with the failure of
// the last refresh, if any. Only a reader without a usable token waits for the
// refresh, for as long as ctx allows. A read of a fresh token touches no storage
// and takes no lock.
func (e *Engine) Token(ctx context.Context, s logical.Storage, minTTL time.Duration) (
	t *token.Token, failure, err error,
) {
	minTTL = max(minTTL, time.Second)
	refresh := func() error { return e.refresh(context.WithoutCancel(ctx), s, minTTL) }
	// One refresh is enough, unless its token was dropped at once by a change of
	// configuration, or falls short of this reader's minTTL because another reader
	// began it.
	for refreshes := 0; ; refreshes++ {
		if t, ok := e.usable(minTTL); ok { // No failure keeps a usable token from anybody.
			return t, e.serve(t, refresh), nil
		}
		if err == nil && refreshes == 3 {
			err = ErrChanging
		}
		if err != nil {
			return nil, nil, err
		}
		running := e.tokens.Refresh(refresh)
		select {
		case <-running.Done():
			err = running.Err()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
}

// serve notes that the token is in use, and refreshes it if it is due.
func (e *Engine) serve(t *token.Token, refresh func() error) (failure error) {
	if e.served.Load() != t { // The readers of one token share the cache line: only the first writes it.
		e.served.Store(t)
	}
	return e.refreshIfDue(t, refresh)
}

// refreshIfDue starts a refresh if the token is due for one and no failure holds
// it back. It waits for nothing, and returns why the token is still the old one,
// if that is known.
func (e *Engine) refreshIfDue(t *token.Token, refresh func() error) error {
	if e.age(t) < token.RefreshAge(t.Lifetime) {
		return nil
	}
	if held := e.backoff.Held(time.Now()); held != nil {
		return held
	}
	e.tokens.Refresh(refresh)
	return e.tokens.Failure(t)
}

func (e *Engine) usable(minTTL time.Duration) (*token.Token, bool) {
	t := e.tokens.Current()
	return t, t != nil && e.Remaining(t) >= minTTL
}

// CheckMinTTL refuses what would have the token replaced too often.
func (e *Engine) CheckMinTTL(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	if minTTL == 0 {
		return nil
	}
	lifetime := time.Duration(0)
	if t := e.tokens.Current(); t != nil {
		lifetime = t.Lifetime
	} else {
		st, err := e.view(ctx, s)
		if err != nil {
			return err
		}
		if !st.Configured() {
			return ErrNotConfigured
		}
		lifetime = st.Settings.TokenLifetime
	}
	if limit := token.MaxMinTTL(lifetime); minTTL > limit {
		return userErrorf("field %q must be at most %s, which is left after a quarter of the token's lifetime", "min_ttl", short(limit))
	}
	return nil
}

// refresh makes the shared token one that is not due and has minTTL left. A
// process that has no token yet takes the stored one, also if it is due: its
// readers need not wait for Finicity.
func (e *Engine) refresh(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	epoch := e.tokens.Epoch()
	if e.tokens.Current() == nil && e.loadToken(ctx, s, epoch, minTTL) {
		return nil
	}
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return err
	}
	defer e.upstream.release()

	// The holder of the lock until now may have brought a new token.
	if t := e.currentToken(ctx, s, st, epoch); t != nil {
		if age := e.age(t); age < token.RefreshAge(t.Lifetime) && t.Remaining(age) >= minTTL {
			return nil
		}
	}
	if held := e.heldBack(st); held != nil {
		return held
	}
	if _, err = e.authenticate(ctx, s, st, attempts.Automatic, operationRead); err != nil && !accepted(err) {
		return err
	}
	if t := e.tokens.Current(); t != nil && e.Remaining(t) < minTTL {
		return ErrTooSlow // To ask again at once would go on like that, an attempt each time.
	}
	return nil
}

// heldBack is the error that says longest what the next automatic call waits for,
// nil when the back-off does not hold it.
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

// loadToken shares the stored token, and reports whether it has minTTL left. It
// does not wait for the upstream lock: after a failover, a call may hold that for
// as long as request_timeout.
func (e *Engine) loadToken(ctx context.Context, s logical.Storage, epoch uint64, minTTL time.Duration) bool {
	st, err := e.view(ctx, s)
	if err != nil || !st.Configured() {
		return false // The refresh will say so.
	}
	t := e.storedToken(ctx, s, st)
	if t == nil {
		return false
	}
	e.tokens.ShareFirst(t, epoch)
	return e.Remaining(t) >= minTTL
}

// currentToken is the shared token, loaded from storage where this process does
// not have it yet. Nil when there is none. epoch is from before st was read.
func (e *Engine) currentToken(ctx context.Context, s logical.Storage, st *State, epoch uint64) *token.Token {
	if t := e.tokens.Current(); t != nil {
		return t
	}
	t := e.storedToken(ctx, s, st)
	if t != nil {
		e.tokens.Share(t, epoch)
	}
	return t
}

func (e *Engine) storedToken(ctx context.Context, s logical.Storage, st *State) *token.Token {
	if st.Token == nil {
		return nil
	}
	hash, err := e.hasher(ctx, s)
	if err != nil {
		e.host.Logger().Warn("the stored token cannot be matched with the credential, continuing without it", "error", err)
		return nil
	}
	return st.sharedToken(hash, e.now())
}

// RotateTokenEvery is how often the token is replaced at most: all apps that
// Finicity answers with a 401 ask for another token at the same time.
const RotateTokenEvery = time.Minute

// RotateToken replaces the shared token. kept is set when it is less than a
// minute old and stays.
func (e *Engine) RotateToken(ctx context.Context, s logical.Storage, operation string) (t *token.Token, kept bool, err error) {
	epoch := e.tokens.Epoch()
	ctx, st, err := e.lockState(ctx, s)
	if err != nil {
		return nil, false, err
	}
	defer e.upstream.release()
	// A token that is replaced must not come back with the next restart.
	if err := e.flush(ctx, s, st); err != nil {
		return nil, false, &NotCharged{err}
	}
	if t = e.currentToken(ctx, s, st, epoch); t != nil && e.age(t) < RotateTokenEvery && e.Remaining(t) > 0 {
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
	// The last attempt is kept from changes. With more left, there is nothing to force, and a success must forget nothing.
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

// short writes a duration as people type it: 90m and not 1h30m0s.
func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
