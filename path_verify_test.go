// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// states bring a mount into each state that its attempts can be in, with one or more attempts left to a person.
func states() map[string]func(h *harness) {
	return map[string]func(h *harness){
		"ok":      func(*harness) {},
		"held":    func(h *harness) { h.guesses(1) },
		"stopped": func(h *harness) { h.guesses(2) },
		"three":   func(h *harness) { h.guesses(3) },
		"locked": func(h *harness) {
			h.fake.Order(rejections()["locked"])
			h.fails(h.write("config", fields{"partner_secret": h.guess(0)}), 400, "24302")
		},
		"crashed": func(h *harness) { h.plantRecord(attempts{Charged: 3}) },
		"backing off": func(h *harness) {
			h.answering(503, "maintenance", 1)
			h.fails(h.read("token", nil), 502, "maintenance")
		},
		"refused itself": func(h *harness) {
			h.answering(401, `{"code":10001,"message":"Invalid credentials"}`, 1)
			h.fails(h.read("token", nil), 400, "10001")
		},
		"refused itself, twice": func(h *harness) {
			h.answering(401, `{"code":10001,"message":"Invalid credentials"}`, 2)
			h.fails(h.read("token", nil), 400, "10001")
			h.pass(5 * time.Minute)
			h.fails(h.read("token", nil), 400, "10001")
		},
	}
}

func TestVerifySucceedsInEachStateAndMakesEverythingGood(t *testing.T) {
	t.Parallel()
	for name, enter := range states() {
		for _, data := range []fields{nil, {"force": false}, {"force": "true"}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					h.rotate() // So that nobody knows the secret.
					h.pass(2 * time.Hour)
					enter(h)
					before := h.calls(fakefinicity.CallAuthenticate)
					a := h.write("config/verify", data)
					if a.status != 204 {
						t.Fatalf("got a %d: %s", a.status, h.words.hide(a.text))
					}
					if got := h.record(); !reflect.DeepEqual(got, attempts{}) {
						t.Errorf("the record still says %+v", got)
					}
					token := h.token()
					if !h.fake.AcceptsToken(partnerID, token) {
						t.Error("the shared token is not good")
					}
					h.restart()
					if h.token() != token {
						t.Error("its token is not stored")
					}
					if n := h.calls(fakefinicity.CallAuthenticate) - before; n != 1 {
						t.Errorf("it took %d calls", n)
					}
				})
			})
		}
	}
}

// It is for now, and not when the token is due.
func TestVerifyReplacesAFreshToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.succeeds(h.write("config/verify", nil))
		if h.token() == token {
			t.Error("the token is the old one")
		}
		h.called(2, 0)
	})
}

func TestAVerifyThatIsRefusedCountsAndLeavesEverythingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		before := h.stored()
		h.fake.SetSecret(partnerID, wrongSecret)
		for i := range 4 {
			h.fails(h.write("config/verify", nil), 400, "10001")
			h.spent(i+1, 0)
		}
		h.fails(h.write("config/verify", nil), 400, "no call was made to Finicity", "10001",
			"vault write finicity/config/verify force=true")
		h.wrongly(4)
		if h.token() != token || !reflect.DeepEqual(h.stored(), before) {
			t.Error("the usable token, or the configuration, has changed")
		}
	})
}

// With a 5xx Vault's clients would repeat it by themselves, and each repetition may be refused unseen.
func TestAVerifyWithoutAnAnswerIsNotRepeatedByClients(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]fields{"a person's": nil, "forced": {"force": true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindLost})
				h.fails(h.write("config/verify", data), 400, "no readable answer", "It is not repeated by itself")
				h.called(2, 0)
				h.spent(0, 0)
				if h.token() != token {
					t.Error("the usable token is gone")
				}
			})
		})
	}
}

