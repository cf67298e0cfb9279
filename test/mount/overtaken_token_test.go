// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// otherNode replaces the token on another node on the same storage, and Vault tells this
// one. It returns the new token.
func otherNode(h *mounttest.Harness) (fresh string) {
	h.T.Helper()
	one := h.B
	h.Restart()
	h.Succeeds(h.Write("rotate-token", nil))
	fresh = h.Token()
	h.B = one
	h.B.InvalidateKey(h.T.Context(), "config")
	return fresh
}

// A write of a setting asks Vault for a secret of the password policy. Meanwhile another
// node replaces the token, and Vault invalidates the entry here.
func TestAReplacedTokenDoesNotComeBackThroughAWriteThatIsOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Pass(2 * time.Minute)
		fresh, n := "", 0
		h.View.SetPasswordPolicy("finicity", func() (string, error) {
			if fresh == "" {
				fresh = otherNode(h)
			}
			n++
			return fmt.Sprintf("By-The-Policy-%d", 1000+n), nil
		})
		h.Fails(h.Write("config", mounttest.Fields{"password_policy": "finicity"}), 503, "changed in the meantime")
		switch h.Token() {
		case old:
			t.Error("the replaced token is served again")
		case fresh:
		default:
			t.Error("a third token is served")
		}
	})
}

// Another node replaces the token right after this one has stored a setting.
func TestAReplacedTokenDoesNotComeBackThroughAWriteThatWasStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Pass(2 * time.Minute)
		storage := &overtaking{Storage: h.Storage, after: func(put int) {
			if put == 1 {
				otherNode(h)
			}
		}}
		resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.UpdateOperation, Path: "config", MountPoint: h.Mount, Storage: storage,
			Data: mounttest.Fields{"request_timeout": "20s"},
		})
		h.Succeeds(h.Take("config", resp, err))
		if storage.puts != 1 {
			t.Fatalf("%d writes", storage.puts)
		}
		if h.Token() == old {
			t.Error("the replaced token is served again")
		}
	})
}

// This node verifies a new app key and stores it. Before it shares the token, another
// node writes yet another app key.
func TestATokenOfAWriteThatWasOvertakenIsNotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		h.Pass(2 * time.Minute)
		const third = "77aa2c4f6a90d7135b8e2c4f6a90d7ff"
		storage := &overtaking{Storage: h.Storage, after: func(put int) {
			if put == 2 { // The first one charges the attempt.
				one := h.B
				h.Restart()
				h.Fake.SetAppKey(mounttest.PartnerID, third)
				h.Succeeds(h.Write("config", mounttest.Fields{"app_key": third}))
				h.B = one
				h.B.InvalidateKey(t.Context(), "config")
			}
		}}
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.UpdateOperation, Path: "config", MountPoint: h.Mount, Storage: storage,
			Data: mounttest.Fields{"app_key": mounttest.NewKey},
		})
		h.Succeeds(h.Take("config", resp, err))
		if a := h.Read("token", nil); a.Data["app_key"] != third {
			t.Error("the replaced app key is served, with its token")
		}
	})
}

// A reader without the lock has found the stored token. Before it shares the token, a
// write of another app key ends it.
func TestATokenThatAWriteEndsIsNotSharedByAnEarlierReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Restart()
		h.Read("status", nil) // This reads the salt.
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		once(h, func() {
			h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}))
		})
		h.Read("token", nil)
		synctest.Wait()
		if a := h.Read("token", nil); a.Data["token"] == old || a.Data["app_key"] != mounttest.NewKey {
			t.Error("the token of the old app key is served")
		}
	})
}
