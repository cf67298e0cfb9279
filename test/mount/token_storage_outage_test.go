// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
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

// Gateways send small values.
func TestARetryAfterOfASecondDoesNotShortenTheBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "1", Count: 10_000})
		for range 20 * 60 {
			h.Read("token", nil)
			h.Pass(time.Second)
		}
		if n := len(h.Fake.Requests()) - 1; n > 25 {
			t.Errorf("%d requests in 20 minutes", n)
		}
	})
}

// Finicity is down for five minutes around the refresh mark of a shorter lifetime.
func TestRetryAfterDoesNotOutlastAShorterToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "1h"})
		h.Pass(43 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "3600", Count: 1000})
		failed := 0
		for i := range 60 * 60 {
			if i == 5*60 {
				h.Fake.ClearFaults()
			}
			if a := h.Read("token", nil); a.Status != 200 {
				failed++
			}
			h.Pass(time.Second)
		}
		if failed > 0 {
			t.Errorf("%d reads failed, one a second, after an outage of 5 minutes", failed)
		}
	})
}

// An outage of seven minutes: first a gateway's 502, then a maintenance page.
func TestALateRetryAfterDoesNotOutlastTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(90 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 502, Body: "bad gateway", Count: 1000})
		failed := 0
		for i := range 60 * 60 {
			switch i {
			case 6 * 60:
				h.Fake.ClearFaults()
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "3600", Count: 1000})
			case 7*60 + 30:
				h.Fake.ClearFaults()
			}
			if a := h.Read("token", nil); a.Status != 200 {
				failed++
			}
			h.Pass(time.Second)
		}
		if failed > 0 {
			t.Errorf("%d reads failed, one a second, after an outage of 7m30s", failed)
		}
	})
}

// A new process (restart, failover) that has not served the stored token yet: an operator
// or Vault's call once a minute makes the first call to Finicity.
func TestRetryAfterDoesNotOutlastTheTokenOfANewProcess(t *testing.T) {
	t.Parallel()
	for name, tick := range map[string]bool{"config/verify": false, "pending rotation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(104 * time.Minute)
				h.Token()
				synctest.Wait()
				if tick { // The token is replaced at 104m: wait again.
					h.Pass(100 * time.Minute)
					nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
					h.Write("rotate-root", nil)
				} else {
					h.Pass(100 * time.Minute)
				}
				h.Restart()
				h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "3600", Count: 1000})
				if tick {
					h.Pass(5 * time.Minute)
					h.Tick()
					h.Pass(time.Minute) // The clock of a new process lags: the change might still be running.
					h.Tick()
				} else {
					h.Write("config/verify", nil)
				}
				failed, first := 0, ""
				for i := range 40 * 60 {
					if i == 2*60 {
						h.Fake.ClearFaults()
					}
					if a := h.Read("token", nil); a.Status != 200 {
						if failed++; failed == 1 {
							first = h.Leaks.Hide(a.Text)
						}
					}
					h.Pass(time.Second)
				}
				if failed > 0 {
					t.Errorf("%d reads failed, one a second, after an outage of 2 minutes that ended long before the token did: %s", failed, first)
				}
			})
		})
	}
}