// Finicity may lock the partner now: each force is one call, whatever else there is to be tried.
func TestForceGoesPastTheLimitOneCallAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(2 * time.Hour)
		h.plantRecord(attempts{Rejected: 4, RejectedAt: h.now(), LastError: "what Finicity said"})
		h.fails(h.write("config/verify", nil), 400, "what Finicity said", "force=true")
		h.called(1, 1)
		for i := range 3 {
			h.fails(h.write("config/verify", fields{"force": true}), 400, "10001", "force=true")
			h.called(2+i, 1)
			h.spent(5+i, 0)
		}
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.succeeds(h.write("config/verify", fields{"force": true}))
		h.spent(0, 0)
		h.token()
	})
}

// Support may have unlocked the partner, and nobody has told Vault.
func TestAfterALockOnlyAPersonTries(t *testing.T) {
	t.Parallel()
	for _, guesses := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.guesses(guesses)
			h.pass(2 * time.Hour)
			h.fake.Order(rejections()["locked"])
			h.fails(h.write("config/verify", nil), 400, "24302", "only its support can unlock it")
			for range 10 {
				h.pass(24 * time.Hour)
				h.fails(h.read("token", nil), 400, "no call was made", "24302", "only its support can unlock it")
				h.restart()
			}
			command := fields{"force": guesses == 3}
			says := map[bool]string{
				false: "vault write -f finicity/config/verify", true: "vault write finicity/config/verify force=true",
			}[guesses == 3]
			h.fails(h.read("token", nil), 400, says)
			h.called(2+guesses, 0)
			h.succeeds(h.write("config/verify", command))
			h.token()
			h.spent(0, 0)
		})
	}
}

func TestVerifySettlesAPendingRotation(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		for _, data := range []fields{nil, {"force": true}} {
			h.fails(h.write("config/verify", data), 503, "a rotation is pending", "try again in 30s")
		}
		h.called(1, 1)
		h.pass(30 * time.Second)
		h.succeeds(h.write("config/verify", nil))
		h.settled()
		h.wrongly(map[bool]int{true: 0, false: 1}[applied])
	})
}

func TestAVerifyThatCannotBeStoredIsRepeated(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newUnsettled(t, true, nil)
			h.pass(2 * time.Hour)
			h.storage.fail(storageFault{on: put(configKey), applied: applied})
			h.fails(h.write("config/verify", nil), 500, "writing the configuration to storage")
			h.succeeds(h.write("config/verify", nil))
			h.token()
			h.settled()
			h.wrongly(0)
		})
	}
}

func TestVerifyWhileFinicityIsDownSaysSoAndCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.down()
		for range 10 { // A person does not wait for the next time that reads may try.
			h.fails(h.write("config/verify", nil), 502, "maintenance")
		}
		h.spent(0, 0)
		h.called(11, 0)
		h.fails(h.read("token", nil), 503, "the next call is made in 1m0s")
	})
}

func TestVerifyOfAMountThatIsNotConfiguredSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, data := range []fields{nil, {"force": true}} {
			h.fails(h.write("config/verify", data), 400, "not configured", "vault write finicity/config partner_id=…")
		}
		h.storage.fail(storageFault{on: get(configKey)})
		h.fails(h.write("config/verify", nil), 500, "reading the configuration from storage")
		h.called(0, 0)
	})
}

func TestVerifyTakesNoFieldButForceAndNoOtherOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fails(h.write("config/verify", fields{"force": "perhaps"}), 400, `"force"`, "true or false")
		h.fails(h.write("config/verify", fields{"partner_secret": wrongSecret}), 400, `"partner_secret"`,
			"config/verify takes force")
		h.fails(h.read("config/verify", nil), 405)
		h.fails(h.remove("config/verify", nil), 405)
		h.called(1, 0)
	})
}

func TestAVerifyIsBroughtToItsEndWhoeverWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(2)
		h.pass(2 * time.Hour)
		gone, leave := context.WithCancel(t.Context())
		leave()
		h.fails(h.send(gone, logical.UpdateOperation, "config/verify", nil), 503, "try again")
		h.called(3, 0)

		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
		ctx, leave := context.WithCancel(t.Context())
		done := h.background(func() answer { return h.send(ctx, logical.UpdateOperation, "config/verify", nil) })
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		h.fake.Release()
		h.succeeds(<-done)
		h.spent(0, 0)
		h.token()
		h.called(4, 0)
	})
}
