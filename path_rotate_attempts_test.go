// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestAChangeOfTheSecretIsAnAttemptToo(t *testing.T) {
	t.Parallel()
	put := func(fault fakefinicity.Fault) fakefinicity.Fault { fault.Call = modify; return fault }
	policy := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"policy"}`}
	for name, test := range map[string]struct {
		fault           fakefinicity.Fault
		status, charged int
	}{
		"10001":           {put(rejections()["10001"]), 400, 1},
		"10026":           {put(rejections()["10026"]), 400, 1},
		"blocked":         {put(rejections()["blocked"]), 400, 1},
		"the lock":        {put(rejections()["locked"]), 400, 1},
		"policy":          {put(policy), 400, 0},
		"no answer":       {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindDropped}, 400, 0},
		"a time-out":      {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindSlow, Delay: time.Hour}, 400, 0},
		"a 500":           {put(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 500}), 400, 0},
		"an answer, lost": {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLost}, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.fake.Order(test.fault)
				h.fails(h.write("rotate-root", nil), test.status)
				h.spent(test.charged, 0)
				h.called(1, 1)
			})
		})
	}
}

// Nothing is even proposed: a candidate that could not be withdrawn again would cost an attempt to settle.
func TestARotationThatTheRecordForbidsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]attempts{
		"four refused": {Rejected: 4, LastError: "Finicity answered HTTP 401, code 10001: Invalid credentials"},
		"four crashes": {Charged: 4},
		"locked":       {Rejected: 4, Locked: true, LastError: "Finicity answered HTTP 500, code 24302: locked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				before := h.stored()
				h.plantRecord(record)
				for range 3 {
					h.storage.fail(storageFault{on: put(configKey), applied: true})
					h.fails(h.write("rotate-root", nil), 400, "the secret has not changed", "no call was made", "force=true")
				}
				h.called(1, 0)
				if !reflect.DeepEqual(h.stored(), before) || h.token() != token {
					t.Error("what is stored, or the token, has changed")
				}
				h.spent(record.Rejected, record.Charged)
			})
		})
	}
}

// What was never sent looks like what was: it is settled, and costs one attempt at most.
func TestAPendingSecretThatWasNeverSentAndCannotBeWithdrawnIsSettled(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %v", applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.storage.fail(storageFault{on: put(h.ownKey())})
				h.storage.fail(storageFault{on: put(configKey), skip: 1, applied: applied})
				h.fails(h.write("rotate-root", nil), 500, "the secret has not changed", "storage failed too")
				h.called(1, 0)
				h.pass(2 * time.Hour)
				h.token()
				h.settled()
				h.wrongly(map[bool]int{true: 0, false: 1}[applied])
			})
		})
	}
}

func TestRotateRootIsAPersonsCall(t *testing.T) {
	t.Parallel()
	for name, enter := range states() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				enter(h)
				h.rotate()
				h.spent(0, 0)
				h.token()
				h.settled()
			})
		})
	}
}

// That Finicity has taken the change is a success, whatever the authentication after it says.
func TestAChangeThatIsTakenForgetsEarlierRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(3)
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 401, Body: `{"code":10001}`,
		})
		a := h.write("rotate-root", nil)
		h.succeeds(a)
		h.warned(a, "the secret is rotated and stored", "first authentication with it failed", "10001")
		h.spent(1, 0)
		h.fails(h.read("token", nil), 400, "no call was made", "The engine makes one more by itself")
		h.pass(5 * time.Minute)
		h.token()
		h.settled()
	})
}

// A change that is refused as wrong, while it was the current secret that was wrong.
func TestRotationsWithAWrongSecretAreRefusedFourTimesAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		before := h.stored()
		for i := range 10 {
			h.fails(h.write("rotate-root", nil), 400, "the secret has not changed", "10001")
			h.pass(time.Hour)
			if i%3 == 0 {
				h.restart()
			}
		}
		h.wrongly(4)
		h.called(4, 1) // The second one finds out first whether the old secret is the right one.
		after := h.stored()
		after.Credential.Abandoned = nil // Each refusal could have been that of a request which a gateway sent twice.
		if !reflect.DeepEqual(after, before) {
			t.Error("what is stored has changed")
		}
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.succeeds(h.write("config/verify", fields{"force": true}))
		h.rotate()
		h.settled()
	})
}

// Interruptions all in a row: each costs one attempt, and a success in between makes it forgotten.
func TestAnInterruptedRotationCostsOneAttemptHoweverOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for i := range 12 {
			h.interrupt(i%3 == 0)
			h.restart()
			h.pass(2 * time.Hour)
			h.token()
			h.spent(0, 0)
		}
		h.wrongly(8)
		h.settled()
	})
}

// To find out each time which secret is in force would be a success each time, and no refusal would count.
func TestRefusedChangesHaveAnEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10001", "blocked"} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			refusal := rejections()[name]
			refusal.Call, refusal.Count = fakefinicity.CallModifySecret, 1000
			h.fake.Order(refusal)
			for range 20 {
				h.fails(h.write("rotate-root", nil), 400)
			}
			if n := h.calls(fakefinicity.CallModifySecret); n > 5 {
				t.Errorf("%s: %d changes were refused", name, n)
			}
		})
	}
}
