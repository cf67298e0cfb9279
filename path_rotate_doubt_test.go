// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// gatewayRepeats has a gateway send a change twice: the first copy is carried out, and the second one is refused for the old
// secret, which counts.
func (h *harness) gatewayRepeats(do func()) {
	h.t.Helper()
	end := h.onceSent(func(secret string) { h.fake.SetSecret(partnerID, secret) })
	defer end()
	do()
}

// Another doubt of the same day, about which nobody has asked, is no reason not to find out.
func TestARepeatedRotationFindsOutFirstWhateverWasRefusedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"})
		h.fails(h.write("rotate-root", nil), 400, "403")
		h.pass(2 * time.Hour)
		h.token()
		h.gatewayRepeats(func() { h.fails(h.write("rotate-root", nil), 400, "10001") })
		h.rotate()
		h.wrongly(2)
	})
}

// What is found out then is a success, which may hide that Finicity counts the refused changes.
func TestRefusalsOfTheOldSecretInARowAreFoundOutAboutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		refusal := rejections()["10001"]
		refusal.Call, refusal.Count = fakefinicity.CallModifySecret, 1000
		h.fake.Order(refusal)
		for range 10 {
			h.write("rotate-root", nil)
			h.pass(time.Minute)
		}
		if n := h.calls(fakefinicity.CallModifySecret); n > attemptsMost+1 {
			t.Errorf("%d refused changes", n)
		}
	})
}

// With a grace period the old secret is good for a second copy of the change, and a policy may forbid what is in force already.
func TestWithGraceARefusalByPolicyDoesNotLoseTheSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"secret_grace_period": true})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 400,
			Body: `{"code":24437,"message":"New password is not as per policy"}`,
		})
		h.gatewayRepeats(func() { h.fails(h.write("rotate-root", nil), 400, "24437") })
		h.keepsTheSecret()
	})
}

// A secret that was brought twice was set aside in between. With a grace period it works for 30 days after it was rotated
// away, and must not win then against the one that stays.
func TestASecretThatWasRotatedAwayIsNoCandidate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"secret_grace_period": true})
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.succeeds(h.write("config", fields{"partner_secret": partnerSecret}))
		h.rotate()
		if slices.Contains(h.stored().Credential.candidates(), partnerSecret) {
			t.Error("the old secret may come back")
		}
	})
}

// A rotation that has succeeded ends the row.
func TestAfterARotationTheOldSecretMayBeRefusedOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		refusal := rejections()["10001"]
		refusal.Call = fakefinicity.CallModifySecret
		h.fake.Order(refusal)
		h.fails(h.write("rotate-root", nil), 400, "10001")
		h.rotate()
		h.pass(12 * time.Hour)
		h.gatewayRepeats(func() { h.fails(h.write("rotate-root", nil), 400, "10001") })
		h.rotate()
	})
}
