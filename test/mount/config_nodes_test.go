// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// meanwhile makes a request to one node, and lets another node take over while the
// first one waits for Finicity. It returns the answer of the first node.
func meanwhile(h *mounttest.Harness, first func() mounttest.Answer, second func()) mounttest.Answer {
	h.T.Helper()
	h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
	done := h.Background(first)
	if err := h.Fake.WaitHeld(h.T.Context(), 1); err != nil {
		h.T.Fatal(err)
	}
	h.Restart()
	second()
	h.Fake.Release()
	return <-done
}

// twoNodeWrites are writes of the first node. prepare makes Finicity accept them, and
// restore reverts that.
func twoNodeWrites() map[string]struct {
	prepare, restore func(h *mounttest.Harness)
	data             mounttest.Fields
} {
	nothing := func(*mounttest.Harness) {}
	key := func(key string) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) { h.Fake.SetAppKey(mounttest.PartnerID, key) }
	}
	secret := func(secret string) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) { h.Fake.SetSecret(mounttest.PartnerID, secret) }
	}
	return map[string]struct {
		prepare, restore func(h *mounttest.Harness)
		data             mounttest.Fields
	}{
		"a new app key": {
			key(mounttest.NewKey), key(mounttest.AppKey), mounttest.Fields{"app_key": mounttest.NewKey},
		},
		"a new secret": {
			secret(mounttest.WrongSecret), secret(mounttest.PartnerSecret), mounttest.Fields{"partner_secret": mounttest.WrongSecret},
		},
		"another address":  {nothing, nothing, move(elsewhere, mounttest.PartnerSecret)},
		"another partner":  {nothing, nothing, otherPartner()},
		"a refused secret": {nothing, nothing, mounttest.Fields{"partner_secret": mounttest.WrongSecret}},
	}
}

// A write of the configuration is in progress on a node that loses its leadership, and
// the next active node rotates. Only the entry has the new secret, so the outcome of
// the write must not replace it.
func TestAWriteOfAFormerLeaderLosesNoSecret(t *testing.T) {
	t.Parallel()
	for name, test := range twoNodeWrites() {
		for kind, change := range map[string]func(h *mounttest.Harness){
			"rotated":             func(h *mounttest.Harness) { h.Rotate() },
			"the answer was lost": func(h *mounttest.Harness) { h.Interrupt(true) },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					test.prepare(h)
					a := meanwhile(h, func() mounttest.Answer { return h.Write("config", test.data) }, func() {
						test.restore(h)
						change(h)
					})
					h.Fails(a, 400, "nothing was stored")
					changed(h, 1)
					for _, restart := range []bool{false, true} {
						if restart {
							h.Restart()
						}
						h.Tick() // From then on, the clock of a new process runs.
						h.Pass(2 * time.Hour)
						h.Token()
					}
					h.Resolved()
					atMost(h, 1)
				})
			})
		}
	}
}

// The next active node deletes the configuration. The outcome of a call of the former
// active node must not bring it back.
func TestNothingOfAFormerLeaderBringsADeletedCredentialBack(t *testing.T) {
	t.Parallel()
	work := map[string]func(h *mounttest.Harness) mounttest.Answer{
		"a read":   func(h *mounttest.Harness) mounttest.Answer { return h.Read("token", nil) },
		"verify":   func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) },
		"a change": func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-root", nil) },
	}
	for name, test := range twoNodeWrites() {
		work[name] = func(h *mounttest.Harness) mounttest.Answer {
			test.prepare(h)
			return h.Write("config", test.data)
		}
	}
	for name, do := range work {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				meanwhile(h, func() mounttest.Answer { return do(h) }, func() {
					h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
				})
				h.Restart()
				if h.IsConfigured() {
					t.Fatal("the configuration is back")
				}
				if st := h.Stored(); st != nil && (len(st.Secrets.Secrets) > 0 || st.Token != nil || !st.AppKey.IsZero()) {
					t.Error("a part of the credential is back")
				}
				h.Fails(h.Read("token", nil), 400, "not configured")
			})
		})
	}
}

// A call of the former active node is in progress while the next one changes the
// credential.
func TestAVerifyOfAFormerLeaderChangesNothingThatIsNewer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *mounttest.Harness){
		"rotated": func(h *mounttest.Harness) { h.Rotate() },
		"a new secret": func(h *mounttest.Harness) {
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		},
		"a new app key": func(h *mounttest.Harness) {
			h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
			h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		},
		"another address": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", move(elsewhere, mounttest.PartnerSecret)))
		},
		"the answer was lost": func(h *mounttest.Harness) { h.Interrupt(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				var want map[string]any
				meanwhile(h, func() mounttest.Answer { return h.Write("config/verify", nil) }, func() {
					change(h)
					want = h.Read("config", nil).Data
				})
				h.Restart()
				if got := h.Read("config", nil).Data; !reflect.DeepEqual(got, want) {
					t.Errorf("the configuration is %v, want %v", got, want)
				}
				h.Pass(2 * time.Hour)
				h.Token()
				h.Resolved()
				h.Wrongly(0)
			})
		})
	}
}

// The delete would discard what the other node has stored.
func TestADeleteOfAFormerLeaderIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old, reads := h.B, 0
		h.Restart()
		h.Storage.BeforeGet = func(string) {
			if reads++; reads == 2 {
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
			}
		}
		h.Fails(sendTo(h, old, logical.DeleteOperation, "config"), http.StatusServiceUnavailable, "deleting the configuration")
		if !h.IsConfigured() {
			t.Error("the configuration is gone")
		}
	})
}
