// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
)

func TestTheLockIsGivenToOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := New(&framework.Backend{}, Options{})
		if err := e.lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second one gets %v", err)
		}
		e.unlock()
		for range 50 { // Both are ready, and select takes either.
			if err := e.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("one whose time is up gets %v", err)
			}
		}
		if err := e.lock(t.Context()); err != nil {
			t.Errorf("those who left the queue have kept the lock: %v", err)
		}
	})
}

// Vault also starts a plugin just to read its metadata.
func TestAnEngineIsMadeWithoutStorageAndSystemView(t *testing.T) {
	t.Parallel()
	e := New(&framework.Backend{}, Options{})
	before := time.Now()
	if now := e.now(); now.Before(before.Add(-time.Second)) || now.Location() != time.UTC {
		t.Errorf("its wall clock shows %s", now)
	}
}
