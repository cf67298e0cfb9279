// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
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
	hash, err := b.keyedHash(ctx, s)
	if err != nil {
		b.Logger().Warn("the stored token cannot be matched with the credential, going on without it", "error", err)
		return nil
	}
	if stored.Fingerprint != cfg.fingerprint(hash, cfg.Credential.Current) {
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
	b.tell(ctx, eventToken, "create", "partner_id", t.partnerID, "expire_time", t.expires().Format(time.RFC3339))
}

func (b *backend) storeToken(ctx context.Context, s logical.Storage, cfg *config, t *sharedToken) error {
	hash, err := b.keyedHash(ctx, s)
	if err != nil {
		return err
	}
	fingerprint := cfg.fingerprint(hash, cfg.Credential.Current)
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

// attemptsPrefix is where the attempt records are, one per partner and address.
const attemptsPrefix = "attempts/"

// keptRecord is the attempt record that this process goes by. When storing it fails after an answer, it knows more than
// storage does.
type keptRecord struct {
	key string
	attempts
}

// loadRecord reads the attempt record of cfg's partner and address. The upstream lock must be held by whoever is going to
// change it.
func (b *backend) loadRecord(ctx context.Context, s logical.Storage, cfg *config, hash keyedHash) (*keptRecord, error) {
	key := cfg.recordKey(hash)
	if kept, found := b.records.Load(key); found {
		changed := *kept.(*keptRecord) //nolint:errcheck // There are no others.
		return &changed, nil
	}
	return readRecord(ctx, s, key)
}

func readRecord(ctx context.Context, s logical.Storage, key string) (*keptRecord, error) {
	entry, err := s.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("reading the attempt record from storage: %w", err)
	}
	kept := &keptRecord{key: key}
	if entry != nil && entry.DecodeJSON(&kept.attempts) != nil {
		// It may have been full. With an error here instead, not even force would get any further.
		kept.attempts = attempts{Charged: attemptsMost, LastError: "the stored attempt record cannot be decoded"}
	}
	return kept, nil
}

// keep makes record the one that this process goes by, and stores it. When that fails, a restart knows less.
func (b *backend) keep(ctx context.Context, s logical.Storage, record *keptRecord) {
	kept := *record
	b.records.Store(kept.key, &kept)
	if err := saveRecord(ctx, s, &kept); err != nil {
		b.Logger().Warn("the attempt record cannot be stored, so a restart will take the last attempt for one without an answer",
			"error", err)
	}
}

func saveRecord(ctx context.Context, s logical.Storage, kept *keptRecord) error {
	entry, err := logical.StorageEntryJSON(kept.key, kept.attempts)
	if err != nil {
		return fmt.Errorf("encoding the attempt record: %w", err)
	}
	return s.Put(ctx, entry)
}
