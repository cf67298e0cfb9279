// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

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

// maintenance is a page that asks callers to come back in an hour.
var maintenance = fakefinicity.Fault{
	Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", RetryAfter: "3600", Count: 1000,
}

// noReadFails reads the token once a second for that time. An outage that has begun ends
// after ends.
func noReadFails(h *mounttest.Harness, during, ends time.Duration) {
	h.T.Helper()
	begun, failed := h.Now(), 0
	for ended := false; h.Now().Sub(begun) < during; h.Pass(time.Second) {
		if !ended && h.Now().Sub(begun) >= ends {
			h.Fake.ClearFaults()
			ended = true
		}
		if a := h.Read("token", nil); a.Status != 200 {
			failed++
		}
	}
	if failed > 0 {
		h.T.Errorf("%d reads failed, one a second, because of an outage of %s", failed, ends)
	}
}

// Finicity is down around the refresh mark, for less than the token can be served.
func TestRetryAfterDoesNotOutlastTheToken(t *testing.T) {
	t.Parallel()
	for lifetime, test := range map[string]struct{ begins, ends time.Duration }{
		"2h": {80 * time.Minute, 20 * time.Minute},
		"1h": {43 * time.Minute, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": lifetime})
			h.Pass(test.begins)
			h.Fake.Order(maintenance)
			noReadFails(h, 2*time.Hour, test.ends)
		})
	}
}

// First a gateway answers 502, and then a maintenance page comes.
func TestALateRetryAfterDoesNotOutlastTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(90 * time.Minute)
		h.Answering(502, "bad gateway", 1000)
		noReadFails(h, 6*time.Minute, 6*time.Minute)
		h.Fake.ClearFaults()
		h.Fake.Order(maintenance)
		noReadFails(h, time.Hour, 90*time.Second)
	})
}

// A new process has not served the stored token yet. An operator, or Vault's call once a
// minute, makes its first call to Finicity.
func TestRetryAfterDoesNotOutlastTheTokenOfANewProcess(t *testing.T) {
	t.Parallel()
	for name, pending := range map[string]bool{"config/verify": false, "a pending rotation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(100 * time.Minute)
				if pending {
					nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
					h.Write("rotate-root", nil)
				}
				h.Restart()
				h.Fake.Order(maintenance)
				if pending {
					h.Pass(5 * time.Minute)
					h.Tick()
					h.Pass(time.Minute) // The clock of a new process lags, so the change might still be running.
					h.Tick()
				} else {
					h.Write("config/verify", nil)
				}
				noReadFails(h, 40*time.Minute, 2*time.Minute)
			})
		})
	}
}
