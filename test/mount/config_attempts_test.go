// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A terraform apply in a loop, with a wrong value. Reads get their tokens in between.
func TestACredentialThatWasRefusedIsNotSentAgainByAConfigWrite(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]mounttest.Fields{
		"secret":         {"partner_secret": mounttest.WrongSecret},
		"app key":        {"app_key": mounttest.NewKey},
		"both":           {"partner_secret": mounttest.WrongSecret, "app_key": mounttest.NewKey},
		"the whole":      mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret}),
		"with a setting": {"app_key": mounttest.NewKey, "token_lifetime": "1h"},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarts %v", name, restarts), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Fails(h.Write("config", wrong), 400, "nothing was stored", "Finicity answered HTTP 401, code 100")
					for range 7 {
						a := h.Write("config", wrong)
						h.Fails(a, 400, "nothing was stored", "Finicity refused this credential on 2000-01-01T", "so the engine does not send it again",
							"the stored credential is unchanged", "verify_connection=false", "vault write -f finicity/config/verify")
						if !restarts {
							h.Fails(a, 400, "on 2000-01-01T00:00:00Z")
						}
						h.Pass(3 * time.Hour)
						if restarts {
							h.Restart()
						}
						h.Token()
					}
					h.Called(9, 0)
					h.Spent(1, 0)
					h.Wrongly(1)
				})
			})
		}
	}
}

func TestTheFirstWriteOfARefusedCredentialIsNotRepeatedEither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		wrong := mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		h.Fails(h.Write("config", wrong), 400, "10001")
		h.Fails(h.Write("config", wrong), 400, "Finicity refused this credential")
		h.Configure(nil)
		h.Called(2, 0)
	})
}

// A success might not reset Finicity's count, so it does not let an outdated script
// continue.
func TestARefusedCredentialMayBeSentAgainAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(1)
		h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}), 400, "so the engine does not send it again")
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
		h.Succeeds(h.Write("config/verify", nil))
		h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
		h.Pass(24*time.Hour - time.Minute)
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}), 400, "so the engine does not send it again")
		h.Pass(time.Minute)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}))
		h.Called(4, 0)
	})
}

// The block is lifted, the partner unlocked, the gateway repaired: no refusal was about
// the credential.
func TestARefusalOfSomethingElseIsNotHeldAgainstTheCredential(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"blocked", "10005", "locked"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Fake.Order(mounttest.Rejections()[name])
				h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "nothing was stored")
				for _, a := range h.Record().Attempts {
					if a.Credential != "" {
						t.Error("a credential is noted as refused")
					}
				}
				h.Spent(1, 0)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				h.Spent(1, 0)
				if state := statusNow(h)["authentication"]; state != "ok" {
					t.Errorf("authentication is %v", state)
				}
			})
		})
	}
}

// The address is wrong, or a gateway has lost its route. Once that is fixed, the same
// credential may be written again.
func TestA404WithoutACodeIsNoVerdictOnTheCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Answering(http.StatusNotFound, "404 page not found", 1)
		h.Fails(h.Write("config", mounttest.Credentials(nil)), 400,
			"nothing was stored: Finicity answered HTTP 404: 404 page not found (check base_url). Failed attempts: 1 of 5")
		h.Configure(nil)
		h.Called(2, 0)
	})
}

// The fourth attempt is reserved for the stored credential, and the fifth is never
// made.
func TestAnOperatorGetsFourAttemptsAndNeverTheFifth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		for i := range 3 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)}), 400, "nothing was stored", "10001")
			h.Spent(i+1, 0)
		}
		a := h.Write("config", mounttest.Fields{"partner_secret": h.Guess(3)})
		h.Fails(a, 400, "nothing was stored", "no request was sent", "the fourth is reserved for the stored credential",
			"verify_connection=false", "vault write -f finicity/config/verify")
		h.Spent(3, 0)
		h.Fails(h.Write("config/verify", nil), 400, "10001", "force=true")
		h.Spent(4, 0)
		for range 3 {
			for _, a := range []mounttest.Answer{
				h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}),
				h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}),
				h.Write("config/verify", nil),
				h.Write("config/verify", mounttest.Fields{"force": false}),
				h.Write("rotate-root", nil),
				h.Write("rotate-token", nil),
				h.Read("token", nil),
			} {
				h.Fails(a, 400, "no request was sent to Finicity", "10001", "vault write finicity/config/verify force=true")
			}
			h.Pass(30 * 24 * time.Hour)
			h.Restart()
		}
		h.Wrongly(4)

		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Fails(h.Read("token", nil), 400, "no request was sent")
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Token()
		h.Spent(0, 0)
		h.Wrongly(4)
	})
}

