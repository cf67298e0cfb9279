// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func (b *backend) pathConfig() *framework.Path {
	write := &framework.PathOperation{
		Callback:                    b.configWrite,
		Summary:                     "Set the partner credential and how Finicity is reached.",
		ForwardPerformanceStandby:   true,
		ForwardPerformanceSecondary: true,
	}
	return &framework.Path{
		Pattern:      configKey,
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: "finicity"},
		Fields:       configFields(),
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: write,
			logical.UpdateOperation: write,
			logical.ReadOperation: &framework.PathOperation{
				Callback: b.configRead,
				Summary:  "Read the configuration, without the secrets.",
			},
			logical.DeleteOperation: &framework.PathOperation{
				Callback:                    b.configDelete,
				Summary:                     "Delete the credential and the token.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
			},
		},
		ExistenceCheck:  b.configExists,
		HelpSynopsis:    "Set the partner credential and how Finicity is reached.",
		HelpDescription: strings.TrimSpace(configHelp),
	}
}

func configFields() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"partner_id": {
			Type:        framework.TypeString,
			Description: "The partner ID, from the Finicity developer portal. Required on the first write.",
		},
		"partner_secret": {
			Type:         framework.TypeString,
			Description:  "The partner secret. Required on the first write, never returned.",
			DisplayAttrs: &framework.DisplayAttributes{Sensitive: true},
		},
		"app_key": {
			Type:         framework.TypeString,
			Description:  "The app key. Required on the first write, not returned here.",
			DisplayAttrs: &framework.DisplayAttributes{Sensitive: true},
		},
		"base_url": {
			Type:        framework.TypeString,
			Default:     finicityapi.DefaultBaseURL,
			Description: "Address of the API. https only, but for a loopback host.",
		},
		"ca_cert": {
			Type:        framework.TypeString,
			Description: "PEM bundle that replaces the system's roots, for a proxy that inspects TLS.",
		},
		"request_timeout": {
			Type:        framework.TypeDurationSecond,
			Default:     int(defaultRequestTimeout / time.Second),
			Description: "Limit of one call, from connecting to the last byte: 1s to 2m.",
		},
		"token_lifetime": {
			Type:        framework.TypeDurationSecond,
			Default:     int(defaultTokenLifetime / time.Second),
			Description: "How long Finicity honours a token: 1m to 2h.",
		},
		"secret_grace_period": {
			Type:        framework.TypeBool,
			Description: "Rotate so that the old secret stays valid at Finicity for 30 days too.",
		},
		"verify_connection": {
			Type:        framework.TypeBool,
			Default:     true,
			Description: "Authenticate once with a credential before storing it. Not stored itself.",
		},
		"force": {
			Type:        framework.TypeBool,
			Query:       true,
			Description: "On delete: delete although a rotation is unsettled, and with it what may be the only copy of the secret.",
		},
	}
}

func (b *backend) configExists(ctx context.Context, req *logical.Request, _ *framework.FieldData) (bool, error) {
	cfg, err := loadConfig(ctx, req.Storage)
	return cfg != nil, err
}

