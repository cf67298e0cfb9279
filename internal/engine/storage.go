// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// stateKey is the one entry. Version 1 of the stored form had its configuration
// there, a token beside it, and a record for each partner and address.
const stateKey = "config"

// SealWrapped are the entries that Vault Enterprise wraps with its seal.
func SealWrapped() []string { return []string{stateKey, tokenKeyV1, attemptsPrefixV1} }

// ErrUndecodable means that the stored entry is damaged.
var ErrUndecodable = errors.New("the stored configuration cannot be decoded")

// NewerError means that a newer version of the engine has written the entry. It
// is neither used nor overwritten.
type NewerError struct{ Version int }

func (n *NewerError) Error() string {
	return fmt.Sprintf("the stored configuration has version %d, and this version of the plugin reads up to version %d",
		n.Version, storedVersion)
}

// load returns the state, which is empty on a mount that was never configured.
// What storage did not take counts more than what it has.
func (e *Engine) load(ctx context.Context, s logical.Storage) (*State, error) {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if ahead != nil {
		return ahead.clone(), nil
	}
	return e.read(ctx, s)
}

// read returns the state as it is in storage.
func (e *Engine) read(ctx context.Context, s logical.Storage) (*State, error) {
	entry, err := s.Get(ctx, stateKey)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration from storage: %w", err)
	}
	if entry == nil {
		e.clock.resume(e.now(), e.now())
		return &State{}, nil
	}
	version, err := versionOf(entry.Value)
	if err != nil {
		return nil, err
	}
	var st *State
	switch {
	case version > storedVersion:
		return nil, &NewerError{Version: version}
	case version == storedVersion:
		st, err = Decode(entry.Value)
	default:
		st, err = e.migrate(ctx, s, entry.Value)
	}
	if err != nil {
		return nil, err
	}
	e.clock.resume(st.Clock, e.now())
	if st.Clock.IsZero() { // From version 1, which had no clock.
		st.Clock = e.clock.now()
	}
	if st.Settings.Schedule.active() {
		paused := st.Guard.IsPaused()
		st.Guard.Check(e.now())
		st.pausing = st.Guard.IsPaused() && !paused
	}
	return st, nil
}

// versionOf tells the version of an entry. Version 1 did not name it.
func versionOf(value []byte) (int, error) {
	var head struct {
		Version *int `json:"version"`
	}
	if json.Unmarshal(value, &head) != nil { // The error may quote what it can't decode.
		return 0, ErrUndecodable
	}
	if head.Version == nil {
		return 1, nil
	}
	if *head.Version < 1 {
		return 0, ErrUndecodable
	}
	return *head.Version, nil
}

// store writes the state. When that fails, storage may have it all the same, so
// the caller says by remember what this process goes by from now on.
func (e *Engine) store(ctx context.Context, s logical.Storage, st, remember *State) error {
	alive := st.Guard.Alive
	if now := e.now(); st.Settings.Schedule.active() {
		st.Guard.Note(now)
	} else {
		st.Guard.Resume(now)
	}
	st.Clock = e.clock.now()
	value, err := encode(st)
	if err == nil {
		if err = s.Put(ctx, &logical.StorageEntry{Key: stateKey, Value: value}); err != nil {
			err = fmt.Errorf("writing to storage: %w", err)
		}
	}
	e.noteStorage(err, remember)
	if err != nil {
		return err
	}
	if st.pausing {
		st.pausing = false
		e.host.Logger().Error("the rotation schedule is paused: no engine was alive for more than six hours, so this may be a "+
			"restored copy", "partner_id", st.PartnerID, "alive", alive)
		e.emit(ctx, eventRotatePaused, "pause", "partner_id", st.PartnerID)
	}
	e.forgetVersion1(ctx, s, st)
	return nil
}

// noteStorage notes whether storage took a write. remember is what this process
// goes by if it did not.
func (e *Engine) noteStorage(err error, remember *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.ahead, e.storageError, e.storageErrorTime = nil, nil, time.Time{}
		return
	}
	e.ahead = remember.clone()
	e.storageError, e.storageErrorTime = err, e.now()
	e.host.Logger().Warn("storage did not take a write", "error", err)
}

// flush stores what storage did not take before. st is the loaded state.
func (e *Engine) flush(ctx context.Context, s logical.Storage, st *State) error {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	if ahead == nil {
		return nil
	}
	return e.store(ctx, s, st, ahead)
}
