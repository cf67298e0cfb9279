// SPDX-License-Identifier: MPL-2.0

package token

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestATokenFromBeforeADropIsNotShared(t *testing.T) {
	t.Parallel()
	var cache Cache
	before := cache.Epoch()
	cache.Drop()
	if cache.Share(&Token{}, before) || cache.Current() != nil {
		t.Error("a refresh that began before the configuration changed has brought its token back")
	}
	fresh := &Token{}
	if !cache.Share(fresh, cache.Epoch()) || cache.Current() != fresh {
		t.Error("a token from after the drop is not shared")
	}
	newer := &Token{}
	if !cache.Share(newer, cache.Epoch()) || cache.Current() != newer {
		t.Error("a newer token does not replace the shared one")
	}
	cache.Drop()
	if cache.Current() != nil {
		t.Error("a dropped token is still shared")
	}
}

func TestThereIsOneRefreshAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache Cache
		failure, end := errors.New("failed"), make(chan struct{})
		first := cache.Refresh(time.Now, func() error { <-end; return failure })
		for range 3 {
			if cache.Refresh(time.Now, func() error { t.Error("a second refresh runs"); return nil }) != first {
				t.Error("a refresh was started while one was running")
			}
		}
		synctest.Wait()
		if err := first.Err(); err != nil {
			t.Errorf("a refresh that is running has failed: %v", err)
		}
		close(end)
		<-first.Done()
		if err := first.Err(); !errors.Is(err, failure) {
			t.Errorf("those who wait get %v", err)
		}
		next := cache.Refresh(time.Now, func() error { return nil })
		if next == first {
			t.Error("after one refresh has ended, none can be started")
		}
		<-next.Done()
		if err := next.Err(); err != nil {
			t.Errorf("the next refresh has the error of the last one: %v", err)
		}
	})
}

// Readers of a token learn why that token was not replaced, and nothing about another
// token.
func TestAFailureBelongsToTheTokenThatWasToBeReplaced(t *testing.T) {
	t.Parallel()
	var cache Cache
	first, second, failure := &Token{}, &Token{}, errors.New("failed")
	end := func(err error) {
		refresh := cache.Refresh(time.Now, func() error { return err })
		<-refresh.Done()
	}
	end(failure)
	cache.Share(first, cache.Epoch())
	if _, err := cache.Failure(first); err != nil {
		t.Errorf("a refresh from before this token failed, and its readers get %v", err)
	}
	end(failure)
	if _, err := cache.Failure(first); !errors.Is(err, failure) {
		t.Errorf("after a failed refresh its readers get %v", err)
	}
	cache.Share(second, cache.Epoch())
	if _, err := cache.Failure(second); err != nil {
		t.Errorf("the readers of the next token get %v", err)
	}
	cache.Share(first, cache.Epoch())
	end(nil)
	if _, err := cache.Failure(first); err != nil {
		t.Errorf("after a refresh without an error its readers get %v", err)
	}
}

func TestEveryReaderThatWaitsForARefreshFindsItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache Cache
		fresh := &Token{}
		var readers sync.WaitGroup
		for range 100 {
			readers.Go(func() {
				refresh := cache.Refresh(time.Now, func() error {
					epoch := cache.Epoch()
					<-time.After(time.Second)
					cache.Share(fresh, epoch)
					return nil
				})
				<-refresh.Done()
				if refresh.Err() != nil || cache.Current() != fresh {
					t.Error("a reader that waited has no token")
				}
			})
		}
		start := time.Now()
		readers.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("100 readers took %s: they did not share one refresh", took)
		}
	})
}

func TestADropDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache Cache
		refresh := cache.Refresh(time.Now, func() error {
			epoch := cache.Epoch()
			<-time.After(time.Second)
			cache.Share(&Token{}, epoch)
			return nil
		})
		synctest.Wait()
		cache.Drop()
		<-refresh.Done()
		if cache.Current() != nil {
			t.Error("the token of the old configuration is shared")
		}
	})
}

// This test holds the lock of a cache for as long as a refresh could ever hold it.
func TestCurrentNeverWaitsForALock(t *testing.T) {
	t.Parallel()
	var cache Cache
	shared := &Token{Lifetime: 2 * time.Hour, Issued: noon}
	cache.Share(shared, cache.Epoch())

	cache.mu.Lock()
	defer cache.mu.Unlock()
	read := make(chan *Token)
	go func() { read <- cache.Current() }()
	select {
	case got := <-read:
		if got != shared {
			t.Error("Current does not return the shared token")
		}
	case <-time.After(5 * time.Minute):
		t.Error("Current waits for the lock")
	}
}

// The other methods take the lock, and must not wait for the function that Refresh
// runs.
func TestNoMethodWaitsForARunningRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache Cache
		end := make(chan struct{})
		refresh := cache.Refresh(time.Now, func() error { <-end; return nil })
		synctest.Wait()
		shared := &Token{}
		cache.Drop()
		cache.Share(shared, cache.Epoch())
		cache.Refresh(time.Now, func() error { return nil })
		if cache.Current() != shared {
			t.Error("a token is not shared during a refresh")
		}
		close(end)
		<-refresh.Done()
	})
}

// For the race detector.
func TestManyGoroutinesMayUseTheCacheAtOnce(t *testing.T) {
	t.Parallel()
	var cache Cache
	var backoff Backoff
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 200 {
				if token := cache.Current(); token != nil {
					token.Remaining(token.Age(noon, 0))
				}
				refresh := cache.Refresh(time.Now, func() error {
					cache.Share(&Token{Lifetime: time.Hour, Issued: noon}, cache.Epoch())
					backoff.Note(errors.New("failed"), 0, noon)
					return backoff.Held(noon)
				})
				_ = refresh.Err()
				<-refresh.Done()
				_ = refresh.Err()
				backoff.Clear()
				cache.Drop()
			}
		})
	}
	users.Wait()
}

// AllocsPerRun counts the allocations of the whole process, so this test does
// not run in parallel with others.
func TestAReadOfAFreshTokenAllocatesNothing(t *testing.T) {
	var cache Cache
	cache.Share(&Token{Lifetime: 2 * time.Hour, Issued: noon, Started: time.Now()}, 0)
	now := noon.Add(time.Hour)
	var remaining time.Duration
	if n := testing.AllocsPerRun(1000, func() {
		token := cache.Current()
		remaining = token.Remaining(token.Age(now, time.Since(token.Started)))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if remaining != 55*time.Minute {
		t.Errorf("%s remaining", remaining)
	}
}

func BenchmarkCurrent(b *testing.B) {
	var cache Cache
	cache.Share(&Token{Lifetime: 2 * time.Hour, Issued: noon, Started: time.Now()}, 0)
	now := noon.Add(time.Hour)
	end := make(chan struct{})
	refresh := cache.Refresh(time.Now, func() error { <-end; return nil })
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			token := cache.Current()
			if token.Remaining(token.Age(now, 0)) == 0 {
				b.Error("nothing remains of a fresh token")
			}
		}
	})
	close(end)
	<-refresh.Done()
}
