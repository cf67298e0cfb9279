// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// slowRefresh is a mount whose token is due for a refresh that will take twenty seconds.
func slowRefresh(t *testing.T) (h *harness, old string) {
	t.Helper()
	h = newConfigured(t, nil)
	old = h.token()
	h.pass(91 * time.Minute)
	h.fake.Order(fakefinicity.Fault{
		Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlow, Delay: 20 * time.Second,
	})
	return h, old
}

func TestWithATokenAtHandNobodyWaitsLongForASlowRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, old := slowRefresh(t)
		begun := time.Now()
		if h.token() != old {
			t.Error("it is not the token at hand")
		}
		if waited := time.Since(begun); waited != refreshPatience {
			t.Errorf("the read took %s, want %s", waited, refreshPatience)
		}
		h.pass(20 * time.Second)
		if h.token() == old {
			t.Error("the refresh did not go on")
		}
		h.called(2, 0)
	})
}

func TestATokenThatIsDroppedWhileAReadWaitsIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := slowRefresh(t)
		reading := h.background(func() answer { return h.read("token", nil) })
		h.pass(time.Second)
		h.b.invalidate(t.Context(), configKey) // Another node has changed the configuration.
		h.fails(<-reading, 503, "changed while the token was read")
		h.pass(30 * time.Second)
	})
}
