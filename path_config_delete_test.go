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

// newUnsettled is a configured harness whose rotation has got no answer. applied says whether it has arrived.
func newUnsettled(t *testing.T, applied bool, extra fields) *harness {
	t.Helper()
	h := newConfigured(t, extra)
	h.interrupt(applied)
	return h
}

// interrupt begins a rotation whose answer gets lost.
func (h *harness) interrupt(applied bool) {
	h.t.Helper()
	kind := fakefinicity.KindDropped
	if applied {
		kind = fakefinicity.KindLost
	}
	h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: kind})
	h.fails(h.write("rotate-root", nil), 400, "whether the secret has changed is unknown")
	current, pending := h.inForce()
	if grace := h.stored().SecretGracePeriod; pending != applied || current == applied && !grace {
		h.t.Fatal("the rotation is not unsettled as it should be")
	}
}

func TestDeleteRemovesCredentialTokenAndAttemptRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.token()
		h.succeeds(h.remove("config", nil))
		for _, key := range []string{configKey, tokenKey, h.ownKey()} {
			if _, found := h.storage.peek(key); found {
				t.Errorf("%s is still in storage", key)
			}
		}
		if keys, err := h.storage.List(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"salt"}) {
			t.Errorf("there are %d entries left, want the salt", len(keys))
		}
		h.fails(h.read("token", nil), 400, "not configured")
		h.restart()
		h.fails(h.read("token", nil), 400, "not configured")
		h.succeeds(h.remove("config", nil)) // Once more is no error.
		h.succeeds(h.remove("config", fields{"force": true}))
		h.called(1, 0)
	})
}

func TestAfterADeleteTheMountCanBeConfiguredAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 400, "10001")
		h.pass(5 * time.Minute)
		h.fails(h.read("token", nil), 400, "10001") // Automatic calls are stopped now.
		h.succeeds(h.remove("config", nil))
		h.configure(fields{"partner_secret": wrongSecret, "verify_connection": false})
		h.token()
		h.called(4, 0)
		h.spent(0, 0)
	})
}

// Another partner may still be behind another mount, or come back here.
func TestDeleteLeavesTheRecordsOfOtherPartners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(2)
		h.succeeds(h.write("config", fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey}))
		h.succeeds(h.remove("config", nil))
		h.spent(2, 0)
		if _, found := h.storage.peek(h.recordKey("http://127.0.0.1", otherID)); found {
			t.Error("the record of the deleted one is still there")
		}
	})
}

// It is what a person who has given up does, and it must not depend on the state.
func TestDeleteWorksInEachState(t *testing.T) {
	t.Parallel()
	for name, enter := range states() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				enter(h)
				h.succeeds(h.remove("config", nil))
				h.spent(0, 0)
				h.configure(nil)
				h.token()
			})
		})
	}
}

// The rotated secret is only kept aside, and may be the right one.
func TestDeleteIsRefusedWhileAnUntriedSecretIsInThePlaceOfARotatedOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		untried := fields{"partner_secret": wrongSecret, "verify_connection": false}
		h.succeeds(h.write("config", untried))
		h.succeeds(h.remove("config", nil)) // Nobody has rotated, so people know the secrets.
		h.configure(nil)
		h.rotate()
		h.succeeds(h.write("config", untried))
		h.fails(h.remove("config", nil), 400, "unsettled", "the only copy", "vault write -f finicity/config/verify")
		h.succeeds(h.write("config/verify", nil)) // It finds the rotated one.
		h.succeeds(h.remove("config", nil))
	})
}

// What a lost answer has left may be in force, however it is covered up.
func TestDeleteIsRefusedWhileACandidateMayBeInForce(t *testing.T) {
	t.Parallel()
	for name, cover := range map[string]func(h *harness){
		"an untried secret": func(h *harness) {
			h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		},
		"settled, and refused": func(h *harness) {
			h.pass(2 * time.Hour)
			h.token()
			h.fake.SetSecret(partnerID, wrongSecret)
			h.pass(2 * time.Hour)
			h.fails(h.read("token", nil), 400, "10001")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newUnsettled(t, false, nil)
				cover(h)
				h.fails(h.remove("config", nil), 400, "unsettled", "force=true")
				h.succeeds(h.remove("config", fields{"force": true}))
			})
		})
	}
}

func TestWhatCannotBeDecodedCanBeGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.plant(configKey, []byte("{"))
		h.restart()
		h.fails(h.remove("config", nil), 500, "cannot be decoded", "force=true")
		h.succeeds(h.remove("config", fields{"force": true}))
		h.configure(nil)
		h.token()
	})
}

func TestDeleteTakesNoFieldButForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fails(h.remove("config", fields{"partner_id": partnerID}), 400, `"partner_id"`, "delete takes force")
		h.fails(h.remove("config", fields{"force": "perhaps"}), 400, `"force"`, "true or false")
		h.fails(h.remove("config", fields{"force": true, "verify_connection": false}), 400, `"verify_connection"`)
		if h.stored() == nil {
			t.Error("it was deleted all the same")
		}
	})
}

func TestDeleteIsRefusedWhileARotationIsUnsettledUnlessForced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		for _, data := range []fields{nil, {"force": false}} {
			h.fails(h.remove("config", data), 400, "the only copy of the secret", "vault write -f finicity/config/verify",
				"vault delete finicity/config force=true")
		}
		if h.stored().Credential.Pending == nil {
			t.Error("the pending secret is gone")
		}
		h.succeeds(h.remove("config", fields{"force": "true"})) // As it comes from a query string.
		if h.stored() != nil {
			t.Error("with force it is not deleted")
		}
	})
}

func TestAfterSettlingADeleteNeedsNoForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		h.pass(2 * time.Hour)
		h.token()
		h.succeeds(h.remove("config", nil))
	})
}

// The attempts go last: a credential without them would be tried until the partner is locked.
func TestADeleteThatFailsCanBeRepeated(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]storageFault{
		"the token, not applied":  {on: del(tokenKey)},
		"the token, applied":      {on: del(tokenKey), applied: true},
		"the record, not applied": {on: del("attempts")},
		"the record, applied":     {on: del("attempts"), applied: true},
		"the config, not applied": {on: del(configKey)},
		"the config, applied":     {on: del(configKey), applied: true},
		"the reading of it":       {on: get(configKey)},
		"the reading of the salt": {on: get("salt")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				if fault.on == del("attempts") {
					fault.on = del(h.ownKey())
				}
				h.restart()
				h.storage.fail(fault)
				h.fails(h.remove("config", nil), 500, "storage is out of order")
				gone := fault.on == del(configKey) && fault.applied || fault.on == del(h.ownKey())
				if got := h.stored() == nil; got != gone {
					t.Errorf("the credential is gone: %v, want %v", got, gone)
				}
				if !gone {
					h.token() // Until then everything works as before.
				}
				h.succeeds(h.remove("config", nil))
				if h.stored() != nil {
					t.Error("the second delete has left the credential there")
				}
				h.fails(h.read("token", nil), 400, "not configured")
			})
		})
	}
}

func TestADeleteThatFailsHalfwayForgetsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, key := range []string{tokenKey, configKey} {
		synctest.Test(t, func(t *testing.T) {
			h := newRefused(t)
			for range 4 {
				h.fails(h.write("config/verify", nil), 400, "10001")
			}
			h.storage.fail(storageFault{on: del(key)})
			h.fails(h.remove("config", nil), 500, "storage is out of order")
			h.restart()
			for range 5 {
				h.fails(h.read("token", nil), 400, "no call was made")
				h.pass(time.Hour)
			}
			h.wrongly(4)
		})
	}
}

func TestNothingIsBegunForACallerWhoHasGone(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(ctx context.Context, h *harness) answer{
		"config": func(ctx context.Context, h *harness) answer {
			return h.send(ctx, logical.CreateOperation, "config", fields{"app_key": newKey})
		},
		"delete": func(ctx context.Context, h *harness) answer {
			return h.send(ctx, logical.DeleteOperation, "config", nil)
		},
		"rotate-root": func(ctx context.Context, h *harness) answer {
			return h.send(ctx, logical.UpdateOperation, "rotate-root", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				before := h.storage.accesses()
				gone, leave := context.WithCancel(t.Context())
				leave()
				for range 20 { // Lock and context are both ready, and select takes either.
					h.fails(do(gone, h), 503, "try again")
				}

				// And for one who goes while waiting for the lock.
				h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
				other := h.background(func() answer { return h.write("rotate-root", nil) })
				synctest.Wait()
				waiting, leave := context.WithCancel(t.Context())
				mine := h.background(func() answer { return do(waiting, h) })
				synctest.Wait()
				leave()
				h.fails(<-mine, 503, "try again")
				// The rotation has read and written the config, and written the attempt record.
				if n := h.storage.accesses() - before - 3; n != 0 {
					t.Errorf("storage was accessed %d times", n)
				}
				h.fake.Release()
				h.succeeds(<-other)
				h.called(2, 1)
			})
		})
	}
}

func TestDeleteSaysThatFinicityForgetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(3)
		a := h.remove("config", nil)
		h.succeeds(a)
		h.warned(a, "3 attempts", "at Finicity they are not")
		h.configure(nil)
		h.spent(0, 0)
		a = h.remove("config", nil)
		h.succeeds(a)
		h.warned(a)
	})
}
