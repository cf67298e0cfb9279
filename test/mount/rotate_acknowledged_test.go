// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// acknowledged rotates. The change is answered with a 204, and the proof of the new
// secret with the given fault.
func acknowledged(h *mounttest.Harness, change fakefinicity.Fault, proofs ...fakefinicity.Fault) {
	h.T.Helper()
	nextChange(h, change)
	for _, proof := range proofs {
		proof.Call = fakefinicity.CallAuthenticate
		h.Fake.Order(proof)
	}
	h.Fails(h.Write("rotate-root", nil), 400, "the outcome of the rotation is unknown")
}

// Not all of Finicity may know the new secret yet, so the next attempt comes after 30
// seconds instead of five minutes.
func TestAfterAnAcknowledgedChangeTheNextAttemptIsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Minute)
		acknowledged(h, fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 204}, mounttest.Rejections()["blocked"])
		h.Pass(25 * time.Second)
		h.Fails(h.Write("rotate-token", nil), 400, "no request was sent")
		h.Pass(6 * time.Second)
		h.Succeeds(h.Write("rotate-token", nil))
	})
}

// A 204 may come from a gateway. A process that has nothing more than a 204 has had no
// success, and stops at the first refusal.
func TestAnAcknowledgmentIsNotASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Minute)
		h.Restart()
		acknowledged(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204}, mounttest.Rejections()["10026"])
		if state := statusNow(h)["authentication"]; state != "stopped" {
			t.Errorf("authentication is %v", state)
		}
	})
}

// A gateway has invented the 204. The old secret still works, and the answer must not
// call that a rotation.
func TestAnAcknowledgmentWithoutAProofIsNoRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		acknowledged(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204})
		statusShows(h, mounttest.Fields{"authentication": "ok", "last_vault_rotation": nil})
		if n := len(h.Recorded("finicity/root-rotate")); n > 0 {
			t.Errorf("%d rotations are announced", n)
		}
	})
}
