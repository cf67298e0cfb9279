// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// walked is a record, and beside it what has really happened since the last success.
type walked struct {
	record attempts
	now    time.Time
	// bad are the attempts that Finicity may have counted and that nobody has forced, alone those that were refused to the
	// engine by itself.
	bad, alone int
}

// Every sequence of calls, answers, crashes and clock steps, to the end of what can be reached. Whatever the order, nobody
// but force makes a fifth attempt that Finicity may have counted, and the engine by itself makes two.
func TestNoSequenceOfEventsGetsPastTheLimits(t *testing.T) {
	t.Parallel()
	outcomes := map[string]*finicityapi.Error{
		"success": nil, "refused": refusal401(), "blocked": refusal403(), "locked": lockedOut(), "down": unavailable(),
		"policy": againstPolicy(),
	}
	seen := map[string]bool{}
	queue := []walked{{now: noon}}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		held := w.record.RejectedAt.IsZero() || w.now.Sub(w.record.RejectedAt) >= holdFor
		key := fmt.Sprint(w.record.Rejected, w.record.Charged, w.record.Locked, held, w.bad, w.alone)
		if seen[key] {
			continue
		}
		seen[key] = true
		if w.bad > attemptsMost || w.alone > automaticMost {
			t.Fatalf("%d attempts may be counted, of which the engine made %d by itself: %s", w.bad, w.alone, key)
		}

		for _, step := range []time.Duration{0, holdFor, -24 * time.Hour} {
			for _, by := range []who{automatic, following, person} {
				now := w.now.Add(step)
				record := w.record
				record.redate(now)
				if record.allow(by, now) != nil {
					queue = append(queue, walked{record, now, w.bad, w.alone})
					continue
				}
				record.charge()
				queue = append(queue, walked{record, now, w.bad + 1, w.alone}) // The process dies.
				for name, outcome := range outcomes {
					next := walked{record, now, w.bad, w.alone}
					next.record.settle(outcome, name, now)
					switch {
					case outcome == nil:
						next.bad, next.alone = 0, 0
					case outcome.Class == finicityapi.Rejected, outcome.Class == finicityapi.Locked:
						next.bad++
						if by != person {
							next.alone++
						}
					}
					if next.record.Charged < 0 {
						t.Fatalf("%s: more was given back than was charged", key)
					}
					queue = append(queue, next)
				}
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d situations were reached", len(seen))
	}
}
