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

// Storage is storage whose every access can be made to fail. Like the real one it copies what goes in and out, and
// does nothing for a request that has ended.
type Storage struct {
	mu      sync.Mutex
	entries map[string][]byte
	faults  []*Fault
	counts  map[Access]int
	healed  chan struct{}
	// Learn sees what is written, before it is.
	Learn func(value []byte)
	// AfterGet is called with the key of what was read, before the mount has it.
	AfterGet func(key string)
	// BeforeGet is called before it is read.
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
	Skip    int  // so many go well first
	Applied bool // it has taken effect, only the answer says otherwise
	Always  bool // until Heal
	// Hangs means that there is no answer before Heal or the end of the request, as over gRPC.
	Hangs bool
}

// ErrStorage is what a full disk, a sealed Vault and one that has stepped down come to.
var ErrStorage = errors.New("storage is out of order")

// NewStorage is empty storage.
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

// Heal takes back all faults.
func (s *Storage) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	close(s.healed)
	s.healed = make(chan struct{})
}

// Accesses counts those of one kind, or all if none is given.
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

// Peek reads a value. Peek, Plant and Discard bypass the counting and the faults.
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

// access does what apply does, unless a fault has it otherwise.
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

// hang waits, with s unlocked meanwhile.
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

// Get is what a mount reads.
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

// Put is what a mount writes.
func (s *Storage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	s.Learn(entry.Value)
	return s.do(ctx, Put(entry.Key), func() { s.entries[entry.Key] = bytes.Clone(entry.Value) })
}

// Delete is what a mount deletes.
func (s *Storage) Delete(ctx context.Context, key string) error {
	return s.do(ctx, Del(key), func() { delete(s.entries, key) })
}

// List is what a mount lists.
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

// Snapshot is a copy of all entries, as a backup has it.
func (s *Storage) Snapshot() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string][]byte{}
	for key, value := range s.entries {
		taken[key] = bytes.Clone(value)
	}
	return taken
}

// Restore brings a snapshot back.
func (s *Storage) Restore(taken map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = map[string][]byte{}
	for key, value := range taken {
		s.entries[key] = bytes.Clone(value)
	}
}
