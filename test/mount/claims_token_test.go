// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A rotation succeeds, and the first authentication with the new secret does not.
// Finicity accepts the old token until it expires. An engine that dropped the token
// with the old secret would cause an outage.
func TestARotationKeepsTheTokenUntilThereIsANewOne(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"refused once":     {Kind: fakefinicity.KindStatus, Status: 401},
		"Finicity is down": {Kind: fakefinicity.KindStatus, Status: 503, Count: 10_000},
		"no answer":        {Kind: fakefinicity.KindDropped, Count: 10_000},
	} {
		fault.Call = fakefinicity.CallAuthenticate
		for _, restarted := range []bool{false, true} {
			for _, scheduled := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, scheduled %v, restarted %v", name, scheduled, restarted), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						h := mounttest.NewConfigured(t, nil)
						left := 100 * time.Minute // Of the token's two hours, with some margin.
						if scheduled {
							h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
							h.Token()
							h.Fake.Order(fault)
							tickUntilChanged(h, 1)
							left -= time.Hour
						} else {
							h.Fake.Order(fault)
							h.Write("rotate-root", nil)
						}
						changed(h, 1)
						if restarted {
							h.Restart()
						}
						served(h, left)
						h.Fake.ClearFaults()
						use(h, 2*time.Hour)
						stillServes(h)
					})
				})
			}
		}
	}
}

// A colleague stores a secret untried. That says nothing about the token, which
// Finicity still accepts. A read must neither fail nor cost an attempt with a secret
// that may be wrong.
func TestAnUntriedSecretKeepsTheToken(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %v", restarted), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := h.Token()
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
				if restarted {
					h.Restart()
				}
				served(h, 80*time.Minute)
				h.Wrongly(0)
				if h.Token() != before {
					t.Error("another token is served, long before this one is due")
				}
			})
		})
	}
}

// served checks that every read of an app returns a token that Finicity accepts, at
// once, for the given time.
func served(h *mounttest.Harness, d time.Duration) {
	h.T.Helper()
	for range d / (5 * time.Minute) {
		if token := h.Token(); !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
			h.T.Fatal("Finicity does not accept the token")
		}
		h.Pass(5 * time.Minute)
		h.Tick()
	}
}
