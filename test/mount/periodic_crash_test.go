// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A process that dies after it has sent a change stores no failure, and resolving the
// change is a success for its successor. A flapping node does that once a minute.
func TestAScheduleWhoseNodesDieDoesNotSendAChangeEachMinute(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"not received": {Kind: fakefinicity.KindDropped},
		"refused":      {Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
				h.Configure(mounttest.Fields{"rotation_period": "24h", "request_timeout": "10s"})
				fault.Count = 1000
				nextChange(h, fault)
				everyHour(h, 23)
				h.Pass(time.Hour)
				for range 30 { // Each process lives for two minutes.
					diesOnceSent(h, func() { everyMinute(h, 2, func() {}) })
				}
				if n := changes(h); n != 1 {
					t.Errorf("%d changes in an hour", n)
				}
				atMost(h, 1)
				h.Fake.ClearFaults()
				everyHour(h, 36) // Attempts count for a day, and the last wait ends a few hours later.
				if n := changes(h); n < 2 || h.Stored().LastRotation.IsZero() {
					t.Errorf("the schedule does not continue: %d changes", n)
				}
				atMost(h, 1)
				h.Resolved()
			})
		})
	}
}

func TestASecretThatLandsLateIsKeptWhileNodesDie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h", "request_timeout": "10s"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 15 * time.Minute})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 1000})
		everyHour(h, 23)
		h.Pass(time.Hour)
		for range 30 {
			diesOnceSent(h, func() { everyMinute(h, 2, func() {}) })
		}
		changed(h, 1)
		keepsTheSecret(h)
		servesWithin(h, 2)
		keepsTheSecret(h)
		atMost(h, 4)
	})
}

// An alert on last_rotation_error must not fire with each rotation.
func TestARotationThatIsUnderWayHasNotFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		everyHour(h, 23)
		h.Pass(time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 20 * time.Second})
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Tick()
		}()
		h.Pass(5 * time.Second)
		synctest.Wait()
		storedPending(h)
		if text := lastRotationError(h); text != "" {
			t.Errorf("the status shows %q", text)
		}
		<-done
		h.Resolved()
	})
}

// If a process died during a rotation, the status says so until the rotation is
// resolved.
func TestARotationWhoseProcessDiedIsShown(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		everyHour(h, 23)
		h.Pass(time.Hour)
		nextChange(h, lostAnswer(applied))
		diesOnceSent(h, h.Tick)
		h.Read("status", nil) // The engine's clock advances.
		h.Pass(31 * time.Second)
		if text := lastRotationError(h); text != "a rotation was started, and its outcome was not recorded" {
			t.Errorf("the status shows %q", text)
		}
		everyMinute(h, 5, func() {})
		if text := lastRotationError(h); applied != (text == "") || !applied && !strings.Contains(text, "2 failed or unanswered attempts") {
			t.Errorf("after the rotation is resolved, the status shows %q", text)
		}
		h.Token()
		everyHour(h, 36)
		if text := lastRotationError(h); text != "" || h.Stored().LastRotation.IsZero() {
			t.Errorf("in the end the status shows %q", text)
		}
		h.Resolved()
	})
}

// Storage reports errors although the writes took effect. Then the rotation is stored,
// and no failure after it.
func TestARotationThatIsStoredHasNotFailed(t *testing.T) {
	t.Parallel()
	for skip := 1; skip < writesOfARotation; skip++ {
		t.Run(fmt.Sprintf("write %d", skip+1), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
				learn := h.Storage.Learn
				h.Storage.Learn = func(value []byte) { // Storage takes a moment.
					learn(value)
					if st, err := engine.Decode(value); err == nil && !st.LastRotation.IsZero() {
						h.SetClock(time.Millisecond)
					}
				}
				everyHour(h, 23)
				h.Pass(time.Hour)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: skip + 1, Applied: true}) // The first one notes that the engine is alive.
				h.Tick()
				everyMinute(h, 5, func() {})
				h.Token()
				if text := lastRotationError(h); text != "" {
					t.Errorf("the status shows %q", text)
				}
				if n := changes(h); n != 1 {
					t.Errorf("%d changes", n)
				}
				h.Resolved()
			})
		})
	}
}

// The engine has found out that a rotation took effect, and storage fails. The engine
// uses what it knows, and stores that later.
func TestWhatIsFoundOutIsNoFailureIfStorageFails(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		for _, restart := range []bool{true, false} {
			t.Run(fmt.Sprintf("applied %v, restart %v", applied, restart), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
					everyHour(h, 23)
					nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
					h.Pass(time.Hour)
					h.Tick()
					if lastRotationError(h) != "" {
						t.Error("the status shows a failure while the change may still be on its way")
					}
					h.Pass(2 * time.Minute)
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Applied: applied})
					h.Tick()
					if restart {
						h.Restart()
					}
					everyMinute(h, 3, func() {})
					if text := lastRotationError(h); text != "" || h.Stored().LastRotation.IsZero() {
						t.Errorf("the status shows %q, or no rotation is stored", text)
					}
					if n := changes(h); n != 1 {
						t.Errorf("%d changes", n)
					}
					h.Resolved()
				})
			})
		}
	}
}

func TestAClockThatWasSetBackHidesNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "busy", RetryAfter: "3600"})
		everyHour(h, 23)
		h.Pass(time.Hour)
		h.Tick()
		h.Pass(time.Minute)
		h.SetClock(-8 * time.Hour)
		if lastRotationError(h) == "" {
			t.Error("the failure is hidden")
		}
		h.Fails(h.Write("rotate-token", nil), http.StatusServiceUnavailable, "503")
	})
}

// A snapshot from before is restored during the proof of a scheduled rotation.
func TestAScheduledRotationDuringARestoreIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		for range 23 {
			h.Pass(time.Hour)
			h.Tick()
		}
		h.Pass(59 * time.Minute)
		h.Tick()
		snapshot := h.Storage.Snapshot()
		h.Pass(2 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindHoldAfter})
		done := make(chan struct{})
		go func() { h.Tick(); close(done) }()
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		h.Storage.Restore(snapshot)
		h.Fake.Release()
		<-done
		keepsTheSecret(h)
		for range 30 {
			h.Pass(time.Minute)
			h.Tick()
		}
		if changes(h) != 1 {
			t.Errorf("%d changes", changes(h))
		}
	})
}
