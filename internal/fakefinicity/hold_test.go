// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// modifyAside sends the PUT from another goroutine and returns once the call is held.
func (c *caller) modifyAside() <-chan result {
	c.t.Helper()
	answered := make(chan result, 1)
	before := c.fake.Held()
	go func() { answered <- c.modify(nil) }()
	if err := c.fake.WaitHeld(c.t.Context(), before+1); err != nil {
		c.t.Fatal(err)
	}
	return answered
}

func TestAHeldCallIsAppliedBeforeOrAfterItsRelease(t *testing.T) {
	for kind, appliedWhileHeld := range map[fakefinicity.Kind]bool{
		fakefinicity.KindHoldBefore: false,
		fakefinicity.KindHoldAfter:  true,
	} {
		fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
		server := httptest.NewServer(fake)
		c := &caller{t: t, fake: fake, http: server.Client(), base: server.URL}
		fake.Order(fakefinicity.Fault{Kind: kind})
		answered := c.modifyAside()
		wantEqual(t, "new secret while held", fake.AcceptsSecret(alphaID, nextSecret), appliedWhileHeld)
		wantEqual(t, "status while held", last(t, fake).Status, 0)
		wantEqual(t, "released", fake.Release(), 1)
		held := <-answered
		held.want(t, 204, "")
		wantEqual(t, "held", fake.Held(), 0)
		wantEqual(t, "new secret", fake.AcceptsSecret(alphaID, nextSecret), true)
		fake.Close()
		server.Close()
	}
}

func TestHoldBeforeIsAppliedAlsoWhenTheClientHasGone(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		if got := <-c.impatient(time.Second).modifyAside(); got.err == nil {
			t.Fatal("there was an answer")
		}
		synctest.Wait()
		wantEqual(t, "held", c.fake.Held(), 1)
		wantEqual(t, "old secret before", c.fake.AcceptsSecret(alphaID, alphaSecret), true)
		c.fake.Release()
		synctest.Wait()
		wantEqual(t, "old secret after", c.fake.AcceptsSecret(alphaID, alphaSecret), false)
		wantEqual(t, "status", last(t, c.fake).Status, 0)
	})
}

func TestReleaseIsForThoseThatAreHeldNow(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		wantEqual(t, "released", c.fake.Release(), 0)
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter, Count: 3})
		first, second := c.modifyAside(), c.modifyAside()
		wantEqual(t, "released", c.fake.Release(), 2)
		<-first
		<-second
		third := c.modifyAside()
		wantEqual(t, "held", c.fake.Held(), 1)
		c.fake.Release()
		<-third
	})
}

func TestWaitHeldEndsWithItsContextAndWithTheServer(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.fake.WaitHeld(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		go c.fake.Close()
		if err := c.fake.WaitHeld(t.Context(), 1); !errors.Is(err, http.ErrServerClosed) {
			t.Fatal(err)
		}
	})
}

// The bubble fails if a goroutine is still running.
func TestCloseEndsEverythingThatWaits(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		kinds := []fakefinicity.Kind{
			fakefinicity.KindHoldBefore, fakefinicity.KindHoldAfter, fakefinicity.KindSlow,
			fakefinicity.KindSlowAnswer, fakefinicity.KindLate,
		}
		var all sync.WaitGroup
		for _, kind := range kinds {
			fault := fakefinicity.Fault{Kind: kind}
			if kind != fakefinicity.KindHoldBefore && kind != fakefinicity.KindHoldAfter {
				fault.Delay = time.Hour
			}
			c.fake.Order(fault)
			all.Go(func() {
				if got := c.authenticate(alphaID, "Wrong-Secret-1", alphaKey); got.err == nil {
					t.Error("there was an answer")
				}
			})
		}
		synctest.Wait()
		applied := c.fake.Counters(alphaID).Rejected
		wantEqual(t, "applied", applied, 2)
		start := time.Now()
		c.fake.Close()
		c.fake.Close()
		all.Wait()
		wantEqual(t, "waited", time.Since(start), 0)
		<-time.After(2 * time.Hour)
		wantEqual(t, "applied after Close", c.fake.Counters(alphaID).Rejected, applied)
	})
}

func TestAfterCloseNothingWaitsAnyMore(t *testing.T) {
	fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
	server := httptest.NewServer(fake)
	defer server.Close()
	fake.Close()
	fake.Order(
		fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore},
		fakefinicity.Fault{Kind: fakefinicity.KindLate},
		fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Hour},
	)
	c := &caller{t: t, fake: fake, http: server.Client(), base: server.URL}
	for range 3 {
		if got := c.alpha(); got.err == nil {
			t.Fatal("there was an answer")
		}
	}
	wantEqual(t, "counters", fake.Counters(alphaID), fakefinicity.Counters{})
}
