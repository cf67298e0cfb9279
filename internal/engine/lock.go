// SPDX-License-Identifier: MPL-2.0

package engine

import "context"

// lock is a mutex. A request stops waiting for it when its caller goes away.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// take takes the lock. If ctx ends first, it returns the error of ctx, and the lock is
// not held.
func (l lock) take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil { // Both may have been ready.
		l.release()
		return err
	}
	return nil
}

func (l lock) release() { <-l }
