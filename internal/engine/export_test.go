// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// Internals that the external tests of this package need.

// NewReader returns an engine that only reads storage.
func NewReader(now func() time.Time) *Engine { return New(&framework.Backend{}, Options{Now: now}) }

// ReadState returns the state that the engine reads from storage.
func (e *Engine) ReadState(ctx context.Context, s logical.Storage) (*State, error) {
	return e.read(ctx, s)
}

// Clock returns the time of the engine's own clock.
func (e *Engine) Clock() time.Time { return e.clock.now() }

// Place identifies the address of the state.
func (st *State) Place() string { return st.Settings.place() }

// RecordOf returns the record of a partner.
func (st *State) RecordOf(partner string) *attempts.Record {
	record := st.record(partner)
	return &record
}

// EncodeState returns the entry that stores a state.
func EncodeState(st *State) ([]byte, error) { return encode(st) }

// DecodeAsVersion1 decodes an entry as version 1 would.
func DecodeAsVersion1(value []byte) error { return json.Unmarshal(value, new(stateV1)) }

// NextRotation returns when the schedule rotates next.
func (st *State) NextRotation() time.Time { return st.nextRotation() }

// Serves reports whether the stored token belongs to the stored credential.
func (e *Engine) Serves(ctx context.Context, s logical.Storage, st *State) bool {
	t, _ := e.storedToken(ctx, s, st)
	return t != nil
}
