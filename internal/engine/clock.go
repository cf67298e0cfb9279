// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"sync"
	"time"
)

// clock is the engine's own clock, which dates secrets and attempts. It starts
// at the wall clock when the mount is configured, runs with the process's clock,
// and is stored with the state, once an hour at least. So it never runs backwards
// or ahead, whatever happens to the wall clock: it lags by the time in which no
// process ran, and age decides about a secret too late, never too early.
type clock struct {
	mu      sync.Mutex
	base    time.Time
	started time.Time // with the process's clock
	last    time.Time
	// began is what an earlier process or another node has stored last, and wall what
	// the wall clock showed then. Zero when that is not known.
	began, wall time.Time
}

// now returns the time, later than every time before.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started.IsZero() { // Nothing was read from storage yet.
		c.base, c.started = time.Now().UTC().Round(0), time.Now()
	}
	now := c.base.Add(time.Since(c.started))
	if !now.After(c.last) {
		now = c.last.Add(1)
	}
	c.last = now
	return now
}

// resume continues from the stored time, or starts at the wall clock when nothing
// is stored. wall is what the wall clock showed then. A stored time that is behind
// changes nothing.
func (c *clock) resume(stored, wall time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stored.IsZero() && c.base.IsZero() {
		stored = wall
	}
	shows := c.base.Add(time.Since(c.started))
	if !c.base.IsZero() && !stored.After(c.last) && !stored.After(shows) {
		return
	}
	if c.base.IsZero() || stored.After(shows.Add(time.Second)) { // Not a write of this process.
		c.began, c.wall = stored, wall
	}
	c.base, c.started, c.last = stored, time.Now(), stored
}

// stored returns what the wall clock showed at a time before this process began.
func (c *clock) stored(t time.Time) (wall time.Time, before bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall.Add(t.Sub(c.began)), !c.wall.IsZero() && !t.After(c.began)
}

// wall is a time of the engine's clock as people read it. What the clock is ahead
// by, so that no two times are the same, is not shown.
func (e *Engine) wall(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	shown, before := e.clock.stored(t)
	if !before {
		shown = e.now().Add(t.Sub(e.clock.now()))
	}
	return shown.Round(time.Millisecond)
}
