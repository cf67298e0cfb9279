// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// stepDown leaves a call of this node on its way, and goes on as the next node on the same storage.
func (h *harness) stepDown(do func(node *backend) answer) (old <-chan answer, release func()) {
	h.t.Helper()
	h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
	node := h.b
	old = h.background(func() answer { return do(node) })
	if err := h.fake.WaitHeld(h.t.Context(), 1); err != nil {
		h.t.Fatal(err)
	}
	h.restart()
	return old, func() { h.fake.Release(); synctest.Wait() }
}

// readOf is a read of the token from a certain node.
func (h *harness) readOf(node *backend) answer {
	resp, err := node.HandleRequest(h.t.Context(), &logical.Request{
		Operation: logical.ReadOperation, Path: "token", MountPoint: h.mount, Storage: h.storage,
	})
	return h.take("token", resp, err)
}

// Whatever the order in which two nodes write the record, none of their attempts may be lost from it.
func TestAttemptsOfTwoNodesAddUp(t *testing.T) {
	t.Parallel()
	for name, oldFirst := range map[string]bool{"the old one's answer first": true, "the new one's answer first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRefused(t)
				old, release := h.stepDown(h.readOf)
				h.spent(0, 1)
				if oldFirst {
					release()
					h.fails(<-old, 400, "10001")
					h.spent(1, 0)
					h.fails(h.read("token", nil), 400, "no call was made")
					h.pass(5 * time.Minute)
					h.fails(h.read("token", nil), 400, "10001", "2 of the five")
				} else {
					h.fails(h.read("token", nil), 400, "10001", "2 of the five")
					h.spent(1, 1)
					release()
					h.fails(<-old, 400, "10001", "2 of the five")
				}
				h.spent(2, 0)
				h.wrongly(2)
				h.restart()
				h.pass(time.Hour)
				h.fails(h.read("token", nil), 400, "no call was made", "10001", "2 of the five")
				h.called(3, 0)
			})
		})
	}
}

func TestASuccessOfOneNodeTakesNothingBackThatAnotherIsChargedWithLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		old, release := h.stepDown(h.readOf) // It has been accepted, only the answer is not there yet.
		h.fake.SetSecret(partnerID, wrongSecret)
		h.fails(h.read("token", nil), 400, "10001")
		h.spent(1, 1)
		release()
		h.succeeds(<-old)
		h.spent(1, 0)
		h.b.InvalidateKey(t.Context(), tokenKey)
		h.token() // It is good, whichever node has brought it.
		h.pass(2 * time.Hour)
		h.restart()
		h.fails(h.read("token", nil), 400, "10001", "2 of the five")
		h.wrongly(2)
	})
}

// The deposed node may not write any more, so that it can't take back what it was charged with either.
func TestAnAttemptWhoseNodeWasDeposedStaysCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		old, release := h.stepDown(h.readOf)
		h.storage.fail(storageFault{on: put(h.ownKey())})
		release()
		h.fails(<-old, 400, "10001")
		h.spent(0, 1)
		h.fails(h.read("token", nil), 400, "10001", "2 of the five")
		h.spent(1, 1)
		h.pass(5 * time.Minute)
		h.fails(h.read("token", nil), 400, "10001", "3 of the five")
		h.spent(2, 1)
		h.wrongly(3)
	})
}

// What could not be stored is known to the node that made the attempts, whatever else it is asked meanwhile.
func TestARecordThatCannotBeStoredIsNotForgottenForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		key := h.ownKey()
		for range 4 {
			h.storage.fail(storageFault{on: put(key), skip: 1}) // The charge is stored, the outcome is not.
			h.read("token", nil)
			h.storage.heal()
			elsewhere := fields{"base_url": "http://127.0.0.2", "partner_secret": h.guess(0), "app_key": appKey}
			h.fails(h.write("config", elsewhere), 400, "nothing was stored")
			h.pass(10 * time.Minute)
		}
		if n := h.record().Charged + h.record().Rejected; n > 2 {
			t.Errorf("%d automatic attempts were made", n)
		}
	})
}
