// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Storage takes no writes for 20 minutes. One failed write in a hundred takes effect all
// the same, so its charge is in storage, and the engine must know that it is its own.
func TestAnOutageOfStorageIsCountedAsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"with a token": 91 * time.Minute, "without a token": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(age)
				writes := h.Storage.Accesses(mounttest.Put("config"))
				for i := range 20 * 60 * 10 {
					h.Storage.Heal()
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: i%100 == 0})
					h.Read("token", nil)
					synctest.Wait()
					h.Pass(100 * time.Millisecond)
				}
				if n := h.Storage.Accesses(mounttest.Put("config")) - writes; n > 30 {
					t.Errorf("12000 reads made %d writes", n)
				}
				h.Storage.Heal()
				h.Pass(time.Minute)
				statusShows(h, mounttest.Fields{"authentication": "ok", "attempts_left": 4})
				h.Refreshed()
				h.Called(2, 0)
			})
		})
	}
}

// Each failed refresh reads storage, also when no call is made.
func TestReadsOfADueTokenCostOneReadOfStorageASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(91 * time.Minute)
		h.Warned(h.Refreshed(), "10001")
		before := h.Storage.Accesses()
		for range 1000 {
			h.Refreshed()
			h.Pass(10 * time.Millisecond)
		}
		if n := h.Storage.Accesses() - before; n > 12 {
			t.Errorf("1000 reads in ten seconds cost %d accesses to storage", n)
		}
	})
}

// While Finicity was down for a moment, a reader requested a min_ttl longer than the
// token had left.
func TestAReaderIsNotToldOfAFailureFromBeforeTheTokenWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(35 * time.Minute)
		h.Answering(http.StatusServiceUnavailable, "maintenance", 1)
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "85m"}), http.StatusBadGateway, "maintenance")
		h.Pass(56 * time.Minute)
		h.Warned(h.Read("token", nil))
	})
}
