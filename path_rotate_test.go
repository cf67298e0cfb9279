// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"maps"
	"net"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const modify = fakefinicity.CallModifySecret

func TestRotateRootReplacesTheSecretAtFinicityAndHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarnessWith(t, fakefinicity.Config{
			Partners:            []fakefinicity.Partner{{ID: partnerID, Secret: partnerSecret, AppKey: appKey}},
			TokensDieWithSecret: true,
		})
		h.configure(nil)
		token := h.token()
		h.pass(time.Minute)
		a := h.write("rotate-root", nil)
		h.succeeds(a)
		h.warned(a)
		if want := map[string]any{"last_vault_rotation": "2000-01-01T00:01:00Z"}; !reflect.DeepEqual(a.data, want) {
			t.Errorf("the answer has %v", slices.Sorted(maps.Keys(a.data)))
		}

		cred := h.stored().Credential
		if cred.Current == partnerSecret || cred.Pending != nil || len(cred.Abandoned) != 0 {
			t.Error("the new secret is not the current one, with nothing left over")
		}
		if err := checkSecretRules(cred.Current); err != nil {
			t.Errorf("the new secret breaks the rules: %v", err)
		}
		if len(cred.Previous) == 0 || cred.Previous[0].Secret != partnerSecret {
			t.Error("the old secret is not the previous one")
		}
		if h.fake.AcceptsSecret(partnerID, partnerSecret) || !h.fake.AcceptsSecret(partnerID, cred.Current) {
			t.Error("Finicity takes the old secret, or does not take the new one")
		}

		next := h.token()
		if next == token || !h.fake.AcceptsToken(partnerID, next) {
			t.Error("the shared token is not a new one that works")
		}
		h.restart()
		if h.token() != next {
			t.Error("the new token is not stored")
		}
		h.called(2, 1)
		data := h.read("config", nil).data
		if data["last_vault_rotation"] != "2000-01-01T00:01:00Z" || data["rotation_pending"] != false {
			t.Errorf("config shows %v, pending %v", data["last_vault_rotation"], data["rotation_pending"])
		}
		if !h.words.logged("rotated the partner secret: partner_id=" + partnerID) {
			t.Error("the log does not say so")
		}
	})
}

func TestRotatingAgainAndAgainWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		seen := map[string]bool{partnerSecret: true}
		for range 5 {
			h.rotate()
			secret := h.stored().Credential.Current
			if seen[secret] {
				t.Error("a secret has come back")
			}
			seen[secret] = true
			h.pass(time.Hour)
		}
		h.called(6, 5)
		if c := h.fake.Counters(partnerID); c.SecretChanges != 5 || c.Rejected != 0 {
			t.Errorf("Finicity counts %d changes and %d wrong attempts", c.SecretChanges, c.Rejected)
		}
	})
}

// Whatever happens from the moment it is sent, storage holds the secret that Finicity holds.
func TestTheNewSecretIsStoredBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]fakefinicity.Kind{
		"on its way":  fakefinicity.KindHoldBefore,
		"on its back": fakefinicity.KindHoldAfter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.fake.Order(fakefinicity.Fault{Call: modify, Kind: kind})
				rotation := h.background(func() answer { return h.write("rotate-root", nil) })
				if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				current, pending := h.inForce()
				if arrived := kind == fakefinicity.KindHoldAfter; current == arrived || pending != arrived {
					t.Errorf("Finicity takes the stored current secret: %v, the pending one: %v", current, pending)
				}
				if h.read("config", nil).data["rotation_pending"] != true {
					t.Error("config does not show that a rotation is pending")
				}
				h.fake.Release()
				h.succeeds(<-rotation)
				if current, _ := h.inForce(); !current {
					t.Error("in the end the stored secret is not the one in force")
				}
			})
		})
	}
}

func TestWithAGracePeriodTheOldSecretStaysGoodForThirtyDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"secret_grace_period": true})
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindHoldBefore})
		rotation := h.background(func() answer { return h.write("rotate-root", nil) })
		synctest.Wait()
		if !h.stored().Credential.Pending.Grace {
			t.Error("it is not noted that the old secret stays good")
		}
		h.fake.Release()
		h.succeeds(<-rotation)
		if !h.fake.AcceptsSecret(partnerID, partnerSecret) {
			t.Error("the old secret is refused at once")
		}
		h.pass(30 * 24 * time.Hour)
		if current, _ := h.inForce(); !current || h.fake.AcceptsSecret(partnerID, partnerSecret) {
			t.Error("after 30 days it is not the new secret alone that works")
		}
	})
}

func TestRotateRootOfAMountThatIsNotConfiguredSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fails(h.write("rotate-root", nil), 400, "not configured", "vault write finicity/config")
		h.called(0, 0)
	})
}

func TestARotationThatFinicityRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	status := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	for name, test := range map[string]struct {
		fault fakefinicity.Fault
		says  string
		kept  bool
	}{
		"policy":        {status(400, `{"code":24437,"message":"New password is not as per policy"}`), "stays in force", false},
		"bad request":   {status(400, `{"code":"14020","message":"Bad request."}`), "14020", false},
		"app key":       {status(401, `{"code":"10026","message":"Invalid (Finicity-App-Key)"}`), "10026", false},
		"wrong secret":  {status(401, `{"code":10001,"message":"Invalid credentials"}`), "10001", true},
		"wrong app key": {status(401, "Invalid (Finicity-App-Key)"), "Invalid (Finicity-App-Key)", true},
		"blocked":       {status(403, "<html>denied</html>"), "US and Canada", true},
		"not found":     {status(404, `{"code":12401,"message":"partner not found"}`), "12401", true},
		"locked":        {status(500, `{"code":24302,"message":"we've locked your account"}`), "support", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				before := h.stored()
				token := h.token()
				h.fake.Order(test.fault)
				h.fails(h.write("rotate-root", nil), 400, "the secret has not changed", test.says)
				after := h.stored()
				// Where the refusal could be that of a request which a gateway sent twice, the new secret is kept aside.
				if kept := len(after.Credential.Abandoned) == 1; kept != test.kept {
					t.Errorf("the new secret is kept aside: %v, want %v", kept, test.kept)
				}
				after.Credential.Abandoned = nil
				if !reflect.DeepEqual(after, before) {
					t.Error("what is stored has changed")
				}
				if h.token() != token {
					t.Error("the token has changed")
				}
				h.called(1, 1)
				if !h.words.logged("rotation failed") {
					t.Error("the log does not say so")
				}
				h.rotate() // At once, there is nothing to settle.
			})
		})
	}
}

func TestWithoutAConnectionNothingIsLeftPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		before := h.stored()
		dial := h.b.dial
		h.b.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connect: connection refused")
		}
		h.fails(h.write("rotate-root", nil), 502, "the secret has not changed", "connection refused")
		if !reflect.DeepEqual(h.stored(), before) {
			t.Error("what is stored has changed")
		}
		h.b.dial = dial
		h.rotate()
		h.called(2, 1)
	})
}

// Storage may be so slow that the time for the call is over before it is made.
func TestAChangeIsNotSentWhenSettlingCouldOvertakeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.learn = func([]byte) { h.pass(31 * time.Second) }
		h.fails(h.write("rotate-root", nil), 502, "the secret has not changed")
		h.called(1, 0)
		if h.stored().Credential.Pending != nil {
			t.Error("it is pending all the same")
		}
	})
}

func TestARotationIsBroughtToItsEndWhoeverWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, kind := range []fakefinicity.Kind{fakefinicity.KindHoldBefore, fakefinicity.KindHoldAfter} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.fake.Order(fakefinicity.Fault{Call: modify, Kind: kind})
			ctx, leave := context.WithCancel(t.Context())
			rotation := h.background(func() answer {
				return h.send(ctx, logical.UpdateOperation, "rotate-root", nil)
			})
			if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			leave()
			synctest.Wait()
			h.fake.Release()
			h.succeeds(<-rotation)
			if current, _ := h.inForce(); !current || h.stored().Credential.Pending != nil {
				t.Errorf("%s: it is not settled to the secret in force", kind)
			}
			h.called(2, 1)
		})
	}
}

func TestRotationsAtTheSameTimeFollowEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		var rotations, readers []<-chan answer
		for range 5 {
			rotations = append(rotations, h.background(func() answer { return h.write("rotate-root", nil) }))
			readers = append(readers, h.readers(20)...)
		}
		for _, one := range append(rotations, readers...) {
			h.succeeds(<-one)
		}
		h.called(6, 5)
		if current, _ := h.inForce(); !current || h.fake.Counters(partnerID).Rejected != 0 {
			t.Error("the stored secret is not in force, or a wrong one was tried")
		}
	})
}

// The secret has changed; that there is no token yet must not look like a rotation that failed.
func TestARotationWithoutATokenAfterItIsASuccessWithAWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance",
		})
		a := h.write("rotate-root", nil)
		h.succeeds(a)
		h.warned(a, "the secret is rotated and stored", "first authentication with it failed", "maintenance")
		if current, _ := h.inForce(); !current {
			t.Error("the stored secret is not in force")
		}
		h.fails(h.read("token", nil), 503, "the next call is made in 1s") // The failure is shared.
		h.pass(time.Second)
		if h.token() == token {
			t.Error("the token of the old secret is served")
		}
		h.called(3, 1)
	})
}
