// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// With a grace period, the current secret works with or without the change. If a refusal
// for another reason counted as a refusal of the pending secret, the secret that remains
// would be tried last.
func TestWithGraceARefusalOfSomethingElseIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, fault := range mounttest.Rejections() {
		if name == "10001" || name == "10021" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
				h.Pass(2 * time.Hour)
				h.Interrupt(true)
				candidate := storedPending(h)
				h.Pass(30 * time.Second)
				h.Fake.Order(fault)
				h.Fails(h.Read("token", nil), http.StatusBadRequest)
				if storedPending(h) != candidate {
					t.Error("the refusal was taken for one of the pending secret")
				}
				h.Called(2, 1) // The current secret was not tried.
				h.Pass(5 * time.Minute)
				if name == "locked" {
					h.Fails(h.Read("token", nil), http.StatusBadRequest, "24302")
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Token()
				h.Called(3, 1)
				if storedCurrent(h) != candidate {
					t.Error("the pending secret is not the current one")
				}
				h.Resolved()
			})
		})
	}
}

// A refusal that does not name its reason is not a proof, but a reason to try the other
// secret next: repeating the same secret could lock the partner. The pending secret is
// found when the other one stops working.
func TestWithGraceAnUnclearRefusalLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"10021": mounttest.Rejections()["10021"],
		"text":  {Kind: fakefinicity.KindStatus, Status: 401, Body: "denied", ContentType: "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mounttest.EitherWay(t, func(t *testing.T, applied bool) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
				h.Pass(2 * time.Hour)
				h.Interrupt(applied)
				candidate := storedPending(h)
				h.Pass(30 * time.Second)
				h.Fake.Order(fault)
				h.Token()
				h.Called(3, 1)
				h.Wrongly(0)
				if storedCurrent(h) != mounttest.PartnerSecret {
					t.Error("the accepted secret is not the current one")
				}

				h.Pass(31 * day)
				if applied {
					h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
					h.Pass(5 * time.Minute)
				}
				h.Token()
				if rotated := storedCurrent(h) == candidate; rotated != applied {
					t.Errorf("the new secret is the current one: %v", rotated)
				}
				h.Wrongly(map[bool]int{true: 1, false: 0}[applied])
				h.Resolved()
			})
		})
	}
}

// Without a grace period, a refusal without a code, as from a gateway, must count as a
// verdict, or resolving the rotation would never end.
func TestWithoutGraceAnyRefusalIsAVerdict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(false)
		h.Pass(30 * time.Second)
		refuseNext(h, 1, "denied")
		h.Token()
		h.Called(3, 1)
		h.Resolved()
	})
}

func TestALockWhileResolvingIsNoVerdict(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(applied)
		candidate := storedPending(h)
		h.Pass(30 * time.Second)
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "24302", "After Finicity support has unlocked the partner")
		if storedPending(h) != candidate {
			t.Error("the lock was taken for a refusal of the pending secret")
		}
		for range 5 {
			h.Pass(time.Hour)
			h.Tick()
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "24302")
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "24302")
		}
		h.Called(2, 1)
		h.Succeeds(h.Write("config/verify", nil)) // Finicity's support has unlocked the partner.
		h.Resolved()
	})
}

func TestWhileFinicityIsDownAPendingRotationStays(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(applied)
		candidate := storedPending(h)
		h.Pass(30 * time.Second)
		h.Down()
		h.Fails(h.Read("token", nil), http.StatusBadGateway, "maintenance")
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "the next request is sent in 2s") // The rotation failed first.
		h.Pass(time.Hour)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the secret has not changed", "maintenance")
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "the next request is sent in 4s") // Jobs and readers share the wait.
		h.Called(3, 1)
		if storedPending(h) != candidate {
			t.Error("the rotation is not pending any more")
		}
		h.Spent(0, 0)
		h.Fake.ClearFaults()
		h.Pass(time.Minute)
		h.Token()
		h.Resolved()
	})
}

// Two processes with the same storage: a node steps down in the middle of a rotation,
// and its call continues.
func TestARotationOfANodeThatSteppedDownIsResolvedByTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 25 * time.Second})
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true}) // It may no longer write.
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		h.Pass(5 * time.Second)
		synctest.Wait()
		h.Restart()
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "a rotation is pending", "try again in")
		h.Fails(<-rotation, http.StatusBadRequest, "unknown", "storage")
		h.Storage.Heal()
		h.Pass(10 * time.Second)
		h.Token()
		h.Called(2, 1)
		h.Wrongly(0)
		h.Resolved()
	})
}
