// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestDuringAnOutageTheEngineBacksOffAndReadsMakeNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Down()
		for i, wait := range []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s", "1m0s"} {
			h.Fails(h.Read("token", nil), 502, "HTTP 503", "maintenance")
			h.Called(2+i, 0)
			for range 3 {
				h.Fails(h.Read("token", nil), 503, "maintenance", "the next request is sent in "+wait+" at the earliest")
			}
			d, err := time.ParseDuration(wait)
			if err != nil {
				t.Fatal(err)
			}
			h.Pass(d - 1)
			h.Fails(h.Read("token", nil), 503, "the next request is sent in 1s at the earliest")
			h.Called(2+i, 0)
			h.Pass(1)
		}
		h.Fake.ClearFaults()
		h.Token()
	})
}

func TestWhileFinicityIsDownAUsableTokenIsServedWithAWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Down()
		h.Pass(90 * time.Minute)
		for range 10 {
			a := h.Refreshed()
			leaseOf(h, a)
			h.Warned(a, "failed", "maintenance", "The current token is valid until 2000-01-01T01:55:00Z")
			if a.Data["token"] != token {
				t.Error("another token")
			}
		}
		h.Called(2, 0)
		for time.Since(issued) < 115*time.Minute-2*time.Second {
			h.Succeeds(h.Read("token", nil))
			h.Pass(time.Second)
		}
		if n := h.Calls(fakefinicity.CallAuthenticate) - 1; n < 25 || n > 31 { // One a minute, and the first six.
			t.Errorf("%d calls within 25 minutes", n)
		}
		h.Fake.ClearFaults()
		h.Pass(time.Minute)
		a := h.Read("token", nil)
		h.Succeeds(a)
		h.Warned(a)
	})
}

// The outage lasts twenty minutes, ten of them before the refresh mark. Two apps read
// each second.
func TestAnOutageAtTheRefreshMarkCostsOneCallAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		readEachSecond := func(during time.Duration) {
			for range during / time.Second {
				h.Succeeds(h.Read("token", nil))
				h.Succeeds(h.Read("static-token", nil))
				h.Pass(time.Second)
			}
		}
		h.Pass(80 * time.Minute)
		h.Down()
		readEachSecond(20 * time.Minute)
		h.Fake.ClearFaults()

		calls := h.Fake.Requests()[1:]
		for i := range calls[1:] {
			wait := min(time.Second<<i, time.Minute)
			if gap := calls[i+1].Time.Sub(calls[i].Time); gap < wait || gap > wait+time.Second {
				t.Errorf("call %d follows after %s, want %s", i+2, gap, wait)
			}
		}
		if n := len(calls); n != 15 { // One a minute, and the first six.
			t.Errorf("%d calls while Finicity was down, want 15", n)
		}
		readEachSecond(time.Minute)
		a := h.Read("token", nil)
		h.Warned(a)
		if a.Data["token"] == old {
			t.Error("a minute after the outage, the token is still the old one")
		}
		h.Called(1+len(calls)+1, 0)
	})
}

func TestRetryAfterOfFinicityIsObeyedByReadsAndNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"})
		h.Fails(h.Read("token", nil), 502, "HTTP 429")
		h.Pass(30 * time.Second)
		h.Fails(h.Read("token", nil), 503, "the next request is sent in 1m0s at the earliest")
		h.Called(2, 0)
		h.Pass(time.Minute)
		h.Token()
		h.Called(3, 0)
	})
}

func TestRetryAfterOfAChangeOfSecretIsObeyedByReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"})
		h.Fails(h.Write("rotate-root", nil), 400, "HTTP 429")
		h.Pass(40 * time.Second) // Longer than the engine waits for the call before it resolves the rotation.
		h.Fails(h.Read("token", nil), 503, "the next request is sent in 50s at the earliest")
		h.Called(1, 1)
		h.Pass(50 * time.Second)
		h.Token()
		h.Resolved()
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
		"timeout":    {Kind: fakefinicity.KindSlow, Delay: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(fault)
				h.Fails(h.Read("token", nil), 502, "Finicity ")
				h.Fails(h.Read("token", nil), 503, "the next request is sent in 1s")
				h.Pass(time.Second)
				h.Token()
				h.Called(3, 0)
			})
		})
	}
}

