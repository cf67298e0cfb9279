// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// dies has this node die during what it does, when a change has been sent: that is stored as pending, and charged, and
// nothing is stored after it.
func (h *harness) dies(do func()) {
	h.t.Helper()
	end := h.onceSent(func(string) {
		for _, key := range []string{configKey, h.ownKey()} {
			h.storage.fail(storageFault{on: put(key), skip: 1, always: true})
		}
		h.storage.fail(storageFault{on: put(tokenKey), always: true})
	})
	defer end()
	do()
	h.storage.heal()
	h.restart()
}

// onceSent calls do with the next secret that is stored as pending, right before it is sent. The function that it returns ends
// that.
func (h *harness) onceSent(do func(secret string)) (end func()) {
	learn, armed := h.storage.learn, true
	h.storage.learn = func(value []byte) {
		learn(value)
		var cfg config
		if armed && json.Unmarshal(value, &cfg) == nil && cfg.Credential.Pending != nil {
			armed = false
			do(cfg.Credential.Pending.Secret)
		}
	}
	return func() { h.storage.learn = learn }
}

// keepsTheSecret fails the test unless the secret in force is stored.
func (h *harness) keepsTheSecret() {
	h.t.Helper()
	if !slices.ContainsFunc(h.stored().Credential.candidates(), func(secret string) bool { return h.fake.AcceptsSecret(partnerID, secret) }) {
		h.t.Error("the secret in force is stored nowhere")
	}
}

// A process that dies after it has sent a change notes no failure, and what settling finds out then is a success. A node that
// flaps does that once a minute.
func TestAScheduleWhoseNodesDieDoesNotSendAChangeEachMinute(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"not received": {Kind: fakefinicity.KindDropped},
		"refused":      {Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarnessWith(t, fakefinicity.Config{SuccessKeepsCount: true})
				h.configure(fields{"rotation_period": "24h", "request_timeout": "10s"})
				fault.Call, fault.Count = fakefinicity.CallModifySecret, 1000
				h.fake.Order(fault)
				h.pass(24 * time.Hour)
				for range 60 {
					h.dies(h.tick)
					h.pass(time.Minute)
				}
				if n := h.calls(fakefinicity.CallModifySecret); n != 2 {
					t.Errorf("%d changes in an hour", n)
				}
				if h.fake.Counters(partnerID).Locked {
					t.Error("the partner is locked")
				}
				h.fake.ClearFaults()
				h.pass(4 * time.Hour)
				h.tick()
				h.settled()
			})
		})
	}
}

func TestASecretThatLandsLateIsKeptWhileNodesDie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "24h", "request_timeout": "10s"})
		h.fake.Order(
			fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: 15 * time.Minute},
			fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped, Count: 1000},
		)
		h.pass(24 * time.Hour)
		for range 60 {
			h.dies(h.tick)
			h.pass(time.Minute)
		}
		h.keepsTheSecret()
	})
}

// An alarm on last_rotation_error must not go off with each rotation.
func TestARotationThatIsUnderWayHasNotFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "24h"})
		h.pass(24 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindSlow, Delay: 20 * time.Second})
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.tick()
		}()
		h.pass(5 * time.Second)
		synctest.Wait()
		if text := h.read("status", nil).data["last_rotation_error"]; text != "" {
			t.Errorf("the status shows %v", text)
		}
		<-done
		h.settled()
	})
}

// Storage may fail and have taken it all the same. Then the rotation is noted, and no failure after it.
func TestARotationThatIsNotedHasNotFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "720h"})
		learn := h.storage.learn
		h.storage.learn = func(value []byte) { // Storage takes a moment.
			learn(value)
			var cfg config
			if json.Unmarshal(value, &cfg) == nil && !cfg.Credential.LastRotation.IsZero() {
				h.setClock(time.Millisecond)
			}
		}
		h.pass(720 * time.Hour)
		h.storage.fail(storageFault{on: put(configKey), skip: 1, applied: true})
		h.tick()
		h.token()
		if text := h.read("status", nil).data["last_rotation_error"]; text != "" {
			t.Errorf("the status shows %v", text)
		}
	})
}

// Settling has found out that it is rotated, and storage fails: what storage holds then decides whether that is a failure.
func TestAFailureToNoteWhatSettlingHasFoundIsOneIfStorageHasNotTakenIt(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, fields{"rotation_period": "720h"})
			h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost})
			h.pass(720 * time.Hour)
			h.tick()
			before := h.stored().Plan.Failures
			h.pass(2 * time.Minute)
			learn := h.storage.learn
			h.storage.learn = func(value []byte) { // Storage takes a moment.
				learn(value)
				h.setClock(time.Millisecond)
			}
			h.storage.fail(storageFault{on: put(configKey), applied: applied})
			h.tick()
			if text := h.read("status", nil).data["last_rotation_error"]; applied && text != "" {
				t.Errorf("it is noted, and the status shows %v", text)
			}
			if !applied && h.stored().Plan.Failures == before {
				t.Error("it is not noted, and nor is the failure")
			}
		})
	}
}

func TestAClockThatWasSetBackHidesNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "24h"})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 503, Body: "busy", RetryAfter: "3600",
		})
		h.pass(24 * time.Hour)
		h.tick()
		h.pass(time.Minute)
		h.setClock(-8 * time.Hour)
		if h.read("status", nil).data["last_rotation_error"] == "" {
			t.Error("it is hidden")
		}
	})
}
