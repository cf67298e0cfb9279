// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// After a rotation, only the engine has the secret, even if another secret is written.
func TestDeleteIsRefusedWhileTheEngineMightHoldTheOnlyCopy(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]struct {
		do   func(h *mounttest.Harness)
		says string
	}{
		"rotated": {func(h *mounttest.Harness) { h.Rotate() }, "has rotated the secret"},
		"rotated long ago": {func(h *mounttest.Harness) {
			h.Rotate()
			h.Pass(40 * day)
			h.Token()
		}, "has rotated the secret"},
		"rotated, and another one stored untried": {func(h *mounttest.Harness) {
			h.Rotate()
			untried(h, mounttest.WrongSecret)
		}, "has rotated the secret"},
		"that was verified": {func(h *mounttest.Harness) {
			h.Rotate()
			untried(h, mounttest.WrongSecret)
			h.Succeeds(h.Write("config/verify", nil))
		}, "has rotated the secret"},
		"moved": {func(h *mounttest.Harness) {
			h.Rotate()
			h.Succeeds(h.Write("config", mounttest.Credentials(mounttest.Fields{
				"base_url": "http://localhost", "partner_secret": mounttest.WrongSecret, "verify_connection": false,
			})))
		}, "has rotated the secret"},
		"the answer was lost":   {func(h *mounttest.Harness) { h.Interrupt(true) }, "a rotation is unresolved"},
		"the change never came": {func(h *mounttest.Harness) { h.Interrupt(false) }, "a rotation is unresolved"},
		"a pending one, and another one stored untried": {func(h *mounttest.Harness) {
			h.Interrupt(false)
			untried(h, mounttest.WrongSecret)
		}, "a rotation is unresolved"},
		"an acknowledgment by a gateway": {func(h *mounttest.Harness) {
			nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204})
			h.Write("rotate-root", nil)
		}, "has rotated the secret"},
		"a refusal by a gateway": {func(h *mounttest.Harness) {
			nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 403})
			h.Write("rotate-root", nil)
		}, "a rotation is unresolved"},
		"resolved, and refused since": {func(h *mounttest.Harness) {
			h.Interrupt(true)
			h.Pass(2 * time.Hour)
			h.Token()
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Pass(2 * time.Hour)
			h.Fails(h.Read("token", nil), 400, "10001")
		}, "a rotation is unresolved"},
		"resolved to the old one, and refused since": {func(h *mounttest.Harness) {
			h.Interrupt(false)
			h.Pass(2 * time.Hour)
			h.Token()
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Pass(2 * time.Hour)
			h.Fails(h.Read("token", nil), 400, "10001")
		}, "a rotation is unresolved"},
		// Finicity refuses the portal's secret, and also the engine's, which a grace
		// period may have kept valid.
		"replaced, and both refused since": {func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": true}))
			h.Rotate()
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
			h.Pass(2 * time.Hour)
			for range 2 {
				h.Fails(h.Read("token", nil), 400, "10001")
				h.Pass(5 * time.Minute)
			}
		}, "a rotation is unresolved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				enter.do(h)
				before := h.Stored()
				for range 2 {
					h.Fails(h.Remove("config", nil), 400, enter.says, "the only copy", "vault delete finicity/config force=true")
					h.Fails(h.Remove("config", mounttest.Fields{"force": false}), 400, "the only copy")
					h.Restart()
				}
				h.Unchanged(before)
				h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
				if h.IsConfigured() {
					t.Error("with force it is not deleted")
				}
			})
		})
	}
}

// Force is for the only copy. If an operator has the secret in effect, force is not
// needed.
func TestDeleteNeedsNoForceWhereAnOperatorHasTheSecret(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]func(h *mounttest.Harness){
		"never rotated": func(*mounttest.Harness) {},
		"an untried one": func(h *mounttest.Harness) {
			untried(h, mounttest.WrongSecret)
		},
		"replaced after a rotation": func(h *mounttest.Harness) {
			h.Rotate()
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		},
		"a change that never came, after a day": func(h *mounttest.Harness) {
			h.Interrupt(false)
			use(h, 28*time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				enter(h)
				h.Succeeds(h.Remove("config", nil))
			})
		})
	}
}
