// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The node is a standby node, and has stored everything that it knows.
func TestAfterADeleteNoSettledRefusalReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Guesses(3)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Read("token", nil), 400, "10001")
		one := h.B // The future standby node.
		h.Restart()
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		use(h, 3*day)
		h.Succeeds(h.Remove("config", nil))
		h.Pass(3 * day)
		h.B = one
		h.Tick()
		h.Succeeds(h.Write("config", mounttest.Credentials(nil)))
	})
}

func TestADamagedEntryForgetsNoRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		h.Storage.Plant("config", []byte("{"))
		h.Fails(h.Read("status", nil), 500, "force=true")
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		for i := range 4 {
			h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i + 3)}))
		}
		atMost(h, 4)
	})
}

// The wall clock was set back, so the new configuration has earlier times than the
// deleted one.
func TestADeletedSecretDoesNotComeBackWithAnEarlierClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		leaked := storedCurrent(h)
		one := h.B
		h.Restart()
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.SetClock(-time.Hour)
		h.Restart()
		h.Configure(mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		signs(h, leaked, "")
		h.B = one
		signs(h, leaked, "")
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(0)
	})
}

func TestADeleteThatTookEffectStaysOne(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{0, 1} {
		t.Run(fmt.Sprint(refusals), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Guesses(refusals)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: true})
				h.Storage.Fail(mounttest.Fault{On: mounttest.Del("config"), Applied: true})
				h.Fails(h.Remove("config", nil), 500)
				h.Storage.Heal()
				one := h.B
				h.Restart()
				statusShows(h, mounttest.Fields{"configured": false})
				h.Pass(time.Hour)
				h.B = one
				h.Tick()
				if h.IsConfigured() {
					t.Error("the deleted configuration has come back")
				}
			})
		})
	}
}
