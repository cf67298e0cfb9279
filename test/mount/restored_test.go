// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A snapshot is restored while the process is running, which remembers what it had
// stored.
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
			"stores it when storage works again")
		h.Storage.Heal()
		h.Storage.Restore(snapshot) // "Restore Vault's storage", docs/errors.md.
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
	})
}

func TestARestoreDuringRotateTokenBringsNoTokenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Minute)
		leaked := h.Token()
		snapshot := h.Storage.Snapshot()
		a := h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Write("rotate-token", nil) }, func() {
			h.Storage.Restore(snapshot)
			h.Read("status", nil)
			h.Token()
		})
		h.Succeeds(a)
		for range 8 {
			if h.Token() == leaked {
				t.Fatal("the leaked token is served again")
			}
			h.Pass(10 * time.Minute)
		}
	})
}

func TestAfterARestoreTheProcessRemembersAttemptsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		snapshot := h.Storage.Snapshot()
		for range 3 {
			h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
		}
		h.Spent(0, 3)
		h.Read("status", nil)
		h.Wrongly(3)
		h.Storage.Restore(snapshot)
		h.Read("status", nil)
		for i := range 4 {
			h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)})
		}
		everyMinute(h, 10, func() { h.Read("token", nil) })
		atMost(h, 4)
	})
}

func TestAfterARestoreTheProcessRemembersAnOperatorsSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		everyMinute(h, 10, func() { h.Read("token", nil) })
		statusShows(h, mounttest.Fields{"authentication": "stopped"})
		snapshot := h.Storage.Snapshot()
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Pass(time.Hour)
		h.Token()
		h.Storage.Restore(snapshot)
		h.Tick()
		statusShows(h, mounttest.Fields{"authentication": "ok"})
		h.Pass(3 * time.Hour)
		h.Token()
	})
}

func TestARestoreTakesNoUsableTokenAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(mounttest.Fields{"verify_connection": false})
		snapshot := h.Storage.Snapshot()
		h.Token()
		h.Storage.Restore(snapshot)
		h.Down()
		h.Read("status", nil)
		h.Token()
	})
}

// The restored token works, and the later one belongs to another configuration.
func TestARestoreKeepsTheTokenOfItsConfiguration(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]mounttest.Fields{
		"another app key": {"app_key": mounttest.NewKey}, "another address": mounttest.Credentials(mounttest.Fields{"base_url": elsewhere}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token, snapshot := h.Token(), h.Storage.Snapshot()
				h.Pass(time.Minute)
				if key, given := write["app_key"]; given && key == mounttest.NewKey {
					h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				}
				h.Succeeds(h.Write("config", write))
				n := h.Calls(fakefinicity.CallAuthenticate)
				h.Storage.Restore(snapshot)
				h.Tick()
				if h.Token() != token || h.Calls(fakefinicity.CallAuthenticate) != n {
					t.Error("the restored token is not served")
				}
			})
		})
	}
}

func TestARestoreThatAnotherNodeHasWrittenOverIsStillOne(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{0, time.Hour} {
		t.Run(later.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				snapshot := h.Storage.Snapshot()
				h.Pass(10 * time.Minute)
				h.Rotate()
				one := h.B
				h.Storage.Restore(snapshot)
				h.Restart()
				h.Read("status", nil)
				h.Pass(later)
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
				h.B = one
				h.Tick()
				keepsTheSecret(h)
			})
		})
	}
}
