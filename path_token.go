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

	"vault-plugin-secrets-finicity/internal/token"
)

const (
	tokenPath       = "token"
	staticTokenPath = "static-token"
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
					"At most 85m with a token_lifetime of 2h, in proportion otherwise.",
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

func (b *backend) pathStaticToken() *framework.Path {
	return &framework.Path{
		Pattern: staticTokenPath,
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "read", OperationSuffix: "static-token",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback:  b.staticTokenRead,
				Summary:   "Read the shared Finicity token without a lease.",
				Responses: singleResponse(http.StatusOK, "The shared token.", staticTokenShown()),
			},
		},
		HelpSynopsis:    "Read the shared Finicity token without a lease.",
		HelpDescription: strings.TrimSpace(staticTokenHelp),
	}
}

func tokenShown() map[string]*framework.FieldSchema {
	return shownWith(map[string]*framework.FieldSchema{
		"ttl": {Type: framework.TypeInt64, Description: "Seconds for which the token may be used. Equal to the duration of the lease."},
	})
}

func staticTokenShown() map[string]*framework.FieldSchema {
	return shownWith(map[string]*framework.FieldSchema{
		"ttl":                 {Type: framework.TypeInt64, Description: "Seconds after which to read again: the token is refreshed then. At least 5."},
		"rotation_period":     {Type: framework.TypeInt64, Description: "Seconds from one token to the next, three quarters of token_lifetime."},
		"last_vault_rotation": {Type: framework.TypeString, Description: "When the token was replaced last, which is issue_time, in RFC 3339."},
	})
}

// shownWith has what both reads of the token show, and more.
func shownWith(more map[string]*framework.FieldSchema) map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"token":      {Type: framework.TypeString, Description: "For the header Finicity-App-Token."},
		"app_key":    {Type: framework.TypeString, Description: "For the header Finicity-App-Key."},
		"partner_id": {Type: framework.TypeString, Description: "The partner that the token is for."},
	}
	maps.Copy(shown, tokenTimes())
	maps.Copy(shown, more)
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
	data := tokenData(t)
	data["ttl"] = int64(ttl / time.Second)
	resp := b.Secret(tokenSecretType).Response(data, nil)
	resp.Secret.TTL = ttl
	warnOf(resp, t, failure)
	return resp, nil
}

// staticTokenRead answers as Vault's own static roles do, since that is what Vault Agent and the Vault Secrets Operator
// recognise: without a lease, with a rotation_period, and with a ttl after which they read again.
func (b *backend) staticTokenRead(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	if b.view().otherNodeActs {
		return nil, logical.ErrReadOnly
	}
	t, failure, err := b.engine.Token(ctx, req.Storage, 0)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	data := tokenData(t)
	data["ttl"] = int64(max(leastStaticTTL, b.engine.UntilRefresh(t)) / time.Second)
	data["rotation_period"] = int64(token.RefreshAge(t.Lifetime) / time.Second)
	data["last_vault_rotation"] = data["issue_time"]
	resp := &logical.Response{Data: data}
	warnOf(resp, t, failure)
	return resp, nil
}

// leastStaticTTL keeps readers from asking all the time while a refresh fails or is on its way.
const leastStaticTTL = 5 * time.Second

func tokenData(t *token.Token) map[string]any {
	return map[string]any{
		"token":       t.Value.Reveal(),
		"app_key":     t.AppKey.Reveal(),
		"partner_id":  t.PartnerID,
		"issue_time":  t.Issued.Format(time.RFC3339),
		"expire_time": t.Expires().Format(time.RFC3339),
	}
}

func warnOf(resp *logical.Response, t *token.Token, failure error) {
	if failure != nil {
		resp.AddWarning(fmt.Sprintf("the token is due for a refresh, which failed: %s. This one is good until %s",
			sentence(failure), t.Expires().Format(time.RFC3339)))
	}
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

const staticTokenHelp = `
The same token as at the path token, without a lease: for many readers, for Vault tokens that can't hold a lease (batch
tokens, those with one use left), and for clients that know Vault's static roles.

    vault read finicity/static-token

Read again after ttl seconds, when the token is refreshed. Vault Agent does so by itself, and so does the Vault Secrets
Operator with allowStaticCreds. Until expire_time the token may be used.
`
