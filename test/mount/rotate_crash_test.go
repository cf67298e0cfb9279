// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// fate is the result of a change of the secret.
type fate struct {
	fault *fakefinicity.Fault
	// costs is how many failed attempts are needed to find the secret in effect.
	costs int
	// stops means that Finicity refuses an attempt with a code on the way. A process
	// without a success stops after that, so an operator must act.
	stops bool
	// again means that the last write contains a refusal. If a crash loses it, the
	// refusal costs another attempt.
	again bool
}

func fates() map[string]fate {
	answer := func(status int, body string) *fakefinicity.Fault {
		return &fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	return map[string]fate{
		"accepted":                  {},
		"refused by policy":         {fault: answer(400, `{"code":24437,"message":"against policy"}`), costs: 1},
		"refused by a gateway":      {fault: answer(403, "forbidden"), costs: 1},
		"refused with a code":       {fault: answer(400, `{"code":14020,"message":"Bad request."}`), costs: 1, stops: true},
		"carried out, then refused": {fault: &fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 403}, costs: 1, stops: true},
		"acknowledged by a gateway": {fault: answer(204, ""), costs: 1, stops: true, again: true},
		"answer lost":               {fault: &fakefinicity.Fault{Kind: fakefinicity.KindLost}},
		"never arrived":             {fault: &fakefinicity.Fault{Kind: fakefinicity.KindDropped}, costs: 1},
		"arrives within a timeout":  {fault: &fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 29 * time.Second}},
		"arrives hours later":       {fault: &fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 3 * time.Hour}, costs: 2},
	}
}

// A rotation makes four writes: of the proposal, the answer, the second charge and the
// proof.
const writesOfARotation = 4

// diesAt is a process that dies before or after a write: nothing is stored from then
// on.
func diesAt(h *mounttest.Harness, write int, after bool) {
	if after {
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: write, Applied: true})
		write = 0
	}
	h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: write, Always: true})
}

// eachPoint runs a test for each write of a rotation, and for the time before it and
// after it.
func eachPoint(t *testing.T, test func(t *testing.T, f fate, grace bool, write int, after bool)) {
	t.Helper()
	for name, f := range fates() {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, grace %v", name, grace), func(t *testing.T) {
				t.Parallel()
				for write := range writesOfARotation {
					for _, after := range []bool{false, true} {
						t.Run(fmt.Sprintf("write %d, after it %v", write+1, after), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { test(t, f, grace, write, after) })
						})
					}
				}
			})
		}
	}
}

// The process dies at any point of a rotation: before and after each write, and so
// before and after each call. In each case, reads alone find the secret in effect
// within a day, at the cost of one failed attempt, or two if the change arrives late.
func TestNoCrashDuringARotationLosesTheSecret(t *testing.T) {
	t.Parallel()
	eachPoint(t, func(t *testing.T, f fate, grace bool, write int, after bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
		if f.fault != nil {
			nextChange(h, *f.fault)
		}
		diesAt(h, write, after)
		h.Write("rotate-root", nil)
		h.Storage.Heal()
		h.Restart()
		switch {
		case changes(h) == 0 && after: // It was stored, and never sent.
			f.costs = 1
		case write == writesOfARotation-1 && !after && f.again:
			f.costs++
		}
		foundByReads(h, f, grace)
	})
}

// Storage fails once at each write of a rotation in turn, with and without effect, and
// the process continues.
func TestNoStorageFailureOfARotationLosesTheSecret(t *testing.T) {
	t.Parallel()
	eachPoint(t, func(t *testing.T, f fate, grace bool, write int, applied bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
		if f.fault != nil {
			nextChange(h, *f.fault)
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: write, Applied: applied})
		h.Write("rotate-root", nil)
		h.Storage.Heal()
		f.stops = false // This process has had a success.
		foundByReads(h, f, grace)
	})
}

