// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
)

func (b *backend) pathConfig() *framework.Path {
	write := &framework.PathOperation{
		Callback:                    b.configWrite,
		Summary:                     "Configure the partner credential and the connection to Finicity.",
		DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "configure"},
		ForwardPerformanceStandby:   true,
		ForwardPerformanceSecondary: true,
		Responses:                   noContent(),
	}
	return &framework.Path{
		Pattern:      "config",
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
				Responses:                   noContent(),
			},
			logical.ReadOperation: &framework.PathOperation{
				Callback:     b.configRead,
				Summary:      "Read the configuration, without the secrets.",
				DisplayAttrs: &framework.DisplayAttributes{OperationVerb: "read", OperationSuffix: "configuration"},
				Responses:    singleResponse(http.StatusOK, "The configuration.", configShown()),
			},
			logical.DeleteOperation: &framework.PathOperation{
				Callback:                    b.configDelete,
				Summary:                     "Delete the credential and the token.",
				DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "delete", OperationSuffix: "configuration"},
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   noContent(),
			},
		},
		ExistenceCheck:  b.configExists,
		HelpSynopsis:    "Configure the partner credential and the connection to Finicity.",
		HelpDescription: strings.TrimSpace(configHelp),
	}
}

// configExists never fails: Vault would answer "internal error". The write that follows
// reads the entry again, and says what is wrong with it.
func (b *backend) configExists(ctx context.Context, req *logical.Request, _ *framework.FieldData) (bool, error) {
	cfg, err := b.engine.Configuration(ctx, req.Storage)
	return cfg != nil || err != nil, nil
}

