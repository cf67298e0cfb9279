// SPDX-License-Identifier: MPL-2.0

package token

import (
	"sync"
	"time"
)

// maxBackoff is reached with the seventh failure in a row.
const maxBackoff = time.Minute

// Backoff spaces the automatic calls to Finicity while it is unavailable. All
// readers share it: during an outage a thousand of them cost no more calls than
// one. The zero value imposes no wait. All methods are safe for concurrent use.
//
// The caller decides what counts. Finicity being unreachable, overloaded or
// answering nonsense is a failure. A refusal is an answer: it ends the outage,
// and the attempt record limits further calls. Errors from storage have a separate Backoff,
// because storage and Finicity recover separately.
//
// The times come from the process clock, as [time.Now] returns them, so setting
// the wall clock neither ends nor prolongs a wait.
type Backoff struct {
	mu    sync.Mutex
	last  error
	count int // failures in a row
	// at is the time of the last failure.
	at, until time.Time
}

// Note records a call to Finicity that failed. The next call then waits 1s, 2s,
// 4s and so on up to a minute, or retryAfter if Finicity asked for a longer wait; 0
// means that it did not ask. The failure must not be nil.
func (b *Backoff) Note(failure error, retryAfter time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := max(min(time.Second<<min(b.count, 6), maxBackoff), retryAfter)
	b.last, b.at = failure, now
	if until := now.Add(wait); until.After(b.until) { // An operator's request ignores the wait, and must not shorten it.
		b.until = until
	}
	b.count++
}

// Clear records that Finicity answered. The next failure waits a second again.
func (b *Backoff) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last, b.count, b.at, b.until = nil, 0, time.Time{}, time.Time{}
}

// Failing reports whether the last call failed, even if the next call no longer has to
// wait.
func (b *Backoff) Failing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last != nil
}

// Held returns a [*HeldError] while the next call has to wait, otherwise nil.
func (b *Backoff) Held(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || !now.Before(b.until) {
		return nil
	}
	return &HeldError{Last: b.last, Failed: b.at, Wait: b.until.Sub(now)}
}

// HeldError is the error of a read that made no call, because an earlier call
// failed. It does not unwrap to that failure: code that inspects errors would
// record it a second time.
type HeldError struct {
	Last   error         // The failure that the wait is for.
	Failed time.Time     // Its time, by the process clock.
	Wait   time.Duration // The time until the next call, more than 0.
}

// Error returns the text of the failure.
func (e *HeldError) Error() string { return e.Last.Error() }
