// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// outageOver lets the token expire, refuses writes for ten minutes of reads, and lets
// Vault's call once a minute repeat the write that failed.
func outageOver(h *mounttest.Harness) {
	h.Pass(2 * time.Hour)
	h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
	for range 610 {
		h.Read("token", nil)
		h.Pass(time.Second)
	}
	h.Storage.Heal()
	h.Tick()
	synctest.Wait()
}

func TestOnceStorageTakesAWriteNothingWaits(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(h *mounttest.Harness) mounttest.Answer{
		"token":         func(h *mounttest.Harness) mounttest.Answer { return h.Read("token", nil) },
		"rotate-root":   func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-root", nil) },
		"rotate-token":  func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-token", nil) },
		"config/verify": func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) },
		"the same credential": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Credentials(nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				outageOver(h)
				statusShows(h, mounttest.Fields{"token_available": true, "storage_error": "", "retry_time": nil})
				a := ask(h)
				h.Succeeds(a)
				h.Warned(a)
			})
		})
	}
}

func TestOnceStorageTakesAWriteAPendingRotationIsResolved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Interrupt(true)
		outageOver(h)
		statusShows(h, mounttest.Fields{"rotation_pending": false})
	})
}

// This node lost its storage when it stepped down. It is the active node again.
func TestAReadAfterAnotherNodeHasWrittenDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		h.Fails(h.Read("token", nil), 500, "storage is out of order")
		h.Fails(h.Read("token", nil), 503, "the next request is sent in")
		h.B.InvalidateKey(t.Context(), "config")
		h.Token()
	})
}

// One read failed, and since then no client has read.
func TestTheTokenOfAnIdleMountIsAvailableOnceStorageWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		h.Read("token", nil)
		h.Pass(time.Minute)
		h.Tick()
		statusShows(h, mounttest.Fields{"token_available": true})
	})
}

// The other node writes between this node's read and its charge. Storage works.
func TestAnOvertakenChargeDoesNotDelayTheNextRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		one, reads := h.B, 0
		h.Storage.BeforeGet = func(key string) {
			if key != "config" {
				return
			}
			if reads++; reads == 2 {
				h.Restart()
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
				h.B = one
			}
		}
		h.Fails(h.Read("token", nil), 503, "try again")
		h.Token()
	})
}

// After a 401 from Finicity, a fleet calls rotate-token. One charge took effect.
func TestACommandThatFailsOftenIsCountedAsNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(10 * time.Minute)
		for i := range 1200 {
			h.Storage.Heal()
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: i == 0})
			h.Write("rotate-token", nil)
			h.Pass(100 * time.Millisecond)
		}
		h.Storage.Heal()
		h.Pass(time.Minute)
		statusShows(h, mounttest.Fields{"authentication": "ok", "attempts_left": 4})
	})
}

// Readers with a min_ttl needed a refresh during an outage. It ends before the token is
// due.
func TestAReaderIsNotToldOfAnOutageFromBeforeTheTokenWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(80 * time.Minute)
		h.Down()
		for range 9*60 + 50 {
			h.Read("token", mounttest.Fields{"min_ttl": "85m"})
			h.Pass(time.Second)
		}
		h.Pass(11 * time.Second)
		h.Warned(h.Read("token", nil))
	})
}

func TestALaterFailureDoesNotShortenARetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, Body: "slow down", RetryAfter: "600"})
		h.Fails(h.Read("token", nil), 502, "slow down")
		h.Pass(10 * time.Second)
		h.Answering(503, "maintenance", 1)
		h.Fails(h.Write("config/verify", nil), 400, "maintenance")
		h.Pass(10 * time.Second)
		h.Fails(h.Read("token", nil), 503, "9m40s")
		h.Called(3, 0)
	})
}
