// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// minutes lets time go by with Vault's call once a minute, and a reader before each.
func (h *harness) minutes(n int) {
	h.t.Helper()
	for range n {
		h.pass(time.Minute)
		if token := h.token(); !h.fake.AcceptsToken(partnerID, token) {
			h.t.Fatal("a token was served that is not good")
		}
		h.tick()
	}
}

func TestAScheduleRotatesUnattended(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]fields{
		"period":   {"rotation_period": "1m"},
		"schedule": {"rotation_schedule": "* * * * *"},
		"window":   {"rotation_schedule": "* * * * *", "rotation_window": "1h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, setting)
				h.tick()
				h.called(1, 0) // Not because it has just been set.
				h.minutes(5)
				h.called(6, 5)
				h.settled()
				h.wrongly(0)
			})
		})
	}
}

// A rotation takes its time, and Vault looks once a minute.
func TestAPeriodOfAMinuteIsNoneOfTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1m"})
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 2 * time.Second, Count: 100})
		for range 10 {
			minute := time.After(time.Minute)
			h.tick()
			<-minute
		}
		h.tick()
		if n := h.calls(fakefinicity.CallModifySecret); n != 10 {
			t.Errorf("%d rotations in 10 minutes", n)
		}
	})
}

func TestNothingButTheScheduleItselfMovesTheNextRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "720h"})
		next := func() any { return h.read("config", nil).data["next_vault_rotation"] }
		const set, moved = "2000-01-31T00:00:00Z", "2000-01-31T01:00:00Z"
		if got := next(); got != set {
			t.Fatalf("next is %v", got)
		}
		h.pass(time.Hour)
		for name, do := range map[string]func(){
			"another setting":   func() { h.succeeds(h.write("config", fields{"token_lifetime": "1h"})) },
			"the same period":   func() { h.succeeds(h.write("config", fields{"rotation_period": "720h"})) },
			"a restart":         func() { h.restart(); h.tick() },
			"verifying":         func() { h.succeeds(h.write("config/verify", nil)) },
			"the same secret":   func() { h.succeeds(h.write("config", fields{"partner_secret": partnerSecret})) },
			"a new app key":     func() { h.fake.SetAppKey(partnerID, newKey); h.succeeds(h.write("config", fields{"app_key": newKey})) },
			"the grace period":  func() { h.succeeds(h.patch("config", fields{"secret_grace_period": true})) },
			"a minute's call":   func() { h.tick() },
			"a failed write":    func() { h.fails(h.write("config", fields{"rotation_period": "-1m"}), 400, "rotation_period") },
			"an empty schedule": func() { h.succeeds(h.write("config", fields{"rotation_schedule": ""})) },
		} {
			if do(); next() != set {
				t.Errorf("%s moves it to %v", name, next())
			}
		}
		h.rotate()
		if got := next(); got != moved {
			t.Errorf("a rotation by hand does not move it: %v", got)
		}
	})
}

func TestOneKindOfScheduleReplacesTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "720h"})
		type shown struct{ period, schedule, window, next any }
		check := func(what string, want shown) {
			t.Helper()
			data := h.read("config", nil).data
			got := shown{data["rotation_period"], data["rotation_schedule"], data["rotation_window"], data["next_vault_rotation"]}
			if got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		h.succeeds(h.write("config", fields{"rotation_schedule": "0 3 1 * *", "rotation_window": "2h"}))
		check("a schedule over a period", shown{int64(0), "0 3 1 * *", int64(7200), "2000-01-01T03:00:00Z"})
		h.fails(h.write("config", fields{"rotation_period": "1h", "rotation_window": "2h"}), 400, `"rotation_window" needs`)
		h.fails(h.write("config", fields{"rotation_period": "1h", "rotation_schedule": "* * * * *"}), 400, "exclude each other")
		h.succeeds(h.write("config", fields{"rotation_period": "1h"}))
		check("a period over a schedule", shown{int64(3600), "", int64(0), "2000-01-01T01:00:00Z"})
		h.succeeds(h.write("config", fields{"rotation_schedule": "0 3 * * *"}))
		h.succeeds(h.patch("config", fields{"rotation_schedule": nil}))
		check("a patch with null", shown{int64(0), "", int64(0), nil})
		h.succeeds(h.write("config", fields{"rotation_period": 3600, "rotation_schedule": "", "rotation_window": 0}))
		check("one of them empty", shown{int64(3600), "", int64(0), "2000-01-01T01:00:00Z"})
		h.succeeds(h.write("config", fields{"disable_automated_rotation": true}))
		check("disabled", shown{int64(3600), "", int64(0), nil})
		h.pass(2 * time.Hour)
		h.tick()
		h.called(1, 0)
		h.succeeds(h.write("config", fields{"disable_automated_rotation": false}))
		check("enabled again", shown{int64(3600), "", int64(0), "2000-01-01T03:00:00Z"})
		h.tick()
		h.called(1, 0)
		h.pass(time.Hour)
		h.tick()
		h.called(2, 1)
	})
}

