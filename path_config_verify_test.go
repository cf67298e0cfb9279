// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"maps"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Whoever may write config, but does not know the secret, must not have it sent to a host of theirs.
func TestANewPlaceNeedsSecretAndAppKeyInTheSameWrite(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	places := map[string]fields{
		"base_url":   {"base_url": "http://127.0.0.2"},
		"ca_cert":    {"ca_cert": cert},
		"partner_id": {"partner_id": otherID},
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				before, _ := h.storage.peek(configKey)
				for _, with := range []fields{
					nil, {"partner_secret": partnerSecret}, {"app_key": appKey}, {"verify_connection": false},
				} {
					data := maps.Clone(place)
					maps.Copy(data, with)
					h.fails(h.write("config", data), 400, "partner_secret and app_key in the same write", name)
				}
				if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
					t.Error("something was stored")
				}
				h.token()
				h.called(1, 0)

				data := maps.Clone(place)
				maps.Copy(data, fields{"partner_secret": partnerSecret, "app_key": appKey})
				if name == "partner_id" {
					maps.Copy(data, fields{"partner_secret": otherSecret, "app_key": otherKey})
				}
				h.succeeds(h.write("config", data))
				h.called(2, 0)
			})
		})
	}
}

func TestANewPartnerReplacesTheCredentialItsHistoryAndItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.fake.SetSecret(partnerID, wrongSecret)
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		h.succeeds(h.write("config", fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey}))
		want := credential{PartnerID: otherID, AppKey: otherKey, Current: otherSecret}
		if !reflect.DeepEqual(h.stored().Credential, want) {
			t.Error("something of the old partner is left")
		}
		a := h.read("token", nil)
		if a.data["token"] == token || a.data["partner_id"] != otherID || a.data["app_key"] != otherKey {
			t.Error("the token is not the new partner's")
		}
	})
}

func TestANewAppKeyAloneAuthenticatesWithTheStoredSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate() // So that nobody could send the secret along.
		token := h.token()
		h.fake.SetAppKey(partnerID, newKey)
		h.succeeds(h.write("config", fields{"app_key": newKey}))
		a := h.read("token", nil)
		if a.data["app_key"] != newKey || a.data["token"] == token {
			t.Error("the read does not have the new app key and a token that came with it")
		}
		h.called(3, 1)
	})
}

func TestWithoutVerificationACredentialIsStoredUntried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.fake.SetSecret(partnerID, wrongSecret)
		a := h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false})
		h.succeeds(a)
		h.warned(a, "without having been tried")
		h.called(1, 0)
		if h.token() == token {
			t.Error("the token of the old credential is still served")
		}
		h.called(2, 0)
	})
}

func TestAConfigWriteWithAWrongCredentialStoresNothing(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]fields{
		"secret":  {"partner_secret": wrongSecret},
		"app key": {"app_key": newKey},
		"partner": {"partner_id": "1000000000009", "partner_secret": partnerSecret, "app_key": appKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.fails(h.write("config", credentials(wrong)), 400, "nothing was stored", "Finicity answered HTTP 40")
				if h.stored() != nil {
					t.Error("the first write has stored something")
				}
				h.called(1, 0)

				h.configure(nil)
				token := h.token()
				before, _ := h.storage.peek(configKey)
				h.fails(h.write("config", wrong), 400, "nothing was stored", "vault write finicity/config")
				attempts := 3
				if name == "partner" { // No success of this one has made its refusal forgotten.
					attempts = 2
				}
				if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
					t.Error("a later write has changed something")
				}
				h.called(attempts, 0)
				if h.token() != token {
					t.Error("the token of the right credential is no longer served")
				}
				h.pass(91 * time.Minute)
				if h.token() == token {
					t.Error("the refusal of another credential keeps the stored one from being used")
				}
				h.called(attempts+1, 0)
			})
		})
	}
}

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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.fake.Order(fault)
				want := 502
				switch name {
				case "no answer", "a lost answer", "a late answer", "nothing at all", "a later success":
					want = 400 // A client of Vault repeats a 5xx, and each repetition could be refused unseen.
				}
				h.fails(h.write("config", credentials(nil)), want, "nothing was stored", "Finicity ")
				if h.stored() != nil {
					t.Error("something is stored")
				}
				h.called(1, 0)
				h.configure(nil) // A person need not wait.
				h.called(2, 0)
			})
		})
	}
}