// The secret was reset in the portal, apps have used up their two attempts, and the
// operator mistypes the new one. If the last attempt were reserved for a credential
// that Finicity has refused, the right one could not be written.
func TestNoAttemptIsKeptForAStoredCredentialThatWasRefused(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewRefused(t)
				h.Fails(h.Read("token", nil), 400, "10001")
				h.Pass(5 * time.Minute)
				h.Fails(h.Read("token", nil), 400, "10001")
				h.Guesses(1)
				if restart {
					h.Restart()
				}
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				h.Token()
				h.Wrongly(3)
			})
		})
	}
}

func TestNoAttemptIsKeptForAStoredCredentialThatWasNeverProven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false})
		h.Guesses(3)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		h.Token()
		h.Wrongly(3)
	})
}

// After four refusals, the error says to store the credential that is certain and to
// force an attempt. There is only one, so it must use that credential, although
// Finicity refused it before, and not the old secret.
func TestAnUntriedCredentialIsTriedFirstEvenIfRefusedBefore(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewRefused(t)
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(50))
			h.Guesses(min(refusals, 3))
			if refusals == 4 {
				h.Fails(h.Write("config/verify", nil), 400, "10001")
			}
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}), 400, "verify_connection=false")
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0), "verify_connection": false}))
			h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": refusals == 4}))
			h.Wrongly(refusals)
			h.Token()
		})
	}
}

func TestAWriteOfTheStoredCredentialCostsNothingInAnyState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fails(h.Read("token", nil), 400, "10001")
		h.Pass(5 * time.Minute)
		h.Fails(h.Read("token", nil), 400, "10001")
		for _, data := range []mounttest.Fields{
			nil, {"partner_secret": mounttest.PartnerSecret}, mounttest.Credentials(nil), {"token_lifetime": "1h"},
		} {
			a := h.Write("config", data)
			h.Succeeds(a)
			h.Warned(a, "Finicity refused the stored credential on 2000-01-01T02:05:00Z", "vault write -f finicity/config/verify")
		}
		h.Spent(2, 0)
		h.Wrongly(2)
		h.Fails(h.Read("token", nil), 400, "no request was sent")
		h.Called(3, 0)

		h.Guesses(1)
		h.Fails(h.Write("config/verify", nil), 400, "10001")
		a := h.Write("config", nil)
		h.Succeeds(a)
		h.Warned(a, "vault write finicity/config/verify force=true")
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Warned(h.Write("config", nil))
	})
}

// The refusal was Finicity's mistake, and the next attempt was accepted.
func TestAWriteDoesNotWarnOfARefusalThatASuccessFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Read("token", nil), 400, "10001")
		h.Warned(h.Write("config", nil), "Finicity refused the stored credential")
		h.Pass(5 * time.Minute)
		h.Token()
		h.Warned(h.Write("config", nil))
	})
}

// An operator writes only a new app key, while a late change has put the engine's own
// secret in effect. The write tries the current secret and then the other one, and the
// operator does not have to repeat it.
func TestANewAppKeyAloneFindsASecretThatTookEffectLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 3 * time.Hour})
		h.Fails(h.Write("rotate-root", nil), 400, "unknown")
		candidate, _ := h.Stored().Secrets.Pending()
		h.Pass(2 * time.Hour)
		h.Token()
		h.Pass(2 * time.Hour)
		changed(h, 1)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		st := h.Stored()
		if current, _ := st.Secrets.Current(); !current.Value.Equal(candidate.Value) || st.AppKey.Reveal() != mounttest.NewKey {
			t.Error("the secret in effect is not the current one, with the new app key")
		}
		if h.Read("token", nil).Data["app_key"] != mounttest.NewKey {
			t.Error("the shared token does not come with the new app key")
		}
		h.Wrongly(2)
	})
}
