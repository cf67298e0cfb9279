// SPDX-License-Identifier: MPL-2.0

package token

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

var errUnavailable = errors.New("Finicity answered HTTP 503: down")

func TestFailuresHoldBackTheNextCallLongerAndLonger(t *testing.T) {
	t.Parallel()
	var backoff Backoff
	now := noon
	if err := backoff.Held(now); err != nil {
		t.Fatalf("before any failure: %v", err)
	}
	for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		wait := time.Duration(seconds) * time.Second
		failure := fmt.Errorf("call %d: %w", i+1, errUnavailable)
		backoff.Note(failure, 0, now)
		held := heldError(t, &backoff, now)
		if held.Wait != wait || !errors.Is(held.Last, failure) || held.Error() != failure.Error() {
			t.Fatalf("after failure %d: %v, wait %s, want to wait %s", i+1, held, held.Wait, wait)
		}
		if held := heldError(t, &backoff, now.Add(wait-1)); held.Wait != 1 {
			t.Errorf("after failure %d, at the last moment it waits %s", i+1, held.Wait)
		}
		now = now.Add(wait)
		if err := backoff.Held(now); err != nil {
			t.Errorf("after failure %d it holds for longer than %s: %v", i+1, wait, err)
		}
	}
}

func TestAnAnswerEndsTheBackoff(t *testing.T) {
	t.Parallel()
	var backoff Backoff
	for range 5 {
		backoff.Note(errUnavailable, 0, noon)
	}
	backoff.Clear()
	if err := backoff.Held(noon); err != nil {
		t.Errorf("the backoff still holds: %v", err)
	}
	backoff.Note(errUnavailable, 0, noon)
	if held := heldError(t, &backoff, noon); held.Wait != time.Second {
		t.Errorf("the next wait does not begin with a second but %s", held.Wait)
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	var backoff Backoff
	const asked = 10 * time.Minute
	backoff.Note(errUnavailable, asked, noon)
	if backoff.Held(noon.Add(asked-1)) == nil {
		t.Error("the call is allowed sooner than Finicity asked")
	}
	if backoff.Held(noon.Add(asked)) != nil {
		t.Error("the call waits longer than Finicity asked")
	}
	later := noon.Add(asked)
	backoff.Note(errUnavailable, 0, later)
	if held := heldError(t, &backoff, later); held.Wait != 2*time.Second {
		t.Errorf("the second failure without a Retry-After waits %s", held.Wait)
	}
}

// Code that finds a failure of Finicity in an error records it. It would record this
// one again, and each read would prolong the wait.
func TestAHeldErrorIsNotTakenForAFailure(t *testing.T) {
	t.Parallel()
	var backoff Backoff
	backoff.Note(errUnavailable, 0, noon)
	if err := backoff.Held(noon); err == nil || errors.Is(err, errUnavailable) {
		t.Errorf("%v unwraps to the failure", err)
	}
}

func heldError(t *testing.T, backoff *Backoff, now time.Time) *HeldError {
	t.Helper()
	err := backoff.Held(now)
	held, found := errors.AsType[*HeldError](err)
	if !found {
		t.Fatalf("nothing is held: %v", err)
	}
	return held
}
