// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestRotateRootReplacesTheSecretAtFinicityAndHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{
			Partners:            []fakefinicity.Partner{{ID: mounttest.PartnerID, Secret: mounttest.PartnerSecret, AppKey: mounttest.AppKey}},
			TokensDieWithSecret: true,
		})
		h.Configure(nil)
		token := h.Token()
		h.Pass(time.Minute)
		a := h.Write("rotate-root", nil)
		h.Succeeds(a)
		h.Warned(a)
		if want := map[string]any{"last_vault_rotation": "2000-01-01T00:01:00Z"}; !reflect.DeepEqual(a.Data, want) {
			t.Errorf("the answer has %v", slices.Sorted(maps.Keys(a.Data)))
		}

		now := storedCurrent(h)
		if st := h.Stored(); now == mounttest.PartnerSecret || st.Secrets.Unresolved() || len(st.Secrets.Secrets) != 2 {
			t.Error("the new secret is not the current one, with nothing but the old one beside it")
		}
		if err := engine.CheckSecretRules(now); err != nil {
			t.Errorf("the new secret breaks the rules: %v", err)
		}
		if storedSecret(h, mounttest.PartnerSecret).Superseded.IsZero() {
			t.Error("the old secret is not superseded")
		}
		if h.Fake.AcceptsSecret(mounttest.PartnerID, mounttest.PartnerSecret) || !h.Fake.AcceptsSecret(mounttest.PartnerID, now) {
			t.Error("Finicity accepts the old secret, or not the new one")
		}

		next := h.Token()
		if next == token || !h.Fake.AcceptsToken(mounttest.PartnerID, next) {
			t.Error("the shared token is not a new one that works")
		}
		h.Restart()
		if h.Token() != next {
			t.Error("the new token is not stored")
		}
		h.Called(2, 1)
		data := h.Read("config", nil).Data
		if data["last_vault_rotation"] != "2000-01-01T00:01:00Z" || data["rotation_pending"] != false {
			t.Errorf("config shows %v, pending %v", data["last_vault_rotation"], data["rotation_pending"])
		}
		if !h.Leaks.Logged("rotated the partner secret: partner_id=" + mounttest.PartnerID) {
			t.Error("the log does not say so")
		}
	})
}

func TestRotatingAgainAndAgainWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		seen := map[string]bool{mounttest.PartnerSecret: true}
		for range 5 {
			h.Rotate()
			secret := storedCurrent(h)
			if seen[secret] {
				t.Error("a secret has come back")
			}
			seen[secret] = true
			h.Pass(time.Hour)
		}
		h.Called(6, 5)
		if c := h.Fake.Counters(mounttest.PartnerID); c.SecretChanges != 5 || c.Rejected != 0 {
			t.Errorf("Finicity counts %d changes and %d wrong attempts", c.SecretChanges, c.Rejected)
		}
	})
}

// From the moment the change is sent, storage has the secret that is in effect.
func TestTheNewSecretIsStoredBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]fakefinicity.Kind{
		"on its way":      fakefinicity.KindHoldBefore,
		"on its way back": fakefinicity.KindHoldAfter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, fakefinicity.Fault{Kind: kind})
				rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
				if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				current, pending := h.InEffect()
				if arrived := kind == fakefinicity.KindHoldAfter; current == arrived || pending != arrived {
					t.Errorf("Finicity accepts the stored current secret: %v, the pending one: %v", current, pending)
				}
				if h.Read("config", nil).Data["rotation_pending"] != true {
					t.Error("config does not show that a rotation is pending")
				}
				h.Fake.Release()
				h.Succeeds(<-rotation)
				if current, _ := h.InEffect(); !current {
					t.Error("in the end the current secret is not in effect")
				}
			})
		})
	}
}

func TestWithAGracePeriodTheOldSecretWorksForThirtyDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		synctest.Wait()
		if s, _ := h.Stored().Secrets.Pending(); !s.Grace {
			t.Error("the list does not show that the old secret stays valid")
		}
		h.Fake.Release()
		h.Succeeds(<-rotation)
		if ends := storedSecret(h, mounttest.PartnerSecret).GraceEnds; ends.IsZero() {
			t.Error("the list does not show until when the old secret works")
		}
		if !h.Fake.AcceptsSecret(mounttest.PartnerID, mounttest.PartnerSecret) {
			t.Error("the old secret is refused at once")
		}
		h.Pass(30 * day)
		if current, _ := h.InEffect(); !current || h.Fake.AcceptsSecret(mounttest.PartnerID, mounttest.PartnerSecret) {
			t.Error("after 30 days it is not the new secret alone that works")
		}
	})
}

func TestRotateRootOfAMountThatIsNotConfiguredSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "not configured", "vault write finicity/config")
		h.Called(0, 0)
	})
}

