// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// Two addresses lead to the same Finicity.
const places = 2

func placeName(place int) string { return [places]string{"here", "there"}[place] }

func placeOf(name string) int {
	if name == placeName(1) {
		return 1
	}
	return 0
}

// tally counts refusals by Finicity or a gateway, independently of the engine's record.
// It counts those that the engine could know of: it got the answer, or died before
// that.
type tally struct {
	row          [places]uint8 // Since a success at that address.
	sinceSuccess uint8         // Since any success.
	lastDay      []refusal
	told         told
	stored       told // The part that storage has.
}

// told are the automatic refusals that the process knows of. After a crash, a refusal
// that is not in storage is an attempt without an answer.
type told struct {
	coded  uint8 // With a code, since any success.
	stored uint8 // Those of the proven secret.
	until  time.Time
}

type refusal struct {
	at time.Time // Of the answer.
	// automatic means: by an app or a job, since an operator's last success.
	automatic bool
}

// refused counts a refusal, and finds the guarantees that it violates. told is false if
// the process died before it got the answer.
func (c *company) refused(q attempts.Request, place int, coded, told bool) {
	if coded {
		c.rejected++
	}
	if q.Trigger == attempts.Forced {
		return
	}
	t, automatic := &c.tally, told && q.Trigger == attempts.Automatic
	t.row[place]++
	t.sinceSuccess++
	kept := make([]refusal, 0, len(t.lastDay)+1)
	for _, r := range t.lastDay {
		if c.now.Sub(r.at) < day {
			kept = append(kept, r)
		}
	}
	t.lastDay = append(kept, refusal{c.now, automatic})
	if automatic && coded {
		ofStored := t.told.stored
		if q.Subject == attempts.Stored {
			t.told.stored++
		}
		if t.told.coded++; t.told.coded > 1 && !c.succeeded && (ofStored > 0 || c.copied) {
			c.breaks("a process without a success continues after a refusal with a code")
		}
	}
	ofApps := 0
	for _, r := range t.lastDay {
		if r.automatic {
			ofApps++
		}
	}
	switch {
	case t.row[place] > 4, t.sinceSuccess > 4:
		c.breaks(fmt.Sprintf("refusal %d in a row without force", max(t.row[place], t.sinceSuccess)))
	case t.told.coded > 2:
		c.breaks("a third automatic refusal in a row with a code")
	case len(t.lastDay) > 4:
		c.breaks("a fifth refusal in a day without force")
	case ofApps > 3:
		c.breaks("a fourth automatic refusal in a day")
	}
}

func (c *company) succeed(trigger attempts.Trigger, place int) {
	c.succeeded, c.copied = true, false
	t := &c.tally
	t.row[place], t.sinceSuccess, t.told.coded, t.told.stored = 0, 0, 0, 0
	if trigger == attempts.Forced {
		*t = tally{}
	}
	if trigger >= attempts.Operator {
		t.lastDay = slices.Clone(t.lastDay)
		for i := range t.lastDay {
			t.lastDay[i].automatic = false
		}
	}
}

// forgetUntold is the effect of a crash: refusals that are not in storage no longer
// count as automatic ones.
func (t *tally) forgetUntold() {
	t.told = t.stored
	t.lastDay = slices.Clone(t.lastDay)
	for i := range t.lastDay {
		if t.lastDay[i].at.After(t.stored.until) {
			t.lastDay[i].automatic = false
		}
	}
}
