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
	"vault-plugin-secrets-finicity/internal/secrets"
	"vault-plugin-secrets-finicity/internal/token"
)

// Write is a write of the configuration. A field that is nil keeps its value.
type Write struct {
	PartnerID     *string
	PartnerSecret *confidential.Text
	AppKey        *confidential.Text

	BaseURL           *string
	CACert            *string
	RequestTimeout    *time.Duration
	TokenLifetime     *time.Duration
	SecretGracePeriod *bool
	PasswordPolicy    *string
	RotationPeriod    *time.Duration
	RotationSchedule  *string
	RotationWindow    *time.Duration
	DisableRotation   *bool

	// Verify is false to store the credential without verifying it.
	Verify bool
	// Patch means that the write must not create the configuration.
	Patch bool
}

// Written is the result of a write.
type Written struct {
	// Untried means that a credential was stored unverified.
	Untried bool
	// LeftOut means that automatic attempts use the proven secret instead of the unverified
	// one, because of failed attempts in the last 24 hours.
	LeftOut bool
	// KnownBad is when Finicity refused the stored credential, which this write has not
	// changed. It is zero if Finicity did not refuse it.
	KnownBad time.Time
	// Same means that the write has the stored credential, so that the engine did not verify
	// it, and that the last attempt failed.
	Same bool
	// TokenGone means that the current token is no longer served, because it belongs to
	// another app key, address or partner.
	TokenGone bool
	Standing  Standing
}

// WriteConfig applies a write. It verifies a new credential once, and stores nothing
// unless Finicity accepts it.
func (e *Engine) WriteConfig(ctx context.Context, s logical.Storage, w Write, operation string) (Written, error) {
	if err := e.upstream.take(ctx); err != nil {
		return Written{}, err
	}
	defer e.upstream.release()
	epoch := e.tokens.Epoch()
	st, err := e.load(ctx, s)
	if err != nil {
		return Written{}, err
	}
	if w.Patch && !st.Configured() {
		return Written{}, ErrNotConfigured
	}
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return Written{}, err
	}
	ctx = context.WithoutCancel(ctx) // Finish a call to Finicity even if the caller goes away.
	next, c, err := e.merge(st, w, hash)
	if err != nil {
		return Written{}, err
	}
	if w.PasswordPolicy != nil && next.Settings.PasswordPolicy != "" {
		if err := e.checkPolicy(ctx, next, hash); err != nil {
			return Written{}, err
		}
	}
	if c.moved {
		if err := e.openRecord(ctx, s, st, next, hash); err != nil {
			return Written{}, e.nothingWritten(st, w, c, err)
		}
	}
	written := Written{
		Untried: c.credential && !w.Verify, Same: !c.credential && (w.PartnerID != nil || w.PartnerSecret != nil || w.AppKey != nil),
	}
	var unstored error
	switch {
	case c.credential && w.Verify:
		if st, unstored = e.verifyNew(ctx, s, st, next, c, hash, operation); unstored != nil && !accepted(unstored) {
			return Written{}, e.nothingWritten(st, w, c, unstored)
		}
	default:
		if !c.secret.IsZero() {
			next.Secrets.Bring(c.secret, e.clock.now())
		}
		before, err := e.currentToken(ctx, s, st, epoch)
		if err != nil {
			return Written{}, err
		}
		if err := e.store(ctx, s, next, st); err != nil {
			return Written{}, err
		}
		st = next
		t, _ := e.storedToken(ctx, s, st) // The hash is known. Nil if it does not belong to the new configuration.
		e.tokens.Replace(t, epoch)
		written.TokenGone = t == nil && before != nil && e.Remaining(before) > 0
	}
	if c.credential && unstored == nil {
		e.backoff.Clear() // A failure of the old credential says nothing about this one.
	} else {
		written.KnownBad = e.wall(e.knownBad(st, hash))
	}
	written.Standing = e.standing(st, st)
	written.Same = written.Same && (written.Standing.State != attempts.OK || e.backoff.Failing())
	written.LeftOut = written.Untried && e.leftOut(st, c.secret, written.Standing, hash)
	e.host.Logger().Info("configuration written", "partner_id", st.PartnerID, "verified", c.credential && w.Verify)
	e.emit(ctx, eventConfigWrite, operation, "partner_id", st.PartnerID)
	return written, unstored
}

