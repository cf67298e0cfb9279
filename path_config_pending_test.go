// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// eitherWay runs a test in both worlds: the one where the interrupted change of the secret has arrived, and the other.
func eitherWay(t *testing.T, test func(t *testing.T, applied bool)) {
	t.Helper()
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, applied) })
		})
	}
}

func TestANewPartnerIsRefusedWhileARotationIsUnsettled(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		other := fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey}
		h.fails(h.write("config", other), 400, "another mount", "vault delete finicity/config force=true")
		elsewhere := fields{"base_url": "http://127.0.0.2", "partner_secret": partnerSecret, "app_key": appKey}
		h.fails(h.write("config", elsewhere), 400, "may be the only copy")
		other["verify_connection"] = false
		h.fails(h.write("config", other), 400, "may be the only copy")
		h.called(1, 1)
		if h.stored().Credential.Pending == nil {
			t.Error("the pending secret is gone")
		}
	})
}

func TestAWriteOfASettingLeavesAPendingRotationAlone(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		want := h.stored().Credential.Pending.Secret
		h.succeeds(h.write("config", fields{"token_lifetime": "1h"}))
		h.succeeds(h.write("config", fields{"partner_secret": partnerSecret})) // The current one: nothing new.
		if pending := h.stored().Credential.Pending; pending == nil || pending.Secret != want {
			t.Error("the pending secret has changed")
		}
		if h.read("config", nil).data["rotation_pending"] != true {
			t.Error("a read does not show that a rotation is pending")
		}
		h.called(1, 1)
	})
}

// With a new app key alone, either secret may be the one in force.
func TestANewAppKeyIsVerifiedWithWhicheverSecretIsInForce(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		pending := h.stored().Credential.Pending.Secret
		h.fake.SetAppKey(partnerID, newKey)
		h.pass(30 * time.Second)
		h.succeeds(h.write("config", fields{"app_key": newKey}))

		cred := h.stored().Credential
		if cred.Pending != nil || cred.AppKey != newKey || (cred.Current == pending) != applied {
			t.Error("it is not settled to the secret that Finicity holds, with the new app key")
		}
		if applied == (len(cred.Abandoned) == 1) {
			t.Errorf("%d candidates are kept", len(cred.Abandoned))
		}
		if h.read("token", nil).data["app_key"] != newKey {
			t.Error("the shared token does not come with the new app key")
		}
		attempts := 2 // One of them of the pending secret, refused if the change has not arrived.
		if !applied {
			attempts = 3
		}
		h.called(attempts, 1)
	})
}

func TestANewAppKeyMustWaitUntilTheRotationCanBeSettled(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		h.fake.SetAppKey(partnerID, newKey)
		h.pass(10 * time.Second)
		h.fails(h.write("config", fields{"app_key": newKey}), 503, "a rotation is pending", "try again in 20s")
		if cred := h.stored().Credential; cred.AppKey != appKey || cred.Pending == nil {
			t.Error("something was stored")
		}
		h.called(1, 1)
	})
}

// It must not be taken for begun just now with each write.
func TestAClockThatWasSetBackDelaysANewAppKeyOnce(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		h.fake.SetAppKey(partnerID, newKey)
		h.pass(time.Minute)
		h.setClock(-time.Hour)
		h.storage.fail(storageFault{on: put(configKey)})
		h.fails(h.write("config", fields{"app_key": newKey}), 500, "nothing was stored", "writing the configuration to storage")
		for _, wait := range []string{"30s", "20s", "10s"} {
			h.fails(h.write("config", fields{"app_key": newKey}), 503, "a rotation is pending", "try again in "+wait)
			h.pass(10 * time.Second)
			h.restart()
		}
		if cred := h.stored().Credential; cred.AppKey != appKey || cred.Pending == nil {
			t.Error("something else was stored")
		}
		h.succeeds(h.write("config", fields{"app_key": newKey}))
		h.settled()
	})
}

func TestAWrongAppKeyWhileARotationIsUnsettledStoresNothing(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		before, _ := h.storage.peek(configKey)
		h.pass(30 * time.Second)
		h.fails(h.write("config", fields{"app_key": newKey}), 400, "nothing was stored", "10026")
		if after, _ := h.storage.peek(configKey); string(after) != string(before) {
			t.Error("something was stored")
		}
		if wrong := h.fake.Counters(partnerID).Rejected; wrong > 2 {
			t.Errorf("it took %d of five attempts", wrong)
		}
		h.pass(2 * time.Hour)
		h.succeeds(h.write("config/verify", nil)) // With the right app key it is settled all the same.
		h.token()
		if current, _ := h.inForce(); !current {
			t.Error("it is not settled to the secret in force")
		}
	})
}

