// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

const (
	partnerID     = mounttest.PartnerID
	partnerSecret = mounttest.PartnerSecret
	appKey        = mounttest.AppKey
	// wrongSecret is wrong until the portal makes it right. neverRight is always wrong.
	wrongSecret = mounttest.WrongSecret
	neverRight  = "Hn4$rT8uWq2@Lx6_vB0z"
	wrongKey    = mounttest.NewKey

	// Both addresses lead to the same Finicity.
	home = "http://127.0.0.1"
	away = "http://localhost"
)

type fields = mounttest.Fields

func credentials(extra fields) fields { return mounttest.Credentials(extra) }

// company is a customer of Finicity: its Vault, of which one node at a time is active,
// Finicity, and what its operators know. Create it inside a bubble of testing/synctest.
//
// It runs steps one after the other. Meanwhile, requests may continue in the
// background, even those of nodes that have died.
type company struct {
	fake       *fakefinicity.Server
	keepsCount bool
	disk       *disk
	node       *node
	leaks      *leaks
	attempts   *attemptLedger
	tokens     *tokenLedger

	// offset is how far the wall clock was set ahead. steps has all changes of the
	// clock.
	offset time.Duration
	steps  []clockStep

	// portal and key are the values that the developer portal shows, as operators last
	// set them there. After a rotation, the portal's secret is no longer in effect.
	portal string
	key    string
	keys   []string // All app keys that were valid at some time.
	fresh  int      // The number of secrets and keys that were set in the portal so far.
	// known are the secrets that an operator has seen or written. chosen are those to
	// which an operator made the engine change.
	known, chosen map[string]bool
	// inEffect are those that the portal has ever put in effect.
	inEffect map[string]bool

	cluster  []*node // All nodes so far.
	requests int
	running  sync.WaitGroup
	active   atomic.Int64 // Running requests, on any node.
	outage   outage

	// resumed is how many requests that may resume the schedule have begun. resuming is
	// how many of them are running.
	resumed, resuming int

	mu     sync.Mutex
	broken []string // Violated guarantees.
	trace  []string // The events, for the report.
	said   string   // The answer of the last request.
}

type clockStep struct {
	at     time.Time // By the process clock.
	offset time.Duration
}

// simulate runs play in its own company, and returns which guarantee was violated. It
// must not fail the test, because rapid must be told outside the bubble.
func simulate(t *testing.T, keepsCount bool, play func(w *company)) (w *company, err error) {
	t.Helper()
	w = &company{keepsCount: keepsCount}
	defer func() {
		if r := recover(); r != nil { // A goroutine was still running when everything had ended.
			err = fmt.Errorf("the company did not end: %v", r)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		defer func() {
			if r := recover(); r != nil {
				w.violate("panic: %v", r)
			}
		}()
		w.begin()
		play(w)
		w.end()
	})
	if len(w.broken) > 0 {
		return w, errors.New(strings.Join(w.broken, "\n"))
	}
	return w, nil
}

func (w *company) begin() {
	w.fake = fakefinicity.New(fakefinicity.Config{
		Partners:          []fakefinicity.Partner{{ID: partnerID, Secret: partnerSecret, AppKey: appKey}},
		SuccessKeepsCount: w.keepsCount,
	})
	w.portal, w.key, w.keys = partnerSecret, appKey, []string{appKey}
	w.known, w.chosen = map[string]bool{partnerSecret: true}, map[string]bool{}
	w.inEffect = map[string]bool{partnerSecret: true}
	w.leaks = newLeaks(partnerSecret, appKey, wrongSecret, neverRight, wrongKey)
	w.disk = newDisk(w)
	w.attempts = newAttemptLedger(w)
	w.tokens = newTokenLedger(w)
	w.steps = []clockStep{{at: time.Now()}}
	w.start()
}

func (w *company) end() {
	w.awaitRequests()
	w.pass(fakefinicity.DefaultTokenLifetime) // Watch the last tokens until they expire.
	for _, n := range w.cluster {
		n.stop()
	}
	w.fake.Close()
	w.attempts.checkAnnounced()
	if which := w.leaks.find(); which > 0 {
		w.violate("secret %d appears in an answer, an event or the log", which)
	}
}

