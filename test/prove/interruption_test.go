// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// The second walk starts from a healthy mount. One thing goes wrong, and after that
// there are only reads, and time passes. This walk has its own guarantees.

// trial is one sequence of the second walk.
type trial struct {
	company company
	late    bool // A change has arrived after its call had ended.
	story   []string
}

// afterwards are the events that need no operator: reads, and the arrival of a call.
func afterwards() []event {
	all := []event{{"a read refreshes the token", always, func(w *walker, c *company) { w.prove(c, attempts.Automatic, honest()) }}}
	for _, d := range steps() {
		all = append(all, event{d.String() + " pass", always, func(_ *walker, c *company) { c.pass(d) }})
	}
	return append(all, event{
		"the call on its way arrives",
		func(c *company) bool { return len(c.onTheWay) > 0 },
		func(_ *walker, c *company) { c.land(0) },
	})
}

// interruptions are the events that can go wrong, each in every way.
func interruptions() (all []event) {
	for _, e := range events() {
		isCall := strings.HasPrefix(e.name, "a read") || strings.HasPrefix(e.name, "rotate-root")
		if isCall && !strings.HasSuffix(e.name, ": answered") || e.name == "another process takes over" {
			all = append(all, e)
		}
	}
	return all
}

func TestAnInterruptionCostsOneAttemptAndNoOperator(t *testing.T) {
	const length = 4
	w := newWalker(false, beginnings()...)
	e, sequences, most := w.encoder(), 0, 0
	for _, start := range beginnings() {
		for rotations := range 3 {
			healthy := *start
			w.pass(&healthy, func(c *company) {
				for range rotations {
					w.rotate(c, honest())
				}
			})
			for _, fault := range interruptions() {
				first := trial{company: healthy}
				w.pass(&first.company, func(c *company) { fault.do(w, c) })
				first.story = []string{fmt.Sprintf("%s, %d rotations before", start.beginning(), rotations), fault.name}
				level := []trial{first}
				for range length {
					level = w.extend(t, e, level)
					sequences += len(level)
				}
				for _, last := range level {
					most = max(most, w.settles(t, last))
				}
			}
		}
	}
	t.Logf("%d sequences, at most %d rejected attempts", sequences, most)
}

// pass applies an event to a company.
func (w *walker) pass(c *company, do func(c *company)) {
	c.owned, c.died = false, false
	c.pass(tick)
	do(c)
	c.forget()
}

// extend returns the trials with one more event: it applies each event to each state
// once.
func (w *walker) extend(t *testing.T, e *encoder, level []trial) (next []trial) {
	seen := map[string]bool{}
	for _, from := range level {
		for _, event := range afterwards() {
			if !event.possible(&from.company) {
				continue
			}
			to := from
			w.pass(&to.company, func(c *company) { event.do(w, c) })
			to.late = to.late || strings.HasSuffix(event.name, "arrives")
			to.story = append(slices.Clip(from.story), event.name)
			id := fmt.Sprint(e.state(&to.company), to.company.rejected, to.late)
			if !seen[id] {
				seen[id] = true
				next = append(next, to)
				to.costs(t)
			}
		}
	}
	return next
}

// costs: an interruption costs one rejected attempt, or two if the change arrives late.
func (tr trial) costs(t *testing.T) {
	t.Helper()
	limit := 1
	if tr.late {
		limit = 2
	}
	if tr.company.rejected > limit {
		t.Fatalf("%d rejected attempts:\n  %s\n%s", tr.company.rejected, strings.Join(tr.story, "\n  "), tr.company.describe())
	}
}

// settles: with only reads, the mount eventually becomes healthy.
func (w *walker) settles(t *testing.T, tr trial) (rejected int) {
	t.Helper()
	for range 3 {
		w.pass(&tr.company, func(c *company) {
			c.pass(31 * time.Minute)
			w.prove(c, attempts.Automatic, honest())
		})
		tr.story = append(tr.story, "31 minutes later, a read refreshes the token")
		tr.costs(t)
	}
	c := &tr.company
	record := c.record()
	if state := record.State(c.facts(), c.now); state != attempts.OK || !c.succeeded {
		t.Fatalf("attempts are %s after reads:\n  %s\n%s", state, strings.Join(tr.story, "\n  "), c.describe())
	}
	return c.rejected
}
