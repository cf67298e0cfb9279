// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// slowRefresh is a mount whose token is due for a refresh that will take twenty seconds.
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

func TestWithATokenAtHandNobodyWaitsLongForASlowRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, old := slowRefresh(t)
		begun := time.Now()
		if h.Token() != old {
			t.Error("it is not the token at hand")
		}
		if waited := time.Since(begun); waited != 3*time.Second {
			t.Errorf("the read took %s, want 3s", waited)
		}
		h.Pass(20 * time.Second)
		if h.Token() == old {
			t.Error("the refresh did not go on")
		}
		h.Called(2, 0)
	})
}

func TestATokenThatIsDroppedWhileAReadWaitsIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := slowRefresh(t)
		reading := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		h.Pass(time.Second)
		h.B.InvalidateKey(t.Context(), "config") // Another node has changed the configuration.
		h.Fails(<-reading, 503, "changed while the token was read")
		h.Pass(30 * time.Second)
	})
}
