// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// One plugin process serves many mounts.
func TestMountsShareNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := mounttest.NewConfigured(t, nil), mounttest.New(t)
		two.Fails(two.Read("token", nil), 400, "not configured")
		two.Configure(mounttest.Fields{"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey})
		one.Pass(2 * time.Hour)
		one.Down()
		one.Fails(one.Read("token", nil), 502)
		a := two.Read("token", nil)
		two.Succeeds(a)
		if a.Data["partner_id"] != mounttest.OtherID || a.Data["app_key"] != mounttest.OtherKey {
			t.Error("a mount serves the credential of another one")
		}
	})
}

// If a standby node answered on its own, it would call Finicity, or serve a token that
// another node has replaced.
func TestEveryPathThatUsesTheCredentialGoesToTheActiveNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for _, state := range []consts.ReplicationState{
			consts.ReplicationPerformanceStandby, consts.ReplicationPerformanceSecondary,
		} {
			h.View.ReplicationStateVal = state
			h.Pass(5 * time.Second) // Reads of the token use Vault's answer for that long.
			for path, op := range map[string]logical.Operation{
				"token": logical.ReadOperation, "static-token": logical.ReadOperation, "rotate-root": logical.UpdateOperation, "config": logical.UpdateOperation,
				"config/verify": logical.UpdateOperation, "config/check": logical.ReadOperation, "config/rotate": logical.UpdateOperation,
			} {
				_, err := h.B.HandleRequest(t.Context(), &logical.Request{
					Operation: op, Path: path, Storage: h.Storage, MountPoint: h.Mount,
				})
				if !errors.Is(err, logical.ErrReadOnly) {
					t.Errorf("%s of %s is not forwarded", op, path)
				}
			}
			_, err := h.B.HandleRequest(t.Context(), &logical.Request{
				Operation: logical.DeleteOperation, Path: "config", Storage: h.Storage, MountPoint: h.Mount,
			})
			if !errors.Is(err, logical.ErrReadOnly) {
				t.Error("a delete of config is not forwarded")
			}
			h.Succeeds(h.Read("config", nil)) // This one needs only storage.
		}
		h.Called(1, 0)
	})
}

// Mainly for the race detector.
func TestOperationsAtTheSameTimeLeaveTheMountInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		var all []<-chan mounttest.Answer
		repeat := func(every time.Duration, do func() mounttest.Answer) {
			all = append(all, h.Background(func() mounttest.Answer {
				last := do()
				for range 50 {
					h.Pass(every)
					if last = do(); last.Status >= 400 {
						break
					}
				}
				return last
			}))
		}
		for i := range 20 {
			repeat(time.Duration(i+1)*time.Minute, func() mounttest.Answer { return h.Read("token", nil) })
		}
		repeat(11*time.Minute, func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "40m"}) })
		repeat(17*time.Minute, func() mounttest.Answer { return h.Write("rotate-root", nil) })
		repeat(19*time.Minute, func() mounttest.Answer { return h.Write("rotate-root", nil) })
		repeat(7*time.Minute, func() mounttest.Answer { return h.Write("config", mounttest.Fields{"token_lifetime": "1h"}) })
		repeat(13*time.Minute, func() mounttest.Answer {
			return h.Write("config", mounttest.Fields{"token_lifetime": "2h", "app_key": mounttest.AppKey})
		})
		repeat(3*time.Minute, func() mounttest.Answer { return h.Read("config", nil) })
		repeat(29*time.Minute, func() mounttest.Answer { return h.Write("config/verify", nil) })
		repeat(23*time.Minute, func() mounttest.Answer {
			for _, key := range []string{"config", "salt"} {
				h.B.InvalidateKey(t.Context(), key)
			}
			return mounttest.Answer{Status: 200}
		})
		for _, one := range all {
			h.Succeeds(<-one)
		}
		if current, _ := h.InEffect(); !current || h.Stored().Secrets.Unresolved() {
			t.Error("the current secret is not the one in effect")
		}
		if c := h.Fake.Counters(mounttest.PartnerID); c.Rejected != 0 || c.SecretChanges != 102 {
			t.Errorf("%d wrong attempts, and %d changes of the secret", c.Rejected, c.SecretChanges)
		}
	})
}
