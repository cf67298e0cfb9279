// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/vault/sdk/logical"
)

// disk is the storage that all nodes of a simulated cluster have in common. Unlike fakeStorage it knows which node asks:
// one that has died or lost its leadership gets errors from then on, whatever it still does upstream.
type disk struct {
	mu      sync.Mutex
	entries map[string][]byte
	faults  []diskFault
	crash   *crashPoint
	failed  bool // some access has failed, so a 500 may be the truth

	// origin is the stored credential, and tokens has for each token what it was when the token was first seen.
	origin origin
	tokens map[string]origin

	learn func(value []byte) // sees what is written
	seq   func() int         // of the last call that has reached Finicity
	gone  func()             // is told when the stored credential is deleted
	reset []int              // the calls that had reached Finicity when the attempt record was deleted
}

// diskFault makes one access fail.
type diskFault struct {
	op      string // get, put or delete
	prefix  string // of the key
	skip    int    // so many go well first
	count   int    // and so many fail
	every   bool   // with as many in between that go well, instead of all in a row
	applied bool   // they have taken effect, only the answer says otherwise
	left    int    // that go well until the next one fails
}

// crashPoint is an access to storage at which the node dies: before it, after it, or after the node has gone on to
// whatever comes next, so that its call still goes out.
type crashPoint struct {
	skip    int
	applied bool
	goesOn  bool
}

var (
	errDisk   = errors.New("storage is out of order")
	errFenced = errors.New("storage is closed to this node")
)

func newDisk() *disk { return &disk{entries: map[string][]byte{}, tokens: map[string]origin{}} }

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.crash = nil, nil
}

func (d *disk) peek(key string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[key]
}

// record is the stored attempt record: a simulation has one partner at one address.
func (d *disk) record() (record attempts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, value := range d.entries {
		if strings.HasPrefix(key, attemptsPrefix) && json.Unmarshal(value, &record) != nil {
			panic("the stored attempt record cannot be decoded")
		}
	}
	return record
}

func (d *disk) access(ctx context.Context, n *node, op, key string, apply func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n.dead.Load() {
		d.failed = true
		return errFenced
	}
	if c := d.crash; c != nil {
		if c.skip--; c.skip < 0 {
			d.crash, d.failed = nil, true
			if c.applied {
				apply()
			}
			n.dead.Store(true)
			if c.goesOn {
				return nil
			}
			return errFenced
		}
	}
	for i := range d.faults {
		f := &d.faults[i]
		if f.op != op || !strings.HasPrefix(key, f.prefix) {
			continue
		}
		if f.left > 0 {
			f.left--
			break
		}
		if f.every {
			f.left = max(1, f.skip)
		}
		applied := f.applied
		if f.count--; f.count <= 0 {
			d.faults = slices.Delete(d.faults, i, i+1)
		}
		if applied {
			apply()
		}
		d.failed = true
		return errDisk
	}
	apply()
	return nil
}

// write notes what an applied write means for what the simulation checks.
func (d *disk) write(n *node, key string, value []byte) {
	if value == nil {
		if key == configKey && d.entries[key] != nil {
			d.gone()
		}
		delete(d.entries, key)
	} else {
		d.entries[key] = bytes.Clone(value)
	}
	if strings.HasPrefix(key, attemptsPrefix) {
		if value == nil {
			d.reset = append(d.reset, d.seq())
		}
		n.durable.Store(int64(d.seq()))
	}
	if now := originIn(value); key == configKey && now.of != d.origin.of {
		now.change = d.origin.change + 1
		d.origin = now
	}
}

// mint notes where a token comes from that is about to be stored.
func (d *disk) mint(key string, value []byte) {
	var token storedToken
	if key != tokenKey || json.Unmarshal(value, &token) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, seen := d.tokens[token.Token]; !seen {
		d.tokens[token.Token] = d.origin
	}
}

// origin is the credential that a token comes from, and how many there were before it.
type origin struct {
	of     [4]string
	change int
}

func originIn(value []byte) origin {
	var cfg config
	if value == nil || json.Unmarshal(value, &cfg) != nil {
		return origin{}
	}
	return origin{of: [4]string{cfg.BaseURL, cfg.Credential.PartnerID, cfg.Credential.AppKey, cfg.Credential.Current}}
}

// node is one Vault server with the plugin in it. It can die, and what it has begun upstream goes on all the same.
type node struct {
	id   int
	b    *backend
	disk *disk
	dead atomic.Bool
	// durable is the last call that had reached Finicity when this node last stored the attempt record.
	durable atomic.Int64
	// busy is how many requests it is at.
	busy atomic.Int64
	// memory counts how often it was told to forget the attempt record that it holds in memory.
	memory atomic.Int64
	// gone is closed when its requests are told that it goes away.
	gone chan struct{}
	stop func()
}

func (n *node) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	var entry *logical.StorageEntry
	err := n.disk.access(ctx, n, "get", key, func() {
		if value, found := n.disk.entries[key]; found {
			entry = &logical.StorageEntry{Key: key, Value: bytes.Clone(value)}
		}
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (n *node) Put(ctx context.Context, entry *logical.StorageEntry) error {
	n.disk.learn(entry.Value)
	n.disk.mint(entry.Key, entry.Value)
	return n.disk.access(ctx, n, "put", entry.Key, func() { n.disk.write(n, entry.Key, entry.Value) })
}

func (n *node) Delete(ctx context.Context, key string) error {
	return n.disk.access(ctx, n, "delete", key, func() { n.disk.write(n, key, nil) })
}

func (n *node) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := n.disk.access(ctx, n, "list", prefix, func() {
		for key := range n.disk.entries {
			if rest, below := strings.CutPrefix(key, prefix); below {
				keys = append(keys, rest)
			}
		}
	})
	slices.Sort(keys)
	return keys, err
}
