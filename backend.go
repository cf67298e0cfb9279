// SPDX-License-Identifier: MPL-2.0

// Package finicity is a Vault secrets engine that keeps a company's Finicity partner credential and hands out the
// short-lived token that the API calls need.
//
// It has three layers, and imports only go down: the paths are what Vault sees, the rules (credential, token cache) are
// plain state machines, and internal/finicityapi makes the two calls to Finicity.
package finicity

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/salt"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Version is the release, like v0.1.0, set by the linker. Empty in development builds: Vault compares it to the
// version that the plugin is registered with, and refuses the plugin where the two differ.
var Version string

// Factory makes the backend of one mount. It touches neither storage nor the system view, because Vault also starts
// the plugin just to read its metadata, and neither is there then.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	b := newBackend()
	if err := b.Setup(ctx, conf); err != nil {
		return nil, fmt.Errorf("setting up the backend: %w", err)
	}
	return b, nil
}

type backend struct {
	*framework.Backend

	// upstream is held by whoever reads the credential to use it or to change it, calls to Finicity included: one call
	// at a time, and none with a credential that is being replaced. It is a channel and not a mutex so that a request
	// whose caller has gone does not queue for it. A read of a fresh token never takes it.
	upstream chan struct{}
	tokens   tokenCache
	// records are the attempt records as this process knows them, *keptRecord by key, as far as they need not be read. They
	// are changed under the upstream lock only, but for being forgotten.
	records sync.Map

	saltMu sync.Mutex
	salt   *salt.Salt

	// now is the wall clock and dial the network, both replaced in tests.
	now  func() time.Time
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func newBackend() *backend {
	b := &backend{upstream: make(chan struct{}, 1), now: time.Now}
	b.Backend = &framework.Backend{
		Help:           strings.TrimSpace(backendHelp),
		BackendType:    logical.TypeLogical,
		RunningVersion: Version,
		PathsSpecial:   &logical.Paths{SealWrapStorage: []string{configKey, tokenKey, attemptsPrefix}},
		Paths: []*framework.Path{
			b.pathConfig(), b.pathConfigVerify(), b.pathToken(), b.pathRotateRoot(), b.pathRotateToken(), b.pathStatus(),
			b.pathWebhookVerify(),
		},
		Secrets:      []*framework.Secret{b.tokenSecret()},
		PeriodicFunc: b.periodic,
		Invalidate:   b.invalidate,
	}
	return b
}

// HandleRequest checks the fields before the framework does, see checkFields.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	if err := b.checkFields(req); err != nil {
		return logical.ErrorResponse(err.Error()), nil
	}
	return b.Backend.HandleRequest(ctx, req)
}

// HandleExistenceCheck lets a request with unusable fields through to HandleRequest, which refuses it. The framework
// would refuse it here already, with an error that Vault writes to its log, value included.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checkFound, exists bool, err error) {
	if usable := b.checkFields(req) == nil; !usable {
		return false, false, nil
	}
	return b.Backend.HandleExistenceCheck(ctx, req)
}

// lock takes the upstream lock, or gives up when the caller goes away first.
func (b *backend) lock(ctx context.Context) error {
	select {
	case b.upstream <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil { // Both may have been ready. Nothing is begun for a caller who has gone.
		b.unlock()
		return err
	}
	return nil
}

func (b *backend) unlock() { <-b.upstream }

// lockConfig takes the upstream lock and reads the configuration, for a person's request that is going to use it. What is
// begun with the context that it returns is brought to its end, whoever waits for it. After an error nothing is held.
func (b *backend) lockConfig(ctx context.Context, s logical.Storage) (context.Context, *config, error) {
	if err := b.lock(ctx); err != nil {
		return nil, nil, err
	}
	ctx = context.WithoutCancel(ctx)
	cfg, err := loadConfig(ctx, s)
	if err == nil && cfg == nil {
		err = errNotConfigured
	}
	if err != nil {
		b.unlock()
		return nil, nil, err
	}
	return ctx, cfg, nil
}

// invalidate is called when another node has written the key.
func (b *backend) invalidate(_ context.Context, key string) {
	if strings.HasPrefix(key, attemptsPrefix) {
		b.records.Clear()
	}
	switch key {
	case configKey, tokenKey:
		b.tokens.drop()
		b.tokens.note(nil, time.Now()) // What held calls back may be over.
	case salt.DefaultLocation:
		b.saltMu.Lock()
		defer b.saltMu.Unlock()
		b.salt = nil
	}
}

// keyedHash tells values apart without holding them. It is keyed with a salt of the mount, so that it is of no use for
// guessing a secret, or for comparing two mounts.
type keyedHash func(parts ...string) string

func (b *backend) keyedHash(ctx context.Context, s logical.Storage) (keyedHash, error) {
	b.saltMu.Lock()
	defer b.saltMu.Unlock()
	if b.salt == nil {
		loaded, err := salt.NewSalt(ctx, s, nil)
		if err != nil {
			return nil, fmt.Errorf("loading the mount's salt: %w", err)
		}
		b.salt = loaded
	}
	hash := b.salt.GetHMAC
	// The separator can stand in none of the parts: control characters are refused on config write.
	return func(parts ...string) string { return hash(strings.Join(parts, "\x00")) }, nil
}

// client is made for each use. Calls are 90 minutes apart, so keeping one would save nothing, and would have to be
// thrown away with every change of configuration.
func (b *backend) client(ctx context.Context, cfg *config) (*finicityapi.Client, error) {
	agent := "vault-plugin-secrets-finicity/" + cmp.Or(strings.TrimPrefix(Version, "v"), "dev")
	if env, err := b.System().PluginEnv(ctx); err == nil && env.GetVaultVersion() != "" {
		agent += " Vault/" + env.GetVaultVersion()
	}
	return finicityapi.New(finicityapi.Config{
		BaseURL:     cfg.BaseURL,
		CACert:      cfg.CACert,
		Timeout:     cfg.RequestTimeout,
		UserAgent:   agent,
		DialContext: b.dial,
	})
}

const backendHelp = `
The Finicity secrets engine keeps the partner credential of Finicity (Mastercard Open Finance US) and gives apps the
short-lived token that API calls need. Five unsuccessful attempts lock the partner, so it counts them and stops in time.

Give it the credential, which it tries once and never shows. For a mount at finicity/:

    vault write finicity/config partner_id=… partner_secret=… app_key=…

Read the token that all apps share, and how things stand:

    vault read finicity/token
    vault read finicity/status

Replace the partner secret by one that nobody has seen, or a token that has leaked:

    vault write -f finicity/rotate-root
    vault write -f finicity/rotate-token

Try the stored credential again, after an error:

    vault write -f finicity/config/verify

Check a webhook without the partner secret:

    vault write finicity/webhook/verify input=… signature=…

Errors say what happened and what to type. There is more about each path, like this:

    vault path-help finicity/config
`
