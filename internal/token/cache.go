// SPDX-License-Identifier: MPL-2.0

package token

import (
	"sync"
	"sync/atomic"
	"time"
)

// Cache holds the shared token of a mount and the refresh that is running, if
// any. The zero value is an empty cache. All methods are safe for concurrent
// use, and none waits for a refresh.
type Cache struct {
	current atomic.Pointer[Token] // All that a read of a fresh token touches.

	mu      sync.Mutex
	drops   uint64        // The number of calls of Drop, so that no older token is shared again.
	shared  chan struct{} // Closed when the next token is shared. Nil if no reader waits.
	running *Refresh
	// failure is the error of the last refresh, which ended at failedAt. failed is the
	// token that the refresh should have replaced.
	failure  error
	failed   *Token
	failedAt time.Time
}

// Current returns the shared token, or nil if there is none. The caller must
// check its age.
func (c *Cache) Current() *Token { return c.current.Load() }

// Drop discards the shared token, because the configuration it came from has
// changed or might have.
func (c *Cache) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	c.current.Store(nil)
}

// Replace is [Cache.Drop], after which t is the shared token. t may be nil, and is not
// shared if the cache was dropped since epoch.
func (c *Cache) Replace(t *Token, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.drops {
		t = nil
	}
	c.drops++
	c.set(t)
}

// set makes t the shared token, and wakes the readers that wait for one.
func (c *Cache) set(t *Token) {
	c.current.Store(t)
	if t != nil && c.shared != nil {
		close(c.shared)
		c.shared = nil
	}
}

// Shared returns a channel that is closed when the next token is shared. A reader need
// not wait for the end of a refresh, or of another request that brings a token.
func (c *Cache) Shared() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared == nil {
		c.shared = make(chan struct{})
	}
	return c.shared
}

// Epoch identifies the time between two drops. Take it before reading the
// configuration that a token will come from, and pass it to [Cache.Share].
func (c *Cache) Epoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drops
}

// Share makes t the shared token and reports true. It does nothing and reports
// false if the cache was dropped since epoch: t might come from an old
// configuration. t must not be changed afterward.
func (c *Cache) Share(t *Token, epoch uint64) (shared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.drops {
		return false
	}
	c.set(t)
	return true
}

// ShareFirst is [Cache.Share] for a token that was loaded from storage: it does nothing
// if there is a shared token already, which is newer.
func (c *Cache) ShareFirst(t *Token, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch == c.drops && c.current.Load() == nil {
		c.set(t)
	}
}

// Refresh starts run in the background, or joins the refresh that is running. The
// refresh continues if its initiator goes away, so run must not depend on the
// context of one request. now is the process clock.
func (c *Cache) Refresh(now func() time.Time, run func() error) *Refresh {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return c.running
	}
	r, old := &Refresh{done: make(chan struct{})}, c.current.Load()
	c.running = r
	go func() {
		err := run()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running, c.failure, c.failed, c.failedAt = nil, err, old, now()
		r.err = err
		close(r.done)
	}()
	return r
}

// Failure returns the error of the last refresh and the time at which it ended, if that
// refresh should have replaced t. The error is nil if the refresh succeeded, or if no
// refresh of t has ended. The time is of the process clock.
func (c *Cache) Failure(t *Token) (at time.Time, failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != t {
		return time.Time{}, nil
	}
	return c.failedAt, c.failure
}

// Refresh is one run that fetches a token. All readers that need the token share it.
type Refresh struct {
	done chan struct{}
	err  error // Set before done is closed.
}

// Done returns a channel that is closed when the refresh has ended.
func (r *Refresh) Done() <-chan struct{} { return r.done }

// Err returns the error of the refresh. It is nil until Done is closed.
func (r *Refresh) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}
