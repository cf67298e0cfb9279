// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestAScheduleRotatesUnattended(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]mounttest.Fields{
		"period":   {"rotation_period": "1m"},
		"schedule": {"rotation_schedule": "* * * * *"},
		"window":   {"rotation_schedule": "* * * * *", "rotation_window": "1h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, setting)
				h.Tick()
				h.Called(1, 0) // A new schedule does not start a rotation at once.
				minutesInUse(h, 5)
				h.Called(6, 5)
				h.Wrongly(0)
				h.Resolved()
			})
		})
	}
}

// A rotation takes time, and Vault calls once a minute.
func TestAPeriodOfAMinuteDoesNotBecomeTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1m"})
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 2 * time.Second, Count: 100})
		for range 10 {
			minute := time.After(time.Minute)
			h.Tick()
			<-minute
		}
		h.Tick()
		if n := changes(h); n != 10 {
			t.Errorf("%d rotations in 10 minutes", n)
		}
	})
}

func TestNothingButTheScheduleItselfMovesTheNextRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "720h"})
		next := func() any { return h.Read("config", nil).Data["next_vault_rotation"] }
		const set, moved = "2000-01-31T00:00:00Z", "2000-01-31T01:00:00Z"
		if got := next(); got != set {
			t.Fatalf("next is %v", got)
		}
		h.Pass(time.Hour)
		write := func(data mounttest.Fields) { h.Succeeds(h.Write("config", data)) }
		for name, do := range map[string]func(){
			"another setting":  func() { write(mounttest.Fields{"token_lifetime": "1h"}) },
			"the same period":  func() { write(mounttest.Fields{"rotation_period": "720h"}) },
			"a restart":        func() { h.Restart(); h.Tick() },
			"config/verify":    func() { h.Succeeds(h.Write("config/verify", nil)) },
			"the same secret":  func() { write(mounttest.Fields{"partner_secret": mounttest.PartnerSecret}) },
			"the grace period": func() { h.Succeeds(h.Patch("config", mounttest.Fields{"secret_grace_period": true})) },
			"a periodic call":  func() { h.Tick() },
			"a new app key": func() {
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				write(mounttest.Fields{"app_key": mounttest.NewKey})
			},
			"a failed write": func() {
				h.Fails(h.Write("config", mounttest.Fields{"rotation_period": "-1m"}), http.StatusBadRequest, "rotation_period")
			},
			"an empty schedule": func() { write(mounttest.Fields{"rotation_schedule": ""}) },
		} {
			if do(); next() != set {
				t.Errorf("%s moves it to %v", name, next())
			}
		}
		h.Rotate()
		if got := next(); got != moved {
			t.Errorf("a rotation by hand does not move it: %v", got)
		}
	})
}

func TestOneKindOfScheduleReplacesTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "720h"})
		type shown struct{ period, schedule, window, next any }
		check := func(what string, want shown) {
			t.Helper()
			data := h.Read("config", nil).Data
			got := shown{data["rotation_period"], data["rotation_schedule"], data["rotation_window"], data["next_vault_rotation"]}
			if got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		write := func(data mounttest.Fields) mounttest.Answer { return h.Write("config", data) }
		h.Succeeds(write(mounttest.Fields{"rotation_schedule": "0 3 1 * *", "rotation_window": "2h"}))
		check("a schedule over a period", shown{int64(0), "0 3 1 * *", int64(7200), "2000-01-01T03:00:00Z"})
		h.Fails(write(mounttest.Fields{"rotation_period": "1h", "rotation_window": "2h"}), http.StatusBadRequest, `"rotation_window" requires`)
		h.Fails(write(mounttest.Fields{"rotation_period": "1h", "rotation_schedule": "* * * * *"}), http.StatusBadRequest, "mutually exclusive")
		h.Succeeds(write(mounttest.Fields{"rotation_period": "1h"}))
		check("a period over a schedule", shown{int64(3600), "", int64(0), "2000-01-01T01:00:00Z"})
		h.Succeeds(write(mounttest.Fields{"rotation_schedule": "0 3 * * *"}))
		h.Succeeds(h.Patch("config", mounttest.Fields{"rotation_schedule": nil}))
		check("a patch with null", shown{int64(0), "", int64(0), nil})
		h.Succeeds(write(mounttest.Fields{"rotation_period": 3600, "rotation_schedule": "", "rotation_window": 0}))
		check("one of them empty", shown{int64(3600), "", int64(0), "2000-01-01T01:00:00Z"})
		h.Succeeds(write(mounttest.Fields{"disable_automated_rotation": true}))
		check("disabled", shown{int64(3600), "", int64(0), nil})
		h.Pass(2 * time.Hour)
		h.Tick()
		h.Called(1, 0)
		h.Succeeds(write(mounttest.Fields{"disable_automated_rotation": false}))
		check("enabled again", shown{int64(3600), "", int64(0), "2000-01-01T03:00:00Z"})
		h.Tick()
		h.Called(1, 0)
		h.Pass(time.Hour)
		h.Tick()
		h.Called(2, 1)
	})
}

