// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/engine"
)

const stateKey = "config"

// disk is the storage that all nodes of a simulated cluster share. After a node has
// died or lost its leadership, its accesses fail, but its calls to Finicity continue.
type disk struct {
	w  *company
	mu sync.Mutex // Also guards the ledgers.

	entries map[string][]byte
	// state is the decoded entry of the engine, nil if there is none.
	state     *engine.State
	snapshots []snapshot

	faults   []diskFault
	crash    *crashPoint
	failedAt time.Time // When an access last failed, which justifies a 500.

	// sent are all secrets that were ever stored. lost are those that the engine can no
	// longer have: it was restored from an older snapshot, or an operator discarded
	// them with force.
	sent, lost map[string]bool
	discarding int // Forced deletions in progress.
	// allowed are, by place, the secrets that may be sent there.
	allowed map[string]map[string]bool
}

type snapshot struct {
	entries map[string][]byte
	state   *engine.State
	taken   included
}

// writeKind is the purpose of a write of the entry.
type writeKind string

const (
	writeAny     writeKind = ""
	writeCharge  writeKind = "charge"  // Of an attempt that is about to be sent.
	writeOutcome writeKind = "outcome" // Of an attempt that was sent.
	writeOther   writeKind = "other"
)

// diskFault makes some accesses fail.
type diskFault struct {
	op      string    // Get, put or delete.
	kind    writeKind // Of a put.
	skip    int       // The number of accesses that succeed first.
	count   int       // The number of accesses that then fail.
	every   bool      // As many accesses succeed in between. Otherwise the failures are consecutive.
	applied bool      // The accesses take effect, although they return errors.
	left    int       // The accesses that succeed until the next failure.
}

// crashPoint is an access to storage at which the node dies: before the access, after
// it, or after the node has continued with the next step, so that its call is still
// sent.
type crashPoint struct {
	skip      int
	applied   bool
	continues bool
}

var (
	errDisk   = errors.New("storage is out of order")
	errFenced = errors.New("storage is closed to this node")
)

func newDisk(w *company) *disk {
	return &disk{
		w: w, entries: map[string][]byte{}, sent: map[string]bool{}, lost: map[string]bool{},
		allowed: map[string]map[string]bool{},
	}
}

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.crash = nil, nil
}

func (d *disk) order(f diskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.left = f.skip
	d.faults = append(d.faults, f)
}

func (d *disk) orderCrash(c crashPoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash = &c
}

// quiet reports whether storage works, and no fault is ordered.
func (d *disk) quiet() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.faults) == 0 && d.crash == nil
}

// configured returns the stored state, nil if the mount is not configured.
func (d *disk) configured() *engine.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil || !d.state.Configured() {
		return nil
	}
	return d.state
}

func (d *disk) failedSince(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.failedAt.Before(t)
}

func (d *disk) failLocked(err error) error {
	d.failedAt = time.Now()
	return err
}

// access calls apply, unless the node has died, dies now, or a fault prevents it.
func (d *disk) access(ctx context.Context, n *node, op string, next *engine.State, apply func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n.dead.Load() {
		return d.failLocked(errFenced)
	}
	if c := d.crash; c != nil {
		if c.skip--; c.skip < 0 {
			d.crash = nil
			if c.applied {
				apply()
			}
			n.dead.Store(true)
			if c.continues {
				return nil
			}
			return d.failLocked(errFenced)
		}
	}
	kind := d.kindOf(next)
	for i := range d.faults {
		f := &d.faults[i]
		if f.op != op || f.kind != writeAny && f.kind != kind {
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
		n.ahead = true
		return d.failLocked(errDisk)
	}
	apply()
	n.ahead = n.ahead && op != "put" && op != "delete"
	return nil
}

// kindOf returns the purpose of a write, according to what it changes.
func (d *disk) kindOf(next *engine.State) writeKind {
	if next == nil {
		return writeOther
	}
	before, after := unanswered(d.state), unanswered(next)
	for at := range after {
		if !before[at] {
			return writeCharge
		}
	}
	for at := range before {
		if !after[at] {
			return writeOutcome
		}
	}
	return writeOther
}

func unanswered(st *engine.State) map[time.Time]bool {
	at := map[time.Time]bool{}
	if st == nil {
		return at
	}
	for _, r := range st.Records {
		for _, a := range r.Attempts {
			if a.Outcome == attempts.Unanswered {
				at[a.At] = true
			}
		}
	}
	return at
}

// write applies a write or a deletion. st is the decoded value, nil for other entries
// and for a deletion.
func (d *disk) write(n *node, key string, value []byte, st *engine.State) {
	if value == nil {
		delete(d.entries, key)
	} else {
		d.entries[key] = bytes.Clone(value)
	}
	if key != stateKey {
		return
	}
	before := d.state
	d.state = st
	d.w.attempts.stored(n)
	d.w.tokens.stored(st)
	if before != nil && before.Configured() && (st == nil || !st.Configured()) && d.discarding > 0 {
		maps.Copy(d.lost, d.sent) // An operator has discarded the engine's secrets.
	}
	if st == nil || !st.Configured() {
		maps.Copy(d.lost, d.w.chosen) // The operator has copies of the secrets that they chose.
	}
	for _, secret := range secretsOf(st) {
		if !d.sent[secret] && !d.w.known[secret] { // The engine has just generated it.
			d.allow(st.Settings.BaseURL, secret)
		}
		d.sent[secret] = true
		delete(d.lost, secret)
	}
	d.checkSecretLocked()
}

// restore restores a snapshot. Later writes are lost.
func (d *disk) restore(s snapshot) {
	d.entries, d.state = maps.Clone(s.entries), s.state
	maps.Copy(d.lost, d.sent)
	for _, secret := range secretsOf(s.state) {
		delete(d.lost, secret)
	}
}

func secretsOf(st *engine.State) (all []string) {
	if st == nil {
		return nil
	}
	for _, s := range st.Secrets.Secrets {
		all = append(all, s.Value.Reveal())
	}
	return all
}

func (d *disk) list(prefix string) (keys []string) {
	for key := range d.entries {
		if rest, below := strings.CutPrefix(key, prefix); below {
			keys = append(keys, rest)
		}
	}
	slices.Sort(keys)
	return keys
}
