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

// read returns the state as it is in storage.
func (e *Engine) read(ctx context.Context, s logical.Storage) (*State, error) {
	entry, err := s.Get(ctx, stateKey)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration from storage: %w", err)
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

// findCopy notes that what this process has not written may be a restored snapshot's,
// since no engine was alive for hours. A wall clock that was ahead has found nothing.
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

// headOf tells the version of an entry, and when it was written, if that is this
// version. Version 1 named neither.
func headOf(value []byte) (version int, written time.Time, err error) {
	var head struct {
		Version *int            `json:"version"`
		Clock   json.RawMessage `json:"clock"`
	}
	switch {
	case json.Unmarshal(value, &head) != nil: // The error may quote what it can't decode.
		return 0, written, ErrUndecodable
	case head.Version == nil:
		return 1, written, nil
	case *head.Version < 1, *head.Version == storedVersion && json.Unmarshal(head.Clock, &written) != nil:
		return 0, time.Time{}, ErrUndecodable
	default:
		return *head.Version, written, nil
	}
}
