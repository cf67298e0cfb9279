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

// disk is the storage that all nodes of a simulated cluster share. A node that
// has died or lost its leadership gets errors from then on, whatever it still
// does upstream.
type disk struct {
	w  *world
	mu sync.Mutex // for the ledgers too

	entries map[string][]byte
	// state is the decoded entry of the engine, nil when there is none.
	state     *engine.State
	snapshots []snapshot

	faults   []diskFault
	crash    *crashPoint
	failedAt time.Time // when an access last failed, so that a 500 is the truth

	// sent are all secrets that were ever stored, and lost those that the engine
	// can't have any more: a snapshot is older, or a person discarded them by force.
	sent, lost map[string]bool
	discarding int // forced deletions that are under way
	// allowed are, by place, the secrets that may be sent there.
	allowed map[string]map[string]bool
}

type snapshot struct {
	entries map[string][]byte
	state   *engine.State
	taken   included
}

// writeKind is what a write of the entry is for.
type writeKind string

const (
	writeAny     writeKind = ""
	writeCharge  writeKind = "charge"  // of an attempt that is about to be sent
	writeOutcome writeKind = "outcome" // of an attempt that was sent
	writeOther   writeKind = "other"
)

// diskFault makes some accesses fail.
type diskFault struct {
	op      string    // get, put or delete
	kind    writeKind // of a put
	skip    int       // so many go well first
	count   int       // and so many fail
	every   bool      // with as many in between that go well, instead of all in a row
	applied bool      // they have taken effect, only the answer says otherwise
	left    int       // that go well until the next one fails
}

// crashPoint is an access to storage at which the node dies: before it, after
// it, or after the node has gone on to what comes next, so that its call is
// still sent.
type crashPoint struct {
	skip    int
	applied bool
	goesOn  bool
}

var (
	errDisk   = errors.New("storage is out of order")
	errFenced = errors.New("storage is closed to this node")
)

func newDisk(w *world) *disk {
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

// quiet reports whether storage works, and is going to.
func (d *disk) quiet() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.faults) == 0 && d.crash == nil
}

// configured is the stored state, nil when the mount is not configured.
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

// access does what apply does, unless the node is dead, dies now, or a fault has
// it otherwise.
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
			if c.goesOn {
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

// kindOf tells what a write is for, from what it changes.
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

// write is a write or a deletion that is applied. st is what it holds, nil for
// other entries and for none.
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
		maps.Copy(d.lost, d.sent) // A person has discarded what the engine had.
	}
	if st == nil || !st.Configured() {
		maps.Copy(d.lost, d.w.chosen) // And they have a copy of what they chose.
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

// restore brings a snapshot back. What was stored later is lost.
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
