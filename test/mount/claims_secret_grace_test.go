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

// With a grace period, Finicity accepts the old secret for 30 more days, so an accepted
// secret need not be the one that remains valid. Each of these tests continues until
// the grace period has ended.

const (
	day        = 24 * time.Hour
	graceEnded = 33 * day
)

// A gateway answers 403 to a change that Finicity has carried out, and the next change
// succeeds. Later, an answer without a verdict makes the engine try the first secret,
// which still works for 30 days. If the engine then discarded the second one, the
// secret would be lost when the first one stops working.
func TestAMisleadingRefusalLosesNoSecretUnderGrace(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"401 without a code": "",
		"401 with 10021":     `{"code":10021,"message":"Not authorized"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 403})
				h.Write("rotate-root", nil)
				changed(h, 1)
				h.Pass(10 * time.Minute)
				h.Rotate()
				changed(h, 2)
				h.Pass(2 * time.Hour)
				refuseNext(h, 1, body)
				use(h, graceEnded)
				stillServes(h)
			})
		})
	}
}

// The same without an operator: the answer to a scheduled change is lost, the engine
// gets a 401 without a code while it resolves the rotation, and another one a day
// later. The schedule alone must not lose the secret.
func TestTheScheduleAloneLosesNoSecretUnderGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true, "rotation_period": "720h"})
		use(h, 30*day-time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
		tickUntilChanged(h, 1)
		refuseNext(h, 1, "")
		tickUntilChanged(h, 2) // The schedule retries, based on what the engine has found.
		use(h, day)
		refuseNext(h, 1, "")
		use(h, graceEnded)
		stillServes(h)
	})
}

// The answer to a change is lost, a colleague then stores a wrong secret, and three
// answers have no verdict. An operator who follows the errors must not end up with the
// secret that was rotated away, which works for only 30 days.
func TestAWrongSecretOnTopOfALostAnswerLosesNothingUnderGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
		h.Write("rotate-root", nil)
		changed(h, 1)
		h.Pass(time.Minute)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Pass(2 * time.Hour)
		refuseNext(h, 2, "")
		asAdvised(h)
		h.Pass(25 * time.Hour) // No app needs a token on a Sunday.
		refuseNext(h, 1, "")
		asAdvised(h)
		use(h, graceEnded)
		stillServes(h)
	})
}

// A copy of a change arrives after the next change. Its old secret still works, so
// Finicity carries it out, and the secret of the first change is in effect again. The
// engine must still try that secret when the second one stops working.
func TestALateCopyOfAnEarlierChangeLosesNoSecretUnderGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindTwice, Delay: 2 * time.Hour})
		h.Rotate()
		h.Pass(time.Hour)
		h.Rotate()
		changed(h, 2)
		h.Pass(time.Hour + time.Minute)
		changed(h, 3)
		use(h, graceEnded)
		stillServes(h)
	})
}

// asAdvised is an app that reads, and an operator who then verifies, as the error says.
func asAdvised(h *mounttest.Harness) {
	h.T.Helper()
	for range 3 {
		if h.Read("token", nil).Status == http.StatusOK {
			return
		}
		h.Pass(6 * time.Minute)
	}
	h.Fake.ClearFaults()
	stillServes(h)
}

// nextChange orders a fault for the next change of the secret.
func nextChange(h *mounttest.Harness, f fakefinicity.Fault) {
	f.Call = fakefinicity.CallModifySecret
	h.Fake.Order(f)
}

// refuseNext has a gateway answer the next n authentications with a 401, without
// calling Finicity.
func refuseNext(h *mounttest.Harness, n int, body string) {
	h.Fake.Order(fakefinicity.Fault{
		Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 401, Body: body, Count: n,
	})
}

// changed checks that Finicity has carried out n changes so far, regardless of the
// answers.
func changed(h *mounttest.Harness, n int) {
	h.T.Helper()
	if got := h.Fake.Counters(mounttest.PartnerID).SecretChanges; got != n {
		h.T.Fatalf("Finicity has carried out %d changes, and the story needs %d", got, n)
	}
}

// tickUntilChanged lets minutes pass until Finicity has carried out n changes, for at
// most two days.
func tickUntilChanged(h *mounttest.Harness, n int) {
	h.T.Helper()
	for range 2 * 24 * 60 {
		if h.Fake.Counters(mounttest.PartnerID).SecretChanges >= n {
			return
		}
		h.Pass(time.Minute)
		h.Tick()
	}
	changed(h, n)
}

// use lets time pass as on a mount in use: each hour, Vault's periodic call and an app
// that reads.
func use(h *mounttest.Harness, d time.Duration) {
	h.T.Helper()
	for range d / time.Hour {
		h.Pass(time.Hour)
		h.Tick()
		h.Read("token", nil)
	}
}

// stillServes checks that a read returns a token that Finicity accepts, after at most
// one config/verify by an operator, and that the partner was never locked.
func stillServes(h *mounttest.Harness) {
	h.T.Helper()
	if h.Read("token", nil).Status != http.StatusOK {
		h.Write("config/verify", nil)
	}
	a := h.Read("token", nil)
	if c := h.Fake.Counters(mounttest.PartnerID); c.Locked || c.WhileLocked > 0 {
		h.T.Fatalf("the partner is locked, after %d wrong attempts", c.Rejected)
	}
	h.Succeeds(a)
	if token, isText := a.Data["token"].(string); !isText || !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
		h.T.Fatal("Finicity does not accept the token")
	}
}
