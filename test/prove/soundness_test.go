// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"testing"
)

// next is the result of an event.
type next struct {
	possible bool
	key      key
	broken   string
	wrong    int
}

// The walk merges states with the same key. This test keeps states apart that differ in
// anything. Any two with the same key must continue in the same way: after each event,
// they have the same key again, violate the same guarantee, and need as many failed
// attempts to find the secret. By induction, they have the same future.
func TestStatesWithTheSameKeyHaveTheSameFuture(t *testing.T) {
	w := newWalker(true, beginnings()...)
	// Without merging, each level has many times the states of the level before, so
	// this test stops after two.
	for d, first := 1, 0; d < min(*depth, 3); d++ {
		known := len(w.states)
		w.step(first, false)
		first = known
	}
	type known struct {
		state uint32
		next  []next
	}
	e, futures, merged := &encoder{seeds: w.seeds}, map[key]known{}, 0
	for i := range uint32(len(w.states)) { //nolint:gosec // There are fewer states.
		c := w.company(i)
		k, future := e.state(c), w.future(e, c)
		other, found := futures[k]
		if !found {
			futures[k] = known{i, future}
			continue
		}
		merged++
		if slices.Equal(future, other.next) {
			continue
		}
		for event := range future {
			if future[event] != other.next[event] {
				one, two := w.finding("", i, event), w.finding("", other.state, event)
				t.Fatalf("two states with the same key differ after %q: %+v and %+v\none:%s\nthe other:%s",
					w.events[event].name, future[event], other.next[event], w.story(one), w.story(two))
			}
		}
	}
	t.Logf("%d states, %d of them merged with another one", len(w.states), merged)
}

// future returns the result of each event.
func (w *walker) future(e *encoder, c *company) []next {
	all := make([]next, len(w.events))
	for i, event := range w.events {
		if !event.possible(c) {
			continue
		}
		after := w.after(c, i)
		broken, wrong := after.breaksOnTheWay(c), 0
		if broken == "" {
			broken, wrong = w.check(e, after)
		}
		all[i] = next{true, e.state(after), broken, wrong}
	}
	return all
}
