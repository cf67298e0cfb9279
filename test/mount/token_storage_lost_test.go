// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// storageWithoutAnswer never answers one read of a key, unless the request ends.
type storageWithoutAnswer struct {
	*mounttest.Storage

	key  string
	lose atomic.Bool
	end  chan struct{} // Closed when the test ends, because a bubble waits for its goroutines.
}

func (s *storageWithoutAnswer) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if key == s.key && s.lose.CompareAndSwap(true, false) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.end:
			return nil, mounttest.ErrStorage
		}
	}
	return s.Storage.Get(ctx, key)
}

// One answer of storage is lost for good. Storage works, and so does Finicity. The mount
// must recover without a restart.
func TestARefreshWhoseReadOfStorageIsLostEnds(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"config", "salt"} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(91 * time.Minute)
			h.Restart()
			s := &storageWithoutAnswer{Storage: h.Storage, key: key, end: make(chan struct{})}
			defer close(s.end)
			ask := func(op logical.Operation, path string) mounttest.Answer {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				resp, err := h.B.HandleRequest(ctx, &logical.Request{Operation: op, Path: path, MountPoint: h.Mount, Storage: s})
				return h.Take(path, resp, err)
			}
			s.lose.Store(true)
			ask(logical.ReadOperation, "token") // Starts the refresh.
			h.Pass(10 * time.Minute)
			if a := ask(logical.ReadOperation, "token"); a.Status != 200 {
				t.Errorf("ten minutes later, a read is a %d: %s", a.Status, a.Text)
			}
			begun := time.Now()
			if a := ask(logical.UpdateOperation, "config/verify"); a.Status >= 400 || time.Since(begun) > time.Minute {
				t.Errorf("config/verify is a %d after %s: %s", a.Status, time.Since(begun), a.Text)
			}
		})
	}
}

// A failed read of the salt does not mean that no token is stored: readers get the error,
// or the fresh token.
func TestAFailedReadOfTheSaltCostsNoAuthentication(t *testing.T) {
	t.Parallel()
	for failures := range 5 {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			old := h.Token()
			h.Restart()
			for range failures {
				h.Storage.Fail(mounttest.Fault{On: mounttest.Get("salt")})
			}
			for range 3 {
				h.Read("token", nil)
			}
			if h.Token() != old {
				t.Errorf("after %d failures, another token is served", failures)
			}
			h.Called(1, 0)
		})
	}
}

// As TestAFailedReadOfStorageMakesNoReaderOfAFreshTokenWait, for the salt: the lock is
// held by a read that storage does not answer.
func TestAFailedReadOfTheSaltMakesNoReaderWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Hangs: true})
		go h.Tick()
		synctest.Wait()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("salt")})
		begun := time.Now()
		h.Token()
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("with a fresh token in storage, the reader waited %s", waited)
		}
		h.Pass(5 * time.Minute)
	})
}

// rotate-token keeps a token that is less than a minute old.
func TestAFailedReadOfTheSaltReplacesNoFreshToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("salt")})
		h.Write("rotate-token", nil)
		h.Called(1, 0)
	})
}
