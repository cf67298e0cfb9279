// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Vault Agent and the Vault Secrets Operator know a static role by these fields, and want numbers.
func TestAStaticTokenIsTheSharedTokenWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		leased, static := h.Read("token", nil), h.Read("static-token", nil)
		h.Succeeds(static)
		if static.Secret != nil {
			t.Error("it has a lease")
		}
		for _, field := range []string{"token", "app_key", "partner_id", "issue_time", "expire_time"} {
			if static.Data[field] != leased.Data[field] {
				t.Errorf("%s differs", field)
			}
		}
		if static.Data["rotation_period"] != int64(5400) || static.Data["last_vault_rotation"] != leased.Data["issue_time"] {
			t.Errorf("rotation_period %v, last_vault_rotation %v", static.Data["rotation_period"], static.Data["last_vault_rotation"])
		}
		h.Called(1, 0)
	})
}

// A reader that comes back after ttl seconds finds a new token. While there is none, it comes back every few seconds.
func TestTheTTLOfAStaticTokenCountsDownToTheRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		ttl := func(want int64) {
			t.Helper()
			a := h.Read("static-token", nil)
			h.Succeeds(a)
			if a.Data["ttl"] != want {
				t.Errorf("the ttl is %v, want %d", a.Data["ttl"], want)
			}
		}
		first := h.Token()
		ttl(5400)
		h.Pass(1500 * time.Millisecond)
		ttl(5399)
		h.Pass(90*time.Minute - 1500*time.Millisecond - time.Second)
		ttl(5) // One second is left.
		h.Down()
		h.Pass(time.Second)
		h.Refreshed()
		a := h.Read("static-token", nil)
		h.Warned(a, "due for a refresh, which failed")
		if a.Data["ttl"] != int64(5) || a.Data["token"] != first {
			t.Errorf("during an outage the ttl is %v", a.Data["ttl"])
		}
		h.Fake.ClearFaults()
		h.Pass(time.Minute)
		h.Refreshed()
		ttl(5400)
		if h.Token() == first {
			t.Error("the token is still the old one")
		}
	})
}
