// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// rejection is Finicity's refusal of an attempt, with the record as it is after it.
type rejection struct {
	failure *finicityapi.Error
	record  attempts
}

func (r *rejection) Error() string { return r.failure.Error() }
func (r *rejection) Unwrap() error { return r.failure }

// unanswered is the error of a person's attempt that was sent and got no answer, or none that tells whether a secret has
// changed. Vault's clients repeat what failed with a 5xx, and each repetition might be refused unseen, or cost an attempt
// to settle, so this must not be one.
type unanswered struct{ failure *finicityapi.Error }

func (u *unanswered) Error() string { return u.failure.Error() }
func (u *unanswered) Unwrap() error { return u.failure }

// notSent is the error of an attempt that was not made because it could not be recorded.
type notSent struct{ err error }

func (n *notSent) Error() string {
	return "nothing was sent to Finicity, because the attempt could not be recorded: " + n.err.Error()
}
func (n *notSent) Unwrap() error { return n.err }

// refuses tells which of cfg's secrets were refused since the last success. After another refusal, like one of the app key,
// the next secret would fare no better.
func (k *keptRecord) refuses(cfg *config, hash keyedHash) func(secret string) bool {
	return func(secret string) bool {
		noted, found := k.refused(cfg.fingerprint(hash, secret))
		return found && noted.Secret
	}
}

// allowed returns the attempt record if it allows an attempt now, and otherwise a *stopped, or a *notSent when the record
// could not be read. The upstream lock must be held.
func (b *backend) allowed(ctx context.Context, s logical.Storage, cfg *config, hash keyedHash, by who) (*keptRecord, error) {
	record, err := b.loadRecord(ctx, s, cfg, hash)
	if err != nil {
		return nil, &notSent{err}
	}
	now := b.now().UTC()
	if record.redate(now) {
		b.keep(ctx, s, record)
	}
	return record, record.allow(by, now)
}

// attempt makes one call that Finicity may count as an attempt with the given secret, if the record allows it. The
// upstream lock must be held, and ctx must not end with the caller's request: an answer nobody waits for is still the
// answer. Its error is a *stopped when the record does not allow the attempt, a *notSent when it could not be recorded, a
// *rejection when Finicity refused it, and otherwise that of call.
func (b *backend) attempt(
	ctx context.Context, s logical.Storage, cfg *config, secret string, by who, call func(*finicityapi.Client) error,
) error {
	hash, err := b.keyedHash(ctx, s)
	if err != nil {
		return &notSent{err}
	}
	client, err := b.client(ctx, cfg)
	if err != nil {
		return err
	}
	record, err := b.allowed(ctx, s, cfg, hash, by)
	if err != nil {
		return err
	}
	before := *record
	record.charge()
	if err := saveRecord(ctx, s, record); err != nil {
		b.records.Store(before.key, &before) // Storage may have the charge. That is made good with the next one.
		return &notSent{err}
	}

	err = call(client)
	var failure *finicityapi.Error
	if err != nil && !errors.As(err, &failure) {
		failure = &finicityapi.Error{Message: err.Error()} // Unavailable: no verdict.
	}
	fingerprint := ""
	if secret != "" {
		fingerprint = cfg.fingerprint(hash, secret)
	}
	record = b.settle(ctx, s, record, failure, fingerprint)
	if record.state() != before.state() {
		b.Logger().Info("attempts", "partner_id", cfg.Credential.PartnerID, "state", record.state(),
			"rejected", record.Rejected, "left", record.left())
		b.tellState(ctx, cfg.Credential.PartnerID, &record.attempts)
	}
	if failure != nil && (failure.Class == finicityapi.Rejected || failure.Class == finicityapi.Locked) {
		return &rejection{failure: failure, record: record.attempts}
	}
	return err
}

// settle takes the answer to an attempt that is stored as charged, nil for a success, and returns the record after it.
func (b *backend) settle(
	ctx context.Context, s logical.Storage, record *keptRecord, failure *finicityapi.Error, fingerprint string,
) *keptRecord {
	// Another process may have taken over while this one waited. Its attempts count too, and a success of this one need not
	// have come after them.
	stored, err := readRecord(ctx, s, record.key)
	shared := err == nil && (stored.Rejected != record.Rejected || stored.Charged != record.Charged)
	if shared {
		record = stored
	}
	if shared && failure == nil {
		record.giveBack()
	} else {
		record.settle(failure, fingerprint, b.now().UTC())
	}
	b.keep(ctx, s, record)
	return record
}

// authenticate makes one authentication call with cfg's partner and the given secret.
func (b *backend) authenticate(
	ctx context.Context, s logical.Storage, cfg *config, secret string, by who,
) (t *sharedToken, err error) {
	cred := cfg.Credential
	err = b.attempt(ctx, s, cfg, secret, by, func(client *finicityapi.Client) error {
		t = &sharedToken{
			appKey:    cred.AppKey,
			partnerID: cred.PartnerID,
			lifetime:  cfg.TokenLifetime,
			issued:    b.now().Round(0).UTC(),
			started:   time.Now(),
		}
		var err error
		t.value, err = client.Authenticate(ctx, finicityapi.Credential{
			PartnerID: cred.PartnerID, PartnerSecret: secret, AppKey: cred.AppKey,
		})
		return err
	})
	if err != nil {
		b.Logger().Warn("authentication failed", "partner_id", cred.PartnerID, "error", err)
		var failure *finicityapi.Error
		if by >= person && errors.As(err, &failure) && failure.Unanswered() {
			return nil, &unanswered{failure}
		}
		return nil, err
	}
	b.Logger().Info("authenticated", "partner_id", cred.PartnerID)
	return t, nil
}

