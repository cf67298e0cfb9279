// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const tokenSecretType = "finicity_token"

func (b *backend) pathToken() *framework.Path {
	return &framework.Path{
		Pattern: "token",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: "finicity", OperationVerb: "read", OperationSuffix: "token",
		},
		Fields: map[string]*framework.FieldSchema{
			"min_ttl": {
				Type: framework.TypeDurationSecond,
				Description: "Least validity that the token must have left, for work that outlives a token. " +
					"At most three quarters of token_lifetime.",
				Query:        true,
				DisplayAttrs: &framework.DisplayAttributes{Name: "Least validity", Group: groupToken},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback:                    b.tokenRead,
				Summary:                     "Read the shared Finicity token, with the app key and the partner ID.",
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   one(http.StatusOK, "The shared token.", tokenShown()),
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
		"ttl":        {Type: framework.TypeInt64, Description: "How many seconds the token may be used, as long as the lease."},
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
			Description: "When it is served no more, a little before Finicity stops to honour it.",
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
	minTTL, _ := seconds(d, "min_ttl")
	if err := b.checkMinTTL(ctx, req.Storage, minTTL); err != nil {
		return respond(req.MountPoint, err)
	}
	t, failure, err := b.token(ctx, req.Storage, minTTL)
	if err != nil {
		return respond(req.MountPoint, err)
	}

	// At least a second: it was left a moment ago, and for a lease of 0 Vault would take its default of a month.
	ttl := max(time.Second, t.left(b.age(t)))
	// Vault caps the lease too, but with a warning on each read, and then the lease and the ttl below would differ.
	// The answer is 0 when Vault could not be asked.
	if limit := b.System().MaxLeaseTTL(); limit > 0 && ttl > limit {
		if minTTL > limit {
			return logical.ErrorResponse("field %q is more than a lease of this mount may have: at most %s, or have the mount "+
				"tuned: vault secrets tune -max-lease-ttl=2h %s", "min_ttl", limit, req.MountPoint), nil
		}
		ttl = max(time.Second, limit.Truncate(time.Second))
	}
	resp := b.Secret(tokenSecretType).Response(map[string]any{
		"token":       t.value,
		"app_key":     t.appKey,
		"partner_id":  t.partnerID,
		"issue_time":  t.issued.Format(time.RFC3339),
		"expire_time": t.expires().Format(time.RFC3339),
		"ttl":         int64(ttl / time.Second),
	}, nil)
	resp.Secret.TTL = ttl
	if failure != nil {
		resp.AddWarning(fmt.Sprintf("the token is due for a refresh, which failed: %s. This one is good until %s",
			failure, t.expires().Format(time.RFC3339)))
	}
	return resp, nil
}

// checkMinTTL needs the token's lifetime, which a mount that has just started has to read from storage.
func (b *backend) checkMinTTL(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	if minTTL == 0 {
		return nil
	}
	var lifetime time.Duration
	if t := b.tokens.current.Load(); t != nil {
		lifetime = t.lifetime
	} else {
		cfg, err := loadConfig(ctx, s)
		if err != nil {
			return err
		}
		if cfg == nil {
			return errNotConfigured
		}
		lifetime = cfg.TokenLifetime
	}
	if limit := refreshAge(lifetime); minTTL > limit {
		return refused(fmt.Sprintf("field %q must be at most %s, three quarters of the token's lifetime: "+
			"no token could be shared for long otherwise", "min_ttl", limit))
	}
	return nil
}

// refreshPatience is how long a read waits for a refresh when the token that is there would do.
const refreshPatience = 3 * time.Second

func (b *backend) age(t *sharedToken) time.Duration { return t.age(b.now(), time.Since(t.started)) }

var (
	errChanging = errors.New("the configuration changed while the token was read: try again")
	errTooSlow  = errors.New("the answer from Finicity came so late that too little is left of the token: try again")
)

// token returns the shared token with at least minTTL left. Where it is due for a refresh that failed, the failure is
// returned with it.
func (b *backend) token(ctx context.Context, s logical.Storage, minTTL time.Duration) (
	t *sharedToken, failure, err error,
) {
	minTTL = max(minTTL, time.Second)
	usable := func() (*sharedToken, bool) {
		t := b.tokens.current.Load()
		return t, t != nil && t.left(b.age(t)) >= minTTL
	}
	// A round is enough, unless what it brought was dropped at once by a change of configuration, or falls short of this
	// reader's minTTL because another reader began it.
	for range 3 {
		t, ok := usable()
		if ok && b.age(t) < refreshAge(t.lifetime) {
			return t, nil, nil
		}
		if held := b.tokens.held(time.Now()); ok && held != nil {
			return t, held, nil
		}
		r, started := b.tokens.refresh(func() error {
			return b.refreshToken(context.WithoutCancel(ctx), s, minTTL)
		})
		if ok && !started {
			return t, nil, nil // Another reader is seeing to it.
		}
		var enough <-chan time.Time // With a token at hand, nobody waits for long.
		if ok {
			enough = time.After(refreshPatience)
		}
		select {
		case <-r.done:
		case <-enough:
			if t, ok := usable(); ok {
				return t, nil, nil
			}
			return nil, nil, errChanging
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		switch t, ok := usable(); {
		case ok:
			return t, r.err, nil
		case r.err != nil:
			return nil, nil, r.err
		}
	}
	return nil, nil, errChanging
}

// refreshToken sees to it that the shared token is not due for a refresh and has minTTL left.
func (b *backend) refreshToken(ctx context.Context, s logical.Storage, minTTL time.Duration) error {
	if err := b.lock(ctx); err != nil {
		return err
	}
	defer b.unlock()

	epoch := b.tokens.epoch()
	cfg, err := loadConfig(ctx, s)
	if err != nil {
		return err
	}
	if cfg == nil {
		return errNotConfigured
	}
	t := b.tokens.current.Load() // Who held the lock until now may have brought a new one.
	if t == nil {
		if t = b.loadToken(ctx, s, cfg); t != nil {
			b.tokens.share(t, epoch)
		}
	}
	if t != nil {
		if age := b.age(t); age < refreshAge(t.lifetime) && t.left(age) >= minTTL {
			return nil
		}
	}
	if err := b.tokens.held(time.Now()); err != nil {
		return err
	}
	if t, err = b.renew(ctx, s, cfg, automatic, epoch); err != nil {
		return err
	}
	if t.left(b.age(t)) < minTTL {
		return errTooSlow // To ask again at once would go on like that, an authentication each time.
	}
	return nil
}

//nolint:gosec // No credential, but a text about one.
const tokenHelp = `
Every reader gets the same token until it is refreshed, three quarters into its lifetime: 90 minutes for Finicity's two
hours. Send it as Finicity-App-Token, and app_key as Finicity-App-Key.

    vault read finicity/token
    vault read -field=token finicity/token min_ttl=80m

The lease ends a little before the token does. It can't be renewed, read again instead. Revoking it takes the token from
nobody, because all apps share it. When the token has leaked, or Finicity does not honour it:

    vault write -f finicity/rotate-token
`
