// SPDX-License-Identifier: MPL-2.0

package mounttest

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

// Storage is storage in which a test can make any access fail. As real storage does, it
// copies what it reads and writes, and does nothing for a request that has ended.
type Storage struct {
	mu      sync.Mutex
	entries map[string][]byte
	faults  []*Fault
	counts  map[Access]int
	healed  chan struct{}
	// Learn is called with each value before it is written.
	Learn func(value []byte)
	// AfterGet is called with the key of a read, before the mount gets the value.
	AfterGet func(key string)
	// BeforeGet is called with the key before the read.
	BeforeGet func(key string)
}

// Access is a kind of access to a key.
type Access struct{ op, key string }

// Get is a read of a key.
func Get(key string) Access { return Access{"get", key} }

// Put is a write of a key.
func Put(key string) Access { return Access{"put", key} }

// Del is a deletion of a key.
func Del(key string) Access { return Access{"delete", key} }

// Fault makes one access fail, or all of them.
type Fault struct {
	On      Access
	Skip    int  // The number of accesses that succeed first.
	Applied bool // The access takes effect, although it returns an error.
	Always  bool // Until Heal.
	// Hangs means that there is no answer before Heal or the end of the request, as
	// over gRPC.
	Hangs bool
}

// ErrStorage is the error for a full disk, a sealed Vault, or a node that has stepped
// down.
var ErrStorage = errors.New("storage is out of order")

// NewStorage returns empty storage.
func NewStorage() *Storage {
	return &Storage{
		entries: map[string][]byte{}, counts: map[Access]int{}, healed: make(chan struct{}),
		Learn: func([]byte) {}, AfterGet: func(string) {}, BeforeGet: func(string) {},
	}
}

// Fail orders a fault.
func (s *Storage) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Storage) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	close(s.healed)
	s.healed = make(chan struct{})
}

// Accesses counts the accesses of a kind, or all accesses if no kind is given.
func (s *Storage) Accesses(on ...Access) int {
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

// Peek reads a value. Peek, Plant and Discard are not counted, and no fault affects
// them.
func (s *Storage) Peek(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, found := s.entries[key]
	return bytes.Clone(value), found
}

// Plant writes a value.
func (s *Storage) Plant(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key] = bytes.Clone(value)
}

// Discard deletes a value.
func (s *Storage) Discard(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// access calls apply, unless a fault prevents it.
func (s *Storage) do(ctx context.Context, on Access, apply func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[on]++
	for i, f := range s.faults {
		if f.On != on {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			break
		}
		if !f.Always {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		if f.Hangs {
			if err := s.hang(ctx); err != nil {
				return err
			}
			break
		}
		if f.Applied {
			apply()
		}
		return ErrStorage
	}
	apply()
	return nil
}

// hang waits, and unlocks s while it does.
func (s *Storage) hang(ctx context.Context) error {
	healed := s.healed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-healed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements a mount's read.
func (s *Storage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	s.BeforeGet(key)
	var entry *logical.StorageEntry
	err := s.do(ctx, Get(key), func() {
		if value, found := s.entries[key]; found {
			entry = &logical.StorageEntry{Key: key, Value: bytes.Clone(value)}
		}
	})
	s.AfterGet(key)
	if err != nil {
		return nil, err
	}
	return entry, nil
}

// Put implements a mount's write.
func (s *Storage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	s.Learn(entry.Value)
	return s.do(ctx, Put(entry.Key), func() { s.entries[entry.Key] = bytes.Clone(entry.Value) })
}

// Delete implements a mount's deletion.
func (s *Storage) Delete(ctx context.Context, key string) error {
	return s.do(ctx, Del(key), func() { delete(s.entries, key) })
}

// List implements a mount's list.
func (s *Storage) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := s.do(ctx, Access{"list", prefix}, func() {
		for _, key := range slices.Sorted(maps.Keys(s.entries)) {
			if rest, below := strings.CutPrefix(key, prefix); below {
				keys = append(keys, rest)
			}
		}
	})
	return keys, err
}

// Snapshot returns a copy of all entries, as a backup has it.
func (s *Storage) Snapshot() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string][]byte{}
	for key, value := range s.entries {
		taken[key] = bytes.Clone(value)
	}
	return taken
}

// Restore restores a snapshot.
func (s *Storage) Restore(taken map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = map[string][]byte{}
	for key, value := range taken {
		s.entries[key] = bytes.Clone(value)
	}
}
