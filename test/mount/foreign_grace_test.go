// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// changedByAProgram is a change of the secret with a grace period, by one of the
// company's own programs.
func changedByAProgram(h *mounttest.Harness, from, to string) {
	h.T.Helper()
	body, err := json.Marshal(map[string]any{
		"partnerId": mounttest.PartnerID, "partnerSecret": from, "newPartnerSecret": to, "immediate": false,
	})
	if err != nil {
		h.T.Fatal(err)
	}
	r := httptest.NewRequestWithContext(h.T.Context(), http.MethodPut, fakefinicity.PathAuthentication, bytes.NewReader(body))
	r.Header.Set("Finicity-App-Key", mounttest.AppKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	h.Fake.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		h.T.Fatal(w.Code, w.Body)
	}
}

// Finicity accepts the older secret for some more weeks, because of a grace period that
// the engine does not know about. The engine may have forgotten the older secret, or
// not.
func TestAnOlderSecretThatIsWrittenHidesNoSecretOfTheEngine(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"forgotten": 2 * day, "known": time.Hour} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, grace %v", name, grace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
					second := h.Guess(1)
					changedByAProgram(h, mounttest.PartnerSecret, second)
					h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": second}))
					use(h, later)
					h.Rotate()
					inEffect := storedCurrent(h)
					use(h, later)
					h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "secret_grace_period": grace}))
					use(h, 3*day)
					if !h.Fake.HoldsSecret(mounttest.PartnerID, inEffect) {
						t.Fatal("the secret is not in effect")
					}
					if verdict(h, webhook, signature(h, mounttest.PartnerID, webhook)) == "" {
						t.Error("a webhook that Finicity signs now is not valid")
					}
					use(h, 30*day)
					for range 4 {
						h.Write("config/verify", nil)
						h.Pass(time.Hour)
					}
					h.Token()
				})
			})
		}
	}
}

func TestADeleteKeepsTheOnlyCopyBeneathARefusedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		second := h.Guess(1)
		changedByAProgram(h, mounttest.PartnerSecret, second)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": second, "secret_grace_period": true}))
		use(h, 5*day)
		h.Rotate()
		inEffect := storedCurrent(h)
		use(h, day)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		use(h, 23*day)
		for range 3 * 24 {
			h.Pass(time.Hour)
			if h.Read("token", nil).Status != http.StatusOK {
				break
			}
		}
		if !h.Fake.HoldsSecret(mounttest.PartnerID, inEffect) || h.Fake.AcceptsSecret(mounttest.PartnerID, mounttest.PartnerSecret) {
			t.Fatal("the story needs the engine's secret in effect, and no other one")
		}
		storedSecret(h, inEffect)
		h.Fails(h.Remove("config", nil), http.StatusBadRequest, "force=true")
	})
}

// The second automatic attempt uses the current secret, not the one that an operator
// has replaced.
func TestOneFalseRefusalStopsNoMount(t *testing.T) {
	t.Parallel()
	for name, rotated := range map[string]bool{"a secret of the engine's before": true, "none before": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				if rotated {
					h.Rotate()
				}
				use(h, 10*day)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				use(h, 10*day)
				h.Pass(2 * time.Hour)
				h.Fake.Order(mounttest.Rejections()["10001"]) // Once, by mistake.
				everyMinute(h, 10, func() { h.Read("token", nil) })
				h.Token()
			})
		})
	}
}

func TestASecretThatIsWrittenAgainDelaysNoRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		second, third := h.Guess(1), h.Guess(2)
		for _, secret := range []string{second, third, second, mounttest.PartnerSecret} {
			use(h, time.Hour)
			h.Fake.SetSecret(mounttest.PartnerID, secret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": secret}))
		}
		use(h, 10*day)
		h.Rotate()
	})
}
