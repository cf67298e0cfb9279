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

// ErrOvertaken means that storage has what this process has neither read nor
// written: another node has taken over, or a snapshot was restored. To write over
// it could lose the only copy of a secret.
var ErrOvertaken = errors.New("the stored configuration has changed meanwhile: try again")

// maxWritten bounds how many failed writes are remembered. Each read of a token that
// is due makes one while storage takes none.
const maxWritten = 1024

// store writes the state, unless storage has something else than the state was
// made from. When that fails, storage may have it all the same, so the caller says
// by remember what this process goes by from now on.
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
		if base.IsZero() && st.version1 == "" { // Nothing is stored, as far as is known.
			e.clock.stop()
		}
		e.noteUnstored(err, base, st.Clock, remember)
		return err
	}
	st.pausing = false
	if st.Guard.IsPaused() && !paused {
		e.host.Logger().Error("the rotation schedule is paused: no engine was alive for more than six hours, so this may be a "+
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

// setup is what Vault says of a mount whose plugin was missing, or had another checksum,
// when the node became active. The mount stays read-only there, whatever is repaired.
const setup = "cannot write to storage during setup"

func storageError(err error) error {
	if strings.Contains(err.Error(), setup) { // errors.Is does not survive the gRPC border.
		return fmt.Errorf("writing to storage: %w. The plugin was missing, or had another checksum, "+
			"when this node became active: to make the mount writable, restart the node, or with high availability type "+
			"vault operator step-down", err)
	}
	return fmt.Errorf("writing to storage: %w", err)
}

// checkOvertaken returns ErrOvertaken when storage has something else than what st
// was made from, and a *NewerError when a newer version has written it. A damaged
// entry is no loss.
func (e *Engine) checkOvertaken(ctx context.Context, s logical.Storage, st *State) error {
	entry, err := s.Get(ctx, stateKey)
	if err != nil {
		return fmt.Errorf("reading the configuration from storage: %w", err)
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
		return nil
	}
	if entry != nil && stored.version1 == "" {
		if _, err := Decode(entry.Value); err != nil {
			return nil //nolint:nilerr // It is damaged.
		}
	}
	return ErrOvertaken
}

// noteStored notes that storage has a state.
func (e *Engine) noteStored(st *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.goBy(st, false)
	e.wrote = st.Clock
}

// goBy makes the state what this process goes by. ahead means that storage does not
// have it.
func (e *Engine) goBy(st *State, ahead bool) {
	e.latest, e.ahead = st.clone(), ahead
	e.written, e.storageError, e.storageErrorTime = nil, nil, time.Time{}
}

// noteUnstored notes that storage did not take a write. base and written are the
// times that identify what it had before and what it may have now. remember is what
// this process goes by.
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
		e.written = slices.Delete(e.written, 1, 1+over) // All but the first: storage has it, or one of the last.
	}
	if e.storageError == nil || e.storageError.Error() != err.Error() { // Not once a minute.
		e.host.Logger().Warn("storage did not take a write", "error", err)
	}
	if e.storageError = err; errors.Is(err, ErrOvertaken) {
		e.storageError = nil // Storage works.
	}
	e.storageErrorTime = e.now()
}

// disown makes a write that failed one of another node: if storage has it all the same,
// that counts.
func (e *Engine) disown(written time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written = slices.DeleteFunc(e.written, written.Equal)
}

// flush stores what storage did not take before. st is the loaded state.
func (e *Engine) flush(ctx context.Context, s logical.Storage, st *State) error {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if !ahead {
		return nil
	}
	return e.store(ctx, s, st, st)
}
