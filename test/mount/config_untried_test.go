// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// untried stores a secret without trying it.
func untried(h *mounttest.Harness, secret string) {
	h.T.Helper()
	a := h.Write("config", mounttest.Fields{"partner_secret": secret, "verify_connection": false})
	h.Succeeds(a)
	h.Warned(a, "but not verified", "vault write -f finicity/config/verify")
}

// The previous token stays, because Finicity still accepts it.
func TestWithoutVerificationACredentialIsStoredUntried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		untried(h, mounttest.WrongSecret)
		h.Called(1, 0)
		if h.Token() != token {
			t.Error("the token that Finicity still accepts is gone")
		}
		h.Pass(90 * time.Minute)
		if h.Refreshed().Data["token"] == token {
			t.Error("the token is not refreshed with the new secret")
		}
		h.Called(2, 0)
		h.Wrongly(0)
	})
}

// After a rotation, the replaced secret may be the right one and the only copy, which
// no operator can write again.
func TestASecretThatWasReplacedByAnUntriedOneIsFoundAgain(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"at once": 0, "after a weekend": 72 * time.Hour, "after two months": 62 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Rotate()
				rotated := h.Stored()
				want, _ := rotated.Secrets.Current()
				untried(h, mounttest.WrongSecret)
				h.Pass(after)
				if after == 0 {
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Token()
				st := h.Stored()
				if current, _ := st.Secrets.Current(); !current.Value.Equal(want.Value) || !st.LastRotation.Equal(rotated.LastRotation) {
					t.Error("the secret in effect is not the current one, or it counts as rotated once more")
				}
				h.Called(4, 1)
				h.Wrongly(1)

				// The engine has not rotated this secret away, so it may be written once it is right.
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "so the engine does not send it again")
				untried(h, mounttest.WrongSecret)
				h.Succeeds(h.Write("config/verify", nil))
				h.Token()
				h.Called(5, 1)
			})
		})
	}
}

// Stored first, changed in the portal afterwards. A refused secret is not retained,
// because the operator who brought it has a copy.
func TestASecretThatWasStoredTooEarlyIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		untried(h, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(1)
		if n := len(h.Stored().Secrets.Secrets); n != 1 {
			t.Errorf("%d secrets are stored, want 1", n)
		}
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10001")
		untried(h, mounttest.WrongSecret)
		h.Succeeds(h.Write("config/verify", nil))
		h.Token()
		h.Wrongly(2)
	})
}

func TestASeriesOfUntriedSecretsLosesNoneThatMightBeInEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		want, _ := h.Stored().Secrets.Current()
		for i := range 5 {
			untried(h, h.Guess(i))
		}
		if n := len(h.Stored().Secrets.Secrets); n != 3 { // The last of them, and those from before and after the rotation.
			t.Errorf("%d secrets are stored, want 3", n)
		}
		h.Pass(2 * time.Hour)
		h.Token()
		if current, _ := h.Stored().Secrets.Current(); !current.Value.Equal(want.Value) {
			t.Error("the secret in effect was not found again")
		}
		h.Wrongly(1)
	})
}

// An operator mistypes a secret, stores it untried, and takes it back by writing the
// right one, which is the stored one. If that changed nothing, the next refresh would
// waste an attempt on the typo.
func TestAnUntriedSecretIsTakenBackByTheStoredOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		extra mounttest.Fields
		calls int
	}{
		"verified":                  {nil, 1},
		"not verified":              {mounttest.Fields{"verify_connection": false}, 0},
		"with the whole credential": {mounttest.Credentials(nil), 1},
	} {
		for _, pending := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					changes := 0
					if pending {
						h.Interrupt(false)
						changes = 1
					}
					untried(h, mounttest.WrongSecret)
					h.Succeeds(h.Write("config", joined(mounttest.Fields{"partner_secret": mounttest.PartnerSecret}, test.extra)))
					h.Called(1+test.calls, changes)
					for _, s := range h.Stored().Secrets.Secrets {
						if s.Value.Reveal() == mounttest.WrongSecret {
							t.Error("the untried secret is still stored")
						}
					}
					if _, found := h.Stored().Secrets.Pending(); found != pending {
						t.Errorf("a rotation is pending: %v, want %v", found, pending)
					}
					h.Pass(2 * time.Hour)
					h.Token()
					h.Tick()
					h.Wrongly(changes) // The pending one, which never arrived.
				})
			})
		}
	}
}

