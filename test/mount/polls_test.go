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

// sluggish takes its time before and after a write takes effect.
type sluggish struct{ *mounttest.Storage }

func (s sluggish) Put(ctx context.Context, entry *logical.StorageEntry) error {
	<-time.After(100 * time.Millisecond)
	err := s.Storage.Put(ctx, entry)
	<-time.After(100 * time.Millisecond)
	return err
}

// Monitoring reads the status at any time, also while the engine stores something.
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
