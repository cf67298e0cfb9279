// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// storedBytes returns the size of everything that the mount has stored.
func storedBytes(h *mounttest.Harness) int {
	size := 0
	for key, value := range h.Storage.Snapshot() {
		size += len(key) + len(value)
	}
	return size
}

// failOutcomes makes storage fail the first write of the entry after each call to
// Finicity. The write before a call succeeds, and the write of its answer does not.
// applied means that the failed write takes effect. end heals storage.
func failOutcomes(h *mounttest.Harness, key string, applied bool) (end func()) {
	var (
		mu                           sync.Mutex
		learn                        = h.Storage.Learn
		puts                         = h.Storage.Accesses(mounttest.Put(key))
		callsAtWrite, callsAtLastPut = len(h.Fake.Requests()), len(h.Fake.Requests())
	)
	h.Storage.Learn = func(value []byte) { // Storage calls Learn before each write of any key.
		mu.Lock()
		defer mu.Unlock()
		learn(value)
		if n := h.Storage.Accesses(mounttest.Put(key)); n != puts { // The write before this one wrote the entry.
			puts, callsAtLastPut = n, callsAtWrite
		}
		callsAtWrite = len(h.Fake.Requests())
		h.Storage.Heal()
		if callsAtWrite > callsAtLastPut {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put(key), Applied: applied})
		}
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		h.Storage.Learn = learn
		h.Storage.Heal()
	}
}

// newNeverArrived returns a mount whose rotation got no answer, because the change
// never reached Finicity. The old secret is valid, and trying the new one costs an
// attempt.
func newNeverArrived(t *testing.T) *mounttest.Harness {
	t.Helper()
	h := mounttest.NewConfigured(t, nil)
	h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped})
	h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest)
	h.Pass(time.Minute)
	return h
}

// storageFaults are two ways in which storage loses Finicity's answers.
func storageFaults() map[string]func(h *mounttest.Harness) (end func()) {
	return map[string]func(h *mounttest.Harness) (end func()){
		"no write succeeds": func(h *mounttest.Harness) func() {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
			return h.Storage.Heal
		},
		"the write after an answer fails": func(h *mounttest.Harness) func() { return failOutcomes(h, "config", false) },
	}
}

// A change of the secret is unresolved, and storage loses the engine's findings. If the
// engine asked Finicity again every minute, it would make 60 failed attempts an hour.
func TestPeriodicCallsDoNotRepeatWhatStorageLoses(t *testing.T) {
	t.Parallel()
	for name, begin := range storageFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newNeverArrived(t)
				end := begin(h)
				everyMinute(h, 60, func() {})
				end()
				atMost(h, 3)
				h.Pass(time.Hour)
				h.Succeeds(h.Write("config/verify", nil))
				h.Pass(2 * time.Hour)
				h.Token()
				atMost(h, 3)
			})
		})
	}
}

// The same with readers instead of the periodic call, after the token has expired. If
// each read asked Finicity again, a fleet would make a failed attempt per app and
// second.
func TestReadersDoNotRepeatWhatStorageLoses(t *testing.T) {
	t.Parallel()
	for name, begin := range storageFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newNeverArrived(t)
				h.Pass(2 * time.Hour)
				end := begin(h)
				before := h.Calls(fakefinicity.CallAuthenticate)
				for range 20 {
					h.Read("token", nil)
				}
				if n := h.Calls(fakefinicity.CallAuthenticate) - before; n > 4 {
					t.Errorf("twenty reads in a row made %d calls", n)
				}
				atMost(h, 3)
				for range 60 {
					h.Pass(time.Minute)
					h.Read("token", nil)
				}
				end()
				atMost(h, 3)
				h.Pass(time.Hour)
				h.Succeeds(h.Write("config/verify", nil))
				h.Token()
				atMost(h, 3)
			})
		})
	}
}

// A token has leaked, and an operator replaces it. Storage does not accept the new one.
// If the answer were a success, the leaked token would return unnoticed after the next
// restart.
func TestALeakedTokenStaysAwayOnceItWasReplaced(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"token", "config"} { // Whichever entry contains the token.
		t.Run("storage loses "+key, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				h.Pass(2 * time.Minute)
				end := failOutcomes(h, key, false)
				a := h.Write("rotate-token", nil)
				end()
				h.Restart()
				if a.Status == http.StatusOK && h.Token() == token {
					t.Error("rotate-token answered 200, and after a restart the engine serves the token that was replaced")
				}

				h.Pass(2 * time.Minute)
				h.Succeeds(h.Write("rotate-token", nil))
				h.Restart()
				if h.Token() == token {
					t.Error("the second rotate-token did not replace the token either")
				}
			})
		})
	}
}

// A job with a wrong partner ID, a different one each time, makes the engine remember
// each of them. Without a bound, the stored data would grow forever. With a careless
// bound, the records of other partners would replace the record of the partner that is
// close to its lockout.
func TestManyPartnersNeitherFillStorageNorHideRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for i := range 4 {
			h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), http.StatusBadRequest)
		}
		strangers := func(from, to int) {
			for i := from; i < to; i++ {
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_id": fmt.Sprintf("20000000%05d", i)})), http.StatusBadRequest)
				h.Pass(time.Minute)
			}
		}
		strangers(0, 16)
		before := storedBytes(h)
		strangers(16, 80)
		if grown := storedBytes(h) - before; grown > 1024 {
			t.Errorf("64 more partners took %d bytes more of storage", grown)
		}
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(5)})), http.StatusBadRequest)
		atMost(h, 4)
	})
}

// An operator was refused three times, and the snapshot from before has an unresolved
// change. After one refusal of a secret that was never proven, the engine makes a
// second attempt at once, but not in an old copy.
func TestAnOldSnapshotWithAnOpenChangeMakesOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		snapshot := h.Storage.Snapshot()
		h.Pass(time.Minute)
		h.Tick() // Resolved: the change never arrived. One refusal, then a success.
		h.Token()
		h.Pass(25 * time.Hour)
		h.Rotate() // The secret in effect is now not in the snapshot.
		h.Pass(time.Hour)
		before := h.Fake.Counters(mounttest.PartnerID).Rejected
		for i := range 3 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)}), http.StatusBadRequest)
		}
		h.Pass(2 * time.Hour)
		h.Storage.Restore(snapshot)
		h.Restart()
		for range 30 {
			h.Pass(time.Minute)
			h.Tick()
			h.Read("token", nil)
		}
		c := h.Fake.Counters(mounttest.PartnerID)
		if made := c.Rejected - before - 3; made > 1 || c.Locked {
			t.Errorf("a process without a success made %d automatic attempts that were refused, after three of an operator; locked: %v", made, c.Locked)
		}
	})
}