func (b *backend) configWrite(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	if _, given := d.GetOk("force"); given {
		return logical.ErrorResponse(`field "force" is for delete only`), nil
	}
	if err := b.lock(ctx); err != nil {
		return respond(req.MountPoint, err)
	}
	defer b.unlock()
	ctx = context.WithoutCancel(ctx) // What has been started upstream is brought to its end, whoever waits for it.

	stored, err := loadConfig(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	hash, err := b.keyedHash(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	next, change, err := stored.merge(d, b.now().UTC(), hash)
	if err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	if change.loses {
		force := ""
		if stored.Credential.Pending != nil {
			force = " force=true"
		}
		return logical.ErrorResponse("what is stored may be the only copy of its secret: write the new credential to "+
			"another mount, or give the stored one up with vault delete %sconfig%s first", req.MountPoint, force), nil
	}

	resp := &logical.Response{}
	var t *sharedToken
	switch {
	case !verifies(d): // Also when it is the stored one: it may have become right since it was refused.
		if err := b.pardon(ctx, req.Storage, next, hash); err != nil {
			return respond(req.MountPoint, err)
		}
		if change.credential {
			resp.AddWarning(fmt.Sprintf("the credential is stored without having been tried: "+
				"type vault write -f %sconfig/verify", req.MountPoint))
		}
	case !change.credential:
	default:
		if t, err = b.tryOut(ctx, req.Storage, stored, next, change, hash); err != nil {
			b.tokens.note(err, time.Now())
			return respond(req.MountPoint, &notStored{err: err, first: stored == nil})
		}
	}
	if err := b.saveConfig(ctx, req.Storage, next); err != nil {
		return respond(req.MountPoint, err)
	}
	b.tokens.drop()
	if change.credential {
		b.tokens.note(nil, time.Now()) // What Finicity said of the old credential says nothing of this one.
	}
	if t != nil {
		b.publish(ctx, req.Storage, next, t, b.tokens.epoch())
	}
	b.Logger().Info("configuration written", "partner_id", next.Credential.PartnerID, "verified", t != nil)
	if len(resp.Warnings) == 0 {
		return nil, nil //nolint:nilnil // That is how the framework is told of success without data.
	}
	return resp, nil
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
		stored.Credential.Pending = cred.Pending // The clock was set back, so that settling waits from now on.
		return b.saveConfig(ctx, s, stored)
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
	b.record.Store(record)
	return nil
}

func (b *backend) configRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	cfg, err := loadConfig(ctx, req.Storage)
	if err != nil || cfg == nil {
		return nil, err
	}
	data := map[string]any{
		"partner_id":          cfg.Credential.PartnerID,
		"base_url":            cfg.BaseURL,
		"ca_cert":             cfg.CACert,
		"request_timeout":     int64(cfg.RequestTimeout / time.Second),
		"token_lifetime":      int64(cfg.TokenLifetime / time.Second),
		"secret_grace_period": cfg.SecretGracePeriod,
		"rotation_pending":    cfg.Credential.Pending != nil,
		"last_vault_rotation": nil,
		"next_vault_rotation": nil, // Unknown: rotations are begun by hand.
	}
	if last := cfg.Credential.LastRotation; !last.IsZero() {
		data["last_vault_rotation"] = last.Format(time.RFC3339)
	}
	return &logical.Response{Data: data}, nil
}

func (b *backend) configDelete(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	for name := range d.Raw {
		if name != "force" {
			return logical.ErrorResponse("unknown field %q: delete takes force", name), nil
		}
	}
	if err := b.lock(ctx); err != nil {
		return respond(req.MountPoint, err)
	}
	defer b.unlock()

	cfg, err := loadConfig(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	if force, _ := fieldValue[bool](d, "force"); cfg != nil && cfg.Credential.Pending != nil && !force {
		return logical.ErrorResponse("a rotation is unsettled, so what is stored may be the only copy of the secret: "+
			"type vault write -f %[1]sconfig/verify to have it settled, or give the secret up with "+
			"vault delete %[1]sconfig force=true", req.MountPoint), nil
	}
	// The credential goes last: while it is there, the delete can be repeated.
	keys := []string{tokenKey, configKey}
	var resp *logical.Response
	if cfg != nil {
		hash, err := b.keyedHash(ctx, req.Storage)
		if err != nil {
			return respond(req.MountPoint, err)
		}
		record, err := b.loadRecord(ctx, req.Storage, cfg, hash)
		if err != nil {
			return respond(req.MountPoint, err)
		}
		if spent := record.Rejected + record.Charged; spent > 0 {
			resp = new(logical.Response)
			resp.AddWarning(fmt.Sprintf("%d attempts that were refused or got no answer are forgotten here, and at Finicity they "+
				"are not: the fifth since the last success locks the partner", spent))
		}
		keys = []string{tokenKey, record.key, configKey}
	}
	defer b.tokens.drop()
	defer b.record.Store(nil)
	for _, key := range keys {
		if err := req.Storage.Delete(ctx, key); err != nil {
			return respond(req.MountPoint, fmt.Errorf("deleting %s from storage: %w", key, err))
		}
	}
	b.tokens.note(nil, time.Now())
	b.Logger().Info("configuration deleted")
	return resp, nil
}

const configHelp = `
The first write needs partner_id, partner_secret and app_key. Before a credential is stored, the engine authenticates
with it once, and stores nothing unless Finicity accepts it. A field that is left out keeps its value.

A new base_url, ca_cert or partner_id needs partner_secret and app_key in the same write. After a rotation nobody knows
the secret but this engine: deleting the configuration, or the mount, destroys the only copy.
`
