// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// rotate-root proves the secret first, which brings a token that all new readers get. The
// change that follows is slow. A reader that arrived a moment before the token must get
// it too, and not wait for the change.
func TestAWaitingReaderGetsATokenThatAnotherRequestBrings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
		h.Interrupt(true) // The outcome is unknown, so the next change begins with a proof.
		h.Pass(2 * time.Hour)
		h.Fake.Order(
			fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlowAnswer, Delay: 10 * time.Second},
			fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindSlowAnswer, Delay: 110 * time.Second},
		)
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		h.Pass(5 * time.Second)
		begun := time.Now()
		early := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		h.Pass(6 * time.Second)
		late := time.Now()
		h.Token() // There is a usable token now.
		if waited := time.Since(late); waited > 0 {
			t.Fatalf("there is no token yet: a later reader waited %s", waited)
		}
		h.Succeeds(<-early)
		if waited := time.Since(begun); waited > 10*time.Second {
			t.Errorf("the reader waited %s, and there was a usable token after 5s", waited)
		}
		h.Succeeds(<-rotation)
	})
}

// The same with a caller that times out after 90 seconds, as Vault does.
func TestAReaderDoesNotRunIntoItsTimeoutBesideAUsableToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
		h.Interrupt(true)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindSlowAnswer, Delay: 110 * time.Second})
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlowAnswer, Delay: 10 * time.Second})
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		h.Pass(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		h.Send(ctx, logical.ReadOperation, "token", nil)
		if ctx.Err() != nil {
			t.Error("the reader's time is up, and for 85 seconds there was a usable token")
		}
		h.Succeeds(<-rotation)
	})
}

// Cold start: the one call takes a second. Vault accepts no event for as long as the
// engine lets it. A reader waits for the call, and not for the event.
func TestAColdReaderWaitsForTheCallAndNotForAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(mounttest.Fields{"verify_connection": false})
		h.Events.Stuck = true
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Second})
		begun := time.Now()
		for _, one := range readMany(h, 100) {
			h.Succeeds(<-one)
		}
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("the readers have waited %s, and the call took 1s", waited)
		}
		h.Pass(time.Minute) // The events have ended.
	})
}

// After a failover, reads of storage fail. Vault's call once a minute resolves a
// rotation, and Finicity is slow. The token in storage is fresh.
func TestAFailedReadOfStorageMakesNoReaderOfAFreshTokenWait(t *testing.T) {
	t.Parallel()
	for failures := range 3 {
		synctest.Test(t, func(t *testing.T) { readersOfAFreshToken(t, failures) })
	}
}

func readersOfAFreshToken(t *testing.T, failures int) {
	t.Helper()
	h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
	h.Interrupt(true)
	h.Restart()
	h.Tick()
	h.Pass(3 * time.Minute)
	h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 100 * time.Second})
	go h.Tick()
	synctest.Wait()
	for range failures {
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
	}
	begun := time.Now()
	first := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
	synctest.Wait()
	h.Read("token", nil)
	<-first
	if waited := time.Since(begun); waited > time.Second {
		t.Errorf("%d reads of storage failed, and with a fresh token there, the readers waited %s", failures, waited)
	}
	h.Pass(5 * time.Minute)
}

// Readers, writes, rotations and drops at once, for the race detector and for lost
// wake-ups: with Finicity up, no reader waits longer than the calls take.
func TestNoReaderIsLeftWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "2m"})
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Second, Count: 1000})
		stop := time.Now().Add(20 * time.Minute)
		done, n := make(chan struct{}), 0
		run := func(do func()) {
			n++
			go func() {
				for time.Now().Before(stop) {
					do()
				}
				done <- struct{}{}
			}()
		}
		for i := range 10 {
			run(func() {
				data := mounttest.Fields{}
				if i%2 == 1 {
					data["min_ttl"] = "70s"
				}
				begun := time.Now()
				a := h.Read("token", data)
				if a.Status != 200 && a.Status != 400 {
					t.Errorf("a %d: %s", a.Status, a.Text)
				}
				if waited := time.Since(begun); waited > 10*time.Second {
					t.Errorf("a reader waited %s", waited)
				}
				h.Pass(time.Duration(300+i*37) * time.Millisecond)
			})
		}
		run(func() { h.Pass(65 * time.Second); h.Write("rotate-token", nil) })
		run(func() { h.Pass(17 * time.Second); h.Write("config", mounttest.Fields{"token_lifetime": "1m"}) })
		run(func() { h.Pass(23 * time.Second); h.Write("config", mounttest.Fields{"token_lifetime": "2m"}) })
		run(func() { h.Pass(4 * time.Minute); h.Write("rotate-root", nil) })
		run(func() { h.Pass(time.Minute); h.Tick() })
		run(func() { h.Pass(41 * time.Second); h.B.InvalidateKey(t.Context(), "config") })
		for range n {
			<-done
		}
		h.Pass(10 * time.Minute)
	})
}
