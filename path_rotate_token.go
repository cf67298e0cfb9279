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
				Responses:                   one(http.StatusOK, "The times of the shared token.", tokenTimes()),
			},
		},
		HelpSynopsis:    "Replace the shared token now.",
		HelpDescription: strings.TrimSpace(rotateTokenHelp),
	}
}

// rotateTokenEvery is how often the token is replaced at most. All apps that are told by Finicity that their token is
// not good ask for another one at the same time.
const rotateTokenEvery = time.Minute

func (b *backend) rotateToken(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	epoch := b.tokens.epoch()
	ctx, cfg, err := b.lockConfig(ctx, req.Storage)
	if err != nil {
		return respond(req.MountPoint, err)
	}
	defer b.unlock()

	t := b.tokens.current.Load()
	if t == nil {
		t = b.loadToken(ctx, req.Storage, cfg)
	}
	resp := new(logical.Response)
	if t != nil && b.age(t) < rotateTokenEvery {
		resp.AddWarning(fmt.Sprintf("the token was replaced %s ago, and is replaced once in %s at most: read it again",
			b.age(t).Truncate(time.Second), rotateTokenEvery))
	} else {
		// Apps ask for this too, so that many may while Finicity is down.
		if err := b.tokens.held(time.Now()); err != nil {
			return respond(req.MountPoint, err)
		}
		if t, err = b.renew(ctx, req.Storage, cfg, person, epoch); err != nil {
			return respond(req.MountPoint, err)
		}
	}
	resp.Data = map[string]any{"issue_time": timeOrNull(t.issued), "expire_time": timeOrNull(t.expires())}
	return resp, nil
}

//nolint:gosec // No credential, but a text about one.
const rotateTokenHelp = `
For a token that has leaked, or that Finicity does not honour any more (HTTP 401 with code 10022 or 10023). The old one is
good until its two hours are over, because Finicity has no call to revoke it, but nobody is given it any more.

    vault write -f finicity/rotate-token
    vault read finicity/token

Within a minute of the last one this changes nothing, and says so in a warning.
`
