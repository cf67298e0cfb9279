// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// sluggish takes some time before and after a write takes effect.
type sluggish struct{ *mounttest.Storage }

func (s sluggish) Put(ctx context.Context, entry *logical.StorageEntry) error {
	<-time.After(100 * time.Millisecond)
	err := s.Storage.Put(ctx, entry)
	<-time.After(100 * time.Millisecond)
	return err
}

// Monitoring reads the status at any time, even while the engine stores something.
func TestAPollDuringAWriteTakesNoTokenAway(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"status", "config"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Minute)
				ask := func(op logical.Operation, path string) mounttest.Answer {
					resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
						Operation: op, Path: path, MountPoint: h.Mount, Storage: sluggish{h.Storage},
					})
					return h.Take(path, resp, err)
				}
				done := h.Background(func() mounttest.Answer { return ask(logical.UpdateOperation, "rotate-token") })
				for range 20 {
					h.Pass(40 * time.Millisecond)
					ask(logical.ReadOperation, path)
				}
				h.Succeeds(<-done)
				before := h.Storage.Accesses()
				h.Token()
				if h.Storage.Accesses() != before {
					t.Error("the token is not in memory")
				}
				h.Called(2, 0)
			})
		})
	}
}

// polled is storage whose writes of the configuration take effect, are then polled, and
// fail.
type polled struct {
	*mounttest.Storage
	poll func()
}

func (s polled) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if err := s.Storage.Put(ctx, entry); err != nil {
		return err
	}
	s.poll()
	return mounttest.ErrStorage
}

// This process may be writing the value that storage has. Only the end of the write
// shows which value counts.
func TestAPollDuringAFailedWriteTakesNothingOver(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"status", "config"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				s := polled{h.Storage, func() { h.Succeeds(h.Read(path, nil)) }}
				send := func(op logical.Operation, path string, data mounttest.Fields) {
					resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
						Operation: op, Path: path, MountPoint: h.Mount, Storage: s, Data: data,
					})
					if a := h.Take(path, resp, err); a.Status < 400 {
						t.Errorf("%s answers %d", path, a.Status)
					}
				}
				send(logical.UpdateOperation, "config", mounttest.Fields{"request_timeout": "20s"})
				for range 6 {
					send(logical.ReadOperation, "token", nil)
					h.Pass(2 * time.Minute)
				}
				h.Called(1, 0)
				statusShows(h, mounttest.Fields{"attempts_left": 4})
				h.Token()
				if timeout := h.Read("config", nil).Data["request_timeout"]; timeout != int64(30) {
					t.Errorf("after a failed write, request_timeout is %v", timeout)
				}
			})
		})
	}
}

// Storage fails right after a write of a setting, and the token is fresh.
func TestAWriteOfASettingKeepsTheTokenInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Always: true})
		if h.Token() != token {
			t.Error("another token is served")
		}
	})
}
