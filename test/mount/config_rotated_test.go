// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A copy of a secret that this engine has rotated away, for example from a terraform
// apply of the first value.
func TestAReplacedSecretIsRefusedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		var away []string
		for range 5 {
			away = append(away, storedCurrent(h))
			h.Rotate()
			h.Pass(24 * time.Hour)
		}
		token := h.Token()
		h.Called(7, 5)
		before, _ := h.Storage.Peek("config")
		for i, secret := range away {
			at := time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
			for _, data := range []mounttest.Fields{
				{"partner_secret": secret},
				{"partner_secret": secret, "verify_connection": false},
				mounttest.Credentials(mounttest.Fields{"partner_secret": secret, "token_lifetime": "1h"}),
				{"partner_secret": secret, "app_key": mounttest.NewKey},
			} {
				h.Fails(h.Write("config", data), 400, `field "partner_secret"`, at, "leave the field out")
			}
			h.Restart()
		}
		if after, _ := h.Storage.Peek("config"); !bytes.Equal(before, after) {
			t.Error("something was stored")
		}
		if h.Token() != token {
			t.Error("the token has changed")
		}
		h.Called(7, 5)
		if current, _ := h.InEffect(); !current {
			t.Error("the current secret is not in effect")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.AppKey}))
	})
}

// A portal can issue the secret again. Then the operator brings it, and it does not
// count as rotated away.
func TestASecretThatAnOperatorReplacedMayComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for _, secret := range []string{mounttest.WrongSecret, mounttest.PartnerSecret} {
			h.Fake.SetSecret(mounttest.PartnerID, secret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": secret}))
		}
		h.Called(3, 0)
		h.Resolved()
	})
}

func TestAReplacedSecretIsRefusedHoweverThatWasFoundOut(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(applied)
		h.Pass(time.Minute)
		h.Token()
		a := h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret})
		if applied {
			h.Fails(a, 400, "replaced by a rotation on 2000-01-01T02:01:00Z") // When the engine found out.
		} else {
			h.Succeeds(a) // It is the one in effect.
		}
		h.Called(map[bool]int{true: 2, false: 3}[applied], 1)
	})
}

// While it is unknown which secret is in effect, the old one does not count as rotated
// away: it may be written, and is the current one.
func TestASecretIsNotReplacedBeforeTheNewOneIsProven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, nil)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		h.Pass(time.Minute)
		h.Succeeds(h.Write("config/verify", nil))
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "replaced by a rotation")
		h.Wrongly(0)
	})
}

// Anyone who obtains the entry and the key gets the active secrets, those whose
// webhooks may still arrive, and no others.
func TestStorageHoldsNoSecretForLongerThanItsWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		secrets := []string{mounttest.PartnerSecret}
		for range 4 {
			h.Rotate()
			secrets = append(secrets, storedCurrent(h))
			h.Pass(50 * time.Hour)
			h.Token()
		}
		kept := func(secret string) bool {
			encoded, err := json.Marshal(secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range h.Storage.Snapshot() {
				if bytes.Contains(value, encoded) {
					return true
				}
			}
			return false
		}
		for i, secret := range secrets {
			if got, want := kept(secret), i >= len(secrets)-2; got != want { // The one before was replaced two days ago.
				t.Errorf("secret %d of %d is in storage: %v", i+1, len(secrets), got)
			}
		}
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "10001")
		if kept(mounttest.WrongSecret) {
			t.Error("a secret that was refused is in storage")
		}
	})
}

func TestTheHashOfASecretDiffersFromMountToMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hashes := map[string]bool{}
		for range 2 {
			h := mounttest.NewConfigured(t, nil)
			h.Rotate()
			h.Guesses(1)
			hashes[h.Stored().RotatedAway[0].Hash] = true
			hashes[h.Record().Attempts[0].Credential] = true
			hashes[h.Stored().Token.Fingerprint] = true
		}
		if len(hashes) != 6 {
			t.Error("the same credential has the same hash on two mounts")
		}
	})
}

// The secret in effect is not new: writing it again costs no attempt, regardless of the
// other stored secrets.
func TestTheCurrentSecretIsWrittenAgainWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(h *mounttest.Harness) (secret string){
		"beside the one that it has replaced": func(h *mounttest.Harness) string {
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
			return mounttest.WrongSecret
		},
		"beside an untried one of another address": func(h *mounttest.Harness) string {
			untriedAt := joined(move(elsewhere, mounttest.WrongSecret), mounttest.Fields{"verify_connection": false})
			h.Succeeds(h.Write("config", untriedAt))
			h.Succeeds(h.Write("config", move("http://127.0.0.1", mounttest.PartnerSecret)))
			return mounttest.PartnerSecret
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				secret := prepare(h)
				h.Called(2, 0)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": secret}))
				h.Called(2, 0)
			})
		})
	}
}
