// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// recorded is storage that returns the same record of version 1 for each partner.
type recorded struct {
	*mounttest.Storage

	record []byte
}

func (r recorded) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if strings.HasPrefix(key, "attempts/") {
		return &logical.StorageEntry{Key: key, Value: r.record}, nil
	}
	return r.Storage.Get(ctx, key)
}

// The error for a damaged entry never quotes the entry. A valid one is read, stored, and
// read as the same again.
func FuzzAnEntryIsReadOrRefusedWithoutAWord(f *testing.F) {
	for _, folder := range []string{"testdata/v1", "testdata/v2"} {
		for _, g := range mounttest.Goldens(f, folder) {
			if _, found := g.Entries["config"]; found {
				f.Add(g.Value("config"), []byte(`{"rejected":2,"charged":1,"rejected_at":"2026-01-01T00:00:00Z"}`))
			}
		}
	}
	f.Add([]byte(`{"version":3}`), []byte(`{"rejected":1000000000,"charged":1000000000}`))
	f.Fuzz(func(t *testing.T, config, record []byte) {
		s := recorded{mounttest.NewStorage(), record}
		s.Plant("config", config)
		s.Plant("salt", []byte("a salt"))
		st, err := engine.NewReader(time.Now).ReadState(t.Context(), s)
		if err != nil {
			newer := new(engine.NewerError)
			if !errors.Is(err, engine.ErrUndecodable) && !errors.As(err, &newer) {
				t.Errorf("the error is of another kind: %v", err)
			}
			return
		}
		for partner := range st.Records {
			if n := len(st.RecordOf(partner).Attempts); n > 16 && !bytes.Contains(config, []byte(`"version"`)) {
				t.Errorf("the record has %d attempts", n)
			}
		}
		value, err := engine.EncodeState(st)
		if err != nil && strings.Contains(err.Error(), "year outside of range") {
			return // No engine has stored a time after the year 9999.
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := engine.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := engine.EncodeState(again); err != nil || !bytes.Equal(value, twice) {
			t.Errorf("it is read differently the second time (%v)", err)
		}
	})
}
