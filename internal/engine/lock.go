// SPDX-License-Identifier: MPL-2.0

package engine

import "context"

// lock is a mutex that a request can stop waiting for when its caller goes away.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// take returns the error of ctx if that ends first. Then the lock is not held.
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
