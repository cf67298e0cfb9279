// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
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
		e.noteWritten(base, st.Clock) // A request that reads it before this returns must know whose it is.
		err = e.put(ctx, s, st)
	}
	if err != nil {
		if base.IsZero() && st.version1 == "" { // Nothing is stored, as far as is known.
			e.clock.stop()
		}
		e.noteUnstored(err, base, remember)
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
		return fmt.Errorf("writing to storage: %w", err)
	}
	return nil
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
}

// goBy makes the state what this process goes by. ahead means that storage does not
// have it.
func (e *Engine) goBy(st *State, ahead bool) {
	e.latest, e.ahead = st.clone(), ahead
	e.written, e.storageError, e.storageErrorTime = nil, nil, time.Time{}
}

// noteWritten notes the times that identify what storage has, or may have.
func (e *Engine) noteWritten(times ...time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range times {
		if !t.IsZero() && !slices.ContainsFunc(e.written, t.Equal) {
			e.written = append(e.written, t)
		}
	}
	if over := len(e.written) - maxWritten; over > 0 {
		e.written = slices.Delete(e.written, 1, 1+over) // All but the first: storage has it, or one of the last.
	}
}

// noteUnstored notes that storage did not take a write. base identifies what it had
// before, and remember is what this process goes by.
func (e *Engine) noteUnstored(err error, base time.Time, remember *State) {
	e.noteWritten(base)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latest, e.ahead = remember.clone(), true
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

// load returns what this process goes by: what storage has, unless storage did not
// take the last write. If storage has something else than this process has read or
// written, that counts, with what this process knows and nothing but time may remove.
// Then storage did not take it, or a snapshot was restored, or another node has written
// something that was not made from it.
func (e *Engine) load(ctx context.Context, s logical.Storage) (*State, error) {
	e.mu.Lock()
	latest, ahead := e.latest, e.ahead
	e.mu.Unlock()
	stored, err := e.read(ctx, s)
	newer := new(NewerError)
	switch {
	case errors.As(err, &newer):
		e.tokens.Drop()
		return nil, err
	case ahead && (err != nil || e.knows(stored, latest)):
		return latest.clone(), nil
	case err != nil:
		return nil, err
	}
	foreign := latest != nil && !e.knows(stored, latest)
	added := foreign && stored.retain(latest)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.latest != latest || latest != nil && !added && stored.Clock.Equal(latest.Clock) && stored.version1 == latest.version1 {
		return stored, nil // Another request has been here, or there is nothing new.
	}
	e.goBy(stored, added)
	if foreign {
		e.tokens.Drop()
	}
	return stored, nil
}

// knows reports whether what is stored is what the state was made from, or what this
// process has tried to write since.
func (e *Engine) knows(stored, st *State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stored.version1 != "" {
		return stored.version1 == st.version1
	}
	return st.version1 == "" && stored.Clock.Equal(st.Clock) || slices.ContainsFunc(e.written, stored.Clock.Equal)
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

// retain adds to the state what another one knows and nothing but time may remove: of
// the same configuration the secrets that were sent or accepted since, those that were
// replaced, a later token and the attempts; of another one only that attempts were
// made. It reports whether there was anything.
func (st *State) retain(other *State) (added bool) {
	same := st.PartnerID == other.PartnerID && st.Since.Equal(other.Since)
	succeeded := time.Time{}
	if same {
		theirs := other.Secrets.Clone()
		if !other.AppKey.Equal(st.AppKey) {
			theirs.Secrets = slices.DeleteFunc(theirs.Secrets, func(s secrets.Secret) bool { return s.Origin == secrets.Brought })
		}
		added = st.retainToken(other)
		added = st.Secrets.Retain(theirs, st.version1 != "") || added
		if st.version1 == "" { // It has no such time.
			succeeded = st.Secrets.Succeeded()
		}
		added = st.retainRotations(other) || added
	}
	for partner, theirs := range other.Records {
		record, place, at := st.record(partner), "", time.Time{}
		if !st.Clock.Before(other.Clock) { // No snapshot was restored.
			theirs = theirs.Answered()
		}
		if !same {
			theirs = theirs.Settled()
		} else if partner == st.PartnerID {
			place, at = st.Secrets.Place, succeeded
		}
		if record.Merge(theirs, place, at) {
			st.Records = maps.Clone(st.Records)
			if st.Records == nil {
				st.Records = map[string]attempts.Record{}
			}
			st.Records[partner], added = record, true
		}
	}
	return added
}

// retainToken adds the token of a later success. The time at which a token was issued
// is that of a wall clock, which may be wrong.
func (st *State) retainToken(other *State) (added bool) {
	fits := !elsewhere(st, other) && st.AppKey.Equal(other.AppKey)
	if other.Token == nil || !fits || st.Token != nil && !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {
		return false
	}
	st.Token = other.Token
	return true
}

// retainRotations adds what was replaced.
func (st *State) retainRotations(other *State) (added bool) {
	if other.LastRotation.After(st.LastRotation) {
		st.LastRotation, added = other.LastRotation, true
	}
	for _, r := range other.RotatedAway {
		if !slices.ContainsFunc(st.RotatedAway, func(k RotatedAway) bool { return k.Hash == r.Hash }) {
			st.RotatedAway, added = append(st.RotatedAway, r), true
		}
	}
	return added
}
