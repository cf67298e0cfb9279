// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// world is a company: its Vault, of which one node at a time is in charge, Finicity, and what its people know. It is to be
// made inside a bubble of testing/synctest.
//
// It runs steps one after the other. Requests may go on in the background meanwhile, also those of nodes that have died.
type world struct {
	fake  *fakefinicity.Server
	disk  *disk
	node  *node
	words *words

	// offset is by how much somebody has set the wall clock, and steps has all the offsets that there were.
	offset time.Duration
	steps  []clockStep

	// portal and key are what the developer portal shows, as people last set it there. After a rotation the secret is
	// not in force any more, and people do not know the one that is.
	portal string
	key    string
	keys   []string // all the app keys that were good at some time
	fresh  int      // secrets and keys that were set in the portal so far

	cluster  []*node // all that there were
	requests int
	running  sync.WaitGroup
	// settled is the stored credential when the node last had nothing to do: no token of an earlier one may be served.
	settled atomic.Pointer[origin]
	// unproven is when a person first had a secret stored without having it tried, and gaveUp that one deleted the
	// credential: what was in force then may be lost, as they were told.
	unproven time.Time
	gaveUp   bool

	mu     sync.Mutex
	broken []string // promises
	// trace is what happened, for the report.
	trace []string
	said  string // by the last request
}

type clockStep struct {
	at     time.Time // by the process's own clock
	offset time.Duration
}

// simulate runs play in a world of its own, and returns what promise was broken. It must not fail the test by itself:
// rapid has to be told outside of the bubble.
func simulate(t *testing.T, play func(w *world)) (w *world, err error) {
	t.Helper()
	w = &world{}
	defer func() {
		if r := recover(); r != nil { // A goroutine was left behind when everything had ended.
			err = fmt.Errorf("the world did not end: %v", r)
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

func (w *world) begin() {
	w.fake = fakefinicity.New(fakefinicity.Config{
		Partners: []fakefinicity.Partner{{ID: partnerID, Secret: partnerSecret, AppKey: appKey}},
	})
	w.portal, w.key, w.keys = partnerSecret, appKey, []string{appKey}
	w.words = newWords(partnerSecret, appKey, wrongSecret, newKey)
	w.disk = newDisk()
	w.disk.learn = w.words.learn
	w.disk.seq = func() int {
		log := w.fake.Requests()
		return len(log)
	}
	w.disk.gone = func() { w.gaveUp = true }
	w.steps = []clockStep{{at: time.Now()}}
	w.start()
}

func (w *world) end() {
	w.awaitRequests()
	w.pass(fakefinicity.DefaultTokenLifetime) // The last tokens are watched to their end.
	for _, n := range w.cluster {
		n.stop()
	}
	w.fake.Close()
	w.checkWords()
}

// violate notes a broken promise. One that is broken all the time is reported once.
func (w *world) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.broken, text) && len(w.broken) < 5 {
		w.broken = append(w.broken, text)
		w.trace = append(w.trace, "!! "+text)
	}
}

func (w *world) ok() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) == 0
}

func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// start puts a new node in charge. Nothing is left of the one before but storage, and what it has begun upstream.
func (w *world) start() {
	n := &node{id: len(w.cluster) + 1, disk: w.disk, gone: make(chan struct{})}
	n.stop = sync.OnceFunc(func() { close(n.gone) })
	n.b = newBackend()
	n.b.now = w.now
	n.b.dial = w.fake.Dialer()
	err := n.b.Setup(context.Background(), &logical.BackendConfig{
		Logger: hclog.New(&hclog.LoggerOptions{Output: w.words, Level: hclog.Trace}),
		System: tellingView{logical.TestSystemView()},
	})
	if err != nil {
		panic(err)
	}
	w.node = n
	w.cluster = append(w.cluster, n)
	w.settle()
}

// die ends the node that is in charge. With cut its requests are told so, as when Vault steps down; without it they find
// out when they next need storage, as far as the company can see: a process that was killed behaves the same.
func (w *world) die(cut bool) {
	w.disk.mu.Lock()
	w.node.dead.Store(true)
	w.disk.mu.Unlock()
	if cut {
		w.node.stop()
	}
	w.start()
}

// inCharge is the living node.
func (w *world) inCharge() *node {
	if w.node.dead.Load() { // It has met its crash point.
		w.start()
	}
	return w.node
}

// settle takes note of a moment at which nothing is under way on the node in charge.
func (w *world) settle() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	settled := w.disk.origin
	w.settled.Store(&settled)
}

// now is the wall clock. It has no monotonic reading, as times from storage have none.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Round(0).Add(w.offset).UTC()
}

func (w *world) setClock(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// No further than this, or an abandoned secret would be forgotten before its change is in force.
	const most = 8 * time.Hour
	w.offset = min(max(w.offset+by, -most), most)
	w.steps = append(w.steps, clockStep{time.Now(), w.offset})
}

func (w *world) pass(d time.Duration) { <-time.After(d) }

// awaitRequests lets all requests come to their end, and holds them to it: an hour is more than the longest queue takes.
func (w *world) awaitRequests() {
	done := make(chan struct{})
	go func() { w.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Hour):
		w.violate("a request has not come to its end within an hour")
		w.node.stop()
		w.fake.Close()
	}
}

// rest is between two steps. When nothing is under way, no token from before a change of credential may be served later.
func (w *world) rest() {
	synctest.Wait()
	if n := w.inCharge(); n.busy.Load() == 0 {
		w.settle()
	}
	w.checkSecret()
	w.pass(10 * time.Millisecond)
}

// stored is the configuration in storage, nil when there is none.
func (w *world) stored() *config {
	value := w.disk.peek(configKey)
	if value == nil {
		return nil
	}
	cfg := new(config)
	if json.Unmarshal(value, cfg) != nil {
		panic("the stored configuration cannot be decoded")
	}
	return cfg
}
