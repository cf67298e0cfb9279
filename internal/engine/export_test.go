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

// What the external tests of this package need of its inside.

// NewReader is an engine that only reads storage.
func NewReader(now func() time.Time) *Engine { return New(&framework.Backend{}, Options{Now: now}) }

// ReadState is what the engine reads from storage.
func (e *Engine) ReadState(ctx context.Context, s logical.Storage) (*State, error) {
	return e.read(ctx, s)
}

// Clock is the engine's own clock.
func (e *Engine) Clock() time.Time { return e.clock.now() }

// Place is where the partner is reached.
func (st *State) Place() string { return st.Settings.place() }

// RecordOf is the record of a partner.
func (st *State) RecordOf(partner string) *attempts.Record {
	record := st.record(partner)
	return &record
}

// EncodeState is the stored form.
func EncodeState(st *State) ([]byte, error) { return encode(st) }

// DecodeAsVersion1 decodes an entry into what version 1 stored.
func DecodeAsVersion1(value []byte) error { return json.Unmarshal(value, new(stateV1)) }

// NextRotation is when the schedule rotates next.
func (st *State) NextRotation() time.Time { return st.nextRotation() }

// Serves reports whether the stored token is one of the stored credential.
func (e *Engine) Serves(ctx context.Context, s logical.Storage, st *State) bool {
	return e.storedToken(ctx, s, st) != nil
}
