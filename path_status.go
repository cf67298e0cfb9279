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

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/engine"
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
				Summary:  "Read the state of the engine, without a call to Finicity.",
				// The active node may know more than storage, for example after a write failed.
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   singleResponse(http.StatusOK, "The state of the engine.", statusShown()),
			},
		},
		HelpSynopsis:    "Read the state of the engine, without a call to Finicity.",
		HelpDescription: strings.TrimSpace(statusHelp),
	}
}

func statusShown() map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"configured":         {Type: framework.TypeBool, Description: "Whether a credential is stored. If not, the other fields have no meaning."},
		"version":            {Type: framework.TypeString, Description: "The version of this engine."},
		"token_issue_time":   {Type: framework.TypeString, Description: "When the shared token was requested."},
		"token_expire_time":  {Type: framework.TypeString, Description: "When the engine stops serving the shared token."},
		"token_refresh_time": {Type: framework.TypeString, Description: "Time from which the engine refreshes the shared token."},
		"authentication": {
			Type:          framework.TypeString,
			AllowedValues: []any{string(attempts.OK), string(attempts.Held), string(attempts.Stopped), string(attempts.Locked)},
			Description: "ok: the engine may authenticate. held: after a refusal, it waits until retry_time. " +
				"stopped: it waits until config/verify or a verified write of the credential succeeds, or until retry_time if there is one. " +
				"locked: Finicity has locked the partner.",
		},
		"rejected_attempts": {Type: framework.TypeInt, Description: "Refused attempts that still count toward the limit. Each counts for 24 hours, or until the next success if that is later."},
		"attempts_left":     {Type: framework.TypeInt, Description: "How many more attempts can fail before config/verify needs force. An attempt that a crash interrupted counts as failed."},
		"retry_time":        {Type: framework.TypeString, Description: "Earliest time of the next automatic attempt, if it has to wait."},
		"last_error":        {Type: framework.TypeString, Description: "Why the last attempt failed, if it did, and with which credential."},
		"last_error_time":   {Type: framework.TypeString, Description: "When the last attempt failed."},
		"rotation_pending":  {Type: framework.TypeBool, Description: "Whether the outcome of a rotation is unknown. The engine resolves it automatically."},
		"last_vault_rotation": {
			Type: framework.TypeString, Description: "When Finicity first accepted the secret of the last rotation.",
		},
		"next_vault_rotation": {
			Type: framework.TypeString, Description: "When the schedule rotates next, or retries.",
		},
		"last_rotation_error": {Type: framework.TypeString, Description: "Why the last scheduled rotation failed, if it did."},
		"rotation_paused": {
			Type:        framework.TypeString,
			Description: "Why the schedule is paused, and how to resume it. Empty when it is not.",
		},
		"token_available":    {Type: framework.TypeBool, Description: "Whether a read would get a token now: either there is one, or the engine may request one and Finicity answered the last request."},
		"storage_error":      {Type: framework.TypeString, Description: "Why the last write to storage failed. Empty if it succeeded."},
		"storage_error_time": {Type: framework.TypeString, Description: "When that write failed."},
	}
	for _, field := range shown {
		field.Required = true
	}
	return shown
}

func (b *backend) statusRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	status, err := b.engine.Status(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	return &logical.Response{Data: statusData(req.MountPoint, b.RunningVersion, status)}, nil
}

// statusData returns every field in every state, so that scripts can rely on them.
func statusData(mount, version string, s engine.Status) map[string]any {
	data := map[string]any{
		"configured":          s.Configured,
		"version":             cmp.Or(version, "dev"),
		"token_available":     s.TokenAvailable,
		"token_issue_time":    nil,
		"token_expire_time":   nil,
		"token_refresh_time":  nil,
		"authentication":      string(s.Standing.State),
		"rejected_attempts":   s.Standing.Rejected,
		"attempts_left":       s.Standing.Left,
		"retry_time":          timeOrNull(s.Retry),
		"last_error":          s.Standing.Failure,
		"last_error_time":     timeOrNull(s.Standing.Failed),
		"rotation_pending":    s.Pending,
		"last_vault_rotation": timeOrNull(s.LastRotation),
		"next_vault_rotation": timeOrNull(s.NextRotation),
		"last_rotation_error": s.RotationError,
		"rotation_paused":     "",
		"storage_error":       s.StorageError,
		"storage_error_time":  timeOrNull(s.StorageErrorTime),
	}
	if s.Token != nil {
		data["token_issue_time"] = timeOrNull(s.Token.Issued)
		data["token_expire_time"] = timeOrNull(s.Token.Expires())
		data["token_refresh_time"] = timeOrNull(s.Token.Refreshes())
	}
	if s.Stopped {
		when, commands := manually(mount, s)
		data["last_rotation_error"] = fmt.Sprintf("%s. Scheduled rotation is stopped until you write another credential or "+
			"rotate manually%s: %s", strings.TrimSuffix(s.RotationError, "."), when, commands)
	}
	if !s.Paused.IsZero() {
		data["rotation_paused"] = fmt.Sprintf("paused on %s: the engine was down for more than six hours, so this data "+
			"might be a restored copy. If it is not, resume%s with %s", s.Paused.Format(time.RFC3339), afterUnlock(s.Standing),
			verifyCommand(mount, s.Standing))
	}
	return data
}

// manually says which commands rotate the secret in the state of the mount, and from
// which time on.
func manually(mount string, s engine.Status) (when, commands string) {
	when, commands = afterUnlock(s.Standing), fmt.Sprintf("vault write -f %srotate-root", mount)
	if !s.RotateAfter.IsZero() {
		when += " after " + s.RotateAfter.Format(time.RFC3339)
	}
	if s.VerifyFirst {
		commands = allowChange(mount, s.Standing) + ", then " + commands
	}
	return when, commands
}

const statusHelp = `
Shows the times of the shared token, whether authentication works and why not, and when the secret was and will be
rotated. The response contains no secret, and the engine sends no request to Finicity.

    vault read finicity/status

authentication is "ok", "held" after a refusal until retry_time, "stopped" after two refusals, or "locked" when
Finicity has locked the partner. A stop ends at retry_time, if there is one. After you resolve the cause:

    vault write -f finicity/config/verify

To monitor the engine, alert when token_available is false, authentication is not "ok", or rotation_paused or
storage_error is not empty.
`
