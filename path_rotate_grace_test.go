// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// With a grace period the current secret works whatever has become of the change. If a refusal of something else were
// taken for one of the pending secret, the one that stays would be put aside: webhooks are signed with it, and the other
// ends after 30 days.
func TestWithGraceARefusalOfSomethingElseIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, fault := range rejections() {
		if name == "10001" || name == "10021" {
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
				if h.stored().Credential.Pending == nil {
					t.Error("the refusal was taken for one of the pending secret")
				}
				h.called(2, 1) // The current secret was not tried.
				h.pass(5 * time.Minute)
				if name == "locked" {
					h.fails(h.read("token", nil), 400, "24302")
					h.succeeds(h.write("config/verify", nil))
				}
				h.token()
				h.called(3, 1)
				h.settled()
			})
		})
	}
}

// One that does not say what it is about is no proof, but as good a reason to try the other secret next: to go on with the
// same one could end in the lock. The pending one is found when the other ends.
func TestWithGraceARefusalThatSaysTooLittleLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"10021": rejections()["10021"],
		"text": {
			Kind: fakefinicity.KindStatus, Status: 401, Body: "denied", ContentType: "text/plain",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eitherWay(t, func(t *testing.T, applied bool) {
				h := newConfigured(t, fields{"secret_grace_period": true})
				h.pass(2 * time.Hour)
				h.interrupt(applied)
				candidate := h.stored().Credential.Pending.Secret
				h.pass(30 * time.Second)
				h.fake.Order(fault)
				h.fails(h.read("token", nil), 400, "could not be settled")
				h.called(2, 1)
				h.pass(5 * time.Minute)
				h.token()
				h.called(3, 1)
				h.wrongly(0)

				h.pass(31 * 24 * time.Hour)
				h.token()
				if rotated := h.stored().Credential.Current == candidate; rotated != applied {
					t.Errorf("the new secret is the current one: %v", rotated)
				}
				h.settled()
				h.wrongly(map[bool]int{true: 1, false: 0}[applied])
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
		h.fails(h.read("token", nil), 400, "could not be settled", "24302", "only its support")
		if h.stored().Credential.Pending == nil {
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
		h.fails(h.read("token", nil), 503, "the next call is made in 2s") // The rotation was the first failure.
		h.pass(time.Hour)
		h.fails(h.write("rotate-root", nil), 502, "could not be settled", "maintenance")
		h.fails(h.read("token", nil), 503, "the next call is made in 4s") // What a person has found out holds too.
		h.called(3, 1)
		h.fake.ClearFaults()
		h.pass(time.Minute)
		h.token()
		h.settled()
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
