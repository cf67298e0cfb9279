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
					"At most 85m with a token_lifetime of 2h, and proportionally less with a shorter one.",
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
			// Agent templates and Kubernetes operators can send parameters only in the body of
			// a write.
			logical.UpdateOperation: &framework.PathOperation{
				Callback:     b.tokenRead,
				Summary:      "Read the shared Finicity token, for clients that can send parameters only in a request body.",
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
		"ttl": {Type: framework.TypeInt64, Description: "Seconds for which the token may be used. Equal to the lease duration, unless Vault shortens the lease."},
	})
}

func staticTokenShown() map[string]*framework.FieldSchema {
	return shownWith(map[string]*framework.FieldSchema{
		"ttl":                 {Type: framework.TypeInt64, Description: "Seconds until the token is due for a refresh, when clients should read again. At least 5."},
		"rotation_period":     {Type: framework.TypeInt64, Description: "Seconds between refreshes: three quarters of token_lifetime."},
		"last_vault_rotation": {Type: framework.TypeString, Description: "When the token was last replaced, in RFC 3339. Equal to issue_time."},
	})
}

// shownWith adds fields to those that both reads of the token return.
func shownWith(more map[string]*framework.FieldSchema) map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"token":      {Type: framework.TypeString, Description: "The token, for the header Finicity-App-Token."},
		"app_key":    {Type: framework.TypeString, Description: "The app key, for the header Finicity-App-Key."},
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
			Description: "When the engine stops serving the token, shortly before Finicity stops accepting it.",
		},
	}
}

func (b *backend) tokenSecret() *framework.Secret {
	return &framework.Secret{
		Type: tokenSecretType,
		// Revoke does nothing: Finicity has no call to revoke a token, and other apps use the
		// same one. But it must exist and succeed, or Vault could not revoke the leases and
		// could not disable the mount.
		Revoke: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
			return nil, nil //nolint:nilnil // The framework takes this as a success without data.
		},
	}
}

func (b *backend) tokenRead(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	view := b.view()
	if view.otherNodeActs { // The error makes Vault forward the request to the active node.
		return nil, logical.ErrReadOnly
	}
	minTTL, _ := seconds(d, "min_ttl")
	if err := b.engine.CheckMinTTL(ctx, req.Storage, minTTL); err != nil { // Raising the limit of the mount would not help.
		return respond(req.MountPoint, err)
	}
	if minTTL > view.maxLease && view.maxLease > 0 {
		view = b.askVault() // An operator may have raised the limit, as the error below says.
		if view.otherNodeActs {
			return nil, logical.ErrReadOnly
		}
	}
	if limit := view.maxLease; minTTL > limit && limit > 0 {
		return logical.ErrorResponse("field %q: the mount allows a lease of at most %s. To raise it, type "+
			"vault secrets tune -max-lease-ttl=2h %s", "min_ttl", limit, req.MountPoint), nil
	}
	t, failure, err := b.engine.Token(ctx, req.Storage, minTTL)
	if err != nil {
		return respond(req.MountPoint, err)
	}

	// At least a second: for a lease of 0, Vault would use its default of 32 days.
	ttl := max(time.Second, b.engine.Remaining(t))
	// Vault would cap the lease too, but with a warning on each read, and the lease would
	// differ from the ttl below. maxLease is 0 when Vault did not answer.
	if limit := view.maxLease; limit > 0 && ttl > limit {
		ttl = max(time.Second, limit.Truncate(time.Second))
	}
	data := tokenData(t)
	data["ttl"] = int64(ttl / time.Second)
	resp := b.Secret(tokenSecretType).Response(data, nil)
	resp.Secret.TTL = ttl
	warnOf(resp, t, failure)
	return resp, nil
}

// staticTokenRead responds like Vault's own static roles, which Vault Agent and the
// Vault Secrets Operator recognize: without a lease, with a rotation_period, and with a
// ttl after which they read again.
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

// leastStaticTTL keeps clients from polling while a refresh is running or has failed.
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
		resp.AddWarning(fmt.Sprintf("the refresh of the token failed: %s. The current token is valid until %s",
			sentence(failure), t.Expires().Format(time.RFC3339)))
	}
}

//nolint:gosec // This is a text about a credential.
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
Returns the same token as the path token, without a lease: for many readers, for batch tokens, whose TTL can shorten a
lease, for Vault tokens with one use left, which can't get a lease, and for clients that support Vault's static roles.

    vault read finicity/static-token

Read again after ttl seconds, when the token is due for a refresh. Vault Agent does so automatically, and so does the
Vault Secrets Operator with allowStaticCreds. The token may be used until expire_time.
`
