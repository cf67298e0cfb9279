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

// A snapshot is restored while the engine is running, which then has the only copy of
// the new secret.
func TestASnapshotRestoredDuringAChangeLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.During(fakefinicity.CallModifySecret, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() { h.Storage.Restore(snapshot) })
		keepsTheSecret(h)
	})
}

func TestASnapshotRestoredDuringTheProofLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() { h.Storage.Restore(snapshot) })
		keepsTheSecret(h)
	})
}

// putter delays one Put, so that the read-modify-writes of two nodes overlap.
type putter struct {
	logical.Storage
	reached, release chan struct{}
	once             bool
}

func (p *putter) Put(ctx context.Context, e *logical.StorageEntry) error {
	if p.once {
		p.once = false
		close(p.reached)
		<-p.release
	}
	return p.Storage.Put(ctx, e)
}

// The other node reads the entry before this one stores its charge, and writes after
// it.
func TestTwoNodesWhoseWritesOverlapLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(100 * time.Minute) // The token is due.
		old := h.B
		h.Restart() // The new node. The old one is still running.
		slow := &putter{Storage: h.Storage, reached: make(chan struct{}), release: make(chan struct{}), once: true}
		oldRead := h.Background(func() mounttest.Answer {
			resp, err := old.HandleRequest(t.Context(), &logical.Request{
				Operation: logical.ReadOperation, Path: "token", MountPoint: h.Mount, Storage: slow,
			})
			return h.Take("token", resp, err)
		})
		<-slow.reached
		h.During(fakefinicity.CallModifySecret, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() {
			close(slow.release)
			synctest.Wait()
		})
		<-oldRead
		keepsTheSecret(h)
	})
}

func TestARefusalDuringARestoreIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		snapshot := h.Storage.Snapshot()
		h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Read("token", nil) }, func() { h.Storage.Restore(snapshot) })
		h.Wrongly(1)
		h.Spent(1, 0)
	})
}

// The old node cannot read the new node's entry, and has an outcome to store.
func TestALateOutcomeAfterAFailedReadLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old, release := stepDown(h, logical.UpdateOperation, "config/verify")
		h.Rotate()
		keepsTheSecret(h)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		release()
		<-old
		keepsTheSecret(h)
	})
}

// A write of the old node failed, and it retries once a minute. The new node has
// rotated since.
func TestALateWriteOfTheOldNodeLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.B
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1}) // The outcome.
		h.Write("config/verify", nil)
		h.Storage.Heal()
		h.Restart() // The new node.
		h.Rotate()
		keepsTheSecret(h)
		_, _ = old.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
		keepsTheSecret(h)
	})
}

func TestALateWriteDoesNotOverwriteANewerEntry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config/verify", nil)
		h.Storage.Heal()
		newer := []byte(`{"version":3,"credential":"of a newer version"}`)
		h.Storage.Plant("config", newer)
		h.Tick()
		if value, _ := h.Storage.Peek("config"); string(value) != string(newer) {
			t.Error("the entry of a newer version was overwritten")
		}
	})
}

func TestAnOutcomeDoesNotOverwriteANewerEntry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		newer := []byte(`{"version":3,"credential":"of a newer version"}`)
		h.During("", func() mounttest.Answer { return h.Write("config/verify", nil) }, func() { h.Storage.Plant("config", newer) })
		if value, _ := h.Storage.Peek("config"); string(value) != string(newer) {
			t.Error("the entry of a newer version was overwritten")
		}
	})
}

// The old node got a refusal and could not store it. The new node must count it.
func TestALateWriteOfTheOldNodeBringsItsRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		old := h.B
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1}) // The outcome.
		h.Fails(h.Read("token", nil), 400, "10001")
		h.Storage.Heal()
		h.Restart() // The new node.
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		_, err := old.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
		if err != nil {
			t.Fatal(err)
		}
		h.Spent(1, 0)
	})
}
