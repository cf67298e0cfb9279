// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"sync"
	"time"
)

// clock is the engine's own clock, which dates secrets and attempts. It starts at the
// wall clock with the first write of the mount, runs with the monotonic clock of the
// process, and is stored with the state at least once an hour.
//
// So this clock never runs backwards or ahead, even if the wall clock does. It lags by
// the time in which no process ran: a secret is removed by age too late, never too
// early.
type clock struct {
	// provisional is the wall clock, which is used until something is stored.
	provisional func() time.Time

	mu      sync.Mutex
	base    time.Time
	started time.Time // when the clock showed base; with a monotonic reading
	last    time.Time
	// began is the time that an earlier process or another node stored last, and wall
	// is what the wall clock showed then. Both are zero if that is unknown.
	began, wall time.Time
}

// now returns the time. Every call returns a later time than all calls before.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.base.Add(time.Since(c.started))
	if c.base.IsZero() {
		now = c.provisional()
	}
	if !now.After(c.last) {
		now = c.last.Add(1)
	}
	c.last = now
	return now
}

// start starts the clock at the wall clock, unless it runs already. It must be called
// just before this process stores something, and no earlier: until then, another node
// might start the clock, and the wall clock of this node might be wrong.
func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base.IsZero() {
		c.base, c.started = c.provisional(), time.Now()
		c.began, c.wall = c.base, c.base
		if c.base.After(c.last) {
			c.last = c.base
		}
	}
}

// stop undoes start after the write that started the clock has failed.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = time.Time{}
}

// resume continues from a stored time, unless that is behind the clock. wall is what
// the wall clock showed when the time was stored.
func (c *clock) resume(stored, wall time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	shows := c.base.Add(time.Since(c.started))
	if !c.base.IsZero() && !stored.After(c.last) && !stored.After(shows) {
		return
	}
	if c.base.IsZero() || stored.After(shows.Add(time.Second)) { // Not a write of this process.
		c.began, c.wall = stored, wall
	}
	c.base, c.started, c.last = stored, time.Now(), stored
}

// setBack makes the clock show an earlier time.
func (c *clock) setBack(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.last = c.base.Add(-by), c.last.Add(-by)
}

// stored returns what the wall clock showed at a time t, and whether t is from before
// this process.
func (c *clock) stored(t time.Time) (wall time.Time, before bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall.Add(t.Sub(c.began)), !c.wall.IsZero() && !t.After(c.began)
}

// wall converts a time of the engine's clock to the wall clock, for display. Rounding
// hides the nanoseconds that make every time of the clock unique.
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
