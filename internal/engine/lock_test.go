// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLockIsGivenToOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLock()
		if err := l.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second one gets %v", err)
		}
		l.release()
		for range 50 { // Both are ready, and select takes either.
			if err := l.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("one whose time is up gets %v", err)
			}
		}
		if err := l.take(t.Context()); err != nil {
			t.Errorf("those who left the queue have kept the lock: %v", err)
		}
	})
}
