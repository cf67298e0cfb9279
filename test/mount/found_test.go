// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Failures that test/simulation has found, each as its shortest story.

// A gateway's 403 and Finicity's 401 are one refusal with a code, not two. The engine
// tries the secret that was sent, and needs no operator.
func TestAChangeThatAGatewayHidesIsFoundWithoutAnOperator(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"401": 401, "403": 403, "404": 404} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: status, Body: "Blocked"})
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "Blocked")
				sent := lastSent(h)
				if !h.Fake.HoldsSecret(mounttest.PartnerID, sent) {
					t.Fatal("the change was not carried out")
				}

				h.Pass(2 * time.Hour)
				h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "the engine retries once")
				h.Pass(30 * time.Minute)
				h.Token()
				if storedCurrent(h) != sent {
					t.Error("the secret that was sent is not the current one")
				}
				h.Wrongly(1)
			})
		})
	}
}

// Two refusals with a code stop attempts, regardless of refusals without a code.
func TestARefusalWithoutACodeInBetweenStopsNothingLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
		h.Pass(5 * time.Minute)
		h.Answering(http.StatusForbidden, "Blocked", 1)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "403")
		h.Pass(29 * time.Minute)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "no request was sent")
		h.Pass(time.Minute)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "makes no further attempt automatically")
		h.Wrongly(2)
	})
}

// Support has unlocked the partner, as the error said, and the stored credential is
// still wrong. The error must then say so, and not tell the operator to call support
// again.
func TestARefusalWithAnotherCodeEndsALock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Answering(http.StatusInternalServerError, `{"code":24302,"message":"locked"}`, 1)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "24302", "After Finicity support has unlocked the partner")
		h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001", "vault write finicity/config partner_secret=…")
		a := h.Read("status", nil)
		if a.Data["authentication"] != "stopped" {
			t.Errorf("authentication is %v", a.Data["authentication"])
		}
		if a := h.Read("token", nil); strings.Contains(a.Text, "Finicity support") {
			t.Errorf("the error still says to call support: %s", a.Text)
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Token()
	})
}

// An idle mount proves nothing on its own. The rotation that an error has announced as
// possible by then must work.
func TestARotationIsPossibleWhenTheErrorHasSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Rotate()
		h.Rotate()
		a := h.Write("rotate-root", nil)
		h.Fails(a, http.StatusBadRequest, atLimit)
		_, when, _ := strings.Cut(a.Text, atLimit+" ")
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			t.Fatal(err)
		}
		h.Pass(at.Sub(h.Now()) + time.Second)
		h.Rotate()
		h.Wrongly(0)
	})
}
