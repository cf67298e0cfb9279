// SPDX-License-Identifier: MPL-2.0

// Package engine runs every operation in a safe order: lock, charge, call, settle,
// store.
//
// The rules are in pure packages: which secret to try (secrets), who may try it
// (attempts), when to rotate (schedule), how long a token is valid (token). This
// package keeps their state in one storage entry, calls Finicity, and passes the
// answers to the rules. Before each call, one write stores everything that is needed
// to recover from a crash during the call. If that write fails, there is no call.
//
// The paths of the mount are one layer up. They turn a request into typed values
// and format the response.
package engine

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/salt"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/token"
)

// Options replace parts of the environment in tests. The zero value is for production.
type Options struct {
	// Now is the wall clock.
	Now func() time.Time
	// Dial is the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Version is the release, such as v0.1.0. Empty in development builds.
	Version string
}

// Engine is the engine of one mount.
type Engine struct {
	// host gives access to Vault: its log, system view and events.
	host    *framework.Backend
	options Options

	// upstream is held by every request that uses or changes the credential, also during
	// calls to Finicity. A read of a usable token never waits for it.
	upstream lock
	tokens   token.Cache
	served   atomic.Pointer[token.Token] // the token that was last given to a reader
	backoff  token.Backoff
	// storing spaces the attempts of reads while storage takes none. Unlike backoff, it
	// ends with the next successful write, and delays neither commands nor the schedule.
	storing token.Backoff
	clock   clock
	// salt is the salt of the mount, nil until it is needed. salting is held while it is
	// read or created, because two requests must not create two.
	salt    atomic.Pointer[salt.Salt]
	salting lock

	// version1Forgotten is set when this process has deleted the other entries that
	// version 1 stored. The upstream lock protects it.
	version1Forgotten bool

	mu sync.Mutex // protects the fields below
	// latest is the state that this process has read or written last, nil before that.
	// ahead means that the last write failed: this process knows more than storage.
	latest *State
	ahead  bool
	// written identifies, by State.Clock, what storage may have after failed writes: the
	// state before them, and the states of these writes, which may have taken effect.
	written []time.Time
	// wrote identifies, by State.Clock, what this process has written last.
	wrote time.Time
	// storageError is why the last write failed, and storageErrorTime is when.
	storageError     error
	storageErrorTime time.Time
	// succeeded means that this process has authenticated once. Until then, its record of
	// attempts may be that of a restored snapshot.
	succeeded bool
	// copied is when this process found data that may be a restored snapshot's. It is zero
	// again after a success. See State.Copied.
	copied time.Time
	// reported is the state of attempts that was logged last.
	reported attempts.State
}

// New makes the engine of a mount. It must not use storage or the system view: Vault
// also starts a plugin just to read its metadata.
func New(host *framework.Backend, options Options) *Engine {
	if options.Now == nil {
		options.Now = time.Now
	}
	e := &Engine{host: host, options: options, upstream: newLock(), salting: newLock()}
	e.clock.provisional = e.now
	return e
}

// now returns the wall clock, for tokens and for times that people read. Decisions
// about secrets and attempts use the engine's own clock.
func (e *Engine) now() time.Time { return e.options.Now().Round(0).UTC() }

// lockState takes the upstream lock and reads the state of a configured mount. Work
// that uses the returned context is finished even if the caller goes away. After an
// error, the lock is not held.
func (e *Engine) lockState(ctx context.Context, s logical.Storage) (context.Context, *State, error) {
	if err := e.upstream.take(ctx); err != nil {
		return nil, nil, err
	}
	st, err := e.load(ctx, s)
	if err == nil && !st.Configured() {
		err = ErrNotConfigured
	}
	if err != nil {
		e.upstream.release()
		return nil, nil, err
	}
	return context.WithoutCancel(ctx), st, nil
}

// Invalidate drops what this node remembers of an entry that another node has written.
func (e *Engine) Invalidate(key string) {
	switch key {
	case stateKey:
		// A state that this node failed to store stays, until load compares it with what
		// the other node has written: it may have the only copy of a secret.
		e.tokens.Drop()
		e.backoff.Clear()
		e.storing.Clear()
	case salt.DefaultLocation:
		e.salt.Store(nil)
	}
}

// hasher computes a keyed hash that identifies values without storing them. The key is
// the salt of the mount, so a hash can't be guessed, or compared between mounts.
type hasher func(parts ...string) string

func (e *Engine) hasher(ctx context.Context, s logical.Storage) (hasher, error) {
	known := e.salt.Load()
	if known == nil {
		if err := e.salting.take(ctx); err != nil {
			return nil, err
		}
		defer e.salting.release()
		var err error
		if known, err = salt.NewSalt(ctx, limited{s}, nil); err != nil {
			return nil, fmt.Errorf("loading the salt of the mount: %w", err)
		}
		e.salt.Store(known)
	}
	hash := known.GetHMAC
	// No part contains the separator: a config write refuses control characters.
	return func(parts ...string) string { return hash(strings.Join(parts, "\x00")) }, nil
}

// client makes a client for one call. Calls are 90 minutes apart, so reusing a client
// would save nothing.
func (e *Engine) client(ctx context.Context, settings *Settings) (*finicityapi.Client, error) {
	agent := "vault-plugin-secrets-finicity/" + cmp.Or(strings.TrimPrefix(e.options.Version, "v"), "dev")
	if env, err := e.host.System().PluginEnv(ctx); err == nil && env.GetVaultVersion() != "" {
		agent += " Vault/" + env.GetVaultVersion()
	}
	return finicityapi.New(finicityapi.Config{
		BaseURL:     settings.BaseURL,
		CACert:      settings.CACert,
		Timeout:     settings.RequestTimeout,
		UserAgent:   agent,
		DialContext: e.options.Dial,
	})
}

// mayWrite reports whether this node may write to storage. Scheduled work is left to
// the node that may.
func (e *Engine) mayWrite() bool {
	system := e.host.System()
	state := system.ReplicationState()
	return !state.HasState(consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary) &&
		(system.LocalMount() || !state.HasState(consts.ReplicationPerformanceSecondary))
}
