// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// With a grace period the current secret works whatever has become of the change. If a refusal of something else were
// taken for one of the pending secret, the one that stays would be put aside, and the other ends after 30 days.
func TestWithGraceARefusalOfSomethingElseIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, fault := range rejections() {
		if name == "10001" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, fields{"secret_grace_period": true})
				h.pass(2 * time.Hour)
				h.interrupt(true)
				h.pass(30 * time.Second)
				h.fake.Order(fault)
				h.fails(h.read("token", nil), 400, "a rotation is pending and could not be settled")
				pending := h.stored().Credential.Pending
				if pending == nil || pending.Refused {
					t.Error("the refusal was taken for one of the pending secret")
				}
				h.called(2, 1) // The current secret was not tried.
				h.succeeds(h.write("config", fields{"app_key": appKey}))
				h.token()
				h.settled()
			})
		})
	}
}

// Without one, a refusal without a code, as gateways send it, must count as a verdict, or settling would never end.
func TestWithoutGraceAnyRefusalIsAVerdict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(false)
		h.pass(30 * time.Second)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 401, Body: "denied", ContentType: "text/plain"})
		h.token()
		h.settled()
		h.called(3, 1)
	})
}

func TestALockWhileSettlingIsNoVerdict(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(applied)
		h.pass(30 * time.Second)
		h.fake.Order(rejections()["locked"])
		h.fails(h.read("token", nil), 400, "could not be settled", "24302", "Only Finicity's support")
		if pending := h.stored().Credential.Pending; pending == nil || pending.Refused {
			t.Error("the lock was taken for a refusal of the pending secret")
		}
		for range 5 {
			h.pass(time.Hour)
			h.fails(h.read("token", nil), 400, "24302")
		}
		h.called(2, 1)
		h.rotate() // A person, after support has unlocked it.
		h.settled()
	})
}

func TestWhileFinicityIsDownAPendingRotationStaysAndReadsBackOff(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(applied)
		h.pass(30 * time.Second)
		h.down()
		h.fails(h.read("token", nil), 502, "could not be settled", "maintenance")
		h.fails(h.read("token", nil), 503, "the next call is made in 1s")
		h.pass(time.Hour)
		h.fails(h.write("rotate-root", nil), 502, "could not be settled", "maintenance")
		h.fails(h.read("token", nil), 503, "the next call is made in 2s") // What a person has found out holds too.
		h.called(3, 1)
		h.fake.ClearFaults()
		h.pass(time.Minute)
		h.token()
		h.settled()
	})
}

// A change that lands after it was settled that it had not.
func TestACandidateIsStillThereWhenItsChangeLandsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: 20 * time.Hour})
		h.fails(h.write("rotate-root", nil), 502, "unknown")
		candidate := h.stored().Credential.Pending.Secret
		h.pass(2 * time.Hour)
		h.token()
		h.pass(19 * time.Hour)
		if !h.fake.AcceptsSecret(partnerID, candidate) {
			t.Fatal("the change has not landed")
		}
		h.fails(h.read("token", nil), 400, "10001")
		cred := h.stored().Credential
		if len(cred.Abandoned) != 1 || cred.Abandoned[0].Secret != candidate || cred.Current != partnerSecret {
			t.Error("the secret in force is not in storage")
		}
		if n := h.fake.Counters(partnerID).Rejected; n != 2 {
			t.Errorf("it took %d wrong attempts, want one for the interruption and one for its late end", n)
		}
	})
}

// Two runs of the same mount, as when a node steps down in the middle, and the old one's call still goes on.
func TestARotationOfANodeThatHasSteppedDownIsSettledByTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindSlow, Delay: 25 * time.Second})
		h.storage.fail(storageFault{on: put(configKey), skip: 1}) // It may not write any more.
		rotation := h.background(func() answer { return h.write("rotate-root", nil) })
		h.pass(5 * time.Second)
		synctest.Wait()
		h.restart()
		h.fails(h.read("token", nil), 503, "try again in 25s")
		h.fails(<-rotation, 500, "storage")
		h.pass(5 * time.Second)
		h.token()
		h.settled()
		if n := h.fake.Counters(partnerID).Rejected; n != 0 {
			t.Errorf("it took %d wrong attempts", n)
		}
	})
}
