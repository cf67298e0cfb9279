// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// If no lease of the mount could be long enough for the min_ttl, raising the limit of the
// mount does not help, and the error does not say so.
func TestAMinTTLOverTheLimitOfTheLifetimeGetsNoAdviceToRaiseTheOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lifetime string
		mount    time.Duration
		minTTL   string
		restart  bool
		says     string
	}{
		{"2h", 2 * time.Hour, "3h", false, "at most 85m"},
		{"2h", 2 * time.Hour, "3h", true, "at most 85m"}, // No token is loaded yet.
		{"10m", 20 * time.Minute, "30m", false, "at most 7m5s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": test.lifetime})
			h.View.MaxLeaseTTLVal = test.mount
			if test.restart {
				h.Restart()
			}
			h.Fails(h.Read("token", mounttest.Fields{"min_ttl": test.minTTL}), 400, test.says)
		})
	}
}

// A min_ttl that the token_lifetime never allows is refused without a call, also in a new
// process with an expired token. While Finicity refuses, a call would cost an attempt.
func TestARefusedMinTTLCostsNoAuthentication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "10m"})
		h.Pass(time.Hour)
		h.Restart()
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "30m"}), 400, "at most 7m5s")
		h.Called(1, 0)
		h.Spent(0, 0)
	})
}

// On a mount that is not configured, the answer says so.
func TestAMinTTLOnAnUnconfiguredMountSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "90m"}), 400, "not configured")
	})
}

// Another node becomes active while the view of the mount is still remembered. The engine
// asks Vault because of the min_ttl, learns it, and must forward the request.
func TestAStandbyThatHasJustLearnedSoForwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.View.MaxLeaseTTLVal = 10 * time.Minute
		h.Token()
		h.View.ReplicationStateVal = consts.ReplicationPerformanceStandby
		req := &logical.Request{
			Operation: logical.ReadOperation, Path: "token", MountPoint: h.Mount, Storage: h.Storage,
			Data: map[string]any{"min_ttl": "11m"},
		}
		resp, err := h.B.HandleRequest(t.Context(), req)
		h.Take("token", resp, nil)
		if err == nil || !strings.Contains(err.Error(), logical.ErrReadOnly.Error()) {
			t.Errorf("the request is not forwarded: %v", err)
			if resp != nil && resp.Secret != nil {
				t.Errorf("and a lease of %s is over the limit of the mount", resp.Secret.TTL)
			}
		}
	})
}

// A reader who joins the refresh of another reader, whose min_ttl is refused, gets a token.
func TestARefusedMinTTLIsNoOtherReadersError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "10m"})
		h.Pass(time.Hour)
		h.Restart()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Hangs: true})
		demanding := h.Background(func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "30m"}) })
		synctest.Wait()
		plain := readMany(h, 5)
		synctest.Wait()
		h.Storage.Heal()
		h.Fails(<-demanding, 400, "at most 7m5s")
		for _, one := range plain {
			h.Succeeds(<-one)
		}
		h.Called(2, 0)
	})
}
