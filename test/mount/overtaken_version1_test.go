// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func goldenNamed(t *testing.T, name string) mounttest.Golden {
	t.Helper()
	for _, g := range mounttest.Goldens(t, goldenV1) {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("there is no %s", name)
	return mounttest.Golden{}
}

// The old plugin on another node has rotated in the meantime.
func TestAnEntryOfVersion1ThatHasChangedIsMigratedAgain(t *testing.T) {
	t.Parallel()
	for _, later := range []string{"rotated-once", "pending"} {
		t.Run(later, func(t *testing.T) {
			t.Parallel()
			goldenMount(t, later, func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
				fresh := goldenNamed(t, "fresh")
				h.Storage.Plant("config", fresh.Value("config"))
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
				h.Tick()                                     // The node has migrated the entry, and storage has not accepted that.
				h.Storage.Plant("config", g.Value("config")) // The old plugin on the other node has rotated.
				h.Pass(time.Minute)
				h.Tick()
				keepsTheSecret(h)
			})
		})
	}
}

func TestAnEntryOfVersion1IsNotOverwrittenWithAnOlderOne(t *testing.T) {
	t.Parallel()
	goldenMount(t, "rotated-once", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		fresh := goldenNamed(t, "fresh")
		h.Storage.Plant("config", fresh.Value("config"))
		once(h, func() { h.Storage.Plant("config", g.Value("config")) })
		h.Tick() // It may fail, because the node was overtaken.
		h.Tick()
		keepsTheSecret(h)
	})
}

func TestADeleteLeavesNoTokenOfVersion1(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		h.Tick()
		h.Storage.Restore(snapshot)
		h.Tick()
		h.Succeeds(h.Remove("config", nil))
		if _, found := h.Storage.Peek("token"); found {
			t.Error("a token stays in storage after the configuration was deleted")
		}
	})
}

func TestAMigrationThatWasOvertakenBringsNothingBack(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Read("status", nil)
		one := h.B
		h.Restart()
		other := h.B
		gets := 0
		h.Storage.BeforeGet = func(key string) {
			if key != "config" {
				return
			}
			if gets++; gets == 2 { // The read of the check before the write.
				h.Storage.BeforeGet = func(string) {}
				tickAt(h, other)
			}
		}
		tickAt(h, one)
		if version(t, h) != 2 {
			t.Fatal("the other node has not migrated it")
		}
		h.B = other
		h.Succeeds(h.Remove("config", nil))
		tickAt(h, one)
		if h.IsConfigured() {
			t.Error("the deleted configuration has come back")
		}
	})
}

// Whether its deletion fails once, or for as long as the process lives.
func TestARecordOfVersion1CountsOnce(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		goldenMount(t, "four-spent", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
			for key := range h.Storage.Snapshot() {
				if strings.HasPrefix(key, "attempts/") {
					h.Storage.Fail(mounttest.Fault{On: mounttest.Del(key), Always: always})
				}
			}
			h.Tick()
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": g.Finicity.Holds, "verify_connection": false}))
			h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
			if left := recordsV1(h); (left == 1) != always {
				t.Fatalf("%d records are left", left)
			}
			h.Spent(0, 0)
			st := h.Stored()
			for _, url := range []string{"http://127.0.0.9", st.Settings.BaseURL} {
				h.Succeeds(h.Write("config", mounttest.Fields{
					"base_url": url, "partner_secret": g.Finicity.Holds, "app_key": st.AppKey.Reveal(),
				}))
				h.Restart()
			}
			h.Spent(0, 0)
		})
	}
}
