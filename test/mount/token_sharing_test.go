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

// sameToken checks that all readers got this token.
func sameToken(h *mounttest.Harness, all []<-chan mounttest.Answer, token string) {
	h.T.Helper()
	for i, one := range all {
		a := <-one
		if a.Status != 200 || a.Data["token"] != token {
			h.T.Fatalf("reader %d got a %d, or another token than the others", i, a.Status)
		}
	}
}

func TestManyFirstReadsCostOneAuthentication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(mounttest.Fields{"verify_connection": false})
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Second})
		begin := time.Now()
		all := readMany(h, 10_000)
		first := <-all[0]
		h.Succeeds(first)
		token, _ := first.Data["token"].(string)
		sameToken(h, all[1:], token)
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("the last one has waited %s, and the call took 1s", waited)
		}
		h.Called(1, 0)
	})
}

func TestManyReadsAfterARestartCostNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Restart()
		sameToken(h, readMany(h, 200), token)
		h.Called(1, 0)
	})
}

func TestManyReadsOfAMountThatIsDownMakeOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(mounttest.Fields{"verify_connection": false})
		h.Down()
		for _, one := range readMany(h, 200) {
			if a := <-one; a.Status != 502 && a.Status != 503 {
				t.Errorf("got a %d: %s", a.Status, a.Text)
			}
		}
		h.Called(1, 0)
	})
}

func TestWhileARefreshRunsTheOldTokenIsServedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(90 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		begin := time.Now()
		for range 2 { // The first of them start the refresh, and the others find it running.
			sameToken(h, readMany(h, 200), token)
			if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("they have waited %s", waited)
		}
		h.Fake.Release()
		synctest.Wait()
		if h.Token() == token {
			t.Error("the refresh brought no token")
		}
		h.Called(2, 0)
	})
}

func TestWithoutAUsableTokenEveryoneWaitsOnTheirOwnTerms(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]int{"the first one goes": 0, "a later one goes": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
				var all []<-chan mounttest.Answer
				var leave context.CancelFunc
				for i := range 5 {
					ctx := t.Context()
					if i == leaves {
						ctx, leave = context.WithCancel(ctx)
					}
					all = append(all, h.Background(func() mounttest.Answer {
						return h.Send(ctx, logical.ReadOperation, "token", nil)
					}))
					synctest.Wait()
				}
				leave()
				h.Fails(<-all[leaves], 503, "try again")
				synctest.Wait()
				h.Fake.Release()
				stay := append(all[:leaves:leaves], all[leaves+1:]...)
				token := h.Token()
				sameToken(h, stay, token)
				h.Called(2, 0)
			})
		})
	}
}

func TestARefreshContinuesAfterItsReadersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h.Fails(h.Send(ctx, logical.ReadOperation, "token", nil), 503, "try again")
		h.Fake.Release()
		synctest.Wait()
		if h.Token() == token {
			t.Error("the new token is not there")
		}
		h.Restart()
		h.Token() // It was stored too.
		h.Called(2, 0)
	})
}

// A read of a fresh token waits for neither storage nor a lock that is held during a
// call.
func TestAReadOfAFreshTokenNeedsNoStorageAndNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		before, begin := h.Storage.Accesses(), time.Now()
		sameToken(h, readMany(h, 200), token)
		if a := h.Read("token", mounttest.Fields{"min_ttl": "1h"}); a.Data["token"] != token {
			t.Error("with a min_ttl it is another token")
		}
		if n := h.Storage.Accesses() - before; n != 0 || time.Since(begin) > 0 {
			t.Errorf("%d accesses to storage, and a wait of %s", n, time.Since(begin))
		}
		h.Fake.Release()
		h.Succeeds(<-rotation)
	})
}

func TestAReaderWithoutATokenGetsTheOneOfTheWriteThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		write := h.Background(func() mounttest.Answer {
			return h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		})
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		all := readMany(h, 10)
		synctest.Wait()
		h.Fake.Release()
		h.Succeeds(<-write)
		sameToken(h, all, h.Token())
		h.Called(2, 0) // None of the readers has tried the old secret.
	})
}

func TestADeleteDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		reader := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		synctest.Wait()
		deletion := h.Background(func() mounttest.Answer { return h.Remove("config", nil) })
		synctest.Wait()
		h.Fake.Release()
		h.Succeeds(<-deletion)
		<-reader // It may have been served before.
		h.Fails(h.Read("token", nil), 400, "not configured")
		if _, found := h.Storage.Peek("config"); found {
			t.Error("something is still in storage")
		}
	})
}

// After a failover, storage is slow, and a fleet reads at once: with a fresh token in
// storage, and with an expired one.
func TestAFleetAfterAFailoverSharesTheReadOfStorage(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{time.Minute, 3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(age)
			h.Restart()
			h.Storage.AfterGet = func(key string) {
				if key == "config" {
					h.Pass(time.Second)
				}
			}
			before := h.Storage.Accesses()
			var reads []<-chan mounttest.Answer
			for i := range 500 { // Half of them ask for more time.
				reads = append(reads, h.Background(func() mounttest.Answer {
					return h.Read("token", map[bool]mounttest.Fields{true: {"min_ttl": "10m"}}[i%2 == 0])
				}))
			}
			for _, read := range reads {
				h.Succeeds(<-read)
			}
			if n := h.Storage.Accesses() - before; n > 10 {
				t.Errorf("%d accesses to storage for 500 readers of a token that is %s old", n, age)
			}
		})
	}
}
