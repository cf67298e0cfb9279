// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// newLog returns a function that checks the log lines since its last call: each of
// these once, and no other line above level info.
func newLog(h *mounttest.Harness) (said func(what string, want ...string)) {
	since := 0
	return func(what string, want ...string) {
		h.T.Helper()
		log := h.Leaks.Log()
		added := strings.Split(strings.TrimSuffix(log[since:], "\n"), "\n")
		since = len(log)
		alarms := 0
		for _, line := range added {
			if strings.Contains(line, "[WARN]") || strings.Contains(line, "[ERROR]") {
				alarms++
			}
		}
		for _, line := range want {
			level, text, _ := strings.Cut(line, " ")
			found := 0
			for _, line := range added {
				if strings.Contains(line, "["+level+"]") && strings.Contains(line, text) {
					found++
				}
			}
			if found != 1 {
				h.T.Errorf("%s: %d lines with %q", what, found, line)
			}
			if level != "INFO" {
				alarms--
			}
		}
		if alarms != 0 {
			h.T.Errorf("%s: %d more lines above info than expected: %s", what, alarms, h.Leaks.Hide(strings.Join(added, "\n")))
		}
	}
}

const ofPartner = ": partner_id=" + mounttest.PartnerID

// Operators build alerts on these lines: error if they must act, a warning for each
// refusal and failed rotation.
func TestEachChangeOfStateIsALineInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		said := newLog(h)
		h.Configure(mounttest.Fields{"rotation_period": "3h"})
		said("a write", "INFO configuration written"+ofPartner)
		h.Rotate()
		said("a rotation", "INFO authenticated"+ofPartner, "INFO rotated the partner secret"+ofPartner,
			"INFO the new partner secret is in effect"+ofPartner)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
		said("a refusal", "WARN authentication failed"+ofPartner, "WARN authentication state changed"+ofPartner+" state=held rejected=1 left=3")
		h.Pass(5 * time.Minute)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
		said("another refusal", "WARN authentication failed"+ofPartner, "ERROR authentication state changed"+ofPartner+" state=stopped rejected=2 left=2")
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
		said("a read while attempts are stopped")
		h.Pass(time.Hour)
		h.Tick()
		said("a rotation that is held back", "WARN rotation failed"+ofPartner, "INFO the scheduled rotation will be retried"+ofPartner)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		said("the right secret", "INFO authentication state changed"+ofPartner+" state=ok", "INFO configuration written"+ofPartner)
		h.Interrupt(true)
		said("a lost answer", "WARN the outcome of a rotation is unknown"+ofPartner)
		h.Pass(time.Minute)
		h.Tick()
		said("resolving", "INFO authenticated"+ofPartner, "INFO the new partner secret is in effect"+ofPartner)
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "24302")
		said("the lock", "WARN authentication failed"+ofPartner, "ERROR authentication state changed"+ofPartner+" state=locked rejected=3 left=1")
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		said("a delete", "INFO configuration deleted"+ofPartner)
	})
}

// A change that Finicity refuses has failed. For a change without an answer, the log
// says "unknown" and not "failed". A colleague's typo is no reason to check the stored
// credential.
func TestTheLogTellsARefusedWriteFromTheStoredCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		said := newLog(h)
		h.Configure(nil)
		said("a write", "INFO configuration written"+ofPartner)
		h.Guesses(1)
		said("a typo", "WARN authentication with a new credential failed"+ofPartner)
		h.Succeeds(h.Write("config/verify", nil))
		said("the stored credential", "INFO authenticated"+ofPartner)
	})
}

func TestAnUnknownRotationIsNotCalledFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		said := newLog(h)
		said("a write", "INFO configuration written"+ofPartner)
		h.Interrupt(false)
		said("by hand", "WARN the outcome of a rotation is unknown"+ofPartner)
		h.Pass(time.Minute)
		h.Succeeds(h.Write("config/verify", nil))
		said("resolving", "WARN authentication failed"+ofPartner, "WARN authentication state changed"+ofPartner+" state=held",
			"INFO authentication state changed"+ofPartner+" state=ok", "INFO authenticated"+ofPartner)
		nextChange(h, lostAnswer(false))
		h.Pass(time.Hour)
		h.Tick()
		said("by schedule", "INFO authenticated"+ofPartner, "WARN the outcome of a rotation is unknown"+ofPartner,
			"INFO the scheduled rotation will be retried"+ofPartner)
		if h.Leaks.Logged("rotation failed") || len(h.Recorded("finicity/root-rotate-fail")) > 0 {
			t.Error("a rotation with an unknown outcome is called failed")
		}
	})
}