func TestARotationThatFailsIsTriedAgainMoreAndMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Count: 1000, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance",
		})
		h.pass(59 * time.Minute)
		h.minutes(60) // Tries after 0 and 1 minutes. The second and the further ones settle first, at the cost of an attempt.
		if n := h.calls(fakefinicity.CallModifySecret); n != 2 {
			t.Errorf("%d tries in an hour", n)
		}
		status := h.read("status", nil).data
		if text, _ := status["last_rotation_error"].(string); text == "" || status["next_vault_rotation"] != "2000-01-01T02:01:00Z" {
			t.Errorf("the status shows %v and %v", status["last_rotation_error"], status["next_vault_rotation"])
		}
		h.fake.ClearFaults()
		h.minutes(10)
		if n := h.calls(fakefinicity.CallModifySecret); n != 3 {
			t.Errorf("%d calls at last", n)
		}
		if text := h.read("status", nil).data["last_rotation_error"]; text != "" {
			t.Errorf("the status still shows %v", text)
		}
		h.settled()
	})
}

func TestTheScheduleObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "2h"})
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "1800"})
		h.fails(h.read("token", nil), 502, "HTTP 429")
		for range 29 {
			h.pass(time.Minute)
			h.tick()
		}
		h.called(2, 0)
		h.pass(time.Minute)
		h.tick()
		h.called(3, 1)
	})
}

// However it ends, the answer that got lost belongs to the one rotation that was due.
func TestALostAnswerNeitherSkipsNorDoublesARotation(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		kind := map[bool]fakefinicity.Kind{true: fakefinicity.KindLost, false: fakefinicity.KindDropped}[applied]
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: kind, Count: 1})
		h.pass(58 * time.Minute)
		h.minutes(2)
		if h.stored().Credential.Pending == nil {
			t.Fatal("nothing is pending")
		}
		h.restart()
		h.minutes(30)
		h.settled()
		changes := map[bool]int{true: 1, false: 2}[applied]
		if n := h.calls(fakefinicity.CallModifySecret); n != changes {
			t.Errorf("%d changes were sent, want %d", n, changes)
		}
		h.wrongly(changes - 1)
	})
}

// Nobody has to read for it.
func TestWhatIsPendingIsSettledWithinMinutes(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		h.tick()
		h.called(1, 1) // The call may still be on its way.
		h.pass(time.Minute)
		h.tick()
		h.settled()
		if token := h.token(); !h.fake.AcceptsToken(partnerID, token) {
			t.Error("the token is not good")
		}
	})
}

func TestTheScheduleRespectsTheAttemptRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		h.plantRecord(attempts{Rejected: 2, LastError: "Finicity answered HTTP 401, code 10001: Invalid credentials"})
		h.pass(time.Hour)
		for range 600 {
			h.tick()
			h.pass(time.Minute)
		}
		h.called(1, 0)
		if text, _ := h.read("status", nil).data["last_rotation_error"].(string); text == "" {
			t.Error("the status does not say why nothing is rotated")
		}
		h.succeeds(h.write("config/verify", nil))
		for range 300 {
			h.tick()
			h.pass(time.Minute)
		}
		if h.stored().Credential.LastRotation.IsZero() {
			t.Error("it does not go on after a person has put things right")
		}
		h.settled()
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
				h := newConfigured(t, fields{"rotation_period": "1m"})
				h.view.ReplicationStateVal, h.view.LocalMountVal = test.state, test.local
				h.pass(time.Minute)
				h.tick()
				h.called(1+test.want, test.want)
			})
		})
	}
}

// With the wrong one of two versions stored, a secret that was never sent would have to be settled, or one that was sent
// would be forgotten.
func TestStorageMayFailAtAnyWriteOfAScheduledRotation(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		for skip := range 4 {
			for _, key := range []string{configKey, "the record", tokenKey} {
				t.Run(fmt.Sprintf("%s, %d, applied %v", key, skip, applied), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						h := newConfigured(t, fields{"rotation_period": "1h"})
						h.pass(time.Hour)
						if key == "the record" {
							key = h.ownKey()
						}
						h.storage.fail(storageFault{on: put(key), skip: skip, applied: applied})
						h.tick()
						if h.stored().Credential.Pending != nil && h.calls(fakefinicity.CallModifySecret) == 0 && !applied {
							t.Error("a secret that was not sent is stored as pending")
						}
						h.storage.heal()
						for range 10 {
							h.pass(time.Minute)
							h.tick()
						}
						h.token()
						h.settled()
						if h.stored().Credential.LastRotation.IsZero() {
							t.Error("nothing is rotated in the end")
						}
						if n := h.calls(fakefinicity.CallModifySecret); n != 1 {
							t.Errorf("%d changes were sent", n)
						}
					})
				})
			}
		}
	}
}
