// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A gateway that has not called Finicity says nothing about a credential, which may be
// sent again.
func TestACredentialThatAGatewayRefusedIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"a 401 without a code": 401, "a 404 without a code": 404} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Answering(status, "<html><title>Login required</title></html>", 1)
				write := mounttest.Fields{"partner_secret": mounttest.WrongSecret}
				h.Fails(h.Write("config", write), 400, "nothing was stored")
				h.Succeeds(h.Write("config", write))
				h.Called(3, 0)
			})
		})
	}
}

// A verdict on one credential says nothing about another, even if their concatenated
// parts are equal.
func TestAVerdictOnOneCredentialIsNoneOnAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		secret := h.Guess(0)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey + "7", "partner_secret": secret}), 400, "nothing was stored")
		h.Leaks.Add("7" + secret)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "partner_secret": "7" + secret}), 400, "code 100")
		h.Called(3, 0)
	})
}

// An edge that checks the app key first, or another Finicity environment, has not
// checked whether the partner is still locked.
func TestARefusedWriteDoesNotEndALock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write mounttest.Fields
		code  string
	}{
		"another app key": {mounttest.Fields{"app_key": mounttest.NewKey}, "10026"},
		"another address": {move(elsewhere, mounttest.WrongSecret), "10001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(mounttest.Rejections()["locked"])
				h.Fails(h.Read("token", nil), 400, "24302")
				h.Fake.Order(mounttest.Rejections()[test.code])
				h.Fails(h.Write("config", test.write), 400, "nothing was stored", test.code)
				h.Called(3, 0)
				everyMinute(h, 10, func() { h.Fails(h.Read("token", nil), 400, "24302", "Finicity support") })
				h.Called(3, 0)
				statusShows(h, mounttest.Fields{"authentication": "locked"})
			})
		})
	}
}

// The second of two stored secrets may not be tried any more. The error reports that
// the first one was refused.
func TestARefusalWithoutAFollowUpIsToldAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		untried(h, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		a := h.Write("config/verify", nil)
		h.Fails(a, 400, "4 of 5")
		if !strings.HasPrefix(a.Text, "Finicity answered HTTP 401, code 10001") {
			t.Errorf("the answer is %s", h.Leaks.Hide(a.Text))
		}
		h.Called(5, 0)
	})
}

// Once both stored secrets were refused, one command is one attempt: the operator
// decides about each further attempt.
func TestOneVerifyTriesOneOfTheSecretsThatWereRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10001", "2 of 5")
		h.Called(3, 1)
		h.Fails(h.Write("config/verify", nil), 400, "10001", "3 of 5")
		h.Called(4, 1)
	})
}

// A secret that was in effect is wrong now. The secret before it, which a grace period
// may keep valid, is tried no sooner than any second attempt.
func TestTheRefusalOfAProvenSecretIsNotFollowedUpAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Rotate()
		h.Pass(time.Hour)
		h.Rotate()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10001", "1 of 5")
		h.Called(5, 2)
		statusShows(h, mounttest.Fields{"authentication": "held"})
	})
}

// Each attempt past the limit may be the one that locks the partner.
func TestOneForceIsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		untried(h, h.Guess(4))
		h.Fails(h.Write("config/verify", mounttest.Fields{"force": true}), 400, "10001", "4 of 5")
		h.Called(5, 0)
	})
}

// Two secrets that were never proven are stored. After the refusal of one, only a
// proven secret would be tried at once.
func TestAnUnprovenSecretIsNotTriedAtOnceAfterAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		untried(h, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10001", "1 of 5")
		h.Called(2, 1)
		if now := statusNow(h); now["token_available"] != false || now["retry_time"] == nil {
			t.Errorf("the status is %v", now)
		}
	})
}

// Only 10001 says that the secret is wrong. After any other refusal, it is retained.
func TestASecretThatMightBeRightIsKeptAfterARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		untried(h, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Fake.Order(mounttest.Rejections()["10021"])
		h.Fails(h.Read("token", nil), 400, "10001", "2 of 5")
		h.Succeeds(h.Write("config/verify", nil))
	})
}

// One write is at most two attempts, however many secrets are stored.
func TestANewAppKeyIsTriedWithTwoSecretsAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		untried(h, mounttest.WrongSecret)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
		h.Pass(2 * time.Hour)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400, "10001", "2 of 5")
		h.Called(3, 1)
	})
}

// A write was not stored, but a stored secret was refused with it: apps continue with
// the other one.
func TestAVerdictOnAStoredSecretOutlivesTheWriteThatBroughtIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Pass(2 * time.Hour)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Answering(503, "maintenance", 1)
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400, "nothing was stored", "maintenance")
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.AppKey)
		h.Pass(time.Minute)
		h.Token()
		h.Called(4, 1)
	})
}

// A write of an app key makes two attempts. Vault's clients repeat a 5xx, and here the
// first attempt was refused.
func TestAWriteWhoseFirstAttemptWasRefusedIsNoServerError(t *testing.T) {
	t.Parallel()
	for name, prevent := range map[string]func(h *mounttest.Harness){
		"the second one is not stored": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 2})
		},
		"the second one is not sent": func(h *mounttest.Harness) {
			calls, dial := 0, h.Fake.Dialer()
			h.RestartWith(func(ctx context.Context, network, address string) (net.Conn, error) {
				if calls++; calls == 2 {
					return nil, errors.New("connection refused")
				}
				return dial(ctx, network, address)
			})
			h.Read("status", nil)
			h.Pass(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewUnresolved(t, false, nil)
				h.Pass(time.Minute)
				prevent(h)
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400,
					"nothing was stored", "10001", "1 of 5")
				h.Wrongly(1)
			})
		})
	}
}

// The last attempt is reserved for the stored credential, so there is no second one.
// The first one was sent.
func TestAWriteThatSentAnAttemptDoesNotSayThatItSentNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Pass(time.Minute)
		h.Guesses(2)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		a := h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey})
		h.Wrongly(3)
		h.Fails(a, 400, "nothing was stored: Finicity answered", "10001", "the fourth is reserved for the stored credential",
			"vault write finicity/config app_key=… verify_connection=false, then vault write -f finicity/config/verify")
	})
}
