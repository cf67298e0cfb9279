// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

const pausedEvent = "finicity/root-rotate-paused"

// The pause is announced once: with the first write that stores it, and not again after
// restarts or by other nodes.
func TestAPauseIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRestoredCopy(t)
		if text := says(h, "rotation_paused"); !strings.Contains(text, "vault write -f finicity/config/verify") {
			t.Errorf("before the first periodic call the status shows %q", text)
		}
		if statusNow(h)["next_vault_rotation"] != nil || h.Read("config", nil).Data["next_vault_rotation"] != nil {
			t.Error("a next rotation is shown, and none will be made")
		}
		if n := len(h.Recorded(pausedEvent)); n != 0 {
			t.Errorf("%d events before it is stored", n)
		}
		for range 3 {
			everyMinute(h, 5, func() {})
			h.Restart()
		}
		events := h.Recorded(pausedEvent)
		if len(events) != 1 || events[0]["operation"] != "pause" || events[0]["data_path"] != "status" || events[0]["modified"] != "true" ||
			events[0]["partner_id"] != mounttest.PartnerID {
			t.Errorf("the pause is announced as %v", events)
		}
		if n := strings.Count(h.Leaks.Log(), "[ERROR] the rotation schedule is paused"); n != 1 {
			t.Errorf("%d lines in the log at level error", n)
		}
		h.Succeeds(h.Write("config/verify", nil))
		if !h.Leaks.Logged("[INFO]  the rotation schedule is resumed" + ofPartner) {
			t.Error("the log does not say that it is resumed")
		}
	})
}

// Finicity accepts the credential, and storage does not accept that at first. A later
// write stores both that and the end of the pause.
func TestASuccessThatWasNotStoredEndsAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRestoredCopy(t)
		h.Tick()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Succeeds(h.Write("config/verify", nil))
		h.Restart()
		if says(h, "rotation_paused") != "" || h.Stored().Secrets.Succeeded().IsZero() {
			t.Error("the schedule is paused, or the success is not stored")
		}
	})
}

// Storage does not accept the pause at first. The pause is in effect anyway, and is
// announced with the write that stores it.
func TestAPauseThatCannotBeStoredStaysInEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRestoredCopy(t)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		everyMinute(h, 5, func() {})
		if n := changes(h); n != 1 || len(h.Recorded(pausedEvent)) != 0 || says(h, "rotation_paused") == "" {
			t.Error("the engine has rotated, or announced an unstored pause, or the status does not show the pause")
		}
		h.Storage.Heal()
		everyMinute(h, 5, func() {})
		if n := changes(h); n != 1 || len(h.Recorded(pausedEvent)) != 1 || !h.Stored().Guard.IsPaused() {
			t.Error("the pause is not stored, or not announced")
		}
	})
}

// An app that may read a token, or a job that replaces it, cannot confirm that this is
// not a copy. Writes of other settings and refused commands do not count either.
func TestNothingButAnOperatorResumesAPausedSchedule(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(h *mounttest.Harness){
		"a read":                func(h *mounttest.Harness) { h.Token() },
		"rotate-token":          func(h *mounttest.Harness) { h.Succeeds(h.Write("rotate-token", nil)) },
		"another setting":       func(h *mounttest.Harness) { h.Succeeds(h.Write("config", mounttest.Fields{"token_lifetime": "1h"})) },
		"a refused verify":      func(h *mounttest.Harness) { refuseNext(h, 1, ""); h.Write("config/verify", nil) },
		"a failed rotate-root":  func(h *mounttest.Harness) { forbidden(h, 1); h.Write("rotate-root", nil) },
		"a refused schedule":    func(h *mounttest.Harness) { h.Write("config", mounttest.Fields{"rotation_period": "1s"}) },
		"a refused new secret":  func(h *mounttest.Harness) { h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}) },
		"another restart":       func(h *mounttest.Harness) { h.Restart() },
		"a day without restart": func(h *mounttest.Harness) { everyHour(h, 24) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRestoredCopy(t)
				everyMinute(h, 2, func() {})
				do(h)
				h.Fake.ClearFaults()
				everyHour(h, 5)
				if says(h, "rotation_paused") == "" {
					t.Error("the schedule is resumed")
				}
				if n := h.Fake.Counters(mounttest.PartnerID).SecretChanges; n != 1 {
					t.Errorf("%d changes of the secret", n)
				}
			})
		})
	}
}

