// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Release lets all calls continue that are held now, and returns their number. Later
// calls are held again.
func (s *Server) Release() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	released := len(s.held)
	for _, held := range s.held {
		close(held)
	}
	s.held = nil
	return released
}

// Held returns the number of held calls.
func (s *Server) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// WaitHeld returns once at least n calls are held. Otherwise its error is that of ctx,
// or says that the server was closed.
func (s *Server) WaitHeld(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		held, changed := len(s.held), s.heldChanged
		s.mu.Unlock()
		if held >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d held calls, there are %d: %w", n, held, ctx.Err())
		case <-s.closed:
			return fmt.Errorf("waiting for %d held calls: %w", n, http.ErrServerClosed)
		}
	}
}

// hold returns after Release. It does not check whether the client is still connected,
// because Finicity would not either.
func (s *Server) hold() {
	released := make(chan struct{})
	s.mu.Lock()
	s.held = append(s.held, released)
	close(s.heldChanged)
	s.heldChanged = make(chan struct{})
	s.mu.Unlock()
	select {
	case <-released:
	case <-s.closed:
		panic(http.ErrAbortHandler)
	}
}

// wait returns after d, or sooner if gone is closed.
func (s *Server) wait(d time.Duration, gone <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	case <-s.closed:
		panic(http.ErrAbortHandler)
	}
}

// applyLater applies the call after d, unless the server is closed before that.
func (s *Server) applyLater(d time.Duration, c *call, entry *Request) {
	s.later(d, func() { s.applyLocked(c, entry) })
}

// later runs effect with the lock held after d, unless the server is closed before
// that.
func (s *Server) later(d time.Duration, effect func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return
	default:
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, waiting := s.late[timer]; waiting {
			delete(s.late, timer)
			effect()
		}
	})
	s.late[timer] = struct{}{}
}
