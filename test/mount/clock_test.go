// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestTheTimeOfAFailureSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(1)
		h.Read("status", nil)
		before := h.Read("status", nil).Data["last_error_time"]
		h.Pass(20 * time.Hour) // No node is down, and nothing is written.
		for range 60 {
			h.Tick()
			h.Pass(time.Second)
		}
		h.Restart()
		after := h.Read("status", nil).Data["last_error_time"]
		if before != after {
			t.Errorf("last_error_time was %v, and is %v after a restart without downtime", before, after)
		}
	})
}

// No app reads a token, and Vault restarts each day. The engine's clock must not stand
// still.
func TestAReplacedSecretStopsSigningDespiteRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		for range 60 {
			for range 24 {
				h.Pass(time.Hour)
				h.Tick()
			}
			h.Restart()
		}
		signs(h, mounttest.PartnerSecret, "")
	})
}

func TestRefusalsEndAfterADayDespiteRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(2)
		h.Succeeds(h.Write("config/verify", nil))
		for range 10 {
			for range 23 {
				h.Pass(time.Hour)
				h.Tick()
			}
			h.Restart()
		}
		if got := h.Read("status", nil).Data["rejected_attempts"]; fmt.Sprint(got) != "0" {
			t.Errorf("rejected_attempts, of the last 24 hours, is %v after ten days", got)
		}
	})
}

// The wall clock was ahead by 90 days when the secret was rotated.
func TestALastRotationFromTheFutureIsSetToNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.SetClock(90 * 24 * time.Hour)
		h.Rotate()
		h.SetClock(-90 * 24 * time.Hour)
		for range 48 {
			h.Pass(time.Hour)
			h.Tick()
			h.Token()
		}
		at, _ := time.Parse(time.RFC3339, fmt.Sprint(h.Read("status", nil).Data["last_vault_rotation"]))
		if at.After(h.Now()) {
			t.Errorf("last_vault_rotation is %s, and it is %s", at, h.Now())
		}
	})
}

// The wall clock was ahead for one write, on a mount that no app reads from. The hourly
// write waits until the wall clock reaches that time.
func TestAReplacedSecretStopsSigningIfTheClockWasAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		h.SetClock(90 * 24 * time.Hour)
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		h.SetClock(-90 * 24 * time.Hour)
		for range 60 {
			for range 23 {
				h.Pass(time.Hour)
				h.Tick()
			}
			h.Restart()
		}
		signs(h, mounttest.PartnerSecret, "")
	})
}
