// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestWhileFinicityIsDownCallsGetRarerAndReadsInBetweenMakeNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.down()
		for i, wait := range []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s", "1m0s"} {
			h.fails(h.read("token", nil), 502, "HTTP 503", "maintenance")
			h.called(2+i, 0)
			for range 3 {
				h.fails(h.read("token", nil), 503, "maintenance", "the next call is made in "+wait+" at the earliest")
			}
			d, err := time.ParseDuration(wait)
			if err != nil {
				t.Fatal(err)
			}
			h.pass(d - 1)
			h.fails(h.read("token", nil), 503, "the next call is made in 1s at the earliest")
			h.called(2+i, 0)
			h.pass(1)
		}
		h.fake.ClearFaults()
		h.token()
	})
}

func TestWhileFinicityIsDownAUsableTokenIsServedWithAWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		h := newConfigured(t, nil)
		token := h.token()
		h.down()
		h.pass(90 * time.Minute)
		for range 10 {
			a := h.read("token", nil)
			h.lease(a)
			h.warned(a, "failed", "maintenance", "This one is good until 2000-01-01T01:55:00Z")
			if a.data["token"] != token {
				t.Error("another token")
			}
		}
		h.called(2, 0)
		for time.Since(issued) < 115*time.Minute-2*time.Second {
			h.succeeds(h.read("token", nil))
			h.pass(time.Second)
		}
		if n := h.calls(fakefinicity.CallAuthenticate) - 1; n < 25 || n > 31 { // One a minute, and the first six.
			t.Errorf("%d calls within 25 minutes", n)
		}
		h.fake.ClearFaults()
		h.pass(time.Minute)
		a := h.read("token", nil)
		h.succeeds(a)
		h.warned(a)
	})
}

func TestRetryAfterOfFinicityIsObeyedByReadsAndNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"})
		h.fails(h.read("token", nil), 502, "HTTP 429")
		h.pass(30 * time.Second)
		h.fails(h.read("token", nil), 503, "the next call is made in 1m0s at the earliest")
		h.called(2, 0)
		h.pass(time.Minute)
		h.token()
		h.called(3, 0)
	})
}

func TestRetryAfterOfAChangeOfSecretIsObeyedByReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"})
		h.fails(h.write("rotate-root", nil), 400, "HTTP 429")
		h.pass(40 * time.Second) // Longer than settling waits for the call itself.
		h.fails(h.read("token", nil), 503, "the next call is made in 50s at the earliest")
		h.called(1, 1)
		h.pass(50 * time.Second)
		h.token()
		h.settled()
	})
}

func TestEveryUnreadableAnswerIsAFailureForNow(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"lost":       {Kind: fakefinicity.KindLost},
		"dropped":    {Kind: fakefinicity.KindDropped},
		"cut":        {Kind: fakefinicity.KindCut},
		"garbage":    {Kind: fakefinicity.KindGarbage},
		"no token":   {Kind: fakefinicity.KindStatus, Status: 200, Body: `{"tok":"x"}`},
		"a redirect": {Kind: fakefinicity.KindStatus, Status: 307, Header: map[string]string{"Location": "http://x/"}},
		"time-out":   {Kind: fakefinicity.KindSlow, Delay: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				h.fake.Order(fault)
				h.fails(h.read("token", nil), 502, "Finicity ")
				h.fails(h.read("token", nil), 503, "the next call is made in 1s")
				h.pass(time.Second)
				h.token()
				h.called(3, 0)
			})
		})
	}
}

// rejections are the verdicts that end automatic calls.
func rejections() map[string]fakefinicity.Fault {
	status := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	return map[string]fakefinicity.Fault{
		"10001":   status(401, `{"code":10001,"message":"Invalid credentials"}`),
		"10021":   status(401, `{"code":"10021","message":"Not authorized"}`),
		"10026":   status(401, `{"code":10026,"message":"Invalid (Finicity-App-Key)"}`),
		"text":    status(401, `Invalid (Finicity-App-Key)`),
		"12401":   status(404, `{"Errors":{"Error":[{"ReasonCode":"12401","Description":"partner not found"}]}}`),
		"blocked": status(403, `<html><title>Access denied</title></html>`),
		"10005":   status(400, `{"code":10005,"message":"Missing parameter"}`),
		"locked":  status(500, `{"code":24302,"message":"we've locked your account"}`),
	}
}

// The secret was right all the time: the partner is unlocked, the block lifted. Nobody but the engine knows a secret
// that it has rotated, so there must be a way without it.
func TestReadsGoOnAfterASuccessOfAPerson(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path            string
		data            fields
		calls, rotation int
	}{
		"verify":     {"config/verify", nil, 1, 0},
		"by force":   {"config/verify", fields{"force": true}, 1, 0},
		"a rotation": {"rotate-root", nil, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				h.answering(http.StatusForbidden, "", 2)
				h.fails(h.read("token", nil), 400, "US and Canada")
				h.pass(5 * time.Minute)
				h.fails(h.read("token", nil), 400, "US and Canada")
				h.fails(h.read("token", nil), 400, "US and Canada")
				h.called(3, 0)
				h.succeeds(h.write(test.path, test.data))
				h.called(3+test.calls, test.rotation)
				h.token()
				h.pass(2 * time.Hour)
				h.token()
				h.called(4+test.calls, test.rotation)
			})
		})
	}
}

func TestAWriteThatIsRejectedLeavesReadsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		h.fails(h.read("token", nil), 400, "10001")
		h.fails(h.write("config", fields{"app_key": newKey}), 400, "nothing was stored", "10026")
		h.succeeds(h.write("config", fields{"request_timeout": "10s"})) // Says nothing of the credential.
		h.fails(h.read("token", nil), 400, "no call was made", "10026")
		h.called(3, 0)
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		h.token()
		h.called(4, 0)
	})
}

func TestReadsOfAMountThatIsNotConfiguredSaySo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, data := range []fields{nil, {"min_ttl": "1h"}} {
			h.fails(h.read("token", data), 400, "not configured", "vault write finicity/config partner_id=…")
		}
		h.configure(nil)
		h.token()
		h.called(1, 0)
	})
}

func TestAReadReportsAStorageFailureAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.restart()
		for _, data := range []fields{nil, {"min_ttl": "1h"}} {
			h.storage.fail(storageFault{on: get(configKey)})
			h.fails(h.read("token", data), 500, "reading the configuration from storage")
		}
		h.token()
		h.called(1, 0)
	})
}