// The secret was right all the time: the partner is unlocked, or the block is lifted.
// Only the engine has a secret that it has rotated to, so recovery must not need that
// secret.
func TestReadsContinueAfterASuccessOfAnOperator(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{"verify": nil, "by force": {"force": true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Answering(http.StatusForbidden, "", 3)
				for _, wait := range []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour} {
					h.Fails(h.Read("token", nil), 400, "such as the US")
					h.Pass(wait)
				}
				h.Fails(h.Read("token", nil), 400, "no request was sent to Finicity, because an attempt with the stored credential failed: ", "such as the US")
				h.Called(4, 0)
				h.Succeeds(h.Write("config/verify", data))
				h.Token()
				h.Called(5, 0)
				h.Pass(2 * time.Hour)
				h.Token()
				h.Called(6, 0)
			})
		})
	}
}

func TestARefusedWriteLeavesReadsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fails(h.Read("token", nil), 400, "10001")
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400, "nothing was stored", "10026")
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "10s"})) // Says nothing about the credential.
		// The reason for the hold is Finicity's answer about the stored credential.
		h.Fails(h.Read("token", nil), 400, "no request was sent", "10001")
		h.Called(3, 0)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Token()
		h.Called(4, 0)
	})
}

func TestReadsOfAMountThatIsNotConfiguredSaySo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for _, data := range []mounttest.Fields{nil, {"min_ttl": "1h"}} {
			h.Fails(h.Read("token", data), 400, "not configured", "vault write finicity/config partner_id=…")
		}
		h.Configure(nil)
		h.Token()
		h.Called(1, 0)
	})
}

func TestAReadReportsAStorageFailureAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		for _, data := range []mounttest.Fields{nil, {"min_ttl": "1h"}} {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Always: true})
			h.Fails(h.Read("token", data), 500, "reading the configuration from storage")
			h.Storage.Heal()
		}
		h.Token()
		h.Called(1, 0)
	})
}

// A request that was not sent to Finicity says nothing about the outage. If it ended
// the wait, a command that the engine refuses would let the next read call Finicity too
// early.
func TestOnlyAnAnswerEndsTheBackoff(t *testing.T) {
	t.Parallel()
	busy := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "3600"}
	unavailable := func(h *mounttest.Harness) {
		h.Fake.Order(busy)
		h.Fails(h.Read("token", nil), 502, "HTTP 429")
	}
	for name, do := range map[string]func(h *mounttest.Harness){
		"a rotation is pending": func(h *mounttest.Harness) {
			nextChange(h, busy)
			h.Fails(h.Write("rotate-root", nil), 400, "unknown")
			h.Fails(h.Write("config/verify", nil), 503, "a rotation is pending")
		},
		"the attempt cannot be stored": func(h *mounttest.Harness) {
			unavailable(h)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
			h.Fails(h.Write("config/verify", nil), 500, "no request was sent to Finicity, because the attempt could not be stored")
		},
		"the credential was refused before": func(h *mounttest.Harness) {
			h.Guesses(1)
			unavailable(h)
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}), 400, "so the engine does not send it again")
		},
		"the limit is reached": func(h *mounttest.Harness) {
			h.Guesses(3)
			unavailable(h)
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(3)}), 400, "no request was sent")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				do(h)
				calls := len(h.Fake.Requests())
				h.Fails(h.Read("token", nil), 503, "HTTP 429", "the next request is sent in 20m0s")
				h.Pass(20*time.Minute - 1)
				h.Fails(h.Read("token", nil), 503, "HTTP 429", "the next request is sent in 1s")
				if n := len(h.Fake.Requests()) - calls; n != 0 {
					t.Errorf("%d requests were sent", n)
				}
				h.Pass(1)
				h.Token()
			})
		})
	}
}

// Finicity has recovered, so the next outage is a new one, and its waits start at a
// second.
func TestARefusalEndsTheBackoff(t *testing.T) {
	t.Parallel()
	verify := func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) }
	for name, test := range map[string]struct {
		fault fakefinicity.Fault
		do    func(h *mounttest.Harness) mounttest.Answer
	}{
		"refused": {mounttest.Rejections()["10001"], verify},
		"blocked": {mounttest.Rejections()["blocked"], verify},
		"locked":  {mounttest.Rejections()["locked"], verify},
		"refused by policy": {*fates()["refused by policy"].fault, func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("rotate-root", nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Answering(503, "maintenance", 3)
				for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
					h.Fails(h.Read("token", nil), 502, "maintenance")
					h.Fails(h.Read("token", nil), 503, "the next request is sent in "+wait.String())
					h.Pass(wait)
				}
				h.Fake.Order(test.fault)
				h.Fails(test.do(h), 400, "Finicity answered HTTP "+strconv.Itoa(test.fault.Status))
				h.Answering(503, "maintenance", 1)
				h.Fails(verify(h), 400, "maintenance")
				h.Fails(h.Read("token", nil), 503, "maintenance", "the next request is sent in 1s")
			})
		})
	}
}
