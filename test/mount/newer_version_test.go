// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// everyOperation are all operations of a mount.
func everyOperation() map[string]func(h *mounttest.Harness) mounttest.Answer {
	all := map[string]func(h *mounttest.Harness) mounttest.Answer{
		"patch config": func(h *mounttest.Harness) mounttest.Answer {
			return h.Patch("config", mounttest.Fields{"request_timeout": "20s"})
		},
		"delete config": func(h *mounttest.Harness) mounttest.Answer { return h.Remove("config", nil) },
		"delete config with force": func(h *mounttest.Harness) mounttest.Answer {
			return h.Remove("config", mounttest.Fields{"force": true})
		},
		"write config": func(h *mounttest.Harness) mounttest.Answer { return h.Write("config", mounttest.Credentials(nil)) },
		"write config without verifying": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Credentials(mounttest.Fields{"verify_connection": false}))
		},
		"verify with force": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config/verify", mounttest.Fields{"force": true})
		},
		"verify a webhook": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("webhook/verify", mounttest.Fields{"input": "e30=", "signature": "00"})
		},
	}
	for _, path := range []string{"config", "token", "status"} {
		all["read "+path] = func(h *mounttest.Harness) mounttest.Answer { return h.Read(path, nil) }
	}
	for _, path := range []string{"config/verify", "rotate-root", "rotate-token"} {
		all["write "+path] = func(h *mounttest.Harness) mounttest.Answer { return h.Write(path, nil) }
	}
	return all
}

// plantVersion3 turns the stored entry into one of a version that does not exist yet.
func plantVersion3(t *testing.T, h *mounttest.Harness) {
	t.Helper()
	value, _ := h.Storage.Peek("config")
	newer := bytes.Replace(value, []byte(`"version":2`), []byte(`"version":3`), 1)
	if bytes.Equal(value, newer) {
		t.Fatal("the entry is not of version 2")
	}
	h.Storage.Plant("config", newer)
	h.Restart()
}

// An operator has gone back to an older version of the plugin. The newer version may
// have stored the only copy of the secret.
func TestAnEntryOfANewerVersionIsNeitherUsedNorOverwritten(t *testing.T) {
	t.Parallel()
	for name, operation := range everyOperation() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
				plantVersion3(t, h)
				before := h.Storage.Snapshot()
				h.Fails(operation(h), 500, "has version 3", "up to version 2", "install the version that wrote it")
				if !maps.EqualFunc(before, h.Storage.Snapshot(), slices.Equal) {
					t.Error("storage has changed")
				}
				h.Called(1, 0)
			})
		})
	}
}

func TestAnEntryOfANewerVersionIsLeftAloneByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		plantVersion3(t, h)
		before := h.Storage.Snapshot()
		for range 50 {
			h.Pass(time.Hour)
			h.Tick()
		}
		_, err := h.B.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
		if err == nil {
			t.Error("the periodic call hides it")
		}
		if !maps.EqualFunc(before, h.Storage.Snapshot(), slices.Equal) {
			t.Error("storage has changed")
		}
		h.Called(1, 0)
	})
}

// Force must also discard an undecodable entry that does not name its version.
func TestADamagedEntryOfVersion1CanBeDiscarded(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`{}`, `{"credential":{}}`, `{"base_url":1}`, `null`, `{"version":1}`} {
		t.Run(value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Storage.Plant("config", []byte(value))
				a := h.Read("token", nil)
				for range 3 {
					a = h.Remove("config", mounttest.Fields{"force": true})
				}
				h.Succeeds(a)
				h.Configure(nil)
			})
		})
	}
}

// A newer version has written the entry while Finicity accepted the attempt.
func TestASuccessUnderANewerVersionSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
		done := h.Background(func() mounttest.Answer {
			return h.Write("config", mounttest.Fields{"token_lifetime": "1h", "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey, "base_url": elsewhere})
		})
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		h.Storage.Plant("config", []byte(`{"version":3,"credential":"of a newer version"}`))
		h.Fake.Release()
		a := <-done
		if strings.Contains(a.Text, "Do not repeat") {
			t.Errorf("%d %s, although it will never be stored", a.Status, h.Leaks.Hide(a.Text))
		}
	})
}
