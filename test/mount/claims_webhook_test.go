// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Anyone who may write the configuration can store their own secret with
// verify_connection=false. If that secret counted, they could forge webhooks. So a
// secret counts only if Finicity has accepted it or the engine has sent it.
func TestAWrittenSecretSignsNoWebhookBeforeItsProof(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(h *mounttest.Harness){
		"stored untried": func(*mounttest.Harness) {},
		"refused by Finicity": func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Read("token", nil)
			h.Wrongly(1)
		},
		"replaced by another one": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(1), "verify_connection": false}))
		},
		"replaced by the right one": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		},
		"after a restart": func(h *mounttest.Harness) { h.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
				then(h)
				signs(h, mounttest.WrongSecret, "")
				signs(h, mounttest.PartnerSecret, "current")
			})
		})
	}
}

// The very first secret is also written untried if Finicity is unreachable. It signs
// nothing until Finicity has accepted it, and everything from then on.
func TestAFirstSecretSignsOnceFinicityHasAcceptedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"verify_connection": false})
		signs(h, mounttest.PartnerSecret, "")
		h.Succeeds(h.Write("config/verify", nil))
		signs(h, mounttest.PartnerSecret, "current")
	})
}

// The wall clock is ahead by months during a rotation, so the end of the old secret is
// dated in the future. When the clock is right again, the old secret must not sign for
// longer than its four days: many people may know it.
func TestAClockThatWasAheadLetsNoOldSecretSignOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.SetClock(90 * day)
		h.Configure(nil)
		h.Rotate()
		signs(h, mounttest.PartnerSecret, "previous")
		h.SetClock(-90 * day)
		use(h, 5*day)
		signs(h, mounttest.PartnerSecret, "")
	})
}

// The wall clock is ahead for one read, by more than the time for which a replaced
// secret remains valid for webhooks. When the clock is right again, webhooks that
// Finicity repeats must still be valid.
func TestAClockThatIsAheadForgetsNoWebhookSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		h.Pass(time.Hour)
		h.SetClock(10 * day)
		h.Read("token", nil)
		h.SetClock(-10 * day)
		h.Pass(time.Hour)
		signs(h, mounttest.PartnerSecret, "previous")
	})
}
