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

// authenticate gets a token with the stored credential, and so determines which of
// the stored secrets is in effect. It makes one call, or two: see follows.
func (e *Engine) authenticate(
	ctx context.Context, s logical.Storage, st *State, trigger attempts.Trigger, operation string,
) (*State, error) {
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return st, &NotCharged{err}
	}
	var before error // of the first attempt
	for {
		secret, err := e.next(st, trigger, hash)
		if err != nil && before != nil {
			return st, before // As below: an attempt was refused.
		}
		if err != nil {
			return st, err
		}
		st, err = e.try(ctx, s, st, secret.Value, attempts.Request{
			Trigger: trigger, Subject: subject(&st.Secrets, secret), Reserve: st.reserves(),
			Credential: st.fingerprint(hash, secret.Value),
		}, hash, operation)
		refusal := new(Refusal)
		if before != nil && unsent(err) {
			return st, before // A 400, which clients do not retry: an attempt was refused.
		}
		if err == nil || !errors.As(err, &refusal) {
			return st, answered(operation, err)
		}
		next, _ := e.nextFor(st, trigger, hash)
		if before != nil || !follows(&st.Secrets, secret, next, trigger) {
			return st, err
		}
		before = err
	}
}

// unsent reports whether an attempt was not made, or failed before Finicity received it.
func unsent(err error) bool {
	denied, uncharged, failure := new(NotAllowed), new(NotCharged), new(finicityapi.Error)
	return errors.As(err, &denied) || errors.As(err, &uncharged) || errors.As(err, &failure) && failure.NotSent
}

// next returns the secret to authenticate with, or a *Pending while the request of a
// rotation might still be in progress.
func (e *Engine) next(st *State, trigger attempts.Trigger, hash hasher) (secrets.Secret, error) {
	if wait := st.Secrets.Wait(e.clock.now()); wait > 0 {
		return secrets.Secret{}, &Pending{Wait: wait}
	}
	secret, found := e.nextFor(st, trigger, hash)
	if !found {
		return secrets.Secret{}, ErrNotConfigured
	}
	return secret, nil
}

// nextFor returns the secret to authenticate with. An automatic attempt skips a secret
// that an operator stored unverified, or that was refused since the last success, if
// Finicity has refused it with a code, or if the last attempt is reserved for the proven
// secret.
func (e *Engine) nextFor(st *State, trigger attempts.Trigger, hash hasher) (secrets.Secret, bool) {
	if trigger >= attempts.Operator {
		return st.Secrets.Next()
	}
	return st.Secrets.NextAutomatic(func(s secrets.Secret) bool {
		verdict := e.verdict(st, st, attempts.Request{
			Subject: attempts.Written, Credential: st.fingerprint(hash, s.Value), Reserve: st.reserves(),
		})
		return verdict == attempts.KnownBad || verdict == attempts.LastReserved
	})
}

// subject returns which kind of stored secret an attempt tries.
func subject(list *secrets.List, secret secrets.Secret) attempts.Subject {
	if list.Candidate(secret) {
		return attempts.Candidate
	}
	return attempts.Stored
}

// follows reports whether to try the next secret immediately after another one was
// refused, so that an operator does not have to repeat the command. If a rotation did
// not reach Finicity, its candidate is refused, and attempts.Allow lets the proven
// secret follow without a wait. A forced attempt is never followed by another one.
func follows(list *secrets.List, refused, next secrets.Secret, trigger attempts.Trigger) bool {
	return trigger != attempts.Forced && !next.Value.Equal(refused.Value) && !list.Refused(next)
}

// try authenticates with one of the stored secrets, and shares the new token.
func (e *Engine) try(
	ctx context.Context, s logical.Storage, st *State, secret confidential.Text, q attempts.Request, hash hasher,
	operation string,
) (*State, error) {
	to, epoch, rotated, moved := st, e.tokens.Epoch(), false, false
	var t *token.Token
	var charged *State
	st, err := e.do(ctx, s, st, attempt{
		request: q, to: to,
		prepare: func(st *State) { charged = st },
		send: func(client *finicityapi.Client) (err error) {
			t, err = e.newToken(ctx, client, to, secret)
			return err
		},
		settle: func(st *State, failure *finicityapi.Error) {
			now := e.clock.now()
			// settle may run more than once: see attempt.settle.
			rotated, epoch = false, e.tokens.Epoch()
			moved = elsewhere(to, st) || !to.AppKey.Equal(st.AppKey)
			// Another node has taken over during the call, and has stored a later success, or
			// another partner or address. This answer says nothing about that.
			if st.Secrets.Succeeded().After(charged.Clock) || elsewhere(to, st) {
				return
			}
			if failure == nil {
				rotated = st.accept(secret, hash, now, e.now())
				st.Token = &StoredToken{t.Value, t.Issued, to.tokenFingerprint(hash)}
			} else if refused, certain := failure.SecretRefused(); refused {
				st.Secrets.Refuse(secret, certain, now)
			}
		},
	})
	if err != nil && !accepted(err) {
		e.logFailed(to.PartnerID, "authentication failed", err)
		return st, err
	}
	e.host.Logger().Info("authenticated", "partner_id", to.PartnerID)
	if moved { // The token belongs to a configuration that another node has replaced.
		e.tokens.Drop()
	} else {
		e.shareToken(ctx, t, epoch)
	}
	if rotated {
		e.emitRotated(ctx, operation, st)
	}
	return st, err
}

// accepted reports whether an error means that Finicity accepted the attempt, and only
// storing the outcome failed.
func accepted(err error) bool {
	unstored := new(NotStored)
	return errors.As(err, &unstored)
}

// newToken makes the call. The age of the token counts from just before the call, so
// that a slow answer never makes the token appear younger than it is.
func (e *Engine) newToken(
	ctx context.Context, client *finicityapi.Client, to *State, secret confidential.Text,
) (*token.Token, error) {
	t := &token.Token{
		AppKey: to.AppKey, PartnerID: to.PartnerID, Lifetime: to.Settings.TokenLifetime,
		Issued: e.now(), Started: time.Now(),
	}
	value, err := client.Authenticate(ctx, to.credential(secret))
	if err != nil {
		return nil, err
	}
	t.Value = confidential.New(value)
	return t, nil
}

// shareToken makes t the token that every reader gets. If the cache was dropped
// meanwhile, a reader might have loaded the token that t replaces: then readers load the
// stored one again.
func (e *Engine) shareToken(ctx context.Context, t *token.Token, epoch uint64) {
	if !e.tokens.Share(t, epoch) {
		e.tokens.Drop()
	}
	e.emit(ctx, eventToken, "create", "partner_id", t.PartnerID, "expire_time", t.Expires().Format(time.RFC3339))
}

// Operations, as events name them. Requests of operators and jobs have the names of
// Vault's operations.
const (
	operationRead     = "read"
	operationSettle   = "settle"
	operationSchedule = "rotate"
)

// answered turns the failure of an attempt that an operator or a job requested into
// one that Vault's clients do not retry. Clients may retry reads, which share a back-off.
func answered(operation string, err error) error {
	var failure *finicityapi.Error
	if operation == operationRead ||
		!errors.As(err, &failure) || failure.Class != finicityapi.Unavailable || failure.NotSent {
		return err
	}
	return &Unanswered{failure}
}
