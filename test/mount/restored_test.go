// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A snapshot is restored beneath the running process, which remembers what it had stored.
func TestAfterARestoreTheProcessRemembersWhatWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for i := range 3 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)}), http.StatusBadRequest)
		}
		atMost(h, 3)
		h.Pass(2 * time.Hour)
		h.Storage.Restore(snapshot)
		everyMinute(h, 120, func() { h.Read("token", nil) })
		atMost(h, 4)
	})
}

func TestAfterARestoreTheProcessRemembersItsSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Rotate()
		h.Storage.Restore(snapshot)
		h.Tick()
		h.Pass(100 * time.Minute)
		h.Read("token", nil)
		keepsTheSecret(h)
	})
}

func TestAfterARestoreAReplacedTokenStaysReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Minute)
		leaked := h.Token()
		snapshot := h.Storage.Snapshot()
		h.Succeeds(h.Write("rotate-token", nil))
		h.Storage.Restore(snapshot)
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		if h.Token() == leaked {
			t.Error("the leaked token is served again")
		}
	})
}

// The errors of these writes say that the outcome is stored once storage works.
func TestAfterARestoreAWriteThatWasAcceptedCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Pass(time.Hour)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), http.StatusBadRequest,
			"stores it once storage works")
		h.Storage.Heal()
		h.Storage.Restore(snapshot) // "Restore Vault's storage", docs/api.md.
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
	})
}
