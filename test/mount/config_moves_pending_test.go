// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The pending secret is sent to no other address, and may be the one in effect.
func TestAMoveWaitsForAPendingRotation(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %v", applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
				h.Interrupt(applied)
				there := move(elsewhere, mounttest.PartnerSecret)
				h.Fails(h.Write("config", there), 400, "a rotation is pending at the current address", "vault write -f finicity/config/verify")
				h.Pass(time.Minute)
				h.Succeeds(h.Write("config/verify", nil))
				if applied { // The first secret was replaced, and the mount cannot move with it.
					h.Fails(h.Write("config", there), 400, "replaced by a rotation")
					return
				}
				h.Succeeds(h.Write("config", there))
			})
		})
	}
}

// The current address may be gone.
func TestAMoveWithoutVerifyingWaitsForNoRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Interrupt(false)
		h.Succeeds(h.Write("config", joined(move(elsewhere, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false})))
		h.Pass(2 * time.Hour)
		h.Token()
		keepsTheSecret(h)
	})
}

// The other address leads to a server that accepts any secret.
func TestALockStaysOneAtItsAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Read("token", nil)
		statusShows(h, mounttest.Fields{"authentication": "locked"})
		home := h.Stored().Settings.BaseURL
		h.Succeeds(h.Write("config", move(elsewhere, mounttest.PartnerSecret)))
		statusShows(h, mounttest.Fields{"authentication": "ok"})
		h.Token()
		h.Succeeds(h.Write("config", joined(move(home, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false})))
		statusShows(h, mounttest.Fields{"authentication": "locked"})
		n := h.Calls(fakefinicity.CallAuthenticate)
		h.Pass(2 * time.Hour)
		h.Read("token", nil)
		if h.Calls(fakefinicity.CallAuthenticate) != n {
			t.Error("an automatic attempt is made at the address that has said so")
		}
		h.Succeeds(h.Write("config/verify", nil))
		statusShows(h, mounttest.Fields{"authentication": "ok"})
	})
}

func TestARefusalElsewhereEndsNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		address := h.Stored().Settings.BaseURL
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Fails(h.Read("token", nil), 400, "24302")
		h.Succeeds(h.Write("config", move(elsewhere, mounttest.PartnerSecret)))
		h.Pass(2 * time.Hour)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Read("token", nil), 400, "10001")
		h.Succeeds(h.Write("config", joined(move(address, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false})))
		statusShows(h, mounttest.Fields{"authentication": "locked"})
		n := h.Calls(fakefinicity.CallAuthenticate)
		everyMinute(h, 60, func() { h.Read("token", nil) })
		if h.Calls(fakefinicity.CallAuthenticate) != n {
			t.Error("an automatic attempt is made at the address where the partner is locked")
		}
	})
}
