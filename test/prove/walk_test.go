// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// walker applies each event to each state, level by level. A level contains the states
// that sequences of that length reach first.
type walker struct {
	texts  [maxIDs]confidential.Text
	events []event
	seeds  [2]maphash.Seed
	exact  bool

	states []state
	known  *table
	ways   []uint64 // The number of sequences of the current length to each state.
}

// state is how the walk first reached a state.
type state struct {
	from   uint32
	event  uint8
	events uint8    // The possible events.
	to     []uint32 // The resulting states.
	// company is kept for the first states. The others are recreated when they are
	// needed, from the last ancestor that has it.
	company *company
}

const (
	keptCompanies = 20_000
	none          = ^uint32(0)
)

func newWalker(exact bool, starts ...*company) *walker {
	w := &walker{
		texts: texts(), events: events(), exact: exact, known: &table{},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
	e := w.encoder()
	for _, c := range starts {
		if _, first := w.known.add(e.state(c), uint32(len(w.states))); first { //nolint:gosec // A few.
			w.states = append(w.states, state{from: none, company: c})
			w.ways = append(w.ways, 1)
		}
	}
	return w
}

func (w *walker) encoder() *encoder {
	return &encoder{exact: w.exact, seeds: w.seeds, ways: map[key]way{}}
}

// company recreates the state of an index.
func (w *walker) company(index uint32) *company {
	s := &w.states[index]
	if s.company != nil {
		return s.company
	}
	return w.after(w.company(s.from), int(s.event))
}

// after applies an event.
func (w *walker) after(before *company, event int) *company {
	c := *before
	w.happen(&c, event)
	return &c
}

func (w *walker) happen(c *company, event int) {
	c.owned, c.died, c.broken = false, false, ""
	c.pass(tick)
	w.events[event].do(w, c)
	c.forget()
}

// level is the result of one more event.
type level struct {
	sequences uint64
	states    int // New states.
	wrong     int // The most failed attempts to find the secret.
	broken    []finding
}

// finding is a violated guarantee, and the sequence that violates it.
type finding struct {
	promise string
	events  []int
	start   *company
}

// step applies each event to the states from an index on. The states of the last level
// are only counted.
func (w *walker) step(first int, last bool) level {
	var next atomic.Uint32
	next.Store(uint32(first)) //nolint:gosec // There are fewer states.
	created := &atomic.Uint32{}
	created.Store(uint32(len(w.states))) //nolint:gosec // There are fewer states.
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i := range workers {
		workers[i] = &worker{walker: w, encoder: w.encoder(), created: created, last: last}
		group.Go(func() {
			for {
				index := next.Add(1) - 1
				if int(index) >= len(w.states) {
					return
				}
				workers[i].expand(index)
			}
		})
	}
	group.Wait()
	result := level{states: int(created.Load()) - len(w.states)}
	if !last {
		w.states = append(w.states, make([]state, result.states)...)
	}
	for _, worker := range workers {
		result.wrong = max(result.wrong, worker.wrong)
		result.broken = append(result.broken, worker.broken...)
		for _, n := range worker.found {
			w.states[n.index] = n.state
		}
	}
	result.sequences = w.count(last)
	return result
}

// count returns the number of sequences with one more event, including those that lead
// back to a known state.
func (w *walker) count(last bool) (total uint64) {
	for i, ways := range w.ways {
		total += ways * uint64(w.states[i].events)
	}
	if last {
		return total
	}
	ways := make([]uint64, len(w.states))
	for i, before := range w.ways {
		for _, to := range w.states[i].to {
			ways[to] += before
		}
	}
	w.ways = ways
	return total
}

// worker expands states on one core.
type worker struct {
	*walker
	encoder *encoder
	created *atomic.Uint32
	last    bool
	found   []numbered
	wrong   int
	broken  []finding
}

type numbered struct {
	index uint32
	state state
}

func (w *worker) expand(index uint32) {
	before := w.company(index)
	s := &w.states[index]
	if !w.last {
		s.to = make([]uint32, 0, len(w.events))
	}
	scratch := new(company)
	for i := range w.events {
		if !w.events[i].possible(before) {
			continue
		}
		s.events++
		*scratch = *before
		w.happen(scratch, i)
		to, first := w.known.addNext(w.encoder.state(scratch), w.created)
		if !w.last {
			s.to = append(s.to, to)
		}
		broken, wrong := scratch.breaksOnTheWay(before), 0
		if broken == "" && first {
			broken, wrong = w.check(w.encoder, scratch)
		}
		if broken != "" {
			w.broken = append(w.broken, w.finding(broken, index, i))
		}
		w.wrong = max(w.wrong, wrong)
		if w.last || !first {
			continue
		}
		n := state{from: index, event: uint8(i)}
		if to < keptCompanies {
			n.company, scratch = scratch, new(company)
		}
		w.found = append(w.found, numbered{to, n})
	}
}

// finding returns the events that lead to a violated guarantee.
func (w *walker) finding(promise string, from uint32, last int) finding {
	chain := []int{last}
	for ; w.states[from].from != none; from = w.states[from].from {
		chain = append(chain, int(w.states[from].event))
	}
	slices.Reverse(chain)
	return finding{promise, chain, w.states[from].company}
}

// table numbers keys. Many goroutines add to it.
type table [256]struct {
	mu   sync.Mutex
	keys map[key]uint32
}

// add gives a key its number, unless it has one.
func (t *table) add(k key, number uint32) (uint32, bool) {
	var next atomic.Uint32
	next.Store(number)
	return t.addNext(k, &next)
}

func (t *table) addNext(k key, next *atomic.Uint32) (number uint32, first bool) {
	shard := &t[k[0]%uint64(len(t))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.keys == nil {
		shard.keys = map[key]uint32{}
	}
	number, known := shard.keys[k]
	if !known {
		number = next.Add(1) - 1
		shard.keys[k] = number
	}
	return number, !known
}
