// SPDX-License-Identifier: MPL-2.0

// Package finicity is a Vault secrets engine that keeps a company's Finicity
// partner credential and hands out the short-lived token that API calls need.
//
// This package is the part that Vault calls: the paths, their fields and their
// responses. The work is done in internal/engine, and the rules are in pure
// packages below that. Imports only go down; docs/testing.md says which test enforces
// that.
package finicity

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
)

// Factory makes the backend of one mount. It must not use storage or the system
// view: Vault also starts the plugin just to read its metadata, and then provides
// neither.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	return NewFactory(engine.Options{})(ctx, conf)
}

// FactoryOfRelease is Factory for a release, such as v0.1.0. Development builds have no
// version: Vault compares it with the version that the plugin is registered with, and
// refuses the plugin if the two differ.
func FactoryOfRelease(version string) logical.Factory {
	return NewFactory(engine.Options{Version: version})
}

// NewFactory is Factory with a clock, a network or a version of the test's choice.
func NewFactory(options engine.Options) logical.Factory {
	return func(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
		b := newBackend(options)
		if err := b.Setup(ctx, conf); err != nil {
			return nil, fmt.Errorf("setting up the backend: %w", err)
		}
		return b, nil
	}
}

// backend is one mount: the paths, and the engine that they call.
type backend struct {
	*framework.Backend

	engine   *engine.Engine
	lastView atomic.Pointer[vaultView]
}

func newBackend(options engine.Options) *backend {
	b := &backend{Backend: &framework.Backend{
		Help:           strings.TrimSpace(backendHelp),
		BackendType:    logical.TypeLogical,
		RunningVersion: options.Version,
		PathsSpecial:   &logical.Paths{SealWrapStorage: engine.SealWrapped()},
	}}
	b.engine = engine.New(b.Backend, options)
	b.Paths = []*framework.Path{
		b.pathToken(), b.pathStaticToken(), // The framework matches in this order, so the most used come first.
		b.pathConfig(), b.pathConfigCheck(), b.pathConfigVerify(), b.pathConfigRotate(), b.pathRotateRoot(), b.pathRotateToken(),
		b.pathStatus(), b.pathWebhookVerify(),
	}
	b.Secrets = []*framework.Secret{b.tokenSecret()}
	b.PeriodicFunc = func(ctx context.Context, req *logical.Request) error {
		return b.engine.Periodic(ctx, req.Storage)
	}
	b.Invalidate = func(_ context.Context, key string) { b.engine.Invalidate(key) }
	return b
}

// HandleRequest checks the fields before the framework does: see checkFields. It answers
// reads of the token without the framework, which would ask Vault on each read whether
// another node is active: see vaultView.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	if err := b.checkFields(req); err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	switch isRead := req.Operation == logical.ReadOperation; {
	case req.Path == tokenPath && (isRead || req.Operation == logical.UpdateOperation):
		return b.tokenRead(ctx, req, &framework.FieldData{Raw: req.Data, Schema: b.Route(tokenPath).Fields})
	case req.Path == staticTokenPath && isRead:
		return b.staticTokenRead(ctx, req, nil)
	}
	return b.Backend.HandleRequest(ctx, req)
}

// HandleExistenceCheck leaves a request with invalid fields to HandleRequest, which
// refuses it. The framework would refuse it here, with an error that contains the value
// and that Vault writes to its log.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checkFound, exists bool, err error) {
	if usable := b.checkFields(req) == nil; !usable {
		return false, false, nil
	}
	return b.Backend.HandleExistenceCheck(ctx, req)
}

const backendHelp = `
The Finicity secrets engine keeps the partner credential for Finicity (Mastercard Open Finance US), and gives apps the
short-lived token that API calls need. Five failed attempts lock the partner, so the engine counts them and stops
before the fifth.

The commands are for a mount at finicity/. Check that Vault can reach Finicity, without a credential:

    vault read finicity/config/check

Write the credential. The engine verifies it once, and never returns it:

    vault write finicity/config partner_id=… partner_secret=… app_key=…

Read the shared token, with or without a lease, and the state of the engine:

    vault read finicity/token
    vault read finicity/static-token
    vault read finicity/status

Replace the partner secret with one that only Vault knows, or replace a leaked token:

    vault write -f finicity/rotate-root
    vault write -f finicity/rotate-token

Replace the partner secret with one that you choose, for example to leave this engine:

    vault write finicity/config/rotate new_partner_secret=…

Verify the stored credential after you resolve an error. This also resumes a paused schedule:

    vault write -f finicity/config/verify

Verify a webhook without the partner secret:

    vault write finicity/webhook/verify input=… signature=…

Errors say what failed, why, and what to type. Each path has more help:

    vault path-help finicity/config
`
