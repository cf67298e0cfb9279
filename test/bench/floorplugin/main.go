// SPDX-License-Identifier: MPL-2.0

// Command floorplugin is a secrets engine that does nothing. Its reads cost what Vault
// and its sdk cost, which is the minimum for every other engine.
package main

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

func main() {
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory}); err != nil {
		hclog.Default().Error("the plugin does not start", "error", err)
		os.Exit(1)
	}
}

// answer has the size and the fields of this engine's answer.
func answer() map[string]any {
	return map[string]any{
		"token": "AAAAAAAAAAAAAAAAAAAA", "app_key": "fake-sandbox-app-key", "partner_id": "1000000000001",
		"issue_time": "2026-01-01T00:00:00Z", "expire_time": "2026-01-01T02:00:00Z", "ttl": int64(6900),
	}
}

func factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	lease := &framework.Secret{
		Type: "floor",
		Revoke: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
			return nil, nil
		}, //nolint:nilnil // Success without data.
	}
	leased := func() *logical.Response {
		resp := lease.Response(answer(), nil)
		resp.Secret.TTL = 115 * time.Minute
		return resp
	}
	path := func(pattern string, read framework.OperationFunc) *framework.Path {
		return &framework.Path{
			Pattern:    pattern,
			Operations: map[logical.Operation]framework.OperationHandler{logical.ReadOperation: &framework.PathOperation{Callback: read}},
		}
	}
	b := &framework.Backend{
		BackendType: logical.TypeLogical,
		Secrets:     []*framework.Secret{lease},
		Paths: []*framework.Path{
			path("leased", func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
				return leased(), nil
			}),
			path("plain", func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
				return &logical.Response{Data: answer()}, nil
			}),
			// As most engines do: each time, it reads the configuration and a role from
			// storage.
			path("stored", func(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
				for _, key := range []string{"config", "role"} {
					if _, err := req.Storage.Get(ctx, key); err != nil {
						return nil, err
					}
				}
				return leased(), nil
			}),
		},
	}
	return b, b.Setup(ctx, conf)
}
