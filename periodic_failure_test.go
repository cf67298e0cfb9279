// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Each authentication in between is a success. Finicity may count the refused changes all the same.
func TestTheScheduleStopsAfterTwoRefusedChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Count: 1000, Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden",
		})
		for minute := range 48 * 60 {
			h.pass(time.Minute)
			h.tick()
			if minute%60 == 0 {
				h.succeeds(h.write("config/verify", nil))
			}
		}
		if n := h.calls(fakefinicity.CallModifySecret); n != 2 {
			t.Errorf("%d changes were sent", n)
		}
		status := h.read("status", nil).data
		text, _ := status["last_rotation_error"].(string)
		if !strings.Contains(text, "vault write -f finicity/rotate-root") || status["next_vault_rotation"] != nil {
			t.Errorf("the status shows %q and %v", text, status["next_vault_rotation"])
		}
		h.fake.ClearFaults()
		h.rotate()
		h.pass(time.Hour)
		h.tick()
		if n := h.calls(fakefinicity.CallModifySecret); n != 4 {
			t.Errorf("after a rotation by hand it does not go on: %d changes", n)
		}
		h.settled()
	})
}

func TestAWindowThatWasMissedIsPassedOverOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		away time.Duration
		want int
	}{
		"back in the day":               {60 * time.Hour, 1}, // At 12:00 on the third, and the next window is on the fourth.
		"back in the window of a later": {51*time.Hour + 5*time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, fields{"rotation_schedule": "0 3 * * *", "rotation_window": "1h"})
				h.pass(test.away)
				h.tick()
				if rotated := h.calls(fakefinicity.CallModifySecret) == 1; rotated != (name == "back in the window of a later") {
					t.Errorf("rotated: %v", rotated)
				}
				for range 16 * 60 { // To the window of the next night, and past it.
					h.pass(time.Minute)
					h.restart()
					h.tick()
				}
				if n := h.calls(fakefinicity.CallModifySecret); n != test.want {
					t.Errorf("%d rotations", n)
				}
			})
		})
	}
}

func TestAClockThatIsSetBackByALittleDoesNotRotateTwice(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{3 * time.Second, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, fields{"rotation_schedule": "0 3 * * *"})
			h.pass(3*time.Hour - 10*time.Second)
			h.tick()
			h.called(1, 0) // Not before its time.
			h.pass(11 * time.Second)
			h.tick()
			h.setClock(-back)
			for range 120 {
				h.pass(time.Minute)
				h.tick()
			}
			if n := h.calls(fakefinicity.CallModifySecret); n != 1 {
				t.Errorf("set back by %s: %d rotations", back, n)
			}
		})
	}
}

// Each write is one of the whole credential.
func TestAClockThatIsSetBackAfterAFailureIsPutRightOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_schedule": "0 * * * *"})
		h.pass(30 * time.Minute)
		h.rotate()
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"})
		h.pass(31 * time.Minute)
		h.tick()
		h.setClock(-20 * time.Hour)
		before := h.storage.accesses(put(configKey))
		for range 30 {
			h.pass(time.Minute)
			h.tick()
		}
		if n := h.storage.accesses(put(configKey)) - before; n > 1 {
			t.Errorf("%d writes", n)
		}
	})
}

func TestAClockThatWasAYearAheadPutsOffARotationByNoMoreThanAPeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.setClock(365 * 24 * time.Hour)
		h.configure(fields{"rotation_period": "1h"})
		h.setClock(-365 * 24 * time.Hour)
		for range 62 {
			h.restart()
			h.tick()
			h.pass(time.Minute)
		}
		if n := h.calls(fakefinicity.CallModifySecret); n != 1 {
			t.Errorf("%d rotations within an hour", n)
		}
	})
}

// Whatever the windows are like, a change that gets no answer costs an attempt.
func TestWindowsDoNotMakeAFailingRotationMoreFrequent(t *testing.T) {
	t.Parallel()
	for _, cron := range []string{"0 * * * *", "* * * * *"} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, fields{"rotation_schedule": cron, "rotation_window": "1h"})
			h.fake.Order(fakefinicity.Fault{
				Call: fakefinicity.CallModifySecret, Count: 1000, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance",
			})
			for range 24 * 60 {
				h.pass(time.Minute)
				h.tick()
			}
			if n := h.calls(fakefinicity.CallModifySecret); n > 5 {
				t.Errorf("%s: %d changes were sent in a day", cron, n)
			}
		})
	}
}

func TestAPendingRotationIsSettledAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		h.setClock(-24 * time.Hour)
		for range 3 {
			h.pass(time.Minute)
			h.tick()
		}
		h.settled()
	})
}

func TestTheScheduleGoesOnAfterTheAppKeyWasPutRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		h.fake.SetAppKey(partnerID, newKey)
		h.pass(59 * time.Minute)
		for range 10 {
			h.pass(time.Minute)
			h.tick()
		}
		h.succeeds(h.write("config", fields{"app_key": newKey}))
		h.pass(5 * time.Hour)
		h.tick()
		if h.stored().Credential.LastRotation.IsZero() {
			t.Error("nothing is rotated")
		}
		h.settled()
	})
}

func TestARotationByHandEndsAStopWhateverTheClockShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_schedule": "0 * * * *"})
		h.pass(30 * time.Minute)
		h.rotate()
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Count: 2, Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden",
		})
		h.pass(31 * time.Minute)
		for range 20 {
			h.tick()
			h.pass(time.Minute)
			h.succeeds(h.write("config/verify", nil))
		}
		h.setClock(-90 * time.Minute)
		h.tick()
		h.rotate()
		changes := h.calls(fakefinicity.CallModifySecret)
		for range 5 * 60 {
			h.pass(time.Minute)
			h.tick()
		}
		if n := h.calls(fakefinicity.CallModifySecret) - changes; n < 4 || n > 5 {
			t.Errorf("%d rotations in the next five hours", n)
		}
	})
}

// A refusal by Finicity is in the log already, a failure of storage is not.
func TestSettlingThatFailsForStorageIsToldToVault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		h.pass(time.Minute)
		minute := func() bool {
			resp, err := h.b.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.storage})
			return err != nil || resp.IsError()
		}
		h.storage.fail(storageFault{on: put(configKey)})
		if !minute() {
			t.Error("nobody is told")
		}
		if minute() {
			t.Error("it has failed again")
		}
		h.settled()
	})
}
