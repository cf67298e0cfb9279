// SPDX-License-Identifier: MPL-2.0

package schedule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAGapOfMoreThanSixHoursPausesTheSchedule(t *testing.T) {
	t.Parallel()
	now := at("2026-01-02 12:00")
	before := now.Add(-24 * time.Hour)
	for name, test := range map[string]struct {
		guard, want Guard
		changed     bool
	}{
		"nothing stored yet":           {Guard{}, Guard{}, false},
		"a minute":                     {Guard{Alive: now.Add(-time.Minute)}, Guard{Alive: now.Add(-time.Minute)}, false},
		"six hours":                    {Guard{Alive: now.Add(-maxSilence)}, Guard{Alive: now.Add(-maxSilence)}, false},
		"more than six hours":          {Guard{Alive: now.Add(-maxSilence - 1)}, Guard{Alive: now.Add(-maxSilence - 1), Paused: now}, true},
		"a month":                      {Guard{Alive: now.AddDate(0, -1, 0)}, Guard{Alive: now.AddDate(0, -1, 0), Paused: now}, true},
		"a thousand years":             {Guard{Alive: now.AddDate(-1000, 0, 0)}, Guard{Alive: now.AddDate(-1000, 0, 0), Paused: now}, true},
		"paused before":                {Guard{Alive: before, Paused: before}, Guard{Alive: before, Paused: before}, false},
		"paused before, and alive":     {Guard{Alive: now, Paused: before}, Guard{Alive: now, Paused: before}, false},
		"alive in the future":          {Guard{Alive: now.Add(time.Hour)}, Guard{Alive: now}, true},
		"alive in the distant future":  {Guard{Alive: now.AddDate(10, 0, 0)}, Guard{Alive: now}, true},
		"paused in the future":         {Guard{Alive: now, Paused: now.Add(time.Hour)}, Guard{Alive: now, Paused: now}, true},
		"paused and alive in a future": {Guard{Alive: now.Add(1), Paused: now.Add(1)}, Guard{Alive: now, Paused: now}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := test.guard
			if changed := g.Check(now); changed != test.changed || g != test.want {
				t.Errorf("changed: %v, the guard is %+v", changed, g)
			}
			if g.Check(now) {
				t.Error("a second check changes it again")
			}
			if g.IsPaused() != !test.want.Paused.IsZero() {
				t.Errorf("paused: %v", g.IsPaused())
			}
		})
	}
}

func TestNoteDoesNotHideAGapThatWasNotChecked(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 12:00")
	g := Guard{Alive: now.Add(-7 * time.Hour)}
	if g.Note(now); !g.IsPaused() || !g.Alive.Equal(now) {
		t.Errorf("the guard is %+v", g)
	}
	later := now.Add(time.Hour)
	if g.Note(later); !g.IsPaused() || !g.Alive.Equal(later) {
		t.Errorf("an hour later it is %+v", g)
	}
}

func TestResumingLastsUntilTheNextGap(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 12:00")
	g := Guard{Alive: now.AddDate(-1, 0, 0), Paused: now.Add(-time.Hour)}
	g.Resume(now)
	if want := (Guard{Alive: now}); g != want {
		t.Fatalf("the guard is %+v", g)
	}
	if g.Check(now.Add(maxSilence)) || !g.Check(now.Add(maxSilence+1)) || !g.IsPaused() {
		t.Errorf("the guard is %+v", g)
	}
}

// While a virtual machine is suspended, the process clock stands still. A
// monotonic reading in a time would hide the gap.
func TestTheGuardKeepsNoMonotonicReading(t *testing.T) {
	t.Parallel()
	var noted, resumed Guard
	noted.Note(time.Now())
	resumed.Resume(time.Now())
	paused := Guard{Alive: at("2026-01-01 00:00")}
	paused.Check(time.Now())
	for _, kept := range []time.Time{noted.Alive, resumed.Alive, paused.Paused} {
		if text := kept.String(); kept.IsZero() || strings.Contains(text, "m=") {
			t.Errorf("the guard keeps %s", text)
		}
	}
}

