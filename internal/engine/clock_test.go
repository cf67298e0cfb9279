// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
)

// at is a time long before the time at which a synctest bubble starts.
func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// Attempts are identified by their time, and secrets are ordered by theirs.
func TestNoTwoTimesOfTheClockAreTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // Where no time passes between two calls.
		c := begun(at("1999-05-01 00:00"))
		last := c.now()
		for range 1000 {
			now := c.now()
			if !now.After(last) {
				t.Fatalf("%s is not after %s", now, last)
			}
			last = now
		}
	})
}

func TestTheClockStartsAtTheWallClockAndThenIgnoresIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begun(at("1999-05-01 00:00"))
		c.start()
		<-time.After(36 * time.Hour)
		c.provisional = func() time.Time { return at("2031-01-01 00:00") }
		c.start()
		c.resume(at("1999-05-01 00:00"), at("1980-01-01 00:00"))
		if got, want := c.now(), at("1999-05-02 12:00"); !got.Equal(want) {
			t.Errorf("it shows %s, want %s", got, want)
		}
	})
}

// The time in which no process ran does not count, because the wall clock might be wrong
// about it.
func TestTheClockResumesWhereItWasStored(t *testing.T) {
	t.Parallel()
	for name, wall := range map[string]time.Time{
		"right": at("1999-06-01 00:00"), "years ahead": at("2031-01-01 00:00"), "years behind": at("1980-01-01 00:00"),
	} {
		c := begun(wall)
		stored := at("1999-05-01 00:00")
		c.resume(stored, wall)
		if now := c.now(); now.Before(stored) || now.Sub(stored) > time.Minute {
			t.Errorf("with a wall clock that is %s it shows %s", name, now)
		}
	}
}

// Another node was active for a while.
func TestTheClockFollowsOneThatIsAhead(t *testing.T) {
	t.Parallel()
	c := begun(at("1999-05-01 00:00"))
	c.resume(at("1999-05-01 00:00"), at("1999-05-01 00:00"))
	before := c.now()
	c.resume(at("1999-05-03 00:00"), at("1999-05-01 00:00"))
	if now := c.now(); now.Before(at("1999-05-03 00:00")) {
		t.Errorf("it shows %s", now)
	}
	c.resume(before, at("1999-05-01 00:00"))
	if now := c.now(); now.Before(at("1999-05-03 00:00")) {
		t.Errorf("an older entry sets it back to %s", now)
	}
}

// Another node has configured the mount. The wall clock of this node was years ahead, but
// it has not stored a time yet.
func TestBeforeAnythingIsStoredTheClockIsTheWallClock(t *testing.T) {
	t.Parallel()
	c := begun(at("2031-05-01 00:00"))
	if now := c.now(); now.Sub(at("2031-05-01 00:00")) > time.Minute {
		t.Errorf("it shows %s", now)
	}
	c.resume(at("1999-05-01 00:00"), at("1999-05-01 00:00"))
	if now := c.now(); now.Sub(at("1999-05-01 00:00")) > time.Minute {
		t.Errorf("it continues at %s", now)
	}
}

// A charge gets its time before it is stored.
func TestAClockThatStartsContinuesFromStoredTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begun(at("1999-05-01 00:00"))
		c.now()
		last := c.now()
		if c.start(); !c.now().After(last) {
			t.Error("it goes back")
		}
	})
}

// begun returns a clock that was not started, with a given wall clock.
func begun(wall time.Time) *clock { return &clock{provisional: func() time.Time { return wall }} }

func TestTheClockIsSharedByRequests(t *testing.T) {
	t.Parallel()
	c := begun(at("1999-05-01 00:00"))
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[time.Time]bool{}
	for range 8 {
		wg.Go(func() {
			for range 200 {
				c.resume(at("1999-05-01 00:00"), at("1999-05-01 00:00"))
				now := c.now()
				mu.Lock()
				if seen[now] {
					t.Errorf("%s comes twice", now)
				}
				seen[now] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Times for display are by the wall clock.
func TestATimeOfTheClockIsShownByTheWallClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := New(&framework.Backend{}, Options{Now: func() time.Time { return at("2031-01-01 12:00") }})
		e.clock.resume(at("1999-05-01 00:00"), at("2031-01-01 12:00"))
		if shown := e.wall(at("1999-05-01 00:05")).Round(time.Second); !shown.Equal(at("2031-01-01 12:05")) {
			t.Errorf("in five minutes is shown as %s", shown)
		}
		if !e.wall(time.Time{}).IsZero() {
			t.Error("no time is shown as one")
		}
	})
}

// Version 1 did not store when it was alive.
func TestWithoutAWallClockFromBeforeTimesCountFromNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := New(&framework.Backend{}, Options{Now: func() time.Time { return at("2031-01-01 12:00") }})
		e.clock.resume(at("1999-05-01 00:00"), time.Time{})
		if shown := e.wall(at("1999-04-30 23:00")).Round(time.Second); !shown.Equal(at("2031-01-01 11:00")) {
			t.Errorf("an hour ago is shown as %s", shown)
		}
	})
}

// The node was active for two days, and its last write was two hours ago.
func TestATimeOfAnotherNodeIsShownByItsWallClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := New(&framework.Backend{}, Options{Now: func() time.Time { return at("2031-01-03 12:00") }})
		e.clock.resume(at("1999-05-01 00:00"), at("2031-01-01 10:00"))
		e.clock.resume(at("1999-05-03 00:00"), at("2031-01-03 10:00"))
		if shown := e.wall(at("1999-05-02 23:00")).Round(time.Second); !shown.Equal(at("2031-01-03 09:00")) {
			t.Errorf("three hours ago is shown as %s", shown)
		}
	})
}

// Storage is read-only for days. The list of writes that storage may have stays bounded,
// and includes the state before them and the last one.
func TestFailedWritesAreRememberedToABound(t *testing.T) {
	t.Parallel()
	e := New(&framework.Backend{}, Options{})
	before, last := at("1999-05-01 00:00"), time.Time{}
	for i := range 3 * maxWritten {
		last = before.Add(time.Duration(i+1) * time.Minute)
		e.noteUnstored(errors.New("the disk is full"), before, last, &State{})
	}
	if n := len(e.written); n > maxWritten || !e.written[0].Equal(before) || !e.written[n-1].Equal(last) {
		t.Errorf("%d times are remembered, from %s to %s", n, e.written[0], e.written[n-1])
	}
}

func TestStorageWorksWhenItWasOvertaken(t *testing.T) {
	t.Parallel()
	e, before := New(&framework.Backend{}, Options{}), at("1999-05-01 00:00")
	for _, test := range []struct {
		err  error
		says bool
	}{{errors.New("the disk is full"), true}, {ErrOvertaken, false}} {
		if e.noteUnstored(test.err, before, before, &State{}); (e.storageError != nil) != test.says {
			t.Errorf("after %v, the status shows %v", test.err, e.storageError)
		}
	}
}