// leftOut reports whether automatic attempts use the proven secret instead of the one
// that was stored unverified.
func (e *Engine) leftOut(st *State, untried confidential.Text, standing Standing, hash hasher) bool {
	next, _ := e.nextFor(st, attempts.Automatic, hash)
	goesOn := standing.State == attempts.OK || standing.State == attempts.Held
	return goesOn && !untried.IsZero() && !next.Value.Equal(untried) && !st.Secrets.Candidate(next)
}

// knownBad returns when Finicity refused the stored credential. It is zero if Finicity
// did not refuse it, or has accepted it since.
func (e *Engine) knownBad(st *State, hash hasher) time.Time {
	current, found := st.Secrets.Current()
	if !found || current.Proven.After(current.Refused) {
		return time.Time{}
	}
	record := st.recordAt(st)
	return record.RefusedBefore(st.fingerprint(hash, current.Value), e.clock.now())
}

// verifyNew authenticates with a credential that is about to be stored. After a success,
// one write stores it with the outcome.
func (e *Engine) verifyNew(
	ctx context.Context, s logical.Storage, st, next *State, c change, hash hasher, operation string,
) (*State, error) {
	reserve := st.PartnerID == next.PartnerID && st.reserves()
	secret := secrets.Secret{Value: c.secret}
	var before error // of the first attempt
	for {
		if c.secret.IsZero() { // The stored secrets, with another app key.
			var err error
			if secret, err = e.next(next, attempts.Operator, hash); err != nil {
				return st, err
			}
		}
		var (
			changed bool
			err     error
		)
		st, changed, err = e.tryNew(ctx, s, st, next, secret.Value, attempts.Request{
			Trigger: attempts.Operator, Subject: attempts.Written, Reserve: reserve,
			Credential: next.fingerprint(hash, secret.Value),
		}, hash, operation)
		refusal := new(Refusal)
		if before != nil && unsent(err) {
			return st, before // A 400, which clients do not retry: an attempt was refused.
		}
		if err == nil || !errors.As(err, &refusal) || !c.secret.IsZero() {
			return st, err
		}
		other, _ := next.Secrets.Next()
		if before != nil || !follows(&next.Secrets, secret, other, attempts.Operator) {
			return st, err
		}
		if changed { // A success would store next, which was not made from the new st.
			return st, errChanged
		}
		before = err
	}
}

// errChanged refuses a write that another node has overtaken: storing it would overwrite
// what that node has stored, which may be the only copy of a secret.
const errChanged = UserError("another node changed the configuration during this write: write it again")

// tryNew makes one attempt of verifyNew. changed means that another node has taken over
// during the call.
func (e *Engine) tryNew(
	ctx context.Context, s logical.Storage, st, next *State, secret confidential.Text, q attempts.Request, hash hasher,
	operation string,
) (after *State, changed bool, err error) {
	var (
		t       *token.Token
		charged *State
		rotated bool
	)
	epoch := e.tokens.Epoch()
	st, err = e.do(ctx, s, st, attempt{
		request: q, to: next,
		prepare: func(st *State) { charged = st },
		send: func(client *finicityapi.Client) (err error) {
			t, err = e.newToken(ctx, client, next, secret)
			return err
		},
		settle: func(st *State, failure *finicityapi.Error) {
			now := e.clock.now()
			rotated, changed = false, !st.Clock.Equal(charged.Clock) // settle may run more than once.
			if failure != nil {
				if _, certain := failure.SecretRefused(); certain && next.Secrets.Place == st.Secrets.Place && next.PartnerID == st.PartnerID {
					st.Secrets.Refuse(secret, true, now)
					next.Secrets.Refuse(secret, true, now)
				}
				return
			}
			if changed {
				return
			}
			written := next.clone()
			written.Secrets.Bring(secret, now)
			rotated = written.accept(secret, hash, now, e.now())
			written.Token = &StoredToken{t.Value, t.Issued, written.tokenFingerprint(hash)}
			written.Clock, written.pausing, written.version1 = st.Clock, st.pausing, st.version1
			*st = *written
		},
	})
	if err != nil && !accepted(err) {
		e.logFailed(next.PartnerID, "authentication with a new credential failed", err)
		return st, changed, err
	}
	if changed {
		return st, true, errChanged
	}
	e.shareToken(ctx, t, epoch)
	if rotated {
		e.emitRotated(ctx, operation, st)
	}
	return st, false, err
}
