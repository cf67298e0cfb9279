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

const tokenKey = "token"

// storedToken is the shared token in storage, so that a restart or a fail-over costs no authentication.
type storedToken struct {
	Token     string    `json:"token"`
	IssueTime time.Time `json:"issue_time"`
	// Fingerprint is of the credential that the token came from: a token never outlives a change of credential.
	Fingerprint string `json:"fingerprint"`
}

// loadToken brings the stored token back, nil when there is none for this credential. A token that can't be read is
// as good as none, so errors end in the log: a new one costs an authentication, refusing to serve costs everything.
func (b *backend) loadToken(ctx context.Context, s logical.Storage, cfg *config) *sharedToken {
	entry, err := s.Get(ctx, tokenKey)
	if err != nil {
		b.Logger().Warn("the stored token cannot be read, going on without it", "error", err)
		return nil
	}
	if entry == nil {
		return nil
	}
	var stored storedToken
	if entry.DecodeJSON(&stored) != nil {
		b.Logger().Warn("the stored token cannot be decoded, going on without it")
		return nil
	}
	fingerprint, err := b.fingerprint(ctx, s, cfg)
	if err != nil || stored.Fingerprint != fingerprint {
		return nil
	}
	return &sharedToken{
		value:     stored.Token,
		appKey:    cfg.Credential.AppKey,
		partnerID: cfg.Credential.PartnerID,
		lifetime:  cfg.TokenLifetime,
		issued:    stored.IssueTime,
		started:   time.Now().Add(-b.now().Sub(stored.IssueTime)),
	}
}

// publish makes t the token that everyone gets, here and after a restart. When it can't be stored, it is shared all the
// same: the next restart then costs one authentication.
func (b *backend) publish(ctx context.Context, s logical.Storage, cfg *config, t *sharedToken, epoch uint64) {
	if err := b.storeToken(ctx, s, cfg, t); err != nil {
		b.Logger().Warn("the token cannot be stored, so a restart will cost an authentication", "error", err)
	}
	b.tokens.share(t, epoch)
}

func (b *backend) storeToken(ctx context.Context, s logical.Storage, cfg *config, t *sharedToken) error {
	fingerprint, err := b.fingerprint(ctx, s, cfg)
	if err != nil {
		return err
	}
	entry, err := logical.StorageEntryJSON(tokenKey, storedToken{t.value, t.issued, fingerprint})
	if err != nil {
		return fmt.Errorf("encoding the token: %w", err)
	}
	return s.Put(ctx, entry)
}

// saveConfig stores the entry. When that fails, storage may hold either version, so what was derived from the old one
// is dropped and read again.
func (b *backend) saveConfig(ctx context.Context, s logical.Storage, cfg *config) error {
	entry, err := logical.StorageEntryJSON(configKey, cfg)
	if err != nil {
		return fmt.Errorf("encoding the configuration: %w", err)
	}
	if err := s.Put(ctx, entry); err != nil {
		b.tokens.drop()
		return fmt.Errorf("writing the configuration to storage: %w", err)
	}
	return nil
}

// authenticate makes one authentication call with cfg's partner and the given secret. The upstream lock must be held,
// and ctx must not end with the caller's request: an answer nobody waits for is still the answer.
func (b *backend) authenticate(ctx context.Context, cfg *config, secret string) (*sharedToken, error) {
	client, err := b.client(ctx, cfg)
	if err != nil {
		return nil, err
	}
	cred := cfg.Credential
	t := &sharedToken{
		appKey:    cred.AppKey,
		partnerID: cred.PartnerID,
		lifetime:  cfg.TokenLifetime,
		issued:    b.now().Round(0).UTC(),
		started:   time.Now(),
	}
	t.value, err = client.Authenticate(ctx, finicityapi.Credential{
		PartnerID: cred.PartnerID, PartnerSecret: secret, AppKey: cred.AppKey,
	})
	if err != nil {
		b.Logger().Warn("authentication failed", "partner_id", cred.PartnerID, "error", err)
		return nil, err
	}
	b.Logger().Info("authenticated", "partner_id", cred.PartnerID)
	return t, nil
}

// settle finds out which of two secrets Finicity holds while a rotation is pending, and returns the token that proves
// it. It makes at most two calls. save stores cfg after each step; the upstream lock must be held.
func (b *backend) settle(ctx context.Context, cfg *config, save func() error) (*sharedToken, error) {
	cred := &cfg.Credential
	wait, redated := cred.settleWait(b.now().UTC())
	if redated {
		if err := save(); err != nil {
			return nil, err
		}
	}
	if wait > 0 {
		return nil, &unsettled{wait: wait}
	}

	var failure *finicityapi.Error
	for range 2 {
		grace, promoted := cred.Pending.Grace, !cred.Pending.Refused
		t, err := b.authenticate(ctx, cfg, cred.toSettle())
		refused := errors.As(err, &failure) && failure.Class == finicityapi.Rejected &&
			(failure.SecretRefused() || !grace)
		if err != nil && !refused {
			return nil, &unsettled{err: err}
		}
		cred.settle(err == nil, b.now().UTC())
		if err := save(); err != nil {
			return nil, err
		}
		if err == nil {
			b.Logger().Info("the pending rotation is settled", "partner_id", cred.PartnerID, "new_secret", promoted)
			return t, nil
		}
	}
	return nil, &unsettled{err: failure}
}
