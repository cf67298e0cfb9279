// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// newBehind returns the first node of a mount whose second node continues from an older
// copy, so that its clock is behind that of the first node.
func newBehind(t *testing.T, how string, settings mounttest.Fields) (h *mounttest.Harness, one func()) {
	t.Helper()
	h = mounttest.NewConfigured(t, settings)
	h.Tick()
	switch how {
	case "a snapshot was restored":
		snapshot := h.Storage.Snapshot()
		use(h, 30*time.Hour)
		h.Storage.Restore(snapshot)
	case "storage took no writes":
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		use(h, 50*time.Hour)
		h.Storage.Heal()
	}
	first := h.B
	h.Restart()
	h.Tick()
	h.Token()
	return h, func() { h.B = first }
}

// The second node's secret is new, however old it seems to the first node. Its change
// takes effect an hour late.
func TestASecretOfANodeWhoseClockIsBehindIsNotOld(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"a snapshot was restored", "storage took no writes"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, first := newBehind(t, how, nil)
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: time.Hour})
				h.Fails(h.Write("rotate-root", nil), 400, "unknown")
				h.Pass(time.Minute)
				first()
				h.Tick()
				h.Pass(2 * time.Hour)
				changed(h, 1)
				use(h, 2*time.Hour)
				keepsTheSecret(h)
				stillServes(h)
			})
		})
	}
}

func TestARefusalOfANodeWhoseClockIsBehindIsNotOld(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"a snapshot was restored", "storage took no writes"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, first := newBehind(t, how, nil)
				h.Guesses(3)
				h.Succeeds(h.Write("config/verify", nil))
				h.Pass(time.Minute)
				first()
				h.Read("status", nil)
				h.Tick()
				for i := range 4 {
					h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i + 10)})
				}
				atMost(h, 4)
			})
		})
	}
}

// A plain failover and back: an idle node stores its clock once an hour.
func TestACallOfANodeWhoseClockIsBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Tick()
		h.Pass(50 * time.Minute)
		h.Read("status", nil)
		first := h.B
		h.Restart()
		h.Tick()
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore, Call: fakefinicity.CallModifySecret})
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		synctest.Wait()
		h.B = first
		h.Fails(h.Write("config/verify", nil), 503, "pending")
		h.Fake.Release()
		<-rotation
		h.Wrongly(0)
	})
}

// The refusal of the first node delays nothing for longer than it otherwise would: its
// time is converted to the other clock.
func TestARefusalOfANodeWhoseClockIsAheadEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Tick()
		snapshot := h.Storage.Snapshot()
		use(h, 30*time.Hour)
		h.Guesses(3)
		first := h.B
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Token()
		h.Pass(time.Minute)
		h.B = first
		h.Tick()
		statusShows(h, mounttest.Fields{"rejected_attempts": 3})
		h.Pass(2 * time.Hour)
		h.Token()
		h.Pass(23 * time.Hour)
		statusShows(h, mounttest.Fields{"rejected_attempts": 0})
	})
}

// The clock does not change during a call. Otherwise the refusal would come from the
// future and never end.
func TestAPollDuringACallSetsNoClockBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Tick()
		snapshot := h.Storage.Snapshot()
		use(h, 30*time.Hour)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		first := h.B
		old, release := stepDown(h, logical.UpdateOperation, "config/verify")
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Token()
		h.B = first
		h.Read("status", nil)
		release()
		h.Fails(<-old, 400, "10001")
		h.Tick()
		h.Pass(10 * time.Minute)
		h.Succeeds(h.Write("config/verify", nil))
		h.Pass(25 * time.Hour)
		statusShows(h, mounttest.Fields{"authentication": "ok", "rejected_attempts": 0})
	})
}

// The secret was set in the portal since, and the second node has it.
func TestASecretOfANodeWhoseClockIsAheadIsNotNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Tick()
		snapshot := h.Storage.Snapshot()
		use(h, 30*time.Hour)
		h.Rotate()
		first := h.B
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.B = first
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(0)
	})
}

// There was no other node: the times in the snapshot are right.
func TestARestoreMakesNoRefusalYounger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(2)
		snapshot := h.Storage.Snapshot()
		use(h, 23*time.Hour)
		h.Storage.Restore(snapshot)
		h.Tick()
		statusShows(h, mounttest.Fields{"rejected_attempts": 2})
		use(h, 2*time.Hour)
		statusShows(h, mounttest.Fields{"rejected_attempts": 0})
	})
}

// Both nodes have rotated, each from the same snapshot. The node that took over was the
// last one.
func TestTheSecretOfTheNodeThatTookOverIsTheNewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Tick()
		snapshot := h.Storage.Snapshot()
		use(h, 30*time.Hour)
		h.Rotate()
		first := h.B
		h.Storage.Restore(snapshot)
		h.Restart()
		use(h, time.Hour)
		h.Succeeds(h.Write("rotate-root", nil))
		h.B = first
		use(h, 32*day)
		keepsTheSecret(h)
		stillServes(h)
	})
}

// Attempts that storage has lost count again, even if an operator's attempt has
// succeeded since.
func TestAnOperatorsSuccessElsewhereForgetsNoRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(10 * time.Minute)
		h.Tick()
		snapshot := h.Storage.Snapshot()
		h.Guesses(3)
		first := h.B
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Pass(time.Hour)
		h.Succeeds(h.Write("config/verify", nil))
		h.B = first
		h.Pass(time.Minute)
		for i := range 4 {
			h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i + 10)})
		}
		atMost(h, 4)
	})
}

// The wall clocks of two nodes differ by twenty minutes, so the time of issue does not
// show which token is the later one.
func TestATokenThatANodeWithAnotherClockReplacedIsGone(t *testing.T) {
	t.Parallel()
	for _, restored := range []bool{false, true} {
		t.Run(fmt.Sprint(restored), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.SetClock(20 * time.Minute)
				h.Configure(nil)
				leaked, first := h.Token(), h.B
				h.Pass(2 * time.Minute)
				h.SetClock(-20 * time.Minute)
				snapshot := h.Storage.Snapshot()
				if !restored {
					h.Restart()
				}
				h.Succeeds(h.Write("rotate-token", nil))
				if restored {
					h.Storage.Restore(snapshot)
				} else {
					h.SetClock(20 * time.Minute)
					h.B = first
					h.B.InvalidateKey(t.Context(), "config")
				}
				h.Tick()
				for range 10 {
					h.Pass(30 * time.Minute)
					h.Tick()
					if h.Token() == leaked {
						t.Fatal("the leaked token is served again")
					}
				}
			})
		})
	}
}
