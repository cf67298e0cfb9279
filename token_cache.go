// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// The life of a token with lifetime L, as fractions of it:
//
//	0 ── served as is ── ¾ L ── refreshed on the next read, served if that fails ── L − margin ── never served ── L
//
// The margin is for the way from here to Finicity's check: a token must not die while a request carries it.
func refreshAge(lifetime time.Duration) time.Duration { return lifetime / 4 * 3 }
func margin(lifetime time.Duration) time.Duration     { return lifetime / 24 }

// sharedToken is the token that everyone gets, with all that a read returns. It is never changed once it is shared.
type sharedToken struct {
	value     string
	appKey    string
	partnerID string
	lifetime  time.Duration
	// issued is when the request for it was about to be sent, by the wall clock: a slow answer must not make the token
	// look younger than it is. started is the same moment by the process's own clock, which nobody can set back.
	issued  time.Time
	started time.Time
}

// age takes the later of two clocks, since each one can be wrong to the wrong side: the wall clock is set, the process's
// clock stands still while a machine sleeps. A token from the future counts as too old.
func (t *sharedToken) age(now time.Time, elapsed time.Duration) time.Duration {
	byWall := now.Round(0).Sub(t.issued)
	if byWall < 0 {
		return t.lifetime
	}
	return max(byWall, elapsed)
}

// left is how much longer a token of that age may be served, in whole seconds, at least 0.
func (t *sharedToken) left(age time.Duration) time.Duration {
	return max(0, t.lifetime-margin(t.lifetime)-age).Truncate(time.Second)
}

// expires is when the token is served no more.
func (t *sharedToken) expires() time.Time { return t.issued.Add(t.lifetime - margin(t.lifetime)) }

// tokenCache holds the shared token of a mount, the one refresh that may be running, and what came of the last one.
type tokenCache struct {
	current atomic.Pointer[sharedToken] // Read without mu: this is all that a read of a fresh token touches.

	mu       sync.Mutex
	dropped  uint64 // counts drop, so that a refresh that began before does not bring the old token back
	running  *refresh
	failures failures
}

// refresh is an attempt to get a token, shared by all who wait for it. err is set before done is closed.
type refresh struct {
	done chan struct{}
	err  error
}

// drop forgets the token, because the configuration it came from has changed or may have.
func (c *tokenCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped++
	c.current.Store(nil)
}

// epoch is to be taken before storage is read, and handed to share.
func (c *tokenCache) epoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}

// share makes t the token that everyone gets, unless something was dropped since epoch.
func (c *tokenCache) share(t *sharedToken, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch == c.dropped {
		c.current.Store(t)
	}
}

// refresh starts run, or joins the one that is running already. It goes on when whoever started it has gone.
func (c *tokenCache) refresh(run func() error) (joined *refresh, started bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return c.running, false
	}
	r := &refresh{done: make(chan struct{})}
	c.running = r
	go func() {
		err := run()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running = nil
		r.err = err
		close(r.done)
	}()
	return r, true
}

// failures is what is known of calls to Finicity that failed since the last success. It is shared: while it holds, a
// thousand readers cost not one call.
type failures struct {
	last  *finicityapi.Error
	count int
	until time.Time // by the process's own clock
}

const maxBackoff = time.Minute

// heldBack is the error of a read that made no call, because the last one failed.
type heldBack struct {
	last *finicityapi.Error
	wait time.Duration // until the next call
}

func (h *heldBack) Error() string { return h.last.Error() }

// held returns a *heldBack while the next call waits.
func (c *tokenCache) held(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures.last == nil || !now.Before(c.failures.until) {
		return nil
	}
	return &heldBack{last: c.failures.last, wait: c.failures.until.Sub(now)}
}

// note takes the outcome of a call to Finicity, nil for a success. After an unavailable answer the next automatic call
// waits 1s, 2s, 4s … 60s, or for as long as Finicity asked for. A refusal is the attempt record's business.
func (c *tokenCache) note(err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var failure *finicityapi.Error
	switch {
	case err != nil && !errors.As(err, &failure):
		return // It was not Finicity that failed.
	case failure == nil || failure.Class != finicityapi.Unavailable:
		c.failures = failures{}
		return
	}
	wait := min(time.Second<<min(c.failures.count, 6), maxBackoff)
	if failure.RetryAfter > 0 {
		wait = failure.RetryAfter
	}
	c.failures = failures{last: failure, count: c.failures.count + 1, until: now.Add(wait)}
}
