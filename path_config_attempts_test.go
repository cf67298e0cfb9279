// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// A terraform apply in a loop, with a value that is wrong.
func TestACredentialThatWasRefusedIsNotSentAgainByAConfigWrite(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]fields{
		"secret":         {"partner_secret": wrongSecret},
		"app key":        {"app_key": newKey},
		"both":           {"partner_secret": wrongSecret, "app_key": newKey},
		"the whole":      credentials(fields{"partner_secret": wrongSecret}),
		"with a setting": {"app_key": newKey, "token_lifetime": "1h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.fails(h.write("config", wrong), 400, "nothing was stored", "Finicity answered HTTP 401")
				for i := range 5 {
					h.fails(h.write("config", wrong), 400, "nothing was stored",
						"Finicity refused this very credential on 2000-01-01T00:00:00Z, so it is not sent again: ",
						"Finicity answered HTTP 401, code 100",
						"verify_connection=false", "vault write -f finicity/config/verify")
					h.pass(time.Hour)
					if i%2 == 0 {
						h.restart()
					}
				}
				h.called(2, 0)
				h.spent(1, 0)
			})
		})
	}
}

func TestTheFirstWriteOfARefusedCredentialIsNotRepeatedEither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		wrong := credentials(fields{"partner_secret": wrongSecret})
		h.fails(h.write("config", wrong), 400, "10001")
		h.fails(h.write("config", wrong), 400, "Finicity refused this very credential")
		h.configure(nil)
		h.called(2, 0)
	})
}

func TestWhatWasRefusedIsForgottenWithTheNextSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(1)
		h.succeeds(h.write("config/verify", nil))
		h.fake.SetSecret(partnerID, h.guess(0))
		h.succeeds(h.write("config", fields{"partner_secret": h.guess(0)}))
		h.called(4, 0)
	})
}

// The block is lifted, the partner unlocked, the gateway mended: none of that was about the credential.
func TestARefusalOfSomethingElseIsNotHeldAgainstTheCredential(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"blocked", "10005", "locked"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.fake.SetSecret(partnerID, wrongSecret)
				h.fake.Order(rejections()[name])
				h.fails(h.write("config", fields{"partner_secret": wrongSecret}), 400, "nothing was stored")
				if n := len(h.record().Refused); n != 0 {
					t.Errorf("%d credentials are noted as refused", n)
				}
				h.spent(1, 0)
				h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
				h.spent(0, 0)
			})
		})
	}
}

func TestAPersonGetsFourAttemptsAndNeverTheFifth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		for i := range 4 {
			a := h.write("config", fields{"partner_secret": h.guess(i)})
			h.fails(a, 400, "nothing was stored", "10001")
			h.spent(i+1, 0)
		}
		for range 3 {
			for _, a := range []answer{
				h.write("config", fields{"partner_secret": wrongSecret}),
				h.write("config", fields{"app_key": newKey}),
				h.write("config/verify", nil),
				h.write("config/verify", fields{"force": false}),
				h.write("rotate-root", nil),
				h.read("token", nil),
			} {
				h.fails(a, 400, "no call was made to Finicity", "10001", "vault write finicity/config/verify force=true")
			}
			h.pass(30 * 24 * time.Hour)
			h.restart()
		}
		h.wrongly(4)

		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.fails(h.read("token", nil), 400, "no call was made")
		h.succeeds(h.write("config/verify", fields{"force": true}))
		h.token()
		h.spent(0, 0)
		h.wrongly(4)
	})
}

// The advice after four refusals is to store the one that is sure and to force it. One shot: it must be at that one,
// although it was refused before, and not at the old secret that was kept aside.
func TestWhatIsStoredUntriedIsTriedFirstAlthoughItWasRefusedBefore(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			h := newRefused(t)
			h.fake.SetSecret(partnerID, h.guess(50))
			h.guesses(refusals)
			h.fake.SetSecret(partnerID, h.guess(0))
			h.fails(h.write("config", fields{"partner_secret": h.guess(0)}), 400, "this very credential")
			h.succeeds(h.write("config", fields{"partner_secret": h.guess(0), "verify_connection": false}))
			h.succeeds(h.write("config/verify", fields{"force": refusals == 4}))
			h.wrongly(refusals)
			h.token()
		})
	}
}

