// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const (
	tokenPath       = "token"
	tokenSecretType = "finicity_token"
)

func (b *backend) pathToken() *framework.Path {
	return &framework.Path{
		Pattern: tokenPath,
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "read", OperationSuffix: "token",
		},
		Fields: map[string]*framework.FieldSchema{
			"min_ttl": {
				Type: framework.TypeDurationSecond,
				Description: "Minimum remaining lifetime of the token, for long-running tasks. " +
					"At most three quarters of token_lifetime.",
				Query:        true,
				DisplayAttrs: &framework.DisplayAttributes{Name: "Minimum remaining lifetime", Group: groupToken},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback:  b.tokenRead,
				Summary:   "Read the shared Finicity token, with the app key and the partner ID.",
				Responses: singleResponse(http.StatusOK, "The shared token.", tokenShown()),
			},
			// Agent templates and operators send parameters in the body of a write only.
			logical.UpdateOperation: &framework.PathOperation{
				Callback:     b.tokenRead,
				Summary:      "Read the shared Finicity token, for clients that can send parameters only in a body.",
				DisplayAttrs: &framework.DisplayAttributes{OperationVerb: "read", OperationSuffix: "token-with-parameters"},
				Responses:    singleResponse(http.StatusOK, "The shared token.", tokenShown()),
			},
		},
		HelpSynopsis:    "Read the shared Finicity token.",
		HelpDescription: strings.TrimSpace(tokenHelp),
	}
}

func tokenShown() map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"token":      {Type: framework.TypeString, Description: "For the header Finicity-App-Token."},
		"app_key":    {Type: framework.TypeString, Description: "For the header Finicity-App-Key."},
		"partner_id": {Type: framework.TypeString, Description: "The partner that the token is for."},
		"ttl":        {Type: framework.TypeInt64, Description: "Seconds for which the token may be used. Equal to the duration of the lease."},
	}
	maps.Copy(shown, tokenTimes())
	for _, field := range shown {
		field.Required = true
	}
	return shown
}

func tokenTimes() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"issue_time": {
			Type: framework.TypeString, Required: true,
			Description: "When the request for the token was sent, in RFC 3339.",
		},
		"expire_time": {
			Type: framework.TypeString, Required: true,
			Description: "When the engine stops serving it, shortly before Finicity stops accepting it.",
		},
	}
}

func (b *backend) tokenSecret() *framework.Secret {
	return &framework.Secret{
		Type: tokenSecretType,
		// A lease here says how long the token may be used, and takes nothing back: Finicity has no call for it, and
		// the other apps hold the same token. It must be there, and must not fail: a mount with leases that can't be
		// revoked can't be disabled.
		Revoke: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
			return nil, nil //nolint:nilnil // That is how the framework is told of success without data.
		},
	}
}

func (b *backend) tokenRead(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	view := b.view()
	if view.otherNodeActs { // Vault sends the request to the node in charge.
		return nil, logical.ErrReadOnly
	}
	minTTL, _ := seconds(d, "min_ttl")
	if err := b.engine.CheckMinTTL(ctx, req.Storage, minTTL); err != nil {
		return respond(req.MountPoint, err)
	}
	t, failure, err := b.engine.Token(ctx, req.Storage, minTTL)
	if err != nil {
		return respond(req.MountPoint, err)
	}

	// At least a second: for a lease of 0 Vault would take its default of a month.
	ttl := max(time.Second, b.engine.Remaining(t))
	if minTTL > view.maxLease && view.maxLease > 0 {
		view = b.askVault() // Somebody may have done what the error below says.
	}
	// Vault caps the lease too, but with a warning on each read, and then the lease
	// and the ttl below would differ. The answer is 0 when Vault could not be asked.
	if limit := view.maxLease; limit > 0 && ttl > limit {
		if minTTL > limit {
			return logical.ErrorResponse("field %q: the mount allows a lease of at most %s. To raise it, type "+
				"vault secrets tune -max-lease-ttl=2h %s", "min_ttl", limit, req.MountPoint), nil
		}
		ttl = max(time.Second, limit.Truncate(time.Second))
	}
	resp := b.Secret(tokenSecretType).Response(map[string]any{
		"token":       t.Value.Reveal(),
		"app_key":     t.AppKey.Reveal(),
		"partner_id":  t.PartnerID,
		"issue_time":  t.Issued.Format(time.RFC3339),
		"expire_time": t.Expires().Format(time.RFC3339),
		"ttl":         int64(ttl / time.Second),
	}, nil)
	resp.Secret.TTL = ttl
	if failure != nil {
		resp.AddWarning(fmt.Sprintf("the token is due for a refresh, which failed: %s. This one is good until %s",
			sentence(failure), t.Expires().Format(time.RFC3339)))
	}
	return resp, nil
}

//nolint:gosec // No credential, but a text about one.
const tokenHelp = `
Every reader gets the same token until it is refreshed, after three quarters of its lifetime: 90 minutes for
Finicity's two hours. Send it as Finicity-App-Token, and app_key as Finicity-App-Key.

    vault read finicity/token
    vault read -field=token finicity/token min_ttl=80m

If a refresh fails, the engine serves the current token until it expires, with a warning. The lease ends shortly
before the token does. It can't be renewed: read again instead. Revoking it does not invalidate the token, because all
apps share it. If the token has leaked, or Finicity no longer accepts it:

    vault write -f finicity/rotate-token
`
