// SPDX-License-Identifier: MPL-2.0

// Package prove walks through every sequence of events up to a depth, over the
// shipped code of internal/secrets and internal/attempts, with Finicity reduced
// to a struct. Made for `make prove DEPTH=6`; a smaller depth runs with the
// other tests.
package prove

import (
	"flag"
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

var depth = flag.Int("depth", 3, "how many events a sequence has") //nolint:gochecknoglobals // A flag.

type walker struct {
	texts  [maxIDs]confidential.Text
	events []event
	seeds  [2]maphash.Seed
}

// visit is a state, how many sequences lead to it, and one of them.
type visit struct {
	company *company
	ways    uint64
	last    *visit
	event   int
}

// beginning is a mount that was configured with a right secret.
func (w *walker) beginning(grace bool) *company {
	c := &company{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), grace: grace}
	c.portal = c.fresh()
	c.known = 1 << c.portal
	c.finicity.current = c.portal
	c.memory.list.Move(place)
	w.write(c, c.portal, false)
	return c
}

func TestNoSequenceOfEventsLosesTheSecretOrTheFifthAttempt(t *testing.T) {
	w := &walker{texts: texts(), events: events(), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	level := map[key]*visit{}
	for _, grace := range []bool{false, true} {
		c := w.beginning(grace)
		level[keyOf(w.seeds, c)] = &visit{company: c, ways: 1}
	}
	seen := map[key]bool{}
	states, sequences, mostWrong := 0, uint64(0), 0
	for d := 1; d <= *depth; d++ {
		started := time.Now()
		next, broken, wrong := w.step(level, seen, d == *depth)
		if broken != "" {
			t.Fatal(broken)
		}
		mostWrong = max(mostWrong, wrong)
		states += len(next)
		sequences = 0
		for _, v := range next {
			sequences += v.ways
		}
		t.Logf("depth %d: %d sequences, %d new states, 0 losses, at most %d wrong attempts to find the secret (%s)",
			d, sequences, len(next), mostWrong, time.Since(started).Round(time.Millisecond))
		level = next
	}
	if mostWrong > 3 {
		t.Errorf("finding the secret takes %d wrong attempts", mostWrong)
	}
}

// step makes each event happen in each state, on all cores.
func (w *walker) step(level map[key]*visit, seen map[key]bool, last bool) (next map[key]*visit, broken string, wrong int) {
	work := make(chan *visit)
	type found struct {
		key   key
		visit *visit
	}
	results := make(chan []found, 64)
	var mu sync.Mutex
	var group sync.WaitGroup
	checked := &shards{}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for v := range work {
				var out []found
				for i, e := range w.events {
					if !e.possible(v.company) {
						continue
					}
					c := v.company.clone()
					c.pass(tick)
					e.do(w, c)
					k := keyOf(w.seeds, c)
					n := &visit{ways: v.ways, last: v, event: i}
					if checked.first(k) && !seen[k] {
						text, most := w.check(v.company, c)
						mu.Lock()
						wrong = max(wrong, most)
						if text != "" && broken == "" {
							broken = text + w.story(n)
						}
						mu.Unlock()
						n.company = c
					}
					out = append(out, found{k, n})
				}
				results <- out
			}
		})
	}
	go func() {
		for _, v := range level {
			work <- v
		}
		close(work)
		group.Wait()
		close(results)
	}()
	next = map[key]*visit{}
	for out := range results {
		for _, f := range out {
			if seen[f.key] {
				continue
			}
			known := next[f.key]
			switch {
			case known == nil:
				next[f.key] = f.visit
			case known.company == nil && f.visit.company != nil:
				f.visit.ways += known.ways
				next[f.key] = f.visit
			default:
				known.ways += f.visit.ways
			}
		}
	}
	if !last {
		for k := range next {
			seen[k] = true
		}
	}
	return next, broken, wrong
}

// story tells the sequence, and the state after each event.
func (w *walker) story(v *visit) string {
	var chain []int
	for ; v.last != nil; v = v.last {
		chain = append(chain, v.event)
	}
	c := v.company
	var b strings.Builder
	fmt.Fprintf(&b, "\n  a mount is configured (grace: %v)\n", c.grace)
	for i := len(chain) - 1; i >= 0; i-- {
		c = c.clone()
		c.pass(tick)
		w.events[chain[i]].do(w, c)
		fmt.Fprintf(&b, "  %d. %s\n%s", len(chain)-i, w.events[chain[i]].name, c.describe())
	}
	return b.String()
}

func (c *company) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "       Finicity: %c", 'a'+rune(c.finicity.current))
	for _, o := range c.finicity.outgoing {
		if c.now.Before(o.until) {
			fmt.Fprintf(&b, " (and %c)", 'a'+rune(o.secret))
		}
	}
	f := c.facts()
	fmt.Fprintf(&b, "; attempts: %s, %d left\n", c.memory.record.State(f, c.now), c.memory.record.Left(c.now))
	for _, s := range c.memory.list.Secrets {
		fmt.Fprintf(&b, "       %s %s", s.Value.Reveal(), []string{"brought", "sent"}[s.Origin])
		for _, at := range []struct {
			name string
			time time.Time
		}{
			{"acknowledged", s.Acknowledged}, {"denied", s.Denied}, {"proven", s.Proven}, {"refused", s.Refused},
			{"superseded", s.Superseded},
		} {
			if !at.time.IsZero() {
				fmt.Fprintf(&b, ", %s %s ago", at.name, c.now.Sub(at.time))
			}
		}
		if s.Grace {
			b.WriteString(", grace")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// shards is a set that many goroutines add to.
type shards [64]struct {
	mu  sync.Mutex
	set map[key]struct{}
}

func (s *shards) first(k key) bool {
	shard := &s[k[0]%uint64(len(s))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.set == nil {
		shard.set = map[key]struct{}{}
	}
	_, found := shard.set[k]
	shard.set[k] = struct{}{}
	return !found
}