// Resolving the rotation also writes before and after each call, and the process may
// die there once more. That may lose a refusal, which costs another attempt.
func TestNoCrashWhileResolvingLosesTheSecret(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("arrived %v, grace %v", applied, grace), func(t *testing.T) {
				t.Parallel()
				for write := range writesOfARotation { // Two for each call, and two calls if the change has not arrived.
					for _, after := range []bool{false, true} {
						t.Run(fmt.Sprintf("write %d, after it %v", write+1, after), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								h := mounttest.NewUnresolved(t, applied, mounttest.Fields{"secret_grace_period": grace})
								h.Pass(2 * time.Hour)
								diesAt(h, write, after)
								h.Read("token", nil)
								h.Storage.Heal()
								h.Restart()
								f := fate{stops: !applied}
								switch {
								case !applied && write == 1 && !after:
									f.costs = 2
								case !applied:
									f.costs = 1
								}
								foundByReads(h, f, grace)
							})
						})
					}
				}
			})
		}
	}
}

// Storage fails once at each write while the engine resolves the rotation, with and
// without effect. The process continues, or a new one does.
func TestNoStorageFailureWhileResolvingLosesTheSecret(t *testing.T) {
	t.Parallel()
	for _, arrived := range []bool{false, true} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("arrived %v, grace %v", arrived, grace), func(t *testing.T) {
				t.Parallel()
				for write := range writesOfARotation {
					for _, applied := range []bool{false, true} {
						for _, restart := range []bool{false, true} {
							t.Run(fmt.Sprintf("write %d, applied %v, restart %v", write+1, applied, restart), func(t *testing.T) {
								synctest.Test(t, func(t *testing.T) {
									h := mounttest.NewUnresolved(t, arrived, mounttest.Fields{"secret_grace_period": grace})
									h.Pass(2 * time.Hour)
									h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: write, Applied: applied})
									switch a := h.Read("token", nil); {
									case a.Status == http.StatusOK:
									case !arrived && write == 2: // The second attempt of two, after a refusal.
										h.Fails(a, http.StatusBadRequest, "10001")
									default:
										h.Fails(a, http.StatusInternalServerError, "no request was sent to Finicity, because the attempt could not be stored", "storage is out of order")
									}
									h.Storage.Heal()
									f := fate{}
									if !arrived {
										f.costs = 1
									}
									if restart {
										h.Restart()
										f.stops = !arrived
									}
									foundByReads(h, f, grace)
								})
							})
						}
					}
				}
			})
		}
	}
}

// foundByReads lets a day pass in which apps read, and checks that the secret in effect
// is found at the expected cost.
func foundByReads(h *mounttest.Harness, f fate, grace bool) {
	h.T.Helper()
	h.Fake.ClearFaults() // It is left over if nothing was sent.
	keepsTheSecret(h)
	read := func(d time.Duration) {
		for range d / (30 * time.Minute) {
			h.Pass(30 * time.Minute)
			a := h.Read("token", nil)
			if f.stops && a.Status == http.StatusBadRequest {
				h.Succeeds(h.Write("config/verify", nil))
				f.stops = false
			}
			keepsTheSecret(h)
		}
	}
	read(day)
	if token := h.Token(); !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
		h.T.Error("Finicity does not accept the token")
	}
	if current, _ := h.InEffect(); !current || !grace && h.Stored().Secrets.Unresolved() {
		h.T.Error("the current secret is not in effect")
	}
	if grace { // Only when the old secret stops working does it show that the other one remains.
		h.Pass(31*day - time.Hour)
		read(2 * time.Hour)
	}
	if current, _ := h.InEffect(); !current || h.Stored().Secrets.Unresolved() || !h.Fake.HoldsSecret(mounttest.PartnerID, storedCurrent(h)) {
		h.T.Error("in the end the current secret is not the one that Finicity holds")
	}
	atMost(h, f.costs)
	read(day)
	h.Rotate()
	h.Resolved()
}
