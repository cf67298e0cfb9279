// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// apps read tokens through all nodes of a cluster without a pause, while a script
// changes things.
type apps struct {
	w       *fixture
	stop    chan struct{}
	done    sync.WaitGroup
	retries int

	mu        sync.Mutex
	down      map[*vaultServer]bool // No app reads from these, as behind a load balancer.
	failovers []span
	failures  []failedRead
	wrong     []error             // Answers that no app may ever get.
	newest    map[string]served   // By path, of the reads that have ended.
	tokens    map[string]struct{} // All that were served.
	reads     map[string]int      // By node.
}

// span is a period of time. Its end is zero while the period lasts.
type span struct{ begin, end time.Time }

type failedRead struct {
	span

	err error
}

// cmdApps makes apps read tokens, n for each node and path, one read after the other.
// Finicity must accept each token from the partner that comes with it. For a path, the
// partner and its app key must always be the same. No token may be older than the token
// of an earlier read on any node. A read may fail only while there is no active node:
// from a kill or a step-down until all remaining nodes know the new one.
//
// When Vault reloads one of several mounts, it ends the plugin process of all of them,
// and answers the running requests of the others with a 500. So apps of several mounts
// retry, as Vault's clients do.
//
//	apps start 4 sandbox/token production/token
//	apps end 2    2 tokens were served in total, and each running node has served them
func cmdApps(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "apps start N PATH … | apps end TOKENS")
	w := fixtureOf(ts)
	n, err := count(args[1])
	ts.Check(err)
	switch args[0] {
	case "start":
		w.apps = &apps{
			w: w, stop: make(chan struct{}), down: map[*vaultServer]bool{},
			newest: map[string]served{}, tokens: map[string]struct{}{}, reads: map[string]int{},
		}
		if len(args) > 3 {
			w.apps.retries = 2
		}
		for _, node := range w.servers() {
			for _, path := range args[2:] {
				for range n {
					w.apps.done.Go(func() { w.apps.loop(node, path) })
				}
			}
		}
	case "end":
		ts.Check(poll(func() (bool, error) { return w.apps.seen(), nil }, func() error {
			return fmt.Errorf("the nodes have served %v reads, which show nothing", w.apps.readsByNode())
		}))
		w.apps.halt()
		ts.Logf("reads by node: %v; %d failed without an active node", w.apps.reads, len(w.apps.failures))
		for _, f := range w.apps.failovers {
			ts.Logf("no active node for %s", f.end.Sub(f.begin).Round(time.Millisecond))
		}
		ts.Check(w.apps.verdict(n))
	default:
		ts.Fatalf("unknown: apps %s", args[0])
	}
}

func (a *apps) halt() {
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	a.done.Wait()
}

// loop is one app at one node.
func (a *apps) loop(node *vaultServer, path string) {
	for {
		select {
		case <-a.stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		a.mu.Lock()
		down, before := a.down[node], a.newest[path]
		a.mu.Unlock()
		if down {
			continue
		}
		begin := time.Now()
		got, err := readToken(node, path)
		for n := 0; err != nil && n < a.retries; n++ {
			<-time.After(time.Second)
			got, err = readToken(node, path)
		}
		end := time.Now()
		a.mu.Lock()
		switch wrong := a.judge(got, before); {
		case err != nil:
			a.failures = append(a.failures, failedRead{span{begin, end}, fmt.Errorf("%s: %w", node.Address, err)})
		case wrong != nil:
			a.wrong = append(a.wrong, fmt.Errorf("%s of %s: %w", path, node.Address, wrong))
		default:
			a.reads[node.Address]++
			a.tokens[got.Token] = struct{}{}
			if got.IssueTime.After(a.newest[path].IssueTime) {
				a.newest[path] = got
			}
		}
		a.mu.Unlock()
	}
}

// judge compares the result of a read with those of earlier reads.
func (a *apps) judge(got, before served) error {
	owned := func(p fakefinicity.Partner) bool { return p.ID == got.PartnerID && p.AppKey == got.AppKey }
	switch {
	case !slices.ContainsFunc(partners, owned):
		return errors.New("a partner with the app key of another one")
	case before.PartnerID != "" && got.PartnerID != before.PartnerID:
		return errors.New("another partner than before")
	case !a.w.fake.AcceptsToken(got.PartnerID, got.Token):
		return errors.New("a token that Finicity does not accept from this partner")
	case got.IssueTime.Before(before.IssueTime):
		return fmt.Errorf("a token of %s, and another read had got one of %s before", got.IssueTime, before.IssueTime)
	}
	return nil
}

// failover is called when the active node stops. It returns a function to call once all
// remaining nodes know the next active node.
func (a *apps) failover() (over func()) {
	if a == nil { // The script has no apps.
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failovers = append(a.failovers, span{begin: time.Now()})
	this := len(a.failovers) - 1
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.failovers[this].end = time.Now()
	}
}

// avoid makes the apps stop or resume reading from a node.
func (a *apps) avoid(node *vaultServer, down bool) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down[node] = down
}

// seen reports whether each node that is not down has served enough reads.
func (a *apps) seen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !slices.ContainsFunc(a.w.servers(), func(node *vaultServer) bool { return !a.down[node] && a.reads[node.Address] < 100 })
}

func (a *apps) readsByNode() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.reads)
}

func (a *apps) verdict(tokens int) error {
	beyond := slices.DeleteFunc(slices.Clone(a.failures), func(f failedRead) bool {
		return slices.ContainsFunc(a.failovers, func(failover span) bool {
			return f.end.After(failover.begin) && f.begin.Before(failover.end)
		})
	})
	switch {
	case len(a.wrong) > 0:
		return fmt.Errorf("%d wrong answers, the first one: %w", len(a.wrong), a.wrong[0])
	case len(beyond) > 0:
		return fmt.Errorf("%d reads failed while there was a leader, the first one at %s: %w",
			len(beyond), beyond[0].begin.Format(time.TimeOnly), beyond[0].err)
	case len(a.tokens) != tokens:
		return fmt.Errorf("%d tokens were served, want %d", len(a.tokens), tokens)
	}
	return nil
}
