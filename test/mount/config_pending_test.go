// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestANewPartnerIsRefusedWhileARotationIsPending(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		before := h.Stored()
		other := mounttest.Fields{
			"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey,
		}
		h.Fails(h.Write("config", other), 400, "a rotation is unresolved", "the only copy",
			"vault write -f finicity/config/verify", "vault delete finicity/config force=true")
		other["verify_connection"] = false
		h.Fails(h.Write("config", other), 400, "the only copy")
		h.Called(1, 1)
		h.Unchanged(before)
	})
}

func TestAWriteOfASettingLeavesAPendingRotationAlone(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		before := h.Stored().Secrets
		h.Succeeds(h.Write("config", mounttest.Fields{"token_lifetime": "1h"}))
		h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": true}))
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret})) // The current secret: nothing new.
		if !reflect.DeepEqual(h.Stored().Secrets, before) {
			t.Error("a secret has changed")
		}
		if h.Read("config", nil).Data["rotation_pending"] != true {
			t.Error("a read does not show that a rotation is pending")
		}
		h.Called(1, 1)
	})
}

// If only the app key is new, either secret may be in effect.
func TestANewAppKeyIsVerifiedWithWhicheverSecretIsInEffect(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		pending, events := storedPending(h), len(h.Recorded("finicity/root-rotate"))
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Pass(30 * time.Second)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))

		st := h.Stored()
		_, stillPending := st.Secrets.Pending()
		if stillPending || st.AppKey.Reveal() != mounttest.NewKey || (storedCurrent(h) == pending) != applied {
			t.Error("the rotation is not resolved to the secret in effect, with the new app key")
		}
		if n := len(st.Secrets.Secrets); n != 2 {
			t.Errorf("%d secrets are retained, want 2", n)
		}
		if rotated := !st.LastRotation.IsZero(); rotated != applied || len(h.Recorded("finicity/root-rotate"))-events != map[bool]int{true: 1}[applied] {
			t.Error("the rotation is not reported, or one that never came is")
		}
		if h.Read("token", nil).Data["app_key"] != mounttest.NewKey {
			t.Error("the shared token does not come with the new app key")
		}
		attempts := 2 // One of them with the pending secret, refused if the change has not arrived.
		if !applied {
			attempts = 3
		}
		h.Called(attempts, 1)
		h.Resolved()
	})
}

func TestANewAppKeyMustWaitUntilTheRotationCanBeResolved(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		before := h.Stored()
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Pass(10 * time.Second)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 503, "a rotation is pending", "try again in 20s")
		h.Unchanged(before)
		h.Called(1, 1)
	})
}

// The wait uses the process clock. A restart starts it again, because the time without a
// process is unknown.
func TestNoWallClockDelaysANewAppKey(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mounttest.EitherWay(t, func(t *testing.T, applied bool) {
				h := mounttest.NewUnresolved(t, applied, nil)
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				h.SetClock(by)
				h.Pass(20 * time.Second)
				h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 503, "try again in 10s")
				h.Restart()
				h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 503, "try again in 30s")
				h.Pass(30 * time.Second)
				h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
				h.Resolved()
			})
		})
	}
}

func TestAWrongAppKeyWhileARotationIsPendingStoresNothing(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		before := h.Stored()
		h.Pass(30 * time.Second)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400, "nothing was stored", "10026")
		h.Unchanged(before)
		atMost(h, 1)
		h.Pass(2 * time.Hour)
		h.Succeeds(h.Write("config/verify", nil)) // With the right app key, it is resolved anyway.
		h.Token()
		h.Resolved()
	})
}

// A new app key and a new secret in one write, as after a reset of both in the portal.
// The new secret is known, so the write need not wait.
func TestANewAppKeyWithItsSecretNeedNotWait(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		candidate := storedPending(h)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "partner_secret": mounttest.WrongSecret}))
		h.Called(2, 1)
		h.Wrongly(0)
		h.Resolved()
		signs(h, candidate, "") // It was sent, and superseded a month ago.
	})
}

// The secret was reset in the portal. The secret of the interrupted change is retained
// in any case.
func TestANewSecretWhileARotationIsPendingRetainsTheCandidate(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewUnresolved(t, false, nil)
				candidate := storedPending(h)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": verify}))
				var stored []string
				for _, s := range h.Stored().Secrets.Secrets {
					stored = append(stored, s.Value.Reveal())
				}
				if want := []string{mounttest.PartnerSecret, candidate, mounttest.WrongSecret}; !reflect.DeepEqual(stored, want) {
					t.Errorf("%d secrets are stored, want %d, or they are others", len(stored), len(want))
				}
				_, pending := h.Stored().Secrets.Pending()
				if pending == verify || (storedCurrent(h) == mounttest.WrongSecret) != verify {
					t.Error("another secret is pending, or current")
				}
				h.Pass(time.Minute)
				h.Succeeds(h.Write("config/verify", nil))
				h.Token()
				h.Called(map[bool]int{true: 3, false: 2}[verify], 1)
				h.Wrongly(0)
				signs(h, mounttest.PartnerSecret, "previous")
				h.Resolved()
			})
		})
	}
}

func TestTheCandidateItselfMayBeWrittenAsTheSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, nil)
		candidate := storedPending(h)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": candidate}))
		if _, pending := h.Stored().Secrets.Pending(); pending || storedCurrent(h) != candidate {
			t.Error("the candidate is not the current secret, or a rotation is pending")
		}
		if h.Stored().LastRotation.IsZero() || len(h.Recorded("finicity/root-rotate")) != 1 {
			t.Error("the rotation is not reported")
		}
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "replaced by a rotation")
		h.Called(2, 1)
	})
}

func TestAWrongSecretWhileARotationIsPendingStoresNothing(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		before := h.Stored()
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "nothing was stored", "10001")
		h.Unchanged(before)
		h.Pass(2 * time.Hour)
		h.Token() // The wrong secret was an operator's, and delays nothing.
		h.Called(map[bool]int{true: 3, false: 4}[applied], 1)
		h.Wrongly(map[bool]int{true: 1, false: 2}[applied])
		h.Resolved()
	})
}

// A write of the schedule while a rotation is pending: once that is resolved, the
// schedule continues from the write.
func TestAScheduleWrittenWhileARotationIsPendingRotatesLater(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "24h"}))
		use(h, 26*time.Hour)
		if n := changes(h); n != 2 {
			t.Errorf("%d changes were sent in 26 hours, want 2", n)
		}
		stillServes(h)
		h.Resolved()
	})
}

// The operator says which secret belongs to the new app key. The engine tries only that
// secret, at once.
func TestANewAppKeyWithTheCurrentSecretTriesThatOne(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		candidate := storedPending(h)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		a := h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "partner_secret": mounttest.PartnerSecret})
		h.Called(2, 1)
		if applied {
			h.Fails(a, 400, "nothing was stored", "10001")
			h.Pass(30 * time.Second)
			h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		} else {
			h.Succeeds(a)
			if storedPending(h) != candidate { // It may still arrive.
				t.Error("another secret is pending")
			}
		}
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(1) // The old one, or the pending one.
		h.Resolved()
	})
}
