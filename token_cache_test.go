// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func TestTheLifeOfATokenScalesWithItsLifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lifetime, refresh, margin time.Duration }{
		{2 * time.Hour, 90 * time.Minute, 5 * time.Minute},
		{10 * time.Minute, 450 * time.Second, 25 * time.Second},
		{time.Minute, 45 * time.Second, 2500 * time.Millisecond},
	} {
		if got := refreshAge(test.lifetime); got != test.refresh {
			t.Errorf("a token of %s is refreshed after %s, want %s", test.lifetime, got, test.refresh)
		}
		if got := margin(test.lifetime); got != test.margin {
			t.Errorf("a token of %s has a margin of %s, want %s", test.lifetime, got, test.margin)
		}
	}
}

func TestTheAgeOfATokenIsThatOfTheClockThatSaysMore(t *testing.T) {
	t.Parallel()
	token := &sharedToken{lifetime: 2 * time.Hour, issued: noon}
	for name, test := range map[string]struct{ byWall, elapsed, want time.Duration }{
		"both agree":                         {time.Hour, time.Hour, time.Hour},
		"the machine slept":                  {time.Hour, time.Minute, time.Hour},
		"the wall clock was set back a bit":  {time.Minute, time.Hour, time.Hour},
		"it was set back before the issue":   {-1, time.Minute, 2 * time.Hour},
		"far back, and hardly anything went": {-24 * time.Hour, 0, 2 * time.Hour},
		"it was set ahead":                   {24 * time.Hour, time.Minute, 24 * time.Hour},
		"just issued":                        {0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := token.age(noon.Add(test.byWall), test.elapsed); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatIsLeftOfATokenIsWholeSecondsAndNeverBelowZero(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lifetime, age, want time.Duration }{
		{2 * time.Hour, 0, 115 * time.Minute},
		{2 * time.Hour, 1, 115*time.Minute - time.Second},
		{2 * time.Hour, time.Hour, 55 * time.Minute},
		{2 * time.Hour, 115*time.Minute - time.Second, time.Second},
		{2 * time.Hour, 115*time.Minute - time.Second + 1, 0},
		{2 * time.Hour, 115 * time.Minute, 0},
		{2 * time.Hour, 24 * time.Hour, 0},
		{time.Minute, 0, 57 * time.Second}, // 57.5 of it
		{10 * time.Minute, 0, 575 * time.Second},
	} {
		token := &sharedToken{lifetime: test.lifetime, issued: noon}
		if got := token.left(test.age); got != test.want {
			t.Errorf("a token of %s, %s old, has %s left, want %s", test.lifetime, test.age, got, test.want)
		}
	}
}

func TestATokenFromBeforeADropIsNotShared(t *testing.T) {
	t.Parallel()
	var cache tokenCache
	before := cache.epoch()
	cache.drop()
	cache.share(&sharedToken{}, before)
	if cache.current.Load() != nil {
		t.Error("a refresh that began before the configuration changed has brought its token back")
	}
	fresh := &sharedToken{}
	cache.share(fresh, cache.epoch())
	if cache.current.Load() != fresh {
		t.Error("a token from after the drop is not shared")
	}
	cache.drop()
	if cache.current.Load() != nil {
		t.Error("a dropped token is still shared")
	}
}

func TestThereIsOneRefreshAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache tokenCache
		failure, end := errors.New("failed"), make(chan struct{})
		first, started := cache.refresh(func() error { <-end; return failure })
		if !started {
			t.Fatal("the first refresh was not started")
		}
		for range 3 {
			joined, started := cache.refresh(func() error { t.Error("a second refresh runs"); return nil })
			if started || joined != first {
				t.Error("a refresh was started while one was running")
			}
		}
		close(end)
		<-first.done
		if !errors.Is(first.err, failure) {
			t.Errorf("those who wait get %v", first.err)
		}
		next, started := cache.refresh(func() error { return nil })
		if !started {
			t.Error("after one refresh has ended, none can be started")
		}
		<-next.done
	})
}

func unavailable() *finicityapi.Error { return &finicityapi.Error{Status: 503, Message: "down"} }

// While one can't be reached, calls are 1, 2, 4 … 60 seconds apart.
func TestFailuresHoldBackTheNextCallLongerAndLonger(t *testing.T) {
	t.Parallel()
	var cache tokenCache
	now := noon
	for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		wait := time.Duration(seconds) * time.Second
		cache.note(fmt.Errorf("wrapped: %w", unavailable()), now)
		var held *heldBack
		if err := cache.held(now); !errors.As(err, &held) || held.wait != wait {
			t.Fatalf("after failure %d: %v, want to wait %s", i+1, err, wait)
		}
		if cache.held(now.Add(wait-1)) == nil {
			t.Errorf("after failure %d it does not hold for %s", i+1, wait)
		}
		now = now.Add(wait)
		if err := cache.held(now); err != nil {
			t.Errorf("after failure %d it holds for longer than %s: %v", i+1, wait, err)
		}
	}
	cache.note(nil, now)
	cache.note(unavailable(), now)
	var held *heldBack
	if err := cache.held(now); !errors.As(err, &held) || held.wait != time.Second {
		t.Errorf("after a success it does not begin with a second: %v", err)
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	var cache tokenCache
	failure := unavailable()
	failure.RetryAfter = 10 * time.Minute
	cache.note(failure, noon)
	if cache.held(noon.Add(10*time.Minute-1)) == nil {
		t.Error("it asks sooner than it was told to")
	}
	if cache.held(noon.Add(10*time.Minute)) != nil {
		t.Error("it waits for longer than it was told to")
	}
}

// It is an answer, so the outage is over. That no further call is made is the attempt record's business.
func TestAVerdictEndsTheBackoff(t *testing.T) {
	t.Parallel()
	for _, class := range []finicityapi.Class{finicityapi.Rejected, finicityapi.Locked, finicityapi.RefusedByPolicy} {
		var cache tokenCache
		for range 5 {
			cache.note(unavailable(), noon)
		}
		cache.note(&rejection{failure: &finicityapi.Error{Class: class, Status: 401}}, noon)
		if err := cache.held(noon); err != nil {
			t.Errorf("%s: it still holds: %v", class, err)
		}
		cache.note(unavailable(), noon)
		var held *heldBack
		if err := cache.held(noon); !errors.As(err, &held) || held.wait != time.Second {
			t.Errorf("%s: after it, the wait does not begin with a second: %v", class, err)
		}
	}
}

func TestAnErrorThatIsNotFinicitysHoldsNothingBack(t *testing.T) {
	t.Parallel()
	var cache tokenCache
	cache.note(errStorage, noon)
	if err := cache.held(noon); err != nil {
		t.Errorf("got %v", err)
	}
	cache.note(unavailable(), noon)
	cache.note(&unsettled{wait: time.Minute}, noon)
	cache.note(&stopped{}, noon)
	cache.note(&notSent{errStorage}, noon)
	if cache.held(noon) == nil {
		t.Error("it has made Finicity's failure forgotten")
	}
}
