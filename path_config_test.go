// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestTheFirstWriteNeedsPartnerIDSecretAndAppKey(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"partner_id", "partner_secret", "app_key"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t)
			data := credentials(nil)
			delete(data, missing)
			h.fails(h.write("config", data), 400, `field "`+missing+`" is required`)
			if h.stored() != nil {
				t.Errorf("without %s, something is stored", missing)
			}
			h.called(0, 0)
		})
	}
}

func TestConfigReadShowsTheDefaultsAndNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		data := credentials(fields{"verify_connection": false})
		delete(data, "base_url")
		h.succeeds(h.write("config", data))
		want := map[string]any{
			"partner_id":          partnerID,
			"base_url":            "https://api.finicity.com",
			"ca_cert":             "",
			"request_timeout":     int64(30),
			"token_lifetime":      int64(7200),
			"secret_grace_period": false,
			"rotation_pending":    false,
			"last_vault_rotation": nil,
			"next_vault_rotation": nil,

			"password_policy": "", "rotation_period": int64(0), "rotation_schedule": "", "rotation_window": int64(0),
			"disable_automated_rotation": false,
		}
		if got := h.read("config", nil).data; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestTheDefaultsThatAreDocumentedAreTheRealOnes(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"base_url": "https://api.finicity.com", "request_timeout": 30, "token_lifetime": 7200, "verify_connection": true,
	}
	for name, field := range configFields() {
		if field.Default != want[name] {
			t.Errorf("%s: %v, want %v", name, field.Default, want[name])
		}
	}
}

func TestConfigReadOfAMountThatIsNotConfiguredIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		if a := h.read("config", nil); a.status != 204 {
			t.Errorf("got a %d: %s", a.status, a.text)
		}
	})
}

func TestAFieldThatIsLeftOutKeepsItsValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{
			"request_timeout": "7s", "token_lifetime": "1h", "secret_grace_period": true, "base_url": "http://localhost:8080",
		})
		want := h.read("config", nil).data
		secret := h.stored().Credential
		for name, value := range map[string]any{
			"request_timeout": int64(8), "token_lifetime": int64(3601), "secret_grace_period": false,
		} {
			want[name] = value
			h.succeeds(h.write("config", fields{name: value}))
			if got := h.read("config", nil).data; !reflect.DeepEqual(got, want) {
				t.Errorf("after a write of %s: got %v, want %v", name, got, want)
			}
		}
		h.succeeds(h.write("config", nil))
		if !reflect.DeepEqual(h.stored().Credential, secret) || !reflect.DeepEqual(h.read("config", nil).data, want) {
			t.Error("a write of nothing has changed something")
		}
		h.called(1, 0)
	})
}

func TestAConfigWriteAuthenticatesOnceAndSharesThatToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.called(1, 0)
		if !h.fake.AcceptsToken(partnerID, h.token()) {
			t.Error("the token is not good")
		}
		h.restart()
		h.token()
		h.called(1, 0)
	})
}

func TestAConfigWriteThatChangesNoCredentialKeepsTheToken(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]fields{
		"nothing":                 nil,
		"the same credential":     credentials(nil),
		"the same, not verified":  credentials(fields{"verify_connection": false}),
		"a time-out":              {"request_timeout": "1m"},
		"a grace period":          {"secret_grace_period": true},
		"a lifetime":              {"token_lifetime": "1h"},
		"the same partner secret": {"partner_secret": partnerSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				a := h.write("config", data)
				h.succeeds(a)
				h.warned(a)
				if h.token() != token {
					t.Error("the token has changed")
				}
				h.called(1, 0)
			})
		})
	}
}

func TestANewTokenLifetimeHoldsForTheSameToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(20 * time.Minute)
		for lifetime, ttl := range map[string]int64{
			"2h": 95 * 60, "1h": 57*60 + 30 - 20*60, "30m": 28*60 + 45 - 20*60,
		} {
			h.succeeds(h.write("config", fields{"token_lifetime": lifetime}))
			a := h.read("token", nil)
			if a.data["ttl"] != ttl || a.data["token"] != token {
				t.Errorf("with a lifetime of %s the ttl is %v, want %d (the same token: %v)",
					lifetime, a.data["ttl"], ttl, a.data["token"] == token)
			}
		}
		h.called(1, 0)
	})
}

func TestConfigTimesAreUTC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.zone = time.FixedZone("somewhere", 5*3600)
		h.rotate()
		rotated, _ := h.read("config", nil).data["last_vault_rotation"].(string)
		if !strings.HasSuffix(rotated, "Z") {
			t.Errorf("a rotation at %s", rotated)
		}
		h.restart()
		for _, name := range []string{"issue_time", "expire_time"} {
			if at, _ := h.read("token", nil).data[name].(string); !strings.HasSuffix(at, "Z") {
				t.Errorf("%s is %s", name, at)
			}
		}
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost})
		h.write("rotate-root", nil)
		h.pass(2 * time.Hour)
		h.token()
		if settled, _ := h.read("config", nil).data["last_vault_rotation"].(string); !strings.HasSuffix(settled, "Z") {
			t.Errorf("a settled rotation at %s", settled)
		}
	})
}
