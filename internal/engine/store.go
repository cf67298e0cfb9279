// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// ErrOvertaken means that storage has a state that this process has neither read nor
// written: another node has taken over, or a snapshot was restored. Overwriting it could
// lose the only copy of a secret.
var ErrOvertaken = errors.New("the stored configuration has changed in the meantime: try again")

// maxWritten bounds how many failed writes are remembered. While storage is read-only,
// each read of a token that is due makes one.
const maxWritten = 1024

// store writes the state, unless the stored state is not the one that st was made from.
// If the write fails, it may have taken effect all the same, so the caller passes in
// remember the state that this process uses from then on.
func (e *Engine) store(ctx context.Context, s logical.Storage, st, remember *State) error {
	alive, paused := st.Guard.Alive, st.Guard.IsPaused() && !st.pausing
	if now := e.now(); st.Settings.Schedule.active() {
		st.Guard.Note(now)
	} else {
		st.Guard.Resume(now)
	}
	e.clock.start()
	base, err := st.Clock, e.checkOvertaken(ctx, s, st)
	if err == nil {
		st.Clock = e.clock.now()
		err = e.put(ctx, s, st)
	}
	if err != nil {
		if base.IsZero() && st.version1 == "" { // Probably nothing is stored.
			e.clock.stop()
		}
		e.noteUnstored(err, base, st.Clock, remember)
		return err
	}
	st.pausing = false
	if st.Guard.IsPaused() && !paused {
		e.host.Logger().Error("the rotation schedule is paused: the engine was down for more than six hours, so this data might be a "+
			"restored copy", "partner_id", st.PartnerID, "alive", alive)
		e.emit(ctx, eventRotatePaused, "pause", "partner_id", st.PartnerID)
	}
	e.forgetVersion1(ctx, s, st)
	e.noteStored(st)
	return nil
}

func (e *Engine) put(ctx context.Context, s logical.Storage, st *State) error {
	value, err := encode(st)
	if err != nil {
		return err
	}
	if err := s.Put(ctx, &logical.StorageEntry{Key: stateKey, Value: value}); err != nil {
		return storageError(err)
	}
	return nil
}

// setup is Vault's error for writes to a mount whose plugin was missing, or had another
// checksum, when the node became active. The mount stays read-only on that node, even
// after the plugin is repaired.
const setup = "cannot write to storage during setup"

func storageError(err error) error {
	if strings.Contains(err.Error(), setup) { // errors.Is does not work across gRPC.
		return fmt.Errorf("writing to storage: %w. The plugin was missing, or had a different checksum, "+
			"when this node became active: to make the mount writable, restart the node or, with high availability, type "+
			"vault operator step-down", err)
	}
	return fmt.Errorf("writing to storage: %w", err)
}

// checkOvertaken returns ErrOvertaken if the stored state is not the one that st was made
// from, and a *NewerError if a newer version has written it. A damaged entry may be
// overwritten.
func (e *Engine) checkOvertaken(ctx context.Context, s logical.Storage, st *State) error {
	entry, err := get(ctx, s)
	if err != nil {
		return err
	}
	stored := &State{}
	if entry != nil {
		var version int
		version, stored.Clock, err = headOf(entry.Value)
		switch {
		case err != nil:
			return nil //nolint:nilerr // It is damaged.
		case version > storedVersion:
			return &NewerError{Version: version}
		case version < storedVersion && !isVersion1(entry.Value):
			return nil // It is damaged.
		case version < storedVersion:
			stored.version1 = identify(entry.Value)
		}
	}
	if e.knows(stored, st) {
		e.keepWritten(stored.Clock)
		return nil
	}
	if entry != nil && stored.version1 == "" {
		if _, err := Decode(entry.Value); err != nil {
			return nil //nolint:nilerr // It is damaged.
		}
	}
	return ErrOvertaken
}

// keepWritten moves the time of the write that storage has to the front of the list of
// failed writes: noteUnstored shortens that list, and keeps the first.
func (e *Engine) keepWritten(stored time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.IndexFunc(e.written, stored.Equal); i > 0 {
		e.written = slices.Insert(slices.Delete(e.written, i, i+1), 0, stored)
	}
}

// noteStored records that storage has a state.
func (e *Engine) noteStored(st *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.goBy(st, false)
	e.wrote = st.Clock
	e.storing.Clear()
}

// goBy sets the state that this process uses. ahead means that storage does not have it.
func (e *Engine) goBy(st *State, ahead bool) {
	e.latest, e.ahead = st.clone(), ahead
	e.written, e.storageError, e.storageErrorTime = nil, nil, time.Time{}
}

// noteUnstored records that a write failed. base and written identify the state that
// storage had before, and the one that it may have now. remember is the state that this
// process uses from now on.
func (e *Engine) noteUnstored(err error, base, written time.Time, remember *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latest, e.ahead = remember.clone(), true
	for _, t := range []time.Time{base, written} {
		if !t.IsZero() && !slices.ContainsFunc(e.written, t.Equal) {
			e.written = append(e.written, t)
		}
	}
	if over := len(e.written) - maxWritten; over > 0 {
		e.written = slices.Delete(e.written, 1, 1+over) // Keep the first: storage has that one, or one of the last.
	}
	if e.storageError == nil || e.storageError.Error() != err.Error() { // Do not log the same error each minute.
		e.host.Logger().Warn("a write to storage failed", "error", err)
	}
	if e.storageError = err; errors.Is(err, ErrOvertaken) {
		e.storageError = nil // Storage works.
	}
	e.storageErrorTime = e.now()
}

// disown treats a failed write like one of another node: if it has taken effect all the
// same, the stored state counts.
func (e *Engine) disown(written time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written = slices.DeleteFunc(e.written, written.Equal)
}

// flush repeats a failed write. st is the loaded state.
func (e *Engine) flush(ctx context.Context, s logical.Storage, st *State) error {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if !ahead {
		return nil
	}
	return e.store(ctx, s, st, st)
}