// The colleague was right: Finicity refuses the stored secret, and the untried one
// stays.
func TestAWriteOfTheStoredSecretThatIsRefusedKeepsTheUntriedOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		untried(h, mounttest.WrongSecret)
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "nothing was stored", "10001")
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(1)
		if current, _ := h.Stored().Secrets.Current(); current.Value.Reveal() != mounttest.WrongSecret {
			t.Error("the untried secret is not the current one")
		}
	})
}

// An operator stores an untried secret after a rotation that got no answer. Whether or
// not Finicity carried out the change, and in any order, reads and at most one
// config/verify get a token, and no secret is lost.
func TestAnUntriedSecretOverAPendingRotationLosesNothing(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		candidate, _ := h.Stored().Secrets.Pending()
		untried(h, mounttest.WrongSecret)
		if pending, found := h.Stored().Secrets.Pending(); !found || !pending.Value.Equal(candidate.Value) {
			t.Fatal("the pending secret is gone")
		}
		signs(h, candidate.Value.Reveal(), "current")
		signs(h, mounttest.WrongSecret, "")
		h.Restart()
		use(h, 4*time.Hour)
		stillServes(h)
		h.Resolved()
		h.Wrongly(map[bool]int{true: 1, false: 2}[applied])
	})
}

// The untried secret is the right one: it was reset in the portal, after a rotation
// that got no answer.
func TestAnUntriedSecretThatIsRightEndsAPendingRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		untried(h, mounttest.WrongSecret)
		h.Fails(h.Write("config/verify", nil), 503, "a rotation is pending")
		h.Pass(30 * time.Second)
		h.Succeeds(h.Write("config/verify", nil))
		h.Wrongly(0)
		h.Resolved()
		if statusNow(h)["last_vault_rotation"] != nil {
			t.Error("the secret counts as rotated by the engine")
		}
	})
}

// An app key that was stored untried is wrong. It stops the engine after two refusals,
// discards no secret, and the right app key ends the stop.
func TestAWrongAppKeyThatWasStoredUntriedCostsTwoAttempts(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}))
		before := len(h.Stored().Secrets.Secrets)
		h.Pass(time.Minute)
		everyMinute(h, 120, func() { h.Read("token", nil) })
		atMost(h, 2)
		if n := len(h.Stored().Secrets.Secrets); n != before {
			t.Errorf("%d secrets are stored, want %d", n, before)
		}
		h.Fails(h.Read("token", nil), 400, "no request was sent", "10026")
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.AppKey}))
		h.Token()
		h.Resolved()
		h.Wrongly(map[bool]int{true: 2, false: 3}[applied])
	})
}

// Finicity's answer about the old credential, or at the old address, says nothing about
// the new one.
func TestAnUntriedCredentialNeedNotWaitForTheOldOne(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{
		"another address": move(elsewhere, mounttest.PartnerSecret),
		"a new secret":    {"partner_secret": mounttest.WrongSecret},
		"a new app key":   {"app_key": mounttest.NewKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "3600"})
				h.Fails(h.Read("token", nil), 502, "HTTP 429")
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"})) // This does not change the credential.
				h.Fails(h.Read("token", nil), 503, "HTTP 429", "20m0s")
				h.Succeeds(h.Write("config", joined(data, mounttest.Fields{"verify_connection": false})))
				switch name {
				case "a new secret":
					h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				case "a new app key":
					h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				}
				h.Token()
				h.Wrongly(0)
			})
		})
	}
}

// Parts of Finicity that do not know a new secret yet refuse it, and the operator
// stores it untried. Once it is accepted, the refusal must not prevent another write of
// it.
func TestASecretThatWasRefusedAndThenAcceptedMayBeWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "10001")
		untried(h, mounttest.WrongSecret)
		h.Succeeds(h.Write("config/verify", nil))
		untried(h, h.Guess(0))
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Pass(2 * time.Hour)
		h.Token()
	})
}
