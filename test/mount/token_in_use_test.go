// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// An app that reads now and then gets a token that lasts until its next read.
func TestATokenInUseIsRefreshedWhenItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 24 * 60 {
			if i%50 == 0 {
				if left := leaseOf(h, h.Read("token", nil)); left < 24*time.Minute {
					t.Errorf("after %d minutes a reader gets a token for %s", i, left)
				}
			}
			h.Tick()
			h.Pass(time.Minute)
		}
		if n := len(h.Fake.Requests()); n > 24*60/90 {
			t.Errorf("%d requests within a day", n)
		}
	})
}

func TestAnUnusedTokenIsNotRefreshed(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(h *mounttest.Harness){
		"never":                  func(*mounttest.Harness) {},
		"the one before was":     func(h *mounttest.Harness) { h.Token(); h.Succeeds(h.Write("config/verify", nil)) },
		"by the process before":  func(h *mounttest.Harness) { h.Token(); h.Restart(); h.Tick() },
		"it is over in any case": func(h *mounttest.Harness) { h.Token(); h.Pass(115 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				read(h)
				before := len(h.Fake.Requests())
				for range 180 {
					h.Pass(time.Minute)
					h.Tick()
				}
				if n := len(h.Fake.Requests()) - before; n > 0 {
					t.Errorf("%d requests were sent", n)
				}
			})
		})
	}
}

func TestOnlyTheNodeThatWritesRefreshesATokenInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		h.Pass(100 * time.Minute)
		h.View.ReplicationStateVal = consts.ReplicationPerformanceStandby
		h.Tick()
		synctest.Wait()
		h.Called(1, 0)
	})
}

// A fleet that reads the token of a mount with a refused credential uses only the
// allowed attempts, and so does the refresh once a minute.
func TestTheRefreshOfATokenInUseObeysTheAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for range 24 * 60 {
			h.Pass(time.Minute)
			h.Tick()
		}
		h.Wrongly(2)
		h.Called(3, 0)
	})
}

// Each time the configuration is read, another node has changed it.
func TestAReadEndsAlthoughTheConfigurationChangesAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		h.Storage.AfterGet = func(key string) { h.B.InvalidateKey(t.Context(), key) }
		before := h.Storage.Accesses(mounttest.Get("config"))
		h.Fails(h.Read("token", nil), 503, "changed while the token was read")
		if n := h.Storage.Accesses(mounttest.Get("config")) - before; n > 10 {
			t.Errorf("the configuration was read %d times", n)
		}
		h.Called(1, 0)
	})
}

// As TestATokenInUseIsRefreshedWhenItIsDue, but an operator writes a setting in between.
func TestATokenInUseIsRefreshedAlthoughASettingWasWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 3 * 60 {
			if i%50 == 0 {
				if left := leaseOf(h, h.Read("token", nil)); left < 24*time.Minute {
					t.Errorf("after %d minutes a reader gets a token for %s", i, left)
				}
			}
			if i == 60 {
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
			}
			h.Tick()
			h.Pass(time.Minute)
		}
	})
}