func (b *backend) configWrite(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	if _, given := d.GetOk("force"); given {
		return logical.ErrorResponse(`field "force" belongs to config/verify and to a delete of config: leave it out`), nil
	}
	written, err := b.engine.WriteConfig(ctx, req.Storage, writeOf(req, d), string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	resp := &logical.Response{}
	if written.Untried {
		leftOut := ""
		if written.LeftOut {
			leftOut = ", and automatic attempts first use the secret that Finicity accepted last, because of failed attempts in the last 24 hours"
		}
		gone := ""
		if written.TokenGone {
			gone = ", and the engine no longer serves the current token, because it belongs to the previous configuration"
		}
		resp.AddWarning(fmt.Sprintf("the credential is stored, but not verified%s%s. To verify it%s, type %s",
			leftOut, gone, afterUnlock(written.Standing), verifyCommand(req.MountPoint, written.Standing)))
	}
	switch {
	case written.KnownBad.IsZero() && written.Same:
		resp.AddWarning(fmt.Sprintf("this credential is already stored, and this write does not verify it: %s. To verify it again%s, type %s",
			cmp.Or(written.Standing.Failure, "authentication is "+string(written.Standing.State)), afterUnlock(written.Standing),
			verifyCommand(req.MountPoint, written.Standing)))
	case !written.KnownBad.IsZero():
		resp.AddWarning(fmt.Sprintf("Finicity refused the stored credential on %s, and this write does not verify it. "+
			"To verify it again%s, type %s", written.KnownBad.Format(time.RFC3339), afterUnlock(written.Standing),
			verifyCommand(req.MountPoint, written.Standing)))
	}
	if len(resp.Warnings) == 0 {
		return nil, nil //nolint:nilnil // The framework takes this as a success without data.
	}
	return resp, nil
}

// writeOf reads the fields of a write.
func writeOf(req *logical.Request, d *framework.FieldData) engine.Write {
	verify, given := fieldValue[bool](d, "verify_connection")
	return engine.Write{
		PartnerID: optional[string](d, "partner_id"), PartnerSecret: optionalSecret(d, "partner_secret"),
		AppKey: optionalSecret(d, "app_key"), BaseURL: optional[string](d, "base_url"), CACert: optional[string](d, "ca_cert"),
		RequestTimeout: optionalSeconds(d, "request_timeout"), TokenLifetime: optionalSeconds(d, "token_lifetime"),
		SecretGracePeriod: optional[bool](d, "secret_grace_period"), PasswordPolicy: optional[string](d, "password_policy"),
		RotationPeriod: optionalSeconds(d, "rotation_period"), RotationSchedule: optional[string](d, "rotation_schedule"),
		RotationWindow: optionalSeconds(d, "rotation_window"), DisableRotation: optional[bool](d, "disable_automated_rotation"),
		Verify: verify || !given, Patch: req.Operation == logical.PatchOperation,
	}
}

// configPatch is a write in which null resets a field to its default.
func (b *backend) configPatch(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	for name, value := range d.Raw {
		if value == nil {
			d.Raw[name] = d.Schema[name].DefaultOrZero()
		}
	}
	return b.configWrite(ctx, req, d)
}

func (b *backend) configRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	cfg, err := b.engine.Configuration(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	if cfg == nil {
		return nil, nil //nolint:nilnil // Vault answers this with a 404.
	}
	set := cfg.Settings
	return &logical.Response{Data: map[string]any{
		"partner_id":                 cfg.PartnerID,
		"base_url":                   set.BaseURL,
		"ca_cert":                    set.CACert,
		"request_timeout":            int64(set.RequestTimeout / time.Second),
		"token_lifetime":             int64(set.TokenLifetime / time.Second),
		"password_policy":            set.PasswordPolicy,
		"secret_grace_period":        set.SecretGracePeriod,
		"rotation_period":            int64(set.Schedule.Period / time.Second),
		"rotation_schedule":          set.Schedule.Cron,
		"rotation_window":            int64(set.Schedule.Window / time.Second),
		"disable_automated_rotation": set.Schedule.Disabled,
		"rotation_pending":           cfg.Pending,
		"last_vault_rotation":        timeOrNull(cfg.LastRotation),
		"next_vault_rotation":        timeOrNull(cfg.NextRotation),
	}}, nil
}

func (b *backend) configDelete(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	for name := range d.Raw {
		if name != "force" {
			return logical.ErrorResponse("unknown field %q: a delete of config takes only force", name), nil
		}
	}
	force, _ := fieldValue[bool](d, "force")
	used, err := b.engine.Delete(ctx, req.Storage, force, string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	if used == 0 {
		return nil, nil //nolint:nilnil // The framework takes this as a success without data.
	}
	resp := new(logical.Response)
	resp.AddWarning(fmt.Sprintf("failed attempts remain counted for 24 hours: %s", ofFive(used)))
	return resp, nil
}

func (b *backend) pathConfigVerify() *framework.Path {
	return &framework.Path{
		Pattern: "config/verify",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "verify", OperationSuffix: "configuration",
		},
		Fields: map[string]*framework.FieldSchema{
			"force": {
				Type:         framework.TypeBool,
				Description:  "Make the attempt even if four have failed. If it fails, Finicity might lock the partner.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "Force the attempt", Group: groupVerification},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.configVerify,
				Summary:                     "Authenticate with the stored credential, even when automatic attempts are stopped.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   noContent(),
			},
		},
		HelpSynopsis:    "Authenticate with the stored credential, even when automatic attempts are stopped.",
		HelpDescription: strings.TrimSpace(configVerifyHelp),
	}
}

func (b *backend) configVerify(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	force, _ := fieldValue[bool](d, "force")
	if err := b.engine.Verify(ctx, req.Storage, force, string(req.Operation)); err != nil {
		return respond(req.MountPoint, err)
	}
	return nil, nil //nolint:nilnil // The framework takes this as a success without data.
}

const configVerifyHelp = `
After two refusals by Finicity the engine makes no further attempt automatically, because five failed attempts lock
the partner. The status says why the last one failed. After you resolve the cause, make one attempt:

    vault read finicity/status
    vault write -f finicity/config/verify

If the attempt succeeds, authentication is ok again and the new token becomes the shared one. The command also
resolves a pending rotation, and resumes a schedule that the engine has paused. Failed attempts still count for 24
hours.

When four have failed, the engine makes no attempt without force. The next refusal might lock the partner, so first make
sure that the credential is right:

    vault write finicity/config/verify force=true
`
