// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// pathConfigRotate is a path of its own, and not a field of rotate-root, so that a
// policy can allow one without the other: jobs may rotate, but a caller who chooses
// the secret also knows it.
func (b *backend) pathConfigRotate() *framework.Path {
	return &framework.Path{
		Pattern: "config/rotate",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "rotate", OperationSuffix: "to-chosen-secret",
		},
		Fields: map[string]*framework.FieldSchema{
			"new_partner_secret": {
				Type:     framework.TypeString,
				Required: true,
				Description: "The new partner secret: 12 to 255 letters, digits and !@#$%&*_-+, with at least one letter and one " +
					"digit. It must not be a secret that this mount uses, has used, or has sent to Finicity.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "New partner secret", Group: groupRotation, Sensitive: true},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.configRotate,
				Summary:                     "Replace the partner secret with one that you choose, at Finicity and here.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   singleResponse(http.StatusOK, "The secret is rotated.", rotationTime()),
			},
		},
		HelpSynopsis:    "Replace the partner secret with one that you choose.",
		HelpDescription: strings.TrimSpace(configRotateHelp),
	}
}

func (b *backend) configRotate(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	chosen := optionalSecret(d, "new_partner_secret")
	if chosen == nil {
		return logical.ErrorResponse("field %q is required. To rotate to a secret that only Vault knows, type vault write -f %srotate-root",
			"new_partner_secret", req.MountPoint), nil
	}
	rotated, err := b.engine.RotateTo(ctx, req.Storage, *chosen, string(req.Operation))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	resp := rotatedResponse(rotated)
	if !rotated.Next.IsZero() {
		resp.AddWarning(fmt.Sprintf("the schedule replaces this secret at %s. To keep it, type vault write %sconfig disable_automated_rotation=true",
			rotated.Next.Format(time.RFC3339), req.MountPoint))
	}
	return resp, nil
}

const configRotateHelp = `
Works like rotate-root, but you choose the new secret and keep a copy of it. Use it to leave this engine, or to move to
another Vault: the engine never returns the secret, so after rotate-root only Vault knows it.

    vault write finicity/config disable_automated_rotation=true
    vault write finicity/config/rotate new_partner_secret=…

With new_partner_secret=-, the command reads the secret from standard input, which keeps it out of the shell history.
After this rotation, you can delete the configuration without force, unless base_url was changed or an earlier rotation is
unresolved.
`
