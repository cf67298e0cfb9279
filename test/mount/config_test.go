// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestTheFirstWriteNeedsPartnerIDSecretAndAppKey(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"partner_id", "partner_secret", "app_key"} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.New(t)
			data := mounttest.Credentials(nil)
			delete(data, missing)
			h.Fails(h.Write("config", data), 400, `field "`+missing+`" is required`)
			if h.Stored() != nil {
				t.Errorf("without %s, something is stored", missing)
			}
			h.Called(0, 0)
		})
	}
}

func TestConfigReadShowsTheDefaultsAndNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		data := mounttest.Credentials(mounttest.Fields{"verify_connection": false})
		delete(data, "base_url")
		h.Succeeds(h.Write("config", data))
		want := map[string]any{
			"partner_id":          mounttest.PartnerID,
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
		if got := h.Read("config", nil).Data; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestTheDefaultsThatAreDocumentedAreTheRealOnes(t *testing.T) {
	t.Parallel()
	h := mounttest.New(t)
	want := map[string]any{
		"base_url": "https://api.finicity.com", "request_timeout": 30, "token_lifetime": 7200, "verify_connection": true,
	}
	b, routes := h.B.(interface {
		Route(path string) *framework.Path
	})
	if !routes {
		t.Fatal("the backend has no routes")
	}
	for name, field := range b.Route("config").Fields {
		if field.Default != want[name] {
			t.Errorf("%s: %v, want %v", name, field.Default, want[name])
		}
	}
}

func TestConfigReadOfAMountThatIsNotConfiguredIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		if a := h.Read("config", nil); a.Status != 204 {
			t.Errorf("got a %d: %s", a.Status, a.Text)
		}
		// A mount that has stored a refused attempt and no credential is not configured either.
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret})), 400, "10001")
		if a := h.Read("config", nil); a.Status != 204 {
			t.Errorf("after a refused write, got a %d: %s", a.Status, a.Text)
		}
	})
}

func TestAFieldThatIsLeftOutKeepsItsValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{
			"request_timeout": "7s", "token_lifetime": "1h", "secret_grace_period": true, "base_url": "http://localhost:8080",
		})
		want, before := h.Read("config", nil).Data, h.Stored()
		for name, value := range map[string]any{
			"request_timeout": int64(8), "token_lifetime": int64(3601), "secret_grace_period": false,
		} {
			want[name] = value
			h.Succeeds(h.Write("config", mounttest.Fields{name: value}))
			if got := h.Read("config", nil).Data; !reflect.DeepEqual(got, want) {
				t.Errorf("after a write of %s: got %v, want %v", name, got, want)
			}
		}
		h.Succeeds(h.Write("config", nil))
		after := h.Stored()
		if !reflect.DeepEqual(after.Secrets, before.Secrets) || !after.AppKey.Equal(before.AppKey) ||
			!reflect.DeepEqual(h.Read("config", nil).Data, want) {
			t.Error("a write of nothing has changed something")
		}
		h.Called(1, 0)
	})
}

func TestAConfigWriteAuthenticatesOnceAndSharesThatToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Called(1, 0)
		if !h.Fake.AcceptsToken(mounttest.PartnerID, h.Token()) {
			t.Error("the token is not good")
		}
		h.Restart()
		h.Token()
		h.Called(1, 0)
	})
}

func TestAConfigWriteThatChangesNoCredentialKeepsTheToken(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{
		"nothing":                 nil,
		"the same credential":     mounttest.Credentials(nil),
		"the same, not verified":  mounttest.Credentials(mounttest.Fields{"verify_connection": false}),
		"a timeout":               {"request_timeout": "1m"},
		"a grace period":          {"secret_grace_period": true},
		"a lifetime":              {"token_lifetime": "1h"},
		"the same partner secret": {"partner_secret": mounttest.PartnerSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				a := h.Write("config", data)
				h.Succeeds(a)
				h.Warned(a)
				if h.Token() != token {
					t.Error("the token has changed")
				}
				h.Called(1, 0)
			})
		})
	}
}

func TestANewTokenLifetimeHoldsForTheSameToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(20 * time.Minute)
		for lifetime, ttl := range map[string]int64{
			"2h": 95 * 60, "1h": 57*60 + 30 - 20*60, "30m": 28*60 + 45 - 20*60,
		} {
			h.Succeeds(h.Write("config", mounttest.Fields{"token_lifetime": lifetime}))
			a := h.Read("token", nil)
			if a.Data["ttl"] != ttl || a.Data["token"] != token {
				t.Errorf("with a lifetime of %s the ttl is %v, want %d (the same token: %v)",
					lifetime, a.Data["ttl"], ttl, a.Data["token"] == token)
			}
		}
		h.Called(1, 0)
	})
}

func TestConfigTimesAreUTC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Zone = time.FixedZone("somewhere", 5*3600)
		h.Rotate()
		rotated, _ := h.Read("config", nil).Data["last_vault_rotation"].(string)
		if !strings.HasSuffix(rotated, "Z") {
			t.Errorf("a rotation at %s", rotated)
		}
		h.Restart()
		for _, name := range []string{"issue_time", "expire_time"} {
			if at, _ := h.Read("token", nil).Data[name].(string); !strings.HasSuffix(at, "Z") {
				t.Errorf("%s is %s", name, at)
			}
		}
		h.Interrupt(true)
		h.Pass(2 * time.Hour)
		h.Token()
		if resolved, _ := h.Read("config", nil).Data["last_vault_rotation"].(string); !strings.HasSuffix(resolved, "Z") {
			t.Errorf("a resolved rotation at %s", resolved)
		}
	})
}

func TestConfigReadReportsAStorageFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Read("config", nil), 500, "reading the configuration from storage")
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Skip: 1}) // The existence check reads it first.
		h.Fails(h.Write("config", nil), 500, "reading the configuration from storage")
		h.Called(1, 0)
	})
}

// The answer is correct even if no caller waits for it.
func TestAConfigWriteIsFinishedWithoutItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		ctx, leave := context.WithCancel(t.Context())
		done := h.Background(func() mounttest.Answer {
			return h.Send(ctx, logical.CreateOperation, "config", mounttest.Credentials(nil))
		})
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		h.Fake.Release()
		h.Succeeds(<-done)
		if !h.IsConfigured() {
			t.Fatal("nothing is stored")
		}
		h.Token()
		h.Called(1, 0)
	})
}
