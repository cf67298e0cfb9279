// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestANewAppKeyAloneAuthenticatesWithTheStoredSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate() // So that no one can send the secret along.
		token := h.Token()
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		a := h.Read("token", nil)
		if a.Data["app_key"] != mounttest.NewKey || a.Data["token"] == token {
			t.Error("the read does not have the new app key and a token that came with it")
		}
		h.Called(3, 1)
	})
}

// The old app key stops working at once, so its token must not be served with the new
// one.
func TestANewAppKeyThatIsStoredUntriedEndsTheOldToken(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			token := h.Token()
			h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
			h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}))
			if restart {
				h.Restart()
			}
			h.Called(1, 0)
			a := h.Read("token", nil)
			if a.Data["app_key"] != mounttest.NewKey || a.Data["token"] == token {
				t.Error("the read does not have the new app key and a token that came with it")
			}
			h.Called(2, 0)
		})
	}
}

// wrongCredentials are credentials that Finicity refuses with a code.
func wrongCredentials() map[string]mounttest.Fields {
	return map[string]mounttest.Fields{
		"secret":  {"partner_secret": mounttest.WrongSecret},
		"app key": {"app_key": mounttest.NewKey},
		"partner": {
			"partner_id": "1000000000009", "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey,
		},
	}
}

func TestAFirstWriteWithAWrongCredentialStoresNothing(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongCredentials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Fails(h.Write("config", mounttest.Credentials(wrong)), 400, "nothing was stored", "Finicity answered HTTP 40")
				if st := h.Stored(); !mounttest.Same(st, nil) {
					t.Error("more than the attempt is stored")
				}
				h.Fails(h.Read("token", nil), 400, "not configured")
				h.Called(1, 0)
				h.Configure(nil)
				h.Token()
			})
		})
	}
}

func TestALaterWriteWithAWrongCredentialChangesNothing(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongCredentials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token, before := h.Token(), h.Stored()
				h.Fails(h.Write("config", wrong), 400, "nothing was stored", "Finicity answered HTTP 40",
					"the stored credential is unchanged and stays in use")
				h.Unchanged(before)
				h.Called(2, 0)
				if h.Token() != token {
					t.Error("the token of the right credential is no longer served")
				}
				h.Pass(91 * time.Minute)
				if h.Refreshed().Data["token"] == token {
					t.Error("the refusal of another credential keeps the stored one from being used")
				}
				h.Called(3, 0)
			})
		})
	}
}

// Vault's clients repeat a request after a 5xx, and each repetition may count as an
// attempt. Only a request that was never sent may be repeated.
func TestAConfigWriteWhileFinicityIsDownStoresNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"an error":        {Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance"},
		"no answer":       {Kind: fakefinicity.KindDropped},
		"a lost answer":   {Kind: fakefinicity.KindLost},
		"a cut answer":    {Kind: fakefinicity.KindCut},
		"garbage":         {Kind: fakefinicity.KindGarbage},
		"a redirect":      {Kind: fakefinicity.KindStatus, Status: 302, Header: map[string]string{"Location": "http://x"}},
		"a rate limit":    {Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "60"},
		"nothing at all":  {Kind: fakefinicity.KindSlow, Delay: time.Hour},
		"a late answer":   {Kind: fakefinicity.KindSlowAnswer, Delay: time.Minute},
		"a later success": {Kind: fakefinicity.KindLate, Delay: time.Minute},
	} {
		for _, configured := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h, data := mounttest.New(t), mounttest.Credentials(nil)
					if configured {
						h.Configure(nil)
						data = mounttest.Fields{"partner_secret": mounttest.WrongSecret}
						h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
					}
					before, calls := h.Stored(), h.Calls(fakefinicity.CallAuthenticate)
					h.Fake.Order(fault)
					h.Fails(h.Write("config", data), 400, "nothing was stored", "Finicity ", "does not retry the request")
					h.Unchanged(before)
					h.Spent(0, 0)
					h.Called(calls+1, 0)
					h.Succeeds(h.Write("config", data)) // An operator need not wait.
					h.Called(calls+2, 0)
				})
			})
		}
	}
}

func TestAConfigWriteThatNeverReachesFinicityMayBeRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.RestartWith(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		for range 6 {
			h.Fails(h.Write("config", mounttest.Credentials(nil)), 502, "nothing was stored", "could not be reached", "connection refused")
		}
		if !mounttest.Same(h.Stored(), nil) {
			t.Error("something is stored")
		}
		h.Restart()
		h.Configure(nil)
		h.Spent(0, 0)
		h.Called(1, 0)
	})
}