// An alert on warnings must not fire without a reason.
func TestAHealthyMountLogsNoWarning(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		t.Run(fmt.Sprintf("grace %v", grace), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "48h", "secret_grace_period": grace})
				said := newLog(h)
				use(h, 6*day)
				h.Restart()
				use(h, 6*day)
				h.Rotate()
				said("two weeks of use")
				if n := changes(h); n != 7 {
					t.Errorf("%d rotations", n)
				}
			})
		})
	}
}

// A failure of storage is not one of Finicity. The log shows it once for each write,
// and Vault's own alerts do the rest.
func TestAFailedWriteIsALineInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		said := newLog(h)
		said("a write", "INFO configuration written"+ofPartner)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		h.Fails(h.Write("rotate-root", nil), http.StatusInternalServerError)
		said("a rotation", "WARN a write to storage failed", "WARN rotation failed"+ofPartner)
	})
}

// A new process stops after one refusal with a code, even if its predecessor got that
// refusal.
func TestAStopThatBeginsWithARestartIsAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fails(h.Read("token", nil), 400)
		if got := h.Read("status", nil).Data["authentication"]; got != "held" {
			t.Fatalf("it is %v", got)
		}
		h.Restart()
		for range 10 {
			h.Pass(time.Minute)
			h.Tick()
			h.Read("token", nil)
		}
		if got := h.Read("status", nil).Data["authentication"]; got != "stopped" {
			t.Fatalf("it is %v", got)
		}
		if !strings.Contains(h.Leaks.Log(), "[ERROR]") {
			t.Error("the mount is stopped, and nothing was logged at level error")
		}
		if len(h.Recorded("finicity/attempts-stopped")) == 0 {
			t.Error("the mount is stopped, and no event went out")
		}
	})
}

// A process that has just started has not logged a stop, and an attempt of an operator
// must not hide the stop.
func TestEveryRequestReportsAStopAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Read("token", nil)
		h.Pass(6 * time.Minute)
		h.Read("token", nil)
		h.Restart()
		n := len(h.Recorded("finicity/attempts-stopped"))
		h.Write("config/verify", nil) // Refused.
		for range 5 {
			h.Tick()
			h.Pass(time.Minute)
		}
		if got := len(h.Recorded("finicity/attempts-stopped")); got != n+1 {
			t.Errorf("announced %d times before the restart, %d after it", n, got-n)
		}
	})
}

// A write to another address reports the same lock. It is one alert.
func TestALockAtAnotherAddressIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Tick()
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Write("config", move(elsewhere, h.Guess(0)))
		h.Tick()
		h.Tick()
		if n := len(h.Recorded("finicity/attempts-stopped")); n != 1 {
			t.Errorf("announced %d times", n)
		}
	})
}

// A fleet makes thousands of reads, and a line for each would hide all others.
func TestReadsDoNotFloodTheLogWhileStorageFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(100 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		before := h.Storage.Accesses()
		for range 1000 {
			h.Read("token", nil)
		}
		if n := strings.Count(h.Leaks.Log(), "a write to storage failed"); n > 100 {
			t.Errorf("%d lines for 1000 reads, %d accesses", n, h.Storage.Accesses()-before)
		}
	})
}

// An idle mount without a schedule, on a node whose storage accepts no writes.
func TestAnIdleMountOnReadOnlyStorageIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		for range 24 * 60 {
			h.Pass(time.Minute)
			// Vault logs the returned error.
			_, _ = h.B.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
		}
		if n := strings.Count(h.Leaks.Log(), "a write to storage failed"); n != 1 {
			t.Errorf("the log says so %d times in a day", n)
		}
	})
}