func TestTheRefusalOfWhatIsStoredUntriedMustBeForgottenInStorageFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.guesses(1)
		h.storage.fail(storageFault{on: put(h.ownKey())})
		h.fails(h.write("config", fields{"partner_secret": h.guess(0), "verify_connection": false}), 500, "storage")
		if h.stored().Credential.Current != partnerSecret {
			t.Error("it is stored all the same")
		}
	})
}

// After a rotation the old one is the only copy of what may be the right secret, and nobody can write it again.
func TestASecretThatWasReplacedByAnUntriedOneIsFoundAgain(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"at once": 0, "after a weekend": 72 * time.Hour, "after a month": 31 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.rotate()
				rotated := h.stored()
				h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
				h.pass(after)
				h.token()
				cred := h.stored().Credential
				if cred.Current != rotated.Credential.Current || !cred.LastRotation.Equal(rotated.Credential.LastRotation) {
					t.Error("the secret in force is not the current one, or it counts as rotated once more")
				}
				h.called(4, 1)
				h.wrongly(1)

				// It is no secret that the engine has rotated away, so it may be written when it has become right.
				h.fake.SetSecret(partnerID, wrongSecret)
				h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
				h.token()
				h.called(5, 1)
			})
		})
	}
}

// Stored first, changed in the portal afterwards: the engine follows, and the order costs one attempt for each change.
func TestASecretThatWasStoredTooEarlyIsFoundWhenItComesIntoForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.token()
		h.wrongly(1)
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(2 * time.Hour)
		h.token()
		h.wrongly(2)
		if h.stored().Credential.Current != wrongSecret {
			t.Error("it is not the current one")
		}
	})
}

func TestASeriesOfUntriedSecretsLosesNoneThatMayBeInForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate()
		want := h.stored().Credential.Current
		for i := range 5 {
			h.succeeds(h.write("config", fields{"partner_secret": h.guess(i), "verify_connection": false}))
		}
		aside := h.stored().Credential.Abandoned
		if !slices.ContainsFunc(aside, func(c candidate) bool { return c.Secret == want }) {
			t.Fatal("the secret in force is gone")
		}
		h.fails(h.read("token", nil), 400, "10001") // Two of the five untried ones.
		h.fails(h.write("config/verify", nil), 400, "10001", "force=true")
		h.fake.Unlock(partnerID) // Someone knows that there were fewer.
		for range 5 {
			if h.write("config/verify", fields{"force": true}).status == 204 {
				break
			}
		}
		if h.stored().Credential.Current != want {
			t.Error("the secret in force was not found again")
		}
	})
}

func TestAWriteOfTheStoredCredentialCostsNothingInAnyState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		h.fails(h.read("token", nil), 400, "10001")
		h.pass(5 * time.Minute)
		h.fails(h.read("token", nil), 400, "10001")
		for _, data := range []fields{nil, {"partner_secret": partnerSecret}, credentials(nil), {"token_lifetime": "1h"}} {
			h.succeeds(h.write("config", data))
		}
		h.spent(2, 0)
		h.wrongly(2)
		h.fails(h.read("token", nil), 400, "no call was made")
		h.called(3, 0)
	})
}

// A new app key alone, while nobody can say which secret is in force: each may be it.
func TestANewAppKeyAloneFindsAnAbandonedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: 3 * time.Hour})
		h.fails(h.write("rotate-root", nil), 400, "unknown")
		candidate := h.stored().Credential.Pending.Secret
		h.pass(2 * time.Hour)
		h.token()
		h.pass(2 * time.Hour)
		h.fake.SetAppKey(partnerID, newKey)
		h.succeeds(h.write("config", fields{"app_key": newKey}))
		if cred := h.stored().Credential; cred.Current != candidate || cred.AppKey != newKey || len(cred.Abandoned) != 0 {
			t.Error("the secret in force is not the current one, with the new app key")
		}
		h.wrongly(2)
	})
}
