// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
)

// node is one Vault server with the plugin. If the node dies, its calls to Finicity
// continue.
type node struct {
	w    *company
	id   int
	b    logical.Backend
	dead atomic.Bool
	// busy is the number of its running requests.
	busy atomic.Int64
	// writing is the number of its running writes of config.
	writing int
	// ahead is set if an access to storage has failed since the last write, which may
	// have been the first half of that write. The process then relies on its memory,
	// and storage may have something else.
	ahead bool
	// gone is closed when the node's requests are told that it steps down.
	gone chan struct{}
	stop func()
}

func newNode(w *company, id int) *node {
	n := &node{w: w, id: id, gone: make(chan struct{})}
	n.stop = sync.OnceFunc(func() { close(n.gone) })
	var err error
	n.b, err = finicity.NewFactory(engine.Options{Now: w.now, Dial: w.dial(n)})(context.Background(), &logical.BackendConfig{
		Logger:       hclog.New(&hclog.LoggerOptions{Output: w.leaks, Level: hclog.Trace}),
		System:       logical.TestSystemView(),
		EventsSender: announcements{w}, ObservationRecorder: announcements{w},
	})
	if err != nil {
		panic(err)
	}
	return n
}

// invalidate tells the node that another node has written a key.
func (n *node) invalidate(key string) {
	if key == stateKey {
		n.w.disk.mu.Lock()
		n.w.attempts.forget(n)
		n.w.tokens.disturb(n)
		n.w.disk.mu.Unlock()
	}
	n.b.InvalidateKey(context.Background(), key)
}

func (n *node) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	var entry *logical.StorageEntry
	err := n.w.disk.access(ctx, n, "get", nil, func() {
		if value, found := n.w.disk.entries[key]; found {
			entry = &logical.StorageEntry{Key: key, Value: bytes.Clone(value)}
		}
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (n *node) Put(ctx context.Context, entry *logical.StorageEntry) error {
	var st *engine.State
	if entry.Key == stateKey {
		var err error
		if st, err = engine.Decode(entry.Value); err != nil {
			n.w.violate("the engine stores an entry that it cannot decode")
		}
		n.w.leaks.learn(st)
		n.w.tokens.mint(st)
	}
	return n.w.disk.access(ctx, n, "put", st, func() { n.w.disk.write(n, entry.Key, entry.Value, st) })
}

func (n *node) Delete(ctx context.Context, key string) error {
	return n.w.disk.access(ctx, n, "delete", nil, func() { n.w.disk.write(n, key, nil, nil) })
}

func (n *node) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := n.w.disk.access(ctx, n, "list", nil, func() { keys = n.w.disk.list(prefix) })
	return keys, err
}

// announcements replaces Vault's event bus and its observations.
type announcements struct{ w *company }

func (a announcements) SendEvent(_ context.Context, kind logical.EventType, event *logical.EventData) error {
	a.note(string(kind), event.GetMetadata().AsMap())
	a.w.attempts.announce(string(kind))
	return nil
}

func (a announcements) RecordObservationFromPlugin(_ context.Context, kind string, data map[string]any) error {
	a.note(kind, data)
	return nil
}

func (a announcements) note(kind string, data map[string]any) {
	text, err := json.Marshal(data)
	if err != nil {
		a.w.violate("an event cannot be encoded")
	}
	a.w.leaks.note(fmt.Sprintf("%s %s", kind, text))
}
