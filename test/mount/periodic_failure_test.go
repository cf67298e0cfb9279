// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// forbidden is a gateway that refuses the next n changes.
func forbidden(h *mounttest.Harness, n int) {
	nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden", Count: n})
}

// Each authentication in between is a success. Finicity may still count the refused
// changes.
func TestTheScheduleStopsAfterTwoRefusedChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		forbidden(h, 1000)
		for range 48 {
			everyMinute(h, 60, func() {})
			h.Succeeds(h.Write("config/verify", nil))
		}
		if n := changes(h); n != 2 {
			t.Errorf("%d changes were sent", n)
		}
		status := h.Read("status", nil).Data
		if text := lastRotationError(h); !strings.Contains(text, "403") ||
			!strings.Contains(text, "vault write -f finicity/rotate-root") || status["next_vault_rotation"] != nil {
			t.Errorf("the status shows %q and %v", text, status["next_vault_rotation"])
		}
		if !h.Leaks.Logged("[WARN]  scheduled rotation is stopped until an operator rotates the secret") {
			t.Error("the log does not say so")
		}
		h.Fake.ClearFaults()
		h.Rotate()
		h.Pass(time.Hour)
		h.Tick()
		if n := changes(h); n != 4 {
			t.Errorf("the schedule does not continue after a manual rotation: %d changes", n)
		}
		h.Resolved()
	})
}

// Vault was down for some hours. When it is back, nothing rotates outside the window.
func TestAWindowThatWasMissedIsSkippedOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cron   string
		back   time.Duration
		atOnce int
	}{
		"back during the day":            {"0 3 * * *", 6 * time.Hour, 0},
		"back in the window of the next": {"0 3,6 * * *", 6*time.Hour + 5*time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": test.cron, "rotation_window": "1h"})
				everyMinute(h, 2*60, func() {})
				h.Pass(test.back - 2*time.Hour)
				h.Restart()
				h.Tick()
				if n := changes(h); n != test.atOnce {
					t.Errorf("%d rotations at once", n)
				}
				if !h.Leaks.Logged("[WARN]  the scheduled rotation missed its window") {
					t.Error("the log does not say that a window was missed")
				}
				for morning := time.Date(2000, 1, 2, 5, 0, 0, 0, time.UTC); h.Now().Before(morning); {
					h.Restart()
					everyMinute(h, 1, func() {})
				}
				if n := changes(h); n != test.atOnce+1 {
					t.Errorf("%d rotations by the next morning", n)
				}
			})
		})
	}
}

func TestAClockThatIsSetBackALittleDoesNotRotateTwice(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{3 * time.Second, time.Minute, time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": "0 3 * * *"})
				h.Pass(3*time.Hour - 10*time.Second)
				h.Tick()
				h.Called(1, 0) // No rotation starts before its scheduled time.
				h.Pass(11 * time.Second)
				h.Tick()
				h.SetClock(-back)
				everyMinute(h, 120, func() {})
				if n := changes(h); n != 1 {
					t.Errorf("%d rotations", n)
				}
			})
		})
	}
}

// Each write stores the whole state.
func TestAClockThatIsSetBackAfterAFailureIsCorrectedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": "0 * * * *"})
		h.Pass(30 * time.Minute)
		h.Rotate()
		forbidden(h, 1)
		h.Pass(31 * time.Minute)
		h.Tick()
		everyMinute(h, 6, func() {}) // By then, the engine has found out that the change has not arrived.
		h.SetClock(-20 * time.Hour)
		before := h.Storage.Accesses(mounttest.Put("config"))
		everyMinute(h, 30, func() {})
		if n := h.Storage.Accesses(mounttest.Put("config")) - before; n > 1 {
			t.Errorf("%d writes", n)
		}
	})
}

func TestAClockThatWasAYearAheadDelaysARotationByOnePeriodAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.SetClock(365 * day)
		h.Configure(mounttest.Fields{"rotation_period": "1h"})
		h.SetClock(-365 * day)
		for range 62 {
			h.Restart()
			h.Tick()
			h.Pass(time.Minute)
		}
		if n := changes(h); n != 1 {
			t.Errorf("%d rotations within an hour", n)
		}
	})
}

// With any window, a change without an answer costs an attempt.
func TestWindowsDoNotMakeAFailingRotationMoreFrequent(t *testing.T) {
	t.Parallel()
	for _, cron := range []string{"0 * * * *", "* * * * *"} {
		t.Run(cron, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": cron, "rotation_window": "1h"})
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", Count: 1000})
				everyMinute(h, 24*60, func() {})
				if n := changes(h); n != 2 {
					t.Errorf("%d changes were sent in a day", n)
				}
				atMost(h, 2)
			})
		})
	}
}

func TestAPendingRotationIsResolvedAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		h.SetClock(-day)
		everyMinute(h, 1, func() {})
		h.Resolved()
	})
}

func TestTheScheduleContinuesAfterTheAppKeyWasCorrected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		everyMinute(h, 70, func() {})
		if h.Leaks.Logged("rotated the partner secret") || lastRotationError(h) == "" {
			t.Error("the rotation has not failed")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		everyMinute(h, 5*60, func() {})
		if h.Stored().LastRotation.IsZero() {
			t.Error("nothing is rotated")
		}
		h.Resolved()
	})
}

func TestARotationByHandEndsAStopWithAnyClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": "0 * * * *"})
		h.Pass(30 * time.Minute)
		h.Rotate()
		forbidden(h, 2)
		everyMinute(h, 27*60, func() {})
		if text := lastRotationError(h); !strings.Contains(text, "Scheduled rotation is stopped") {
			t.Fatalf("the status shows %q", text)
		}
		h.SetClock(-28 * time.Hour)
		h.Tick()
		h.Rotate()
		before := changes(h)
		everyMinute(h, 5*60, func() {})
		if n := changes(h) - before; n < 4 || n > 5 {
			t.Errorf("%d rotations in the next five hours", n)
		}
	})
}

// A refusal by Finicity is already in the log; a failure of storage is not.
func TestResolvingThatFailsForStorageIsReportedToVault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, nil)
		h.Pass(time.Minute)
		minute := func() bool {
			resp, err := h.B.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
			return err != nil || resp.IsError()
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		if !minute() {
			t.Error("Vault is not told")
		}
		if minute() {
			t.Error("the rotation has failed again")
		}
		h.Resolved()
	})
}

// Storage fails once at each write of a scheduled rotation in turn. The secret is
// rotated once, and nothing is lost.
func TestStorageCanFailAtAnyWriteOfAScheduledRotation(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		for skip := range 5 {
			t.Run(fmt.Sprintf("write %d, applied %v", skip+1, applied), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
					h.Pass(time.Hour)
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: skip, Applied: applied})
					h.Tick()
					if _, pending := h.Stored().Secrets.Pending(); pending && changes(h) == 0 && !applied {
						t.Error("a secret that was not sent is stored as pending")
					}
					h.Storage.Heal()
					everyMinute(h, 10, func() {})
					h.Token()
					if h.Stored().LastRotation.IsZero() || lastRotationError(h) != "" {
						t.Errorf("nothing is rotated in the end, or the status shows %q", lastRotationError(h))
					}
					if n := changes(h); n != 1 {
						t.Errorf("%d changes were sent", n)
					}
					h.Wrongly(0)
					h.Resolved()
				})
			})
		}
	}
}
