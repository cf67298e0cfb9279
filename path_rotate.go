// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
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
				Responses: singleResponse(http.StatusOK, "The secret is rotated.", map[string]*framework.FieldSchema{
					"last_vault_rotation": {
						Type: framework.TypeString, Required: true, Description: "When that was, in RFC 3339.",
					},
				}),
			},
		},
		HelpSynopsis:    "Replace the partner secret, at Finicity and here.",
		HelpDescription: strings.TrimSpace(rotateRootHelp),
	}
}

func (b *backend) rotateRoot(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	at, err := b.engine.RotateRoot(ctx, req.Storage, string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	return &logical.Response{Data: map[string]any{"last_vault_rotation": at.Format(time.RFC3339)}}, nil
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
		resp.AddWarning("the current token is less than 1 minute old and was kept")
	}
	return resp, nil
}

const rotateRootHelp = `
Generates a new partner secret, changes it at Finicity and stores it. Nobody sees it, and the old one is refused from
then on, or for 30 days longer with secret_grace_period.

    vault write -f finicity/rotate-root

The new secret is stored before it is sent. Whatever fails after that, the engine finds out which of the two Finicity
holds before it uses the credential again. Until then rotation_pending is true:

    vault read finicity/status

rotation_period or rotation_schedule have this done by itself:

    vault write finicity/config rotation_period=720h
`

//nolint:gosec // No credential, but a text about one.
const rotateTokenHelp = `
For a token that has leaked, or that Finicity does not honour any more (HTTP 401 with code 10022 or 10023). The old one is
good until its two hours are over, because Finicity has no call to revoke it, but nobody is given it any more.

    vault write -f finicity/rotate-token
    vault read finicity/token

Within a minute of the last one this changes nothing, and says so in a warning.
`