func TestTheGuardIsStoredAsItsTimes(t *testing.T) {
	t.Parallel()
	g := Guard{Alive: at("2026-01-01 00:00"), Paused: at("2026-01-01 07:00")}
	const stored = `{"alive":"2026-01-01T00:00:00Z","paused":"2026-01-01T07:00:00Z"}`
	encoded, err := json.Marshal(g)
	if err != nil || string(encoded) != stored {
		t.Errorf("the guard is written as %s (%v)", encoded, err)
	}
	var again Guard
	if err := json.Unmarshal([]byte(stored), &again); err != nil || again != g {
		t.Errorf("the guard is read as %+v (%v)", again, err)
	}
	if empty, err := json.Marshal(Guard{}); err != nil || string(empty) != "{}" {
		t.Errorf("an empty guard is written as %s (%v)", empty, err)
	}
}

// guardWorld is a mount with its guard in storage, and one older snapshot.
type guardWorld struct {
	stored, snapshot Guard
	now              time.Time
}

// Every sequence of periodic calls, gaps, clock changes, failed writes, restores and
// resumes. The guard uses the stored state, as after a restart.
func TestNoSequenceOfEventsResumesAutomatically(t *testing.T) {
	t.Parallel()
	type event struct {
		name string
		do   func(t *testing.T, w *guardWorld, trace string)
	}
	pass := func(after time.Duration, storageWorks bool) func(*testing.T, *guardWorld, string) {
		return func(t *testing.T, w *guardWorld, trace string) {
			t.Helper()
			w.now = w.now.Add(after)
			before, g := w.stored, w.stored
			gap := w.now.Sub(before.Alive)
			changed := g.Check(w.now)
			switch {
			case g.Alive.After(w.now) || g.Paused.After(w.now):
				t.Errorf("%s: %+v has a time after %s", trace, g, w.now)
			case before.IsPaused() && !g.IsPaused():
				t.Errorf("%s: a check has resumed the schedule", trace)
			case !before.Alive.IsZero() && gap > 6*time.Hour && !g.IsPaused():
				t.Errorf("%s: a gap of %s does not pause the schedule", trace, gap)
			case !before.IsPaused() && gap <= 6*time.Hour && g.IsPaused():
				t.Errorf("%s: a gap of %s pauses the schedule", trace, gap)
			case changed != (g != before):
				t.Errorf("%s: it reports a change from %+v to %+v: %v", trace, before, g, changed)
			}
			paused := g.IsPaused()
			if again := g; again.Check(w.now) || again != g {
				t.Errorf("%s: a second check changes the guard to %+v", trace, again)
			}
			due := changed || w.now.Sub(g.Alive) >= time.Hour
			if g.Note(w.now); g.IsPaused() != paused || !g.Alive.Equal(w.now) {
				t.Errorf("%s: after a note at %s the guard is %+v", trace, w.now, g)
			}
			if due && storageWorks {
				w.stored = g
			}
		}
	}
	set := func(by time.Duration) func(*testing.T, *guardWorld, string) {
		return func(_ *testing.T, w *guardWorld, _ string) { w.now = w.now.Add(by) }
	}
	events := []event{
		{"a minute passes", pass(time.Minute, true)},
		{"an hour passes", pass(time.Hour, true)},
		{"an hour passes without storage", pass(time.Hour, false)},
		{"five hours pass", pass(5*time.Hour, true)},
		{"seven hours pass", pass(7*time.Hour, true)},
		{"the clock is set back", set(-30 * time.Hour)},
		{"the clock is set ahead", set(30 * time.Hour)},
		{"a snapshot is taken", func(_ *testing.T, w *guardWorld, _ string) { w.snapshot = w.stored }},
		{"the snapshot is restored", func(_ *testing.T, w *guardWorld, _ string) { w.stored = w.snapshot }},
		{"an operator resumes", func(t *testing.T, w *guardWorld, trace string) {
			t.Helper()
			w.stored.Resume(w.now)
			if g := w.stored; g.Check(w.now) || g.IsPaused() {
				t.Errorf("%s: it is not resumed", trace)
			}
		}},
	}
	depth := 5
	if testing.Short() {
		depth = 4
	}
	seen := map[guardWorld]int{}
	var walk func(w guardWorld, left int, trace string)
	walk = func(w guardWorld, left int, trace string) {
		if left == 0 || seen[w] >= left || t.Failed() {
			return
		}
		seen[w] = left
		for _, e := range events {
			then, so := w, fmt.Sprintf("%s, %s", trace, e.name)
			e.do(t, &then, so)
			walk(then, left-1, so)
		}
	}
	walk(guardWorld{now: at("2026-01-01 00:00")}, depth, "at first")
	t.Logf("%d states", len(seen))
}
