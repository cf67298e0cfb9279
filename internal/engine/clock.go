// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"sync"
	"time"
)

// clock is the engine's own clock, which dates secrets and attempts. It starts
// at the wall clock with the first write of the mount, runs with the process's clock,
// and is stored with the state, once an hour at least. So it never runs backwards
// or ahead, whatever happens to the wall clock: it lags by the time in which no
// process ran, and age decides about a secret too late, never too early.
type clock struct {
	// provisional is the wall clock: the time as long as nothing is stored.
	provisional func() time.Time

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

// start starts at the wall clock. It must be called before this process stores
// anything. Before that, another node may still start the clock, and this node's wall
// clock may be wrong.
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

// stop undoes start, when the write that started the clock failed.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = time.Time{}
}

// resume continues from the stored time. wall is what the wall clock showed then. A
// stored time that is behind changes nothing.
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