// The second try comes after a minute, and the third after an hour. Then two changes
// are unconfirmed, so the schedule waits until the first of them can no longer take
// effect, and continues.
func TestARotationThatFailsIsRetriedLessAndLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", Count: 1000})
		h.Pass(59 * time.Minute)
		minutesInUse(h, 60) // A retry first resolves the previous rotation, which costs an attempt.
		if n := changes(h); n != 2 {
			t.Errorf("%d changes in an hour", n)
		}
		status := h.Read("status", nil).Data
		if !strings.Contains(lastRotationError(h), "503") || status["next_vault_rotation"] != "2000-01-01T02:01:00Z" {
			t.Errorf("the status shows %v and %v", status["last_rotation_error"], status["next_vault_rotation"])
		}
		minutesInUse(h, 10)
		if text := lastRotationError(h); !strings.Contains(text, atLimit+" 2000-01-02T02:00:00Z") {
			t.Errorf("the status shows %q", text)
		}
		h.Fake.ClearFaults()
		minutesInUse(h, 28*60)
		if n := changes(h); n < 3 || h.Stored().LastRotation.IsZero() {
			t.Errorf("%d changes in the end", n)
		}
		if text := lastRotationError(h); text != "" {
			t.Errorf("the status still shows %q", text)
		}
		h.Wrongly(2)
		h.Resolved()
	})
}

func TestTheScheduleObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "2h"})
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "1200"})
		h.Fails(h.Read("token", nil), http.StatusBadGateway, "HTTP 429")
		everyMinute(h, 19, func() {})
		h.Called(2, 0)
		everyMinute(h, 1, func() {})
		h.Called(3, 1)
	})
}

// The lost answer belongs to the rotation that was due, with either outcome.
func TestALostAnswerNeitherSkipsNorDoublesARotation(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		nextChange(h, lostAnswer(applied))
		h.Pass(58 * time.Minute)
		minutesInUse(h, 2)
		storedPending(h)
		h.Restart()
		minutesInUse(h, 30)
		want := map[bool]int{true: 1, false: 2}[applied]
		if n := changes(h); n != want {
			t.Errorf("%d changes were sent, want %d", n, want)
		}
		h.Wrongly(want - 1)
		h.Resolved()
	})
}

// The engine resolves a pending rotation even if no app reads a token.
func TestAPendingRotationIsResolvedWithinMinutes(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		h.Tick()
		h.Called(1, 1) // The call may still be on its way.
		h.Pass(time.Minute)
		h.Tick()
		if token := h.Token(); !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
			t.Error("Finicity does not accept the token")
		}
		h.Resolved()
	})
}

func TestTheScheduleRespectsTheAttemptRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "4h"})
		everyMinute(h, 2*60, func() {})
		mounttest.States()["stopped"](h)
		everyMinute(h, 600, func() {})
		h.Called(3, 0)
		if text := lastRotationError(h); !strings.Contains(text, "10001") {
			t.Errorf("the status shows %q as the reason why nothing is rotated", text)
		}
		h.Succeeds(h.Write("config/verify", nil))
		everyMinute(h, 300, func() {})
		if h.Stored().LastRotation.IsZero() {
			t.Error("the schedule does not continue after an operator has resolved the cause")
		}
		h.Resolved()
	})
}

func TestANodeThatMayNotWriteDoesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		state consts.ReplicationState
		local bool
		want  int
	}{
		"a performance standby":                       {consts.ReplicationPerformanceStandby, false, 0},
		"a disaster recovery secondary":               {consts.ReplicationDRSecondary, false, 0},
		"a performance secondary":                     {consts.ReplicationPerformanceSecondary, false, 0},
		"a performance secondary, with its own mount": {consts.ReplicationPerformanceSecondary, true, 1},
		"a primary": {consts.ReplicationPerformancePrimary | consts.ReplicationDRPrimary, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1m"})
				h.View.ReplicationStateVal, h.View.LocalMountVal = test.state, test.local
				accesses := h.Storage.Accesses()
				h.Pass(time.Minute)
				h.Tick()
				h.Called(1+test.want, test.want)
				if n := h.Storage.Accesses() - accesses; test.want == 0 && n != 0 {
					t.Errorf("%d accesses to storage", n)
				}
			})
		})
	}
}
