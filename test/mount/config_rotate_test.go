// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func chooses(h *mounttest.Harness, secret any) mounttest.Answer {
	return h.Write("config/rotate", mounttest.Fields{"new_partner_secret": secret})
}

// A company that stops using the engine gets its secret back, and does not need force.
func TestAfterAChosenSecretTheConfigurationCanBeDeleted(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
			h.Rotate()
			h.Fails(h.Remove("config", nil), 400, "the only copy")
			chosen := h.Guess(1)
			a := chooses(h, chosen)
			h.Succeeds(a)
			if a.Data["last_vault_rotation"] != h.Now().UTC().Format(time.RFC3339) || len(a.Data) != 1 || len(a.Warnings) > 0 {
				t.Errorf("the answer is %v, warnings %q", a.Data, a.Warnings)
			}
			if !h.Fake.HoldsSecret(mounttest.PartnerID, chosen) {
				t.Error("Finicity has another secret")
			}
			h.Token()
			signs(h, chosen, "current")
			h.Called(map[bool]int{false: 3, true: 4}[grace], 2) // With a grace period, the first change must be proven again.
			h.Wrongly(0)
			h.Succeeds(h.Remove("config", nil))
		})
	}
}

// An earlier change without an answer may be carried out after the chosen one, because
// its old secret is accepted for 30 days.
func TestNoDeleteWhileAnEarlierChangeMightStillArrive(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindHoldBefore})
			h.Fails(h.Write("rotate-root", nil), 400, "unknown")
			h.Pass(time.Minute)
			h.Succeeds(h.Write("config/verify", nil))
			chosen := h.Guess(1)
			h.Succeeds(chooses(h, chosen))
			deleted := h.Remove("config", nil)
			h.Fake.Release()
			synctest.Wait()
			if held := h.Fake.HoldsSecret(mounttest.PartnerID, chosen); held == grace {
				t.Fatalf("with grace=%v, the earlier change was carried out: %v", grace, !held)
			}
			if grace {
				h.Fails(deleted, 400, "the only copy")
			} else {
				h.Succeeds(deleted)
			}
		})
	}
}

func TestOnlyTheChosenSecretItselfCanBeDeletedWithoutForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Succeeds(chooses(h, h.Guess(1)))
		h.Rotate()
		h.Fails(h.Remove("config", nil), 400, "the only copy")
		h.Succeeds(chooses(h, h.Guess(2)))
		untried(h, h.Guess(3)) // The operator says that this is the secret now.
		h.Fails(h.Remove("config", nil), 400, "the only copy")
	})
}

// With or without an answer, a chosen secret is treated like a generated one.
func TestAChosenSecretIsFoundAfterALostAnswer(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		chosen := h.Guess(1)
		nextChange(h, lostAnswer(applied))
		h.Fails(chooses(h, chosen), 400, "outcome of the rotation is unknown")
		h.Fails(h.Remove("config", nil), 400, "a rotation is unresolved")
		h.Restart()
		h.Read("status", nil)
		h.Pass(2 * time.Hour)
		h.Token()
		h.Resolved()
		want := map[bool]string{true: chosen, false: mounttest.PartnerSecret}[applied]
		if storedCurrent(h) != want {
			t.Error("another secret is current")
		}
		h.Wrongly(map[bool]int{true: 0, false: 1}[applied])
		if applied {
			h.Succeeds(h.Remove("config", nil))
		}
	})
}

func TestAnInvalidNewSecretIsRefusedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Succeeds(h.Write("config", mounttest.Fields{"password_policy": ""}))
		h.Succeeds(chooses(h, h.Guess(1)))
		h.Interrupt(false)
		pending := storedPending(h)
		h.Pass(time.Minute)
		for _, test := range []struct {
			secret any
			says   string
		}{
			{nil, "is required"},
			{"", "empty"},
			{"Short1", "12 to 255"},
			{"withoutAnyDigitInIt", "no digit"},
			{"With=Another1Character", "other than letters"},
			{" Surrounded1ByBlanks", "white space"},
			{`"Quoted1ByMistake"`, "quotes"},
			{123456789012, "not a number"},
			{h.Guess(1), "in use here"},              // The current one.
			{mounttest.PartnerSecret, "in use here"}, // Replaced.
			{pending, "in use here"},
		} {
			data := mounttest.Fields{}
			if test.secret != nil {
				data["new_partner_secret"] = test.secret
			}
			h.Fails(h.Write("config/rotate", data), 400, `"new_partner_secret"`, test.says)
		}
		h.Called(2, 2)
	})
}

func TestAWarningNamesAScheduleThatWouldReplaceTheChosenSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		a := chooses(h, h.Guess(1))
		h.Succeeds(a)
		next := h.Now().UTC().Add(24 * time.Hour).Format(time.RFC3339)
		h.Warned(a, "the schedule replaces this secret at "+next, "vault write finicity/config disable_automated_rotation=true")
		h.Succeeds(h.Write("config", mounttest.Fields{"disable_automated_rotation": true}))
		if a := chooses(h, h.Guess(2)); strings.Join(a.Warnings, "") != "" {
			t.Errorf("the warnings are %q", a.Warnings)
		}
	})
}

// While the first node proves which secret is in effect, the operator writes the same
// secret to another node.
func TestAChosenSecretThatAnotherNodeHasWrittenIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Interrupt(false)
		h.Pass(time.Minute)
		chosen, one := h.Guess(1), h.B
		a := h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return chooses(h, chosen) }, func() {
			h.Restart()
			h.Fake.SetSecret(mounttest.PartnerID, chosen)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": chosen}))
			h.B = one
		})
		h.Fails(a, 400, "in use here")
		if n := changes(h); n != 1 {
			t.Errorf("%d changes were sent", n)
		}
		h.Pass(2 * time.Hour)
		h.Token()
	})
}