// Somebody has reset the secret in the portal. The interrupted change may still arrive.
func TestANewSecretWhileARotationIsUnsettledKeepsTheCandidate(t *testing.T) {
	t.Parallel()
	for _, verify := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newUnsettled(t, false, nil)
			candidate := h.stored().Credential.Pending.Secret
			h.fake.SetSecret(partnerID, wrongSecret)
			h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": verify}))
			cred := h.stored().Credential
			if cred.Pending != nil || cred.Current != wrongSecret {
				t.Error("the new secret is not the current one")
			}
			aside := []string{candidate}
			if !verify { // The old one may still be in force.
				aside = []string{partnerSecret, candidate}
			}
			if got := cred.candidates(); !slices.Equal(got, append([]string{wrongSecret}, aside...)) {
				t.Errorf("%d secrets may be tried, want %d, or they are others", len(got), len(aside)+1)
			}
			if len(cred.Previous) == 0 || cred.Previous[0].Secret != partnerSecret {
				t.Error("the secret before it is not the previous one")
			}
			h.token()
			h.called(2, 1)
		})
	}
}

func TestTheCandidateItselfMayBeWrittenAsTheSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		candidate := h.stored().Credential.Pending.Secret
		h.succeeds(h.write("config", fields{"partner_secret": candidate}))
		if cred := h.stored().Credential; cred.Pending != nil || cred.Current != candidate || len(cred.Abandoned) != 0 {
			t.Error("it is not the current secret now, with nothing pending")
		}
		h.called(2, 1)
	})
}

func TestAWrongSecretWhileARotationIsUnsettledStoresNothing(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		h.fails(h.write("config", fields{"partner_secret": wrongSecret}), 400, "nothing was stored", "10001")
		if cred := h.stored().Credential; cred.Pending == nil || cred.Current != partnerSecret {
			t.Error("something was stored")
		}
		h.pass(2 * time.Hour)
		if !applied {
			// The wrong one and the pending one make two: the engine stops, and leaves the rest to a person.
			h.fails(h.read("token", nil), 400, "could not be settled", "10001", "2 of the five")
			h.succeeds(h.write("config/verify", nil))
		}
		h.token()
		h.called(map[bool]int{true: 3, false: 4}[applied], 1)
		h.settled()
	})
}

// An answer that nobody waits for is still the answer.
func TestAConfigWriteIsBroughtToItsEndWhoeverWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		ctx, leave := context.WithCancel(t.Context())
		done := h.background(func() answer {
			return h.send(ctx, logical.CreateOperation, "config", credentials(nil))
		})
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		h.fake.Release()
		h.succeeds(<-done)
		if h.stored() == nil {
			t.Fatal("nothing is stored")
		}
		h.token()
		h.called(1, 0)
	})
}

func TestAConfigWriteThatCannotBeStoredLeavesTheMountUsable(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"not applied": false, "applied": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.fake.SetAppKey(partnerID, newKey)
				h.storage.fail(storageFault{on: put(configKey), applied: applied})
				h.fails(h.write("config", fields{"app_key": newKey}), 500, "writing the configuration to storage")

				want := map[bool]string{true: newKey, false: appKey}[applied]
				if got := h.read("token", nil).data["app_key"]; got != want {
					t.Error("the token is not that of the stored configuration")
				}
				h.succeeds(h.write("config", fields{"app_key": newKey}))
				if h.read("token", nil).data["app_key"] != newKey {
					t.Error("the second write did not help")
				}
			})
		})
	}
}

func TestAConfigWriteNeedsNoStoredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.storage.fail(storageFault{on: put(tokenKey)})
		h.configure(nil)
		h.token()
		if !h.words.logged("the token cannot be stored") {
			t.Error("the log does not say so")
		}
		h.called(1, 0)
	})
}

func TestConfigReadReportsAStorageFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.fail(storageFault{on: get(configKey)})
		h.fails(h.read("config", nil), 500, "reading the configuration from storage")
		h.storage.fail(storageFault{on: get(configKey), skip: 1}) // The existence check reads it first.
		h.fails(h.write("config", nil), 500, "reading the configuration from storage")
		h.called(1, 0)
	})
}
