// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/test/vso"
)

// Vault Agent and the Vault Secrets Operator recognize a static role by these fields,
// and require numbers.
func TestAStaticTokenIsTheSharedTokenWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		leased, static := h.Read("token", nil), h.Read("static-token", nil)
		h.Succeeds(static)
		if static.Secret != nil {
			t.Error("the answer has a lease")
		}
		for _, field := range []string{"token", "app_key", "partner_id", "issue_time", "expire_time"} {
			if static.Data[field] != leased.Data[field] {
				t.Errorf("%s differs", field)
			}
		}
		if static.Data["rotation_period"] != int64(5400) || static.Data["last_vault_rotation"] != leased.Data["issue_time"] {
			t.Errorf("rotation_period %v, last_vault_rotation %v", static.Data["rotation_period"], static.Data["last_vault_rotation"])
		}
		h.Called(1, 0)
	})
}

// A reader that comes back after ttl seconds finds a new token. While there is none, it
// comes back every few seconds.
func TestTheTTLOfAStaticTokenCountsDownToTheRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		ttl := func(want int64) {
			t.Helper()
			a := h.Read("static-token", nil)
			h.Succeeds(a)
			if a.Data["ttl"] != want {
				t.Errorf("the ttl is %v, want %d", a.Data["ttl"], want)
			}
		}
		first := h.Token()
		ttl(5400)
		h.Pass(1500 * time.Millisecond)
		ttl(5399)
		h.Pass(90*time.Minute - 1500*time.Millisecond - time.Second)
		ttl(5) // One second is left.
		h.Down()
		h.Pass(time.Second)
		h.Refreshed()
		a := h.Read("static-token", nil)
		h.Warned(a, "the refresh of the token failed")
		if a.Data["ttl"] != int64(5) || a.Data["token"] != first {
			t.Errorf("during an outage the ttl is %v", a.Data["ttl"])
		}
		h.Fake.ClearFaults()
		h.Pass(time.Minute)
		h.Refreshed()
		ttl(5400)
		if h.Token() == first {
			t.Error("the token is still the old one")
		}
	})
}

// operatorRuns simulates the Vault Secrets Operator for twelve hours. It returns how
// long the Secret had a token that the engine no longer served. Until version 1.3, a
// read that returns the same token leaves the old ttl in the status.
func operatorRuns(h *mounttest.Harness, until13 bool, happen map[time.Duration]func()) (dead time.Duration) {
	random := rand.New(rand.NewPCG(1, 2)) // The seed is fixed, so that a failure can be reproduced.
	var held string
	var expires time.Time
	var noted vso.Rotation
	for start := h.Now(); h.Now().Before(start.Add(12 * time.Hour)); {
		if held != "" {
			dead += max(0, h.Now().Sub(expires))
		}
		a := h.Read("static-token", nil)
		h.Succeeds(a)
		response, err := json.Marshal(map[string]any{"data": a.Data})
		if err != nil {
			h.T.Fatal(err)
		}
		read, err := vso.Of(response)
		if err != nil || !read.ReadsAgain() {
			h.T.Fatalf("the operator does not read again: %v", err)
		}
		token, _ := a.Data["token"].(string)
		if token != held || !until13 {
			noted = read
		}
		held = token
		text, _ := a.Data["expire_time"].(string)
		if expires, err = time.Parse(time.RFC3339, text); err != nil {
			h.T.Fatal(err)
		}
		next := h.Now().Add(noted.Wait(random.Float64()))
		for after, do := range happen { // At most one of them before the next read.
			if at := start.Add(after); at.Before(next) {
				h.Pass(at.Sub(h.Now()))
				do()
				delete(happen, after)
			}
		}
		h.Pass(next.Sub(h.Now()))
	}
	return dead
}

func TestTheVaultSecretsOperatorNeverHasAnExpiredToken(t *testing.T) {
	t.Parallel()
	for step := range 10 {
		began := time.Duration(step) * 4321 * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(began)
			if dead := operatorRuns(h, false, map[time.Duration]func(){
				89 * time.Minute: func() { h.Answering(http.StatusServiceUnavailable, "maintenance", 5) },
				5 * time.Hour:    h.Rotate,
			}); dead > 0 {
				t.Errorf("started %s after the first token, it had a dead one for %s", began, dead)
			}
		})
	}
}

// Why examples/kubernetes requires 1.4 or newer.
func TestTheOperatorUntil13HasAnExpiredTokenAfterOneFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		dead := operatorRuns(h, true, map[time.Duration]func(){
			0: func() { h.Answering(http.StatusServiceUnavailable, "maintenance", 1) },
		})
		if dead < time.Hour {
			t.Errorf("the Secret had an expired token for %s, and examples/kubernetes says an hour", dead)
		}
	})
}
