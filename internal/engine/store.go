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
	base, err := st.Clock, e.checkOvertaken(ctx, s, st)
	if err == nil {
		st.Clock = e.clock.now()
		err = e.put(ctx, s, st)
	}
	if st.version1 { // It has no time: see knows.
		base = st.Clock
	}
	e.noteStorage(err, base, st.Clock, remember)
	if err != nil {
		return err
	}
	st.pausing = false
	if st.Guard.IsPaused() && !paused {
		e.host.Logger().Error("the rotation schedule is paused: no engine was alive for more than six hours, so this may be a "+
			"restored copy", "partner_id", st.PartnerID, "alive", alive)
		e.emit(ctx, eventRotatePaused, "pause", "partner_id", st.PartnerID)
	}
	e.forgetVersion1(ctx, s, st)
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
		version, err := versionOf(entry.Value)
		switch {
		case err != nil:
			return nil //nolint:nilerr // It is damaged.
		case version > storedVersion:
			return &NewerError{Version: version}
		case version < storedVersion && !isVersion1(entry.Value):
			return nil // It is damaged.
		case version < storedVersion:
			stored.version1 = true
		default:
			if stored, err = Decode(entry.Value); err != nil {
				return nil //nolint:nilerr // It is damaged.
			}
		}
	}
	if e.knows(stored, st) {
		return nil
	}
	return ErrOvertaken
}

// noteStorage notes whether storage took a write. base and written are the times
// that identify what it had before and what it may have now. remember is what this
// process goes by if it did not.
func (e *Engine) noteStorage(err error, base, written time.Time, remember *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.ahead, e.written, e.storageError, e.storageErrorTime = nil, nil, nil, time.Time{}
		return
	}
	e.ahead = remember.clone()
	for _, t := range []time.Time{base, written} {
		if !slices.ContainsFunc(e.written, t.Equal) {
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

// load returns what this process goes by: what storage has, unless storage did not
// take the last write. If it has something else since, that counts, with what this
// process knows and nothing but time may remove.
func (e *Engine) load(ctx context.Context, s logical.Storage) (*State, error) {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if ahead == nil {
		return e.read(ctx, s)
	}
	stored, err := e.read(ctx, s)
	newer := new(NewerError)
	switch {
	case errors.As(err, &newer):
		e.tokens.Drop()
		return nil, err
	case err != nil, e.knows(stored, ahead):
		return ahead.clone(), nil
	}
	added := stored.retain(ahead)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ahead != ahead { // Another request has been here.
		return stored, nil
	}
	e.ahead, e.written, e.storageError, e.storageErrorTime = nil, nil, nil, time.Time{}
	if added {
		e.ahead = stored.clone()
	}
	e.tokens.Drop()
	return stored, nil
}

// knows reports whether what is stored is what the state was made from, or what this
// process has tried to write since.
func (e *Engine) knows(stored, st *State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return stored.version1 && st.version1 ||
		stored.version1 == st.version1 && stored.Clock.Equal(st.Clock) ||
		!stored.version1 && slices.ContainsFunc(e.written, stored.Clock.Equal)
}

// flush stores what storage did not take before. st is the loaded state.
func (e *Engine) flush(ctx context.Context, s logical.Storage, st *State) error {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if ahead == nil {
		return nil
	}
	return e.store(ctx, s, st, st)
}

// retain adds to the state what another one knows and nothing but time may remove:
// the refusals of every partner, and of the same partner the secrets that were sent,
// those that were replaced, and a later token. It reports whether there was anything.
func (st *State) retain(other *State) (added bool) {
	for partner, theirs := range other.Records {
		if record := st.record(partner); bring(&record, theirs) {
			st.Records = maps.Clone(st.Records)
			if st.Records == nil {
				st.Records = map[string]attempts.Record{}
			}
			st.Records[partner], added = record, true
		}
	}
	if st.PartnerID != other.PartnerID {
		return added
	}
	for _, s := range other.Secrets.Secrets {
		known := slices.ContainsFunc(st.Secrets.Secrets, func(k secrets.Secret) bool {
			return k.Place == s.Place && k.Value.Equal(s.Value)
		})
		if s.Origin == secrets.Sent && !known {
			at := slices.IndexFunc(st.Secrets.Secrets, func(k secrets.Secret) bool { return k.Added.After(s.Added) })
			if at < 0 {
				at = len(st.Secrets.Secrets)
			}
			st.Secrets.Secrets, added = slices.Insert(st.Secrets.Secrets, at, s), true
		}
	}
	if t := other.Token; t != nil && st.Token != nil && t.Fingerprint == st.Token.Fingerprint && t.Issued.After(st.Token.Issued) {
		st.Token, added = t, true
	}
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

// bring adds the refusals of another record that came after an operator's last
// success, and the lock that one of them may have brought.
func bring(record *attempts.Record, theirs attempts.Record) (added bool) {
	for _, a := range theirs.Attempts {
		if a.Outcome == attempts.Unanswered || !a.Answered.After(record.Confirmed) || !record.Recharge(a) {
			continue
		}
		added = true
		if a.Answered.Equal(theirs.Locked) && a.Cleared.IsZero() {
			record.Locked, record.Failed, record.Failure = theirs.Locked, theirs.Failed, theirs.Failure
		}
	}
	return added
}