// A mount without a schedule has nothing to pause, however long it was down. A schedule
// that is written then starts from the beginning.
func TestAMountWithoutAScheduleIsNeverPaused(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]mounttest.Fields{
		"none": nil, "disabled": {"rotation_period": "24h", "disable_automated_rotation": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, setting)
				h.Pass(30 * day)
				h.Restart()
				h.Tick()
				h.Token()
				if says(h, "rotation_paused") != "" || len(h.Recorded(pausedEvent)) != 0 {
					t.Error("the schedule is paused")
				}
				h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "24h", "disable_automated_rotation": false}))
				everyHour(h, 25)
				if n := changes(h); n != 1 || says(h, "rotation_paused") != "" {
					t.Errorf("%d rotations in the first day of the schedule", n)
				}
			})
		})
	}
}

// A pending rotation is resolved in a copy too, because that changes nothing at
// Finicity.
func TestAPausedScheduleStillResolvesWhatIsPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, mounttest.Fields{"rotation_period": "24h"})
		h.Pass(30 * time.Hour)
		h.Restart()
		everyMinute(h, 3, func() {})
		if says(h, "rotation_paused") == "" {
			t.Error("the schedule is not paused")
		}
		if h.Stored().Secrets.Unresolved() || changes(h) != 1 {
			t.Errorf("the rotation is not resolved, or the engine rotated again: %d changes", changes(h))
		}
		h.Rotate()
		if says(h, "rotation_paused") != "" {
			t.Error("rotate-root does not resume the schedule")
		}
	})
}

// An idle engine stores once an hour that it is alive, and the time of its clock.
func TestAnIdleEngineWritesOnceAnHour(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setting mounttest.Fields
		want    int
	}{
		"with a schedule": {mounttest.Fields{"rotation_period": "720h"}, 24}, "without": {nil, 24},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, test.setting)
				before := h.Storage.Accesses(mounttest.Put("config"))
				everyMinute(h, 24*60, func() {})
				if n := h.Storage.Accesses(mounttest.Put("config")) - before; n != test.want {
					t.Errorf("%d writes in a day, want %d", n, test.want)
				}
				h.Called(1, 0)
			})
		})
	}
}

// The command that the status names resumes the schedule, and fails if the result
// cannot be stored.
func TestResumingThatCannotBeStoredIsAnError(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"config/verify", "rotate-root"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRestoredCopy(t)
				everyMinute(h, 2, func() {})
				writes := map[string]int{"config/verify": 2, "rotate-root": writesOfARotation}[path]
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: writes})
				h.Fails(h.Write(path, nil), http.StatusBadRequest, "could not be stored")
				if says(h, "storage_error") == "" {
					t.Error("the status shows no storage error")
				}
			})
		})
	}
}

func TestAStorageOutagePausesNoScheduleSilently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "720h"})
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		for range 8 * 60 {
			h.Pass(time.Minute)
			h.Tick()
		}
		h.Storage.Heal()
		h.Tick()
		paused := h.Read("status", nil).Data["rotation_paused"]
		if n := len(h.Recorded("finicity/root-rotate-paused")); paused != "" && n == 0 {
			t.Errorf("the schedule is paused (%v), and no event went out", paused)
		}
	})
}

// config/verify resumes a paused schedule, unless storage does not accept its outcome.
// The command must not be repeated then.
func TestAnUnstoredVerifyResumesTheSchedule(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"config/verify", "rotate-root"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRestoredCopy(t)
				h.Tick()
				skip := 1
				if path == "rotate-root" {
					skip = 3
				}
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: skip})
				a := h.Write(path, nil)
				for range 5 {
					h.Pass(time.Minute)
					h.Tick()
				}
				if says(h, "storage_error") != "" {
					t.Error("storage")
				}
				if p := says(h, "rotation_paused"); strings.Contains(a.Text, "Do not repeat") && p != "" {
					t.Errorf("told not to repeat, and the schedule is still paused: %s", p)
				}
			})
		})
	}
}
