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

// slowRefresh returns a mount whose token is due for a refresh that will take twenty
// seconds.
func slowRefresh(t *testing.T) (h *mounttest.Harness, old string) {
	t.Helper()
	h = mounttest.NewConfigured(t, nil)
	old = h.Token()
	h.Pass(91 * time.Minute)
	h.Fake.Order(fakefinicity.Fault{
		Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlow, Delay: 20 * time.Second,
	})
	return h, old
}

func TestNoReaderOfAUsableTokenWaitsForASlowRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, old := slowRefresh(t)
		begun := time.Now()
		for range 20 {
			if h.Token() != old {
				t.Error("the read does not return the usable token")
			}
		}
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the reads took %s", waited)
		}
		h.Pass(21 * time.Second)
		if h.Token() == old {
			t.Error("the refresh did not continue")
		}
		h.Called(2, 0)
	})
}

func TestAfterARestartNoReaderOfAUsableTokenWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, old := slowRefresh(t)
		h.Restart()
		begun := time.Now()
		sameToken(h, readMany(h, 20), old)
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the reads took %s", waited)
		}
		h.Pass(20 * time.Second)
		h.Called(2, 0)
	})
}

// During an outage, a read of a usable token does not wait for a command that holds the
// credential's lock.
func TestDuringAnOutageAUsableTokenIsServedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(91 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "600"})
		h.Warned(h.Refreshed(), "maintenance")
		before := h.Storage.Accesses()
		for range 100 {
			h.Warned(h.Refreshed(), "maintenance")
		}
		if n := h.Storage.Accesses() - before; n > 0 {
			t.Errorf("while Finicity is down, reads make %d accesses to storage", n)
		}
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
		verify := h.Background(func() mounttest.Answer { return h.Write("config/verify", nil) })
		synctest.Wait()
		begun := time.Now()
		h.Warned(h.Read("token", nil), "maintenance")
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the read took %s", waited)
		}
		h.Succeeds(<-verify)
	})
}

// The reader who has started a refresh leaves before its turn. The others still get the
// token.
func TestARefreshDoesNotEndWithTheReaderWhoBeganIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
		verify := h.Background(func() mounttest.Answer { return h.Write("config/verify", nil) })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		first := h.Background(func() mounttest.Answer { return h.Send(ctx, logical.ReadOperation, "token", nil) })
		synctest.Wait()
		second := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		synctest.Wait()
		leave()
		h.Fails(<-first, 503, "the request ended")
		h.Succeeds(<-second)
		h.Succeeds(<-verify)
		h.Called(2, 0)
	})
}
