// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The last of four attempts is kept for the stored credential, which works.
func TestAnUntriedTypoDoesNotTakeTheReservedAttempt(t *testing.T) {
	t.Parallel()
	for name, typo := range map[string]int{"refused before": 2, "another one": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Guesses(3)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(typo), "verify_connection": false}))
				h.Pass(2 * time.Hour)
				h.Token()
				h.Wrongly(3)
			})
		})
	}
}

// A script stores the same stale secret, untried, again and again.
func TestAStaleSecretStoredUntriedCostsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 6 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
			h.Pass(100 * time.Minute)
			h.Token()
		}
		h.Wrongly(1)
	})
}

// The script's secret was in effect once, and then changed in the portal and by a rotation.
func TestAnOldSecretStoredUntriedSignsNothingAndCostsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Rotate()
		signs(h, mounttest.PartnerSecret, "previous")
		for day := range 10 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "verify_connection": false}))
			want := "previous"
			if day >= 4 {
				want = ""
			}
			signs(h, mounttest.PartnerSecret, want)
			use(h, 24*time.Hour)
			if day == 0 {
				h.Wrongly(1)
			}
		}
		signs(h, mounttest.PartnerSecret, "")
	})
}
