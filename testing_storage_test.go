// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"
)

// fakeStorage is storage whose every access can be made to fail. Like the real one it copies what goes in and out, and
// does nothing for a request that has ended.
type fakeStorage struct {
	mu      sync.Mutex
	entries map[string][]byte
	faults  []*storageFault
	counts  map[storageAccess]int
	learn   func(value []byte) // sees what is written
}

// storageAccess is a kind of access to a key.
type storageAccess struct{ op, key string }

func get(key string) storageAccess { return storageAccess{"get", key} }
func put(key string) storageAccess { return storageAccess{"put", key} }
func del(key string) storageAccess { return storageAccess{"delete", key} }

// storageFault makes one access fail, or all of them.
type storageFault struct {
	on      storageAccess
	skip    int  // so many go well first
	applied bool // it has taken effect, only the answer says otherwise
	always  bool // until heal
}

// errStorage is what a full disk, a sealed Vault and one that has stepped down come to.
var errStorage = errors.New("storage is out of order")

func newFakeStorage() *fakeStorage {
	return &fakeStorage{
		entries: map[string][]byte{}, counts: map[storageAccess]int{}, learn: func([]byte) {},
	}
}

func (s *fakeStorage) fail(f storageFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

func (s *fakeStorage) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// accesses counts those of one kind, or all if none is given.
func (s *fakeStorage) accesses(on ...storageAccess) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for kind, count := range s.counts {
		if len(on) == 0 || slices.Contains(on, kind) {
			n += count
		}
	}
	return n
}

// peek, plant and discard go round the counting and the faults.
func (s *fakeStorage) peek(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, found := s.entries[key]
	return bytes.Clone(value), found
}

func (s *fakeStorage) plant(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key] = bytes.Clone(value)
}

func (s *fakeStorage) discard(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// access does what apply does, unless a fault has it otherwise.
func (s *fakeStorage) access(ctx context.Context, on storageAccess, apply func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[on]++
	for i, f := range s.faults {
		if f.on != on {
			continue
		}
		if f.skip > 0 {
			f.skip--
			break
		}
		if !f.always {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		if f.applied {
			apply()
		}
		return errStorage
	}
	apply()
	return nil
}

func (s *fakeStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	var entry *logical.StorageEntry
	err := s.access(ctx, get(key), func() {
		if value, found := s.entries[key]; found {
			entry = &logical.StorageEntry{Key: key, Value: bytes.Clone(value)}
		}
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (s *fakeStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	s.learn(entry.Value)
	return s.access(ctx, put(entry.Key), func() { s.entries[entry.Key] = bytes.Clone(entry.Value) })
}

func (s *fakeStorage) Delete(ctx context.Context, key string) error {
	return s.access(ctx, del(key), func() { delete(s.entries, key) })
}

func (s *fakeStorage) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := s.access(ctx, storageAccess{"list", prefix}, func() {
		for _, key := range slices.Sorted(maps.Keys(s.entries)) {
			if rest, below := strings.CutPrefix(key, prefix); below {
				keys = append(keys, rest)
			}
		}
	})
	return keys, err
}
