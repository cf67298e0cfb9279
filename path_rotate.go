// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
)

func (b *backend) pathRotateRoot() *framework.Path {
	return &framework.Path{
		Pattern: "rotate-root",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "rotate", OperationSuffix: "root",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.rotateRoot,
				Summary:                     "Replace the partner secret, at Finicity and here.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   singleResponse(http.StatusOK, "The secret is rotated.", rotationTime()),
			},
		},
		HelpSynopsis:    "Replace the partner secret, at Finicity and here.",
		HelpDescription: strings.TrimSpace(rotateRootHelp),
	}
}

func (b *backend) rotateRoot(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	rotated, err := b.engine.RotateRoot(ctx, req.Storage, string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	return rotatedResponse(rotated), nil
}

// rotationTime describes the response of a rotation.
func rotationTime() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"last_vault_rotation": {Type: framework.TypeString, Required: true, Description: "When the secret was rotated, in RFC 3339."},
	}
}

func rotatedResponse(rotated engine.Rotated) *logical.Response {
	return &logical.Response{Data: map[string]any{"last_vault_rotation": rotated.At.Format(time.RFC3339)}}
}

func (b *backend) pathRotateToken() *framework.Path {
	return &framework.Path{
		Pattern: "rotate-token",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "rotate", OperationSuffix: "token",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.rotateToken,
				Summary:                     "Replace the shared token now.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   singleResponse(http.StatusOK, "The times of the shared token.", tokenTimes()),
			},
		},
		HelpSynopsis:    "Replace the shared token now.",
		HelpDescription: strings.TrimSpace(rotateTokenHelp),
	}
}

func (b *backend) rotateToken(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	t, kept, err := b.engine.RotateToken(ctx, req.Storage, string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	resp := &logical.Response{Data: map[string]any{
		"issue_time": timeOrNull(t.Issued), "expire_time": timeOrNull(t.Expires()),
	}}
	if kept {
		resp.AddWarning("the current token is less than 1 minute old and was kept. " +
			"It might come from rotate-root, config/verify or a write of the credential, which replace the token too")
	}
	return resp, nil
}

const rotateRootHelp = `
Generates a new partner secret, stores it, sets it at Finicity, and authenticates with it. The rotation is complete
when Finicity accepts the new secret: an acknowledgment alone is not proof. The old secret stops working at once, or
after 30 days with secret_grace_period.

    vault write -f finicity/rotate-root

If the outcome is unknown, both secrets are stored, and the engine determines automatically which one is in effect.
Until then, rotation_pending is true, and the engine serves the current token. While two changes are unconfirmed, the
engine refuses another one.

    vault read finicity/status

To rotate on a schedule, set rotation_period or rotation_schedule:

    vault write finicity/config rotation_period=720h
`

//nolint:gosec // This is a text about a credential.
const rotateTokenHelp = `
For a token that has leaked, or that Finicity no longer accepts (HTTP 401 with code 10022 or 10023). A leaked token
stays valid until it expires, because Finicity has no call to revoke it, but the engine no longer serves it.

    vault write -f finicity/rotate-token
    vault read finicity/token

The engine keeps the current token if it is less than a minute old, with a warning, or if it can't get a new one.
`
