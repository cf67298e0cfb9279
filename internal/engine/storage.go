// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// stateKey is the key of the only entry. Version 1 stored its configuration there, and in
// other entries a token, and a record for each partner and address.
const stateKey = "config"

// SealWrapped returns the keys of the entries that Vault Enterprise wraps with its seal.
func SealWrapped() []string { return []string{stateKey, tokenKeyV1, attemptsPrefixV1} }

// ErrUndecodable means that the stored entry is damaged.
var ErrUndecodable = errors.New("the stored configuration cannot be decoded")

// NewerError means that a newer version of the engine has written the entry. This version
// neither uses nor overwrites it.
type NewerError struct{ Version int }

func (n *NewerError) Error() string {
	return fmt.Sprintf("the stored configuration has version %d, and this version of the plugin reads up to version %d",
		n.Version, storedVersion)
}

// maxRead is how long a read of storage may take. A read whose answer is lost would
// otherwise hold the upstream lock until the plugin is restarted. A write has no such
// limit: if it took effect later, it would overwrite a newer state.
const maxRead = 2 * time.Minute

// limited is storage whose reads end after maxRead.
type limited struct{ logical.Storage }

func (l limited) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	within, cancel := context.WithTimeout(ctx, maxRead)
	defer cancel()
	entry, err := l.Storage.Get(within, key)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = errors.New("no answer") // Not that of the caller's context, which has not ended.
	}
	return entry, err
}

// get returns the stored entry, or nil.
func get(ctx context.Context, s logical.Storage) (*logical.StorageEntry, error) {
	entry, err := limited{s}.Get(ctx, stateKey)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration from storage: %w", err)
	}
	return entry, nil
}

// read returns the stored state.
func (e *Engine) read(ctx context.Context, s logical.Storage) (*State, error) {
	entry, err := get(ctx, s)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return &State{}, nil
	}
	version, _, err := headOf(entry.Value)
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
	e.clock.resume(st.Clock, st.Guard.Alive)
	e.findCopy(st)
	if st.Settings.Schedule.active() {
		paused := st.Guard.IsPaused()
		st.Guard.Check(e.now())
		st.pausing = st.Guard.IsPaused() && !paused
	}
	return st, nil
}

// findCopy checks whether the state may be that of a restored snapshot: this process has
// not written it, and no engine was running for hours. A finding from the future is
// dropped, because the wall clock was ahead then.
func (e *Engine) findCopy(st *State) {
	if st.Copied.After(e.now()) {
		st.Copied = time.Time{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	own := !e.wrote.IsZero() && st.Clock.Equal(e.wrote) || slices.ContainsFunc(e.written, st.Clock.Equal)
	if !own && st.Guard.Silent(e.now()) {
		e.copied = e.now()
	}
	if st.Copied.IsZero() {
		st.Copied = e.copied
	}
}

// headOf returns the version of an entry. For the current version, it also returns when
// the entry was written.
func headOf(value []byte) (version int, written time.Time, err error) {
	var head struct {
		Version *int            `json:"version"`
		Clock   json.RawMessage `json:"clock"`
	}
	switch {
	case json.Unmarshal(value, &head) != nil: // The decoder's error might quote the entry.
		return 0, written, ErrUndecodable
	case head.Version == nil:
		return 1, written, nil
	case *head.Version < 1, *head.Version == storedVersion && json.Unmarshal(head.Clock, &written) != nil:
		return 0, time.Time{}, ErrUndecodable
	default:
		return *head.Version, written, nil
	}
}