// A refusal may be the answer to a second copy of the change, so the new secret is
// retained, for any code.
func TestARotationThatFinicityRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	const atOnce, afterTheHold, verified = 0, 1, 2 // When the next rotation succeeds.
	answer := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	for name, test := range map[string]struct {
		fault fakefinicity.Fault
		says  string
		next  int
	}{
		"policy":        {answer(400, `{"code":24437,"message":"New password is not as per policy"}`), "Check password_policy, if you set one, and rotate again", atOnce},
		"bad request":   {answer(400, `{"code":"14020","message":"Bad request."}`), "14020", afterTheHold},
		"app key":       {answer(401, `{"code":"10026","message":"Invalid (Finicity-App-Key)"}`), "10026", afterTheHold},
		"wrong app key": {answer(401, "Invalid (Finicity-App-Key)"), "Invalid (Finicity-App-Key)", afterTheHold},
		"not found":     {answer(404, `{"code":12401,"message":"partner not found"}`), "12401", afterTheHold},
		"wrong secret":  {answer(401, `{"code":10001,"message":"Invalid credentials"}`), "10001", verified},
		"locked":        {answer(500, `{"code":24302,"message":"we've locked your account"}`), "support", verified},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				nextChange(h, test.fault)
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, changeRefused, test.says)
				if storedCurrent(h) != mounttest.PartnerSecret || !h.Stored().LastRotation.IsZero() {
					t.Error("another secret is the current one, or a rotation is noted")
				}
				if s := storedSecret(h, lastSent(h)); s.Denied.IsZero() || !s.Proven.IsZero() {
					t.Error("the list does not show that the change to the new secret was refused")
				}
				if h.Token() != token {
					t.Error("the token has changed")
				}
				h.Called(1, 1)
				if !h.Leaks.Logged("[WARN]  rotation failed: partner_id=" + mounttest.PartnerID) {
					t.Error("the log does not say so")
				}

				if test.next >= afterTheHold {
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the secret has not changed")
					h.Called(1, 1)
					h.Pass(5 * time.Minute)
				}
				if test.next == verified {
					h.Write("rotate-root", nil)
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Rotate()
				h.Resolved()
			})
		})
	}
}

func TestWithoutAConnectionNothingIsLeftPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		before := h.Stored()
		h.RestartWith(func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connect: connection refused")
		})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadGateway, "the secret has not changed", "connection refused")
		h.Unchanged(before)
		h.Spent(0, 0)
		h.Restart()
		h.Rotate()
		h.Called(2, 1)
	})
}

func TestARotationIsFinishedEvenIfItsCallerLeaves(t *testing.T) {
	t.Parallel()
	for _, kind := range []fakefinicity.Kind{fakefinicity.KindHoldBefore, fakefinicity.KindHoldAfter} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			nextChange(h, fakefinicity.Fault{Kind: kind})
			ctx, leave := context.WithCancel(t.Context())
			rotation := h.Background(func() mounttest.Answer {
				return h.Send(ctx, logical.UpdateOperation, "rotate-root", nil)
			})
			if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			leave()
			synctest.Wait()
			h.Fake.Release()
			h.Succeeds(<-rotation)
			if current, _ := h.InEffect(); !current || h.Stored().Secrets.Unresolved() {
				t.Errorf("%s: the secret in effect is not the current one", kind)
			}
			h.Called(2, 1)
		})
	}
}

func TestRotationsAtTheSameTimeFollowEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		var rotations, reads []<-chan mounttest.Answer
		for range 5 {
			rotations = append(rotations, h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) }))
			reads = append(reads, readMany(h, 20)...)
		}
		for _, done := range append(rotations, reads...) {
			h.Succeeds(<-done)
		}
		h.Called(6, 5)
		if current, _ := h.InEffect(); !current || h.Fake.Counters(mounttest.PartnerID).Rejected != 0 {
			t.Error("the current secret is not in effect, or a wrong one was tried")
		}
	})
}

// Finicity acknowledged the change, but the answer may come from a gateway. Until an
// authentication proves the new secret, the outcome is unknown, the old token is
// served, and no rotation is reported.
func TestAnAcknowledgmentWithoutProofIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token, before := h.Token(), len(h.Heard())
		h.Fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance",
		})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the outcome of the rotation is unknown", "maintenance",
			"no action is needed")
		if current, pending := h.InEffect(); current || !pending {
			t.Error("the secret in effect is not stored as the pending one")
		}
		if h.Token() != token || !h.Stored().LastRotation.IsZero() || len(h.Heard()) != before {
			t.Error("the old token is not served, or a rotation is noted or announced")
		}
		h.Pass(time.Minute)
		h.Tick()
		if h.Token() == token || h.Stored().LastRotation.IsZero() {
			t.Error("a minute later there is no new token, or the rotation is not noted")
		}
		h.Called(3, 1)
		h.Wrongly(0)
		h.Resolved()
	})
}