// prove authenticates with the stored credential, and finds out on the way which of the secrets that Finicity may hold it
// does hold: while a rotation is pending, or when the current one is refused and a change that was given up may have come
// into force. It makes at most two calls. save stores cfg when that has changed something.
func (b *backend) prove(
	ctx context.Context, s logical.Storage, cfg *config, by who, save func() error,
) (*sharedToken, error) {
	hash, err := b.keyedHash(ctx, s)
	if err != nil {
		return nil, err
	}
	cred := &cfg.Credential
	explain := func(err error) error { return err }
	if cred.Pending != nil {
		wait, redated := cred.settleWait(b.now().UTC())
		if redated {
			if err := save(); err != nil {
				return nil, err
			}
		}
		if wait > 0 {
			return nil, &unsettled{wait: wait}
		}
		explain = func(err error) error { return &unsettled{err: err} }
	}

	var rejected error
	for range 2 {
		record, err := b.loadRecord(ctx, s, cfg, hash)
		if err != nil {
			return nil, err
		}
		secret, untried := cred.toTry(record.refuses(cfg, hash))
		t, err := b.authenticate(ctx, s, cfg, secret, by)
		if err == nil {
			return t, b.accepted(ctx, cfg, secret, hash, save)
		}
		if held := new(stopped); rejected != nil && errors.As(err, &held) {
			return nil, explain(rejected) // Why it stopped says more than that it did.
		}
		var refusal *rejection
		if !errors.As(err, &refusal) || !untried || by == forced || !cred.refusalCounts(secret, refusal.failure) {
			return nil, explain(err)
		}
		rejected, by = err, by.next()
	}
	return nil, explain(rejected)
}

// renew makes a new token the shared one. The upstream lock must be held. epoch is from before cfg was read.
func (b *backend) renew(ctx context.Context, s logical.Storage, cfg *config, by who, epoch uint64) (*sharedToken, error) {
	t, err := b.prove(ctx, s, cfg, by, func() error { return b.saveConfig(ctx, s, cfg) })
	b.tokens.note(err, time.Now())
	if err != nil {
		return nil, err
	}
	b.publish(ctx, s, cfg, t, epoch)
	return t, nil
}

// accepted takes note of which secret is in force.
func (b *backend) accepted(ctx context.Context, cfg *config, secret string, hash keyedHash, save func() error) error {
	cred := &cfg.Credential
	rotated, unsettled, last := secret != cred.Current, cred.Pending != nil, cred.LastRotation
	if !cred.accepted(secret, b.now().UTC(), hash) {
		return nil
	}
	if !cred.LastRotation.Equal(last) {
		cfg.Plan.rotated()
	}
	if err := save(); err != nil {
		return err
	}
	if rotated || unsettled {
		b.Logger().Info("found out which secret is in force", "partner_id", cred.PartnerID, "new_secret", rotated)
	}
	if !cred.LastRotation.Equal(last) {
		b.tellRotated(ctx, "settle", cred)
	}
	return nil
}

// tryOut authenticates with a credential that is about to be stored, unless Finicity has refused it already.
func (b *backend) tryOut(
	ctx context.Context, s logical.Storage, stored, next *config, change configChange, hash keyedHash,
) (*sharedToken, error) {
	record, err := b.loadRecord(ctx, s, next, hash)
	if err != nil {
		return nil, err
	}
	cred := &next.Credential
	secret := cred.Current
	if !change.secret {
		secret, _ = cred.toTry(record.refuses(next, hash))
	}
	if noted, found := record.refused(next.fingerprint(hash, secret)); found {
		return nil, &knownBad{noted: noted, record: record.attempts}
	}
	if change.secret {
		return b.authenticate(ctx, s, next, secret, person)
	}
	// The secret is one of those that are stored, and with a new app key each of them may be the one in force.
	return b.prove(ctx, s, next, person, func() error {
		if cred.Pending == nil {
			return nil // Finicity has accepted one, and that is stored with the rest of what was written.
		}
		return b.saveConfig(ctx, s, stored) // Its pending secret, shared with next, begins now: the clock was set back.
	})
}

// pardon has a credential that is about to be stored untried be tried as if it had not been refused before: whoever stores
// it is sure that it is right by now.
func (b *backend) pardon(ctx context.Context, s logical.Storage, cfg *config, hash keyedHash) error {
	record, err := b.loadRecord(ctx, s, cfg, hash)
	if err != nil {
		return err
	}
	if !record.pardon(cfg.fingerprint(hash, cfg.Credential.Current)) {
		return nil
	}
	if err := saveRecord(ctx, s, record); err != nil {
		return fmt.Errorf("nothing was stored: writing the attempt record to storage: %w", err)
	}
	b.records.Store(record.key, record)
	return nil
}
