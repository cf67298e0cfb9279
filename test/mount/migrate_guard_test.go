// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// An old snapshot or a staging clone, with data that no later version has ever read.
func TestACopyOfVersion1DataDoesNotRotateTheSecret(t *testing.T) {
	t.Parallel()
	goldenMount(t, "schedule-period-rotated", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.SetClock(60 * 24 * time.Hour)
		if says(h, "rotation_paused") == "" {
			t.Error("the status does not say that the schedule is paused")
		}
		everyMinute(h, 10, func() {})
		if n := changes(h); n != 0 {
			t.Fatalf("the secret was changed %d times", n)
		}
		if n := len(h.Recorded(pausedEvent)); n != 1 || !strings.Contains(h.Leaks.Log(), "[ERROR] the rotation schedule is paused") {
			t.Errorf("the pause is announced %d times", n)
		}
		h.Token()
		h.Succeeds(h.Write("config/verify", nil))
		everyMinute(h, 2, func() {})
		if n := changes(h); n != 1 {
			t.Errorf("after the schedule was resumed, the secret was changed %d times", n)
		}
	})
}

func TestAnUpgradeWithinSixHoursPausesNothing(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]time.Duration{"six hours": 6*time.Hour - time.Second, "more": 6*time.Hour + time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenMount(t, "schedule-period-rotated", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
				h.SetClock(silence)
				h.Tick()
				if paused := says(h, "rotation_paused") != ""; paused != (name == "more") {
					t.Errorf("the schedule is paused: %v", paused)
				}
			})
		})
	}
}

// Without a schedule there is nothing to pause, and a schedule that is set later starts
// then.
func TestOldDataWithoutAScheduleIsNotPausedLater(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.SetClock(60 * 24 * time.Hour)
		h.Tick()
		h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "720h"}))
		h.Tick()
		if text := says(h, "rotation_paused"); text != "" {
			t.Errorf("the schedule is paused: %s", text)
		}
	})
}

// The token of version 1 stays in storage until it can be deleted, and no longer.
func TestVersion1EntriesAreDeletedLaterIfStorageFails(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Storage.Fail(mounttest.Fault{On: mounttest.Del("token")})
		h.Tick()
		if _, found := h.Storage.Peek("token"); !found {
			t.Fatal("the old token is deleted although storage fails")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		if _, found := h.Storage.Peek("token"); found {
			t.Error("the old token is not deleted")
		}
	})
}
