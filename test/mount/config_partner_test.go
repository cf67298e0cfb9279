// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func otherPartner() mounttest.Fields {
	return mounttest.Fields{
		"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey,
	}
}

func TestANewPartnerReplacesTheCredentialItsHistoryAndItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Rotate()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Succeeds(h.Write("config", otherPartner()))
		st := h.Stored()
		if len(st.Secrets.Secrets) != 1 || storedCurrent(h) != mounttest.OtherSecret || st.PartnerID != mounttest.OtherID ||
			st.AppKey.Reveal() != mounttest.OtherKey || len(st.RotatedAway) != 0 || !st.LastRotation.IsZero() {
			t.Error("something of the old partner is left")
		}
		a := h.Read("token", nil)
		if a.Data["token"] == token || a.Data["partner_id"] != mounttest.OtherID || a.Data["app_key"] != mounttest.OtherKey {
			t.Error("the token is not the new partner's")
		}
		signs(h, mounttest.WrongSecret, "")
	})
}

// The secret that was rotated away belonged to the old partner.
func TestAReplacedSecretMightBeAnotherPartners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "replaced by a rotation")
		h.Fake.SetSecret(mounttest.OtherID, mounttest.PartnerSecret)
		h.Succeeds(h.Write("config", joined(otherPartner(), mounttest.Fields{"partner_secret": mounttest.PartnerSecret})))
		h.Token()
	})
}

func TestANewPartnerNeedsADeleteWhileTheEngineMightHoldTheOnlyCopy(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]func(h *mounttest.Harness){
		"rotated": func(h *mounttest.Harness) { h.Rotate() },
		"a change that never came": func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Interrupt(false)
			h.Pass(time.Minute)
			h.Token()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				enter(h)
				before, calls := h.Stored(), len(h.Fake.Requests())
				for _, verify := range []bool{true, false} {
					h.Fails(h.Write("config", joined(otherPartner(), mounttest.Fields{"verify_connection": verify})), 400,
						"the only copy", "For another partner, use another mount", "vault delete finicity/config force=true")
				}
				h.Unchanged(before)
				if n := len(h.Fake.Requests()); n != calls {
					t.Errorf("%d calls were made", n-calls)
				}
				h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
				h.Succeeds(h.Write("config", mounttest.Credentials(otherPartner())))
			})
		})
	}
}

// The last attempt is reserved for the stored credential of the same partner. Another
// partner has four attempts of its own.
func TestAnotherPartnerHasItsOwnFourAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		for i := range 3 {
			h.Fails(h.Write("config", joined(otherPartner(), mounttest.Fields{"partner_secret": h.Guess(i)})), 400, "10001",
				fmt.Sprintf("%d more without force", 3-i))
		}
		h.Succeeds(h.Write("config", otherPartner()))
		h.Token()
	})
}
