// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Another node has written the entry.
func TestInvalidateDropsWhatTheEntryHadBrought(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		before := h.Storage.Accesses(mounttest.Get("config"))
		h.B.InvalidateKey(t.Context(), "config")
		h.Token()
		if h.Storage.Accesses(mounttest.Get("config")) != before+1 {
			t.Error("the configuration was not read again")
		}
		before = h.Storage.Accesses(mounttest.Get("salt"))
		h.B.InvalidateKey(t.Context(), "salt")
		h.B.InvalidateKey(t.Context(), "config")
		h.Token()
		if h.Storage.Accesses(mounttest.Get("salt")) != before+1 {
			t.Error("the salt was not read again")
		}
		before = h.Storage.Accesses()
		h.B.InvalidateKey(t.Context(), "something else")
		h.Token()
		if h.Storage.Accesses() != before {
			t.Error("another entry has dropped the token")
		}
		h.Called(1, 0)
	})
}

func TestANodeFollowsWhatAnotherOneWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		standby := h.B
		h.Token()
		h.Restart() // The other node, on the same storage.
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		token := h.Token()
		h.B = standby
		h.B.InvalidateKey(t.Context(), "config")
		if h.Token() != token {
			t.Error("the node serves another token than the node that wrote")
		}
		h.Called(2, 0)
	})
}

// The engine compares the entry in storage before it stores the outcome.
func TestATokenDroppedDuringItsCallIsSharedIfNothingChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
		reader := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		synctest.Wait()
		h.B.InvalidateKey(t.Context(), "config")
		before := h.Storage.Accesses(mounttest.Get("config"))
		h.Fake.Release()
		h.Succeeds(<-reader)
		if n := h.Storage.Accesses(mounttest.Get("config")) - before; n != 2 {
			t.Errorf("%d reads of storage for the outcome, want 2", n)
		}
		h.Called(2, 0)
	})
}

// After a failover, the cache is empty, and resolving a rotation waits for Finicity.
func TestAFreshTokenInStorageIsServedWhileACallHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
		h.Interrupt(true) // The token is fresh. The rotation must be resolved.
		h.Restart()       // A failover.
		h.Tick()
		h.Pass(3 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		go h.Tick()
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		a := h.Read("token", nil)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("with a fresh token in storage a read took %s (%d)", took, a.Status)
		}
		h.Fake.Release()
		h.Pass(5 * time.Minute)
	})
}

// Another node changes the app key while this one reads the entry. The token from that
// read must not be shared afterwards.
func TestAStoredTokenOfAnOldConfigurationIsNotShared(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]int{"found without the lock": 1, "found with the lock, after a read that failed": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := h.Storage.Snapshot()
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
				after := h.Storage.Snapshot()
				h.Storage.Restore(before)
				h.Restart()
				h.Read("status", nil) // This reads the salt, which is not read again then.
				if reads == 2 {
					h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
				}
				left := reads
				h.Storage.AfterGet = func(key string) {
					if key != "config" {
						return
					}
					if left--; left == 0 {
						h.Storage.Restore(after)
						h.B.InvalidateKey(t.Context(), "config")
					}
				}
				a := h.Read("token", nil)
				h.Succeeds(a)
				if a.Data["app_key"] != mounttest.NewKey {
					t.Error("the token of the old app key is served")
				}
				h.Called(2, 0)
			})
		})
	}
}

// overtaking is storage in which another node writes right after this one.
type overtaking struct {
	*mounttest.Storage
	before, after func(put int) // of the write with this number
	puts          int
}

func (s *overtaking) Put(ctx context.Context, entry *logical.StorageEntry) error {
	s.puts++
	put := s.puts
	if s.before != nil {
		s.before(put)
	}
	err := s.Storage.Put(ctx, entry)
	if s.after != nil {
		s.after(put)
	}
	return err
}

// The other node changes the app key between the outcome of this node's call and the
// moment at which its token is shared.
func TestATokenThatWasOvertakenWhileItCameIsNotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		before := h.Storage.Snapshot()
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		after := h.Storage.Snapshot()
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.AppKey)
		h.Storage.Restore(before)
		h.Restart()

		storage := &overtaking{Storage: h.Storage, after: func(put int) {
			if put == 2 { // The first one charges the attempt.
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				h.Storage.Restore(after)
				h.B.InvalidateKey(t.Context(), "config")
			}
		}}
		resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.ReadOperation, Path: "token", MountPoint: h.Mount, Storage: storage,
		})
		a := h.Take("token", resp, err)
		h.Succeeds(a)
		if storage.puts < 2 {
			t.Fatal("no other node has written")
		}
		if a.Data["app_key"] != mounttest.NewKey {
			t.Error("the token of the old app key is served")
		}
	})
}

// Vault invalidates the entry just before the outcome is stored, and a reader loads the
// token that is being replaced.
func TestAReplacedTokenThatAReaderLoadsMeanwhileIsNotServed(t *testing.T) {
	t.Parallel()
	for path, outcome := range map[string]int{"rotate-token": 2, "rotate-root": 4} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				old := h.Token()
				h.Pass(10 * time.Minute)
				storage := &overtaking{Storage: h.Storage, before: func(put int) {
					if put == outcome {
						h.B.InvalidateKey(t.Context(), "config")
						if h.Token() != old {
							t.Error("the token was replaced before")
						}
					}
				}}
				_, _ = h.B.HandleRequest(t.Context(), &logical.Request{
					Operation: logical.UpdateOperation, Path: path, MountPoint: h.Mount, Storage: storage,
				})
				if storage.puts < outcome {
					t.Fatal("the outcome was not stored")
				}
				if h.Token() == old {
					t.Error("the replaced token is served")
				}
			})
		})
	}
}
