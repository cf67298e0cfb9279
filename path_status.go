// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func (b *backend) pathStatus() *framework.Path {
	return &framework.Path{
		Pattern: "status",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "read", OperationSuffix: "status",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback: b.statusRead,
				Summary:  "Read how things stand, without a call to Finicity.",
				// What the node in charge has in memory may be newer than what is stored.
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   one(http.StatusOK, "How things stand.", statusShown()),
			},
		},
		HelpSynopsis:    "Read how things stand, without a call to Finicity.",
		HelpDescription: strings.TrimSpace(statusHelp),
	}
}

func statusShown() map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"configured":         {Type: framework.TypeBool, Description: "Whether a credential is stored. Without one, the rest says nothing."},
		"version":            {Type: framework.TypeString, Description: "The version of this engine."},
		"token_issue_time":   {Type: framework.TypeString, Description: "When the shared token was requested."},
		"token_expire_time":  {Type: framework.TypeString, Description: "When it is served no more."},
		"token_refresh_time": {Type: framework.TypeString, Description: "From when on a read refreshes it."},
		"authentication": {
			Type:          framework.TypeString,
			AllowedValues: []any{stateOK, stateHeld, stateStopped, stateLocked},
			Description: "ok; held after a refusal, until retry_time; stopped, until a config write or config/verify succeeds; " +
				"or locked by Finicity.",
		},
		"rejected_attempts": {Type: framework.TypeInt, Description: "Attempts that Finicity has refused since the last success."},
		"attempts_left":     {Type: framework.TypeInt, Description: "How many more are let through, before config/verify needs force."},
		"retry_time":        {Type: framework.TypeString, Description: "When the next call is made by itself, if it has to wait."},
		"last_error":        {Type: framework.TypeString, Description: "What Finicity said to the last attempt, if that failed."},
		"last_error_time":   {Type: framework.TypeString, Description: "When that was."},
		"rotation_pending":  {Type: framework.TypeBool, Description: "Whether a change of the secret got no answer, and is going to be settled."},
		"last_vault_rotation": {
			Type: framework.TypeString, Description: "When this engine last changed the secret.",
		},
		"next_vault_rotation": {
			Type: framework.TypeString, Description: "When it is going to by schedule. After a failure, when it tries again.",
		},
		"last_rotation_error": {Type: framework.TypeString, Description: "Why the last rotation by schedule failed, if it did."},
	}
	for _, field := range shown {
		field.Required = true
	}
	return shown
}

func (b *backend) statusRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	cfg, err := loadConfig(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		return &logical.Response{Data: b.status(new(config), new(attempts), nil)}, nil
	}
	hash, err := b.keyedHash(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	record, err := b.loadRecord(ctx, req.Storage, cfg, hash)
	if err != nil {
		return nil, err
	}
	t := b.tokens.current.Load()
	if t == nil {
		t = b.loadToken(ctx, req.Storage, cfg)
	}
	data := b.status(cfg, &record.attempts, t)
	if cfg.Plan.stopped(cfg.Credential.LastRotation) {
		why := strings.TrimSuffix(cfg.Plan.Error, ".") // Finicity's own sentence may have one.
		data["last_rotation_error"] = fmt.Sprintf("%s. The schedule waits until another credential is written or a rotation by "+
			"hand has succeeded: type vault write -f %srotate-root", why, req.MountPoint)
	}
	return &logical.Response{Data: data}, nil
}

// status has each field in each state, so that a script can rely on them.
func (b *backend) status(cfg *config, record *attempts, t *sharedToken) map[string]any {
	last := cfg.Credential.LastRotation
	data := map[string]any{
		"configured":          cfg.Credential.PartnerID != "",
		"version":             cmp.Or(Version, "dev"),
		"token_issue_time":    nil,
		"token_expire_time":   nil,
		"token_refresh_time":  nil,
		"authentication":      record.state(),
		"rejected_attempts":   record.Rejected,
		"attempts_left":       record.left(),
		"retry_time":          timeOrNull(b.retryTime(cfg, record)),
		"last_error":          record.LastError,
		"last_error_time":     timeOrNull(record.LastErrorAt),
		"rotation_pending":    cfg.Credential.Pending != nil,
		"last_vault_rotation": timeOrNull(last),
		"next_vault_rotation": timeOrNull(cfg.Plan.announced(cfg.Schedule, last)),
		"last_rotation_error": cfg.Plan.lastError(last),
	}
	if pending := cfg.Credential.Pending; pending != nil {
		if age := b.now().Sub(pending.Since); age >= 0 && age < pending.Timeout {
			data["last_rotation_error"] = "" // It may be under way.
		}
	}
	if t != nil && t.left(b.age(t)) > 0 {
		data["token_issue_time"] = timeOrNull(t.issued)
		data["token_expire_time"] = timeOrNull(t.expires())
		data["token_refresh_time"] = timeOrNull(t.issued.Add(refreshAge(t.lifetime)))
	}
	return data
}

// retryTime is when the next call is made by itself, zero when it need not wait or is not made.
func (b *backend) retryTime(cfg *config, record *attempts) time.Time {
	now := b.now()
	if record.state() != stateOK {
		if retry := record.retry(); retry.After(now) {
			return retry
		}
		return time.Time{}
	}
	wait := time.Duration(0)
	if held, found := errors.AsType[*heldBack](b.tokens.held(time.Now())); found {
		wait = held.wait
	}
	if pending := cfg.Credential.Pending; pending != nil {
		wait = max(wait, min(pending.Timeout, pending.Timeout-now.Sub(pending.Since)))
	}
	if wait <= 0 {
		return time.Time{}
	}
	return now.Add(wait)
}

const statusHelp = `
Shows the times of the shared token, whether attempts are held back and why, and when the secret was and will be rotated.
No secret is among it, and Finicity is not asked.

    vault read finicity/status

authentication is "ok", "held" after a refusal until retry_time, "stopped" after two until a config write or config/verify
succeeds, or "locked" when Finicity has locked the partner. When the cause is out of the way:

    vault write -f finicity/config/verify
`
