// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"sync"
	"time"
)

// clock is the engine's own clock, which dates secrets and attempts. It starts
// at the wall clock when the mount is configured, runs with the process's clock,
// and is stored with the state. So it never runs backwards or ahead, whatever
// happens to the wall clock: it lags by the time in which no process ran, and
// age decides about a secret too late, never too early.
type clock struct {
	mu      sync.Mutex
	base    time.Time
	started time.Time // with the process's clock
	last    time.Time
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
// is stored. A stored time that is behind changes nothing.
func (c *clock) resume(stored, wall time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stored.IsZero() && c.base.IsZero() {
		stored = wall
	}
	if !c.base.IsZero() && !stored.After(c.last) && !stored.After(c.base.Add(time.Since(c.started))) {
		return
	}
	c.base, c.started, c.last = stored, time.Now(), stored
}

// wall is a time of the engine's clock as people read it. After a restart it is
// off by the time in which no process ran. What the clock is ahead by, so that no
// two times are the same, is not shown.
func (e *Engine) wall(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return e.now().Add(t.Sub(e.clock.now())).Round(time.Millisecond)
}
