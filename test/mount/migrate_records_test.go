// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Version 1 had a record for each partner and address. The engine cannot tell which
// until the partner or the address is written.
func TestARecordOfVersion1CountsWhenItsPartnerIsWritten(t *testing.T) {
	t.Parallel()
	goldenMount(t, "two-partners", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		write := mounttest.Fields{
			"partner_id": mounttest.PartnerID, "partner_secret": mounttest.WrongSecret, "app_key": mounttest.AppKey,
		}
		h.Leaks.Add(mounttest.WrongSecret)
		h.Fails(h.Write("config", write), 400, "nothing was stored", "Failed attempts: 3 of 5")
		h.Spent(3, 0)
		if recordsV1(h) != 0 {
			t.Error("a record of version 1 is left, and would count again")
		}
		h.Restart()
		write["partner_secret"] = mounttest.PartnerSecret
		h.Succeeds(h.Write("config", write))
		h.Spent(3, 0)
		h.Wrongly(1)
	})
}

func TestARecordOfVersion1CountsWhenItsAddressIsWritten(t *testing.T) {
	t.Parallel()
	goldenMount(t, "two-places", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Pass(2 * time.Hour)
		h.Token()
		h.Spent(0, 0)
		h.Fails(h.Write("config", mounttest.Fields{
			"base_url": "http://127.0.0.1", "partner_secret": mounttest.WrongSecret, "app_key": mounttest.AppKey,
		}), 400, "Failed attempts: 2 of 5")
		h.Succeeds(h.Write("config", mounttest.Fields{
			"base_url": "http://127.0.0.1", "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey,
		}))
		h.Spent(2, 0)
		if recordsV1(h) != 0 {
			t.Error("a record of version 1 is left, and would count again")
		}
	})
}

// A write that is not sent stores nothing, so the record must stay where it is.
func TestARecordOfVersion1StaysUntilItIsStored(t *testing.T) {
	t.Parallel()
	goldenMount(t, "two-partners", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Token()
		left := recordsV1(h)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		write := mounttest.Fields{
			"partner_id": mounttest.PartnerID, "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey,
		}
		h.Fails(h.Write("config", write), 500, "no request was sent to Finicity, because the attempt could not be stored")
		if recordsV1(h) < left {
			t.Error("a record was deleted that is stored nowhere else")
		}
		h.Restart()
		h.Succeeds(h.Write("config", write))
		h.Spent(2, 0)
	})
}

// Records that were migrated once must not return from the old entries.
func TestADeletedMountDoesNotCountVersion1Twice(t *testing.T) {
	t.Parallel()
	goldenMount(t, "four-spent", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		h.Succeeds(h.Remove("config", nil))
		if st := h.Stored(); st == nil || len(st.Records[mounttest.PartnerID].Attempts) != 4 {
			t.Fatal("the attempts are lost")
		}
		if recordsV1(h) != 0 {
			t.Error("the record of version 1 is left, and would count again")
		}
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": g.Finicity.Holds})), 400, "4 of 5")
		h.Configure(mounttest.Fields{"partner_secret": g.Finicity.Holds, "verify_connection": false})
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Succeeds(h.Remove("config", nil))
		h.Restart()
		h.Configure(mounttest.Fields{"partner_secret": g.Finicity.Holds})
		h.Spent(0, 0)
	})
}

func TestWhatVersion1LeftBehindCountsForTheNextMount(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"first-refused": 1, "deleted-halfway": 1, "deleted-other-partner": 2, "deleted": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenMount(t, name, func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
				h.Configure(mounttest.Fields{"partner_secret": h.Guess(3), "verify_connection": false})
				record := h.Record()
				if used := record.Used(h.Stored().Clock); used != want {
					t.Errorf("%d attempts count, want %d", used, want)
				}
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": g.Finicity.Holds}))
				h.Token()
			})
		})
	}
}
