// SPDX-License-Identifier: MPL-2.0

// Package prove walks through every sequence of events up to a depth, with the shipped
// code of internal/secrets and internal/attempts, and with Finicity reduced to a
// struct. Run it with `make prove DEPTH=6`. The other tests include a smaller depth.
package prove

import (
	"flag"
	"runtime/debug"
	"testing"
	"time"
)

var (
	depth = flag.Int("depth", 3, "how many events a sequence has")
	exact = flag.Bool("exact", false, "take two states for the same only if they are: much slower")
)

func TestNoSequenceOfEventsLosesTheSecretOrTheFifthAttempt(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	w := newWalker(*exact, beginnings()...)
	first, wrong := 0, 0
	for d := 1; d <= *depth; d++ {
		started, known := time.Now(), len(w.states)
		l := w.step(first, d == *depth)
		first = known
		wrong = max(wrong, l.wrong)
		if len(l.broken) > 0 {
			for _, f := range shortest(l.broken) {
				t.Errorf("after %d events: %s", d, w.story(f))
			}
			return
		}
		t.Logf("depth %d: %d sequences, %d new states, 0 losses, at most %d wrong attempts to find the secret (%s)",
			d, l.sequences, l.states, wrong, time.Since(started).Round(time.Millisecond))
	}
	if wrong > 3 {
		t.Errorf("finding the secret takes %d wrong attempts", wrong)
	}
}