// violate records a violated guarantee. Repeated violations are reported once.
func (w *company) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.broken, text) && len(w.broken) < 5 {
		w.broken = append(w.broken, text)
		w.trace = append(w.trace, "!! "+text)
	}
}

func (w *company) ok() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) == 0
}

func (w *company) tracef(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// now returns the time of the wall clock. It has no monotonic reading, like times from
// storage.
func (w *company) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Round(0).Add(w.offset).UTC()
}

func (w *company) setClock(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const most = 40 * 24 * time.Hour
	w.offset = min(max(w.offset+by, -most), most)
	w.steps = append(w.steps, clockStep{time.Now(), w.offset})
}

func (w *company) pass(d time.Duration) { <-time.After(d) }

// awaitRequests waits until all requests have ended. They must: an hour is longer than
// the longest queue takes.
func (w *company) awaitRequests() {
	done := make(chan struct{})
	go func() { w.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Hour):
		w.violate("a request has not ended within an hour")
		w.node.stop()
		w.fake.Close()
	}
}

// rest waits between two steps.
func (w *company) rest() {
	synctest.Wait()
	if n := w.aliveNode(); n.busy.Load() == 0 {
		w.tokens.settle()
	}
	w.disk.checkSecret()
	w.disk.checkFindable()
	w.pass(10 * time.Millisecond)
}

// start makes a new node the active one. From the previous node, only storage remains,
// and its calls to Finicity.
func (w *company) start() {
	w.node = newNode(w, len(w.cluster)+1)
	w.cluster = append(w.cluster, w.node)
	w.tokens.settle()
}

// die ends the active node. With cut, its requests are told so, as when Vault steps
// down. Without cut, they find out at their next access to storage, as after a killed
// process.
func (w *company) die(cut bool) {
	w.kill(cut)
	w.start()
}

func (w *company) kill(cut bool) {
	w.disk.mu.Lock()
	w.node.dead.Store(true)
	w.disk.mu.Unlock()
	if cut {
		w.node.stop()
	}
}

// aliveNode returns the living node.
func (w *company) aliveNode() *node {
	if w.node.dead.Load() { // It has reached its crash point.
		w.start()
	}
	return w.node
}

// freshSecret returns a secret that the portal generates and shows.
func (w *company) freshSecret() string {
	w.fresh++
	secret := fmt.Sprintf("Pt%02d*Kw8&rYv3@Lm6zQ", w.fresh)
	w.leaks.add(secret)
	return secret
}

func (w *company) setPortal(secret string) {
	w.know(secret)
	w.disk.mu.Lock()
	w.inEffect[secret] = true
	w.disk.mu.Unlock()
	w.portal = secret
	w.fake.SetSecret(partnerID, secret)
}

// know records that an operator has the secret.
func (w *company) know(secret string) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	w.known[secret] = true
}

func (w *company) setPortalKey() {
	w.fresh++
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key = fmt.Sprintf("5b8e2c4f6a90d7135b8e2c4f6a90d7%02d", w.fresh)
	w.keys = append(w.keys, w.key)
	w.leaks.add(w.key)
	w.fake.SetAppKey(partnerID, w.key)
}

func (w *company) takeSnapshot() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	w.disk.snapshots = append(w.disk.snapshots, snapshot{
		entries: maps.Clone(w.disk.entries), state: w.disk.state, taken: w.attempts.included.clone(),
	})
}

// restoreSnapshot restores all of storage, and then starts a new process.
func (w *company) restoreSnapshot(which int, cut bool) {
	w.kill(cut)
	w.disk.mu.Lock()
	s := w.disk.snapshots[which]
	w.disk.restore(s)
	w.attempts.restore(s.taken)
	w.tokens.restore(s.state)
	w.disk.mu.Unlock()
	w.start()
}

// newContext returns the context of a request on a node.
func (w *company) newContext(parent context.Context, n *node, c caller) (context.Context, context.CancelFunc) {
	ctx, leave := context.WithCancel(context.WithValue(parent, callerKey{}, c))
	go func() {
		select {
		case <-n.gone:
			leave()
		case <-ctx.Done():
		}
	}()
	return ctx, leave
}
