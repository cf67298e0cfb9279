// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (b *backend) pathConfig() *framework.Path {
	write := &framework.PathOperation{
		Callback:                    b.configWrite,
		Summary:                     "Set the partner credential and how Finicity is reached.",
		DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "configure"},
		ForwardPerformanceStandby:   true,
		ForwardPerformanceSecondary: true,
		Responses:                   written(),
	}
	return &framework.Path{
		Pattern:      configKey,
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: "finicity"},
		Fields:       configFields(),
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: write,
			logical.UpdateOperation: write,
			logical.PatchOperation: &framework.PathOperation{
				Callback:                    b.configPatch,
				Summary:                     "Change some fields, and unset those that are null.",
				DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "patch", OperationSuffix: "configuration"},
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   written(),
			},
			logical.ReadOperation: &framework.PathOperation{
				Callback:     b.configRead,
				Summary:      "Read the configuration, without the secrets.",
				DisplayAttrs: &framework.DisplayAttributes{OperationVerb: "read", OperationSuffix: "configuration"},
				Responses:    one(http.StatusOK, "The configuration.", configShown()),
			},
			logical.DeleteOperation: &framework.PathOperation{
				Callback:                    b.configDelete,
				Summary:                     "Delete the credential and the token.",
				DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "delete", OperationSuffix: "configuration"},
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   written(),
			},
		},
		ExistenceCheck:  b.configExists,
		HelpSynopsis:    "Set the partner credential and how Finicity is reached.",
		HelpDescription: strings.TrimSpace(configHelp),
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
	if stored == nil && req.Operation == logical.PatchOperation {
		return respond(req.MountPoint, errNotConfigured)
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
		return logical.ErrorResponse("a new partner_id, base_url or ca_cert would take the place of what may be the only "+
			"copy of a secret: write a new secret alone first, or the new credential to another mount, or give the stored one up with vault delete %sconfig%s first", req.MountPoint, force), nil
	}

	if d.Raw["password_policy"] != nil && next.PasswordPolicy != "" {
		for range policyDraws { // A policy that is good by chance would fail a rotation, months later.
			if _, err := b.drawSecret(ctx, next, hash); err != nil {
				return respond(req.MountPoint, err)
			}
		}
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
			if stored == nil || stored.recordKey(hash) == next.recordKey(hash) { // Another place says nothing about this one.
				b.tokens.note(err, time.Now())
			}
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
	b.tell(ctx, eventConfigWrite, string(req.Operation), "partner_id", next.Credential.PartnerID)
	if len(resp.Warnings) == 0 {
		return nil, nil //nolint:nilnil // That is how the framework is told of success without data.
	}
	return resp, nil
}

// configPatch is a write that can unset a field as well: null stands for its default.
func (b *backend) configPatch(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	for name, value := range d.Raw {
		if value == nil {
			d.Raw[name] = d.Schema[name].DefaultOrZero()
		}
	}
	return b.configWrite(ctx, req, d)
}

func (b *backend) configRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	cfg, err := loadConfig(ctx, req.Storage)
	if err != nil || cfg == nil {
		return nil, err
	}
	last := cfg.Credential.LastRotation
	return &logical.Response{Data: map[string]any{
		"partner_id":                 cfg.Credential.PartnerID,
		"base_url":                   cfg.BaseURL,
		"ca_cert":                    cfg.CACert,
		"request_timeout":            int64(cfg.RequestTimeout / time.Second),
		"token_lifetime":             int64(cfg.TokenLifetime / time.Second),
		"password_policy":            cfg.PasswordPolicy,
		"secret_grace_period":        cfg.SecretGracePeriod,
		"rotation_period":            int64(cfg.Schedule.Period / time.Second),
		"rotation_schedule":          cfg.Schedule.Cron,
		"rotation_window":            int64(cfg.Schedule.Window / time.Second),
		"disable_automated_rotation": cfg.Schedule.Disabled,
		"rotation_pending":           cfg.Credential.Pending != nil,
		"last_vault_rotation":        timeOrNull(last),
		"next_vault_rotation":        timeOrNull(cfg.Plan.announced(cfg.Schedule, last)),
	}}, nil
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

	force, _ := fieldValue[bool](d, "force")
	cfg, err := loadConfig(ctx, req.Storage)
	if err != nil && (!force || !errors.Is(err, errUndecodable)) {
		return respond(req.MountPoint, err)
	}
	// The attempts go last: what is refused must not be forgotten while there is a credential to try.
	keys := []string{tokenKey, configKey}
	var resp *logical.Response
	var partner string
	if cfg != nil {
		partner = cfg.Credential.PartnerID
		hash, err := b.keyedHash(ctx, req.Storage)
		if err != nil {
			return respond(req.MountPoint, err)
		}
		record, err := b.loadRecord(ctx, req.Storage, cfg, hash)
		if err != nil {
			return respond(req.MountPoint, err)
		}
		if cfg.Credential.unsettled(record.Rejected+record.Charged > 0) && !force {
			return logical.ErrorResponse("it is unsettled which of the stored secrets is in force, so this may be the only copy "+
				"of the secret: type vault write -f %[1]sconfig/verify to have it settled, or give the secret up with "+
				"vault delete %[1]sconfig force=true", req.MountPoint), nil
		}
		if spent := record.Rejected + record.Charged; spent > 0 {
			resp = new(logical.Response)
			resp.AddWarning(fmt.Sprintf("%d attempts that were refused or got no answer are forgotten here, and at Finicity they "+
				"are not: the fifth since the last success locks the partner", spent))
		}
		keys = []string{tokenKey, configKey, record.key}
	}
	defer b.tokens.drop()
	defer b.records.Clear()
	for _, key := range keys {
		if err := req.Storage.Delete(ctx, key); err != nil {
			return respond(req.MountPoint, fmt.Errorf("deleting %s from storage: %w", key, err))
		}
	}
	b.tokens.note(nil, time.Now())
	if cfg == nil {
		return resp, nil
	}
	b.Logger().Info("configuration deleted", "partner_id", partner)
	b.tell(ctx, eventConfigDelete, string(req.Operation), "partner_id", partner)
	return resp, nil
}
