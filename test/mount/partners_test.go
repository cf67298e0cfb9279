// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

const full = "nothing was stored: this mount already counts failed attempts of 8 partners: " +
	"use another mount for this partner, or try again in 24 hours"

// mistyped is a write with the ID of a partner that Finicity does not know.
func mistyped(h *mounttest.Harness, i int) mounttest.Fields {
	return mounttest.Fields{"partner_id": wrongID(i), "partner_secret": h.Guess(i), "app_key": mounttest.AppKey}
}

func wrongID(i int) string { return fmt.Sprintf("20000000000%02d", i) }

// mistypes writes the IDs from first up to, but not including, end. Finicity refuses
// them.
func mistypes(h *mounttest.Harness, first, end int) {
	h.T.Helper()
	for i := first; i < end; i++ {
		h.Fails(h.Write("config", mistyped(h, i)), 400, "nothing was stored: Finicity answered")
	}
}

// remembered returns the partners of the stored records.
func remembered(h *mounttest.Harness) []string {
	h.T.Helper()
	all := slices.Sorted(maps.Keys(h.Stored().Records))
	if len(all) > 8 {
		h.T.Errorf("%d partners are remembered: %v", len(all), all)
	}
	return all
}

// stillWorks does what a healthy mount can do, at first without a token.
func stillWorks(h *mounttest.Harness) {
	h.T.Helper()
	h.Pass(2 * time.Hour)
	statusShows(h, mounttest.Fields{"authentication": "ok", "token_available": true})
	h.Token()
	h.Succeeds(h.Write("config/verify", nil))
	h.Rotate()
	remembered(h)
}

// A colleague mistypes the partner ID again and again.
func TestTypingErrorsInPartnerIDsLeaveTheMountAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		mistypes(h, 0, 7)
		calls := h.Calls(fakefinicity.CallAuthenticate)
		before := h.Stored()
		h.Fails(h.Write("config", mistyped(h, 7)), 400, full)
		h.Unchanged(before)
		h.Called(calls, 0)
		stillWorks(h)
	})
}

func TestTypingErrorsOfAYearLeaveTheMountAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 12 {
			mistypes(h, i, i+1)
			h.Pass(30 * 24 * time.Hour)
			h.Tick()
			h.Token()
			remembered(h)
		}
		stillWorks(h)
	})
}

func TestAFullMountTakesAnotherPartnerADayLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		mistypes(h, 0, 1)
		h.Pass(time.Hour)
		mistypes(h, 1, 7)
		h.Fails(h.Write("config", mistyped(h, 7)), 400, full)
		h.Pass(24 * time.Hour)
		mistypes(h, 7, 8)
		if all := remembered(h); slices.Contains(all, wrongID(0)) || !slices.Contains(all, wrongID(1)) {
			t.Errorf("the oldest record is kept, or another one is not: %v", all)
		}
		stillWorks(h)
	})
}

// A remembered partner has its four attempts as usual.
func TestAFullMountTakesAPartnerThatItRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		mistypes(h, 0, 7)
		again := mistyped(h, 0)
		again["partner_secret"] = h.Guess(1)
		h.Fails(h.Write("config", again), 400, "nothing was stored: Finicity answered", "Failed attempts: 2 of 5")
	})
}

// Finicity has locked a partner that was tried here, and no operator uses that partner
// again.
func TestALockedPartnerOfLongAgoMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 10 {
			h.Fake.Order(mounttest.Rejections()["locked"])
			h.Fails(h.Write("config", mistyped(h, i)), 400, "nothing was stored: Finicity answered", "24302")
			h.Pass(25 * time.Hour)
		}
		stillWorks(h)
	})
}

// Otherwise the mount would have a new partner each time, and the records of all
// previous ones.
func TestAFullMountTakesNoUntriedPartner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		mistypes(h, 0, 7)
		before := h.Stored()
		untried := mounttest.Fields{"verify_connection": false}
		h.Fails(h.Write("config", joined(mistyped(h, 7), untried)), 400, full)
		h.Unchanged(before)
		h.Succeeds(h.Write("config", joined(mistyped(h, 0), untried)))
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "12401", "Failed attempts: 2 of 5")
		remembered(h)
	})
}

// A mount that is not configured has no partner to reserve room for.
func TestAMountWithoutACredentialRemembersEightPartners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for i := range 8 {
			h.Fails(h.Write("config", mounttest.Credentials(mistyped(h, i))), 400, "nothing was stored: Finicity answered")
		}
		h.Fails(h.Write("config", mounttest.Credentials(nil)), 400, full)
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"verify_connection": false})), 400, full)
		h.Pass(25 * time.Hour)
		h.Configure(nil)
		stillWorks(h)
	})
}

// "Try again in 24 hours", on a mount without a configuration, whose clock no periodic
// call stores.
func TestAFullMountWithoutACredentialHasRoomADayLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for i := range 8 {
			h.Fails(h.Write("config", mounttest.Credentials(mistyped(h, i))), 400, "nothing was stored: Finicity answered")
		}
		for range 5 {
			for range 20 * 60 {
				h.Pass(time.Minute)
				h.Tick()
			}
			h.Restart()
		}
		h.Remove("config", mounttest.Fields{"force": true})
		h.Configure(nil)
	})
}
