// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestAnUnknownFieldIsNamedWithWhatThePathTakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		op    logical.Operation
		path  string
		data  mounttest.Fields
		takes string
	}{
		"config": {logical.UpdateOperation, "config", mounttest.Credentials(mounttest.Fields{"partnerid": "x"}), "config takes app_key, " +
			"base_url, ca_cert, disable_automated_rotation, force, partner_id, partner_secret, password_policy, request_timeout, " +
			"rotation_period, rotation_schedule, rotation_window, secret_grace_period, " +
			"token_lifetime, verify_connection"},
		"config, a null":  {logical.UpdateOperation, "config", mounttest.Credentials(mounttest.Fields{"partnerid": nil}), "config takes app_key,"},
		"token":           {logical.ReadOperation, "token", mounttest.Fields{"partnerid": "1h"}, "token takes min_ttl"},
		"config/verify":   {logical.UpdateOperation, "config/verify", mounttest.Fields{"partnerid": true}, "config/verify takes force"},
		"config/rotate":   {logical.UpdateOperation, "config/rotate", mounttest.Fields{"partnerid": "x"}, "config/rotate takes new_partner_secret"},
		"config/check":    {logical.UpdateOperation, "config/check", mounttest.Fields{"partnerid": "x"}, "config/check takes base_url, ca_cert"},
		"rotate-root":     {logical.UpdateOperation, "rotate-root", mounttest.Fields{"partnerid": true}, "rotate-root takes no fields"},
		"config, deleted": {logical.DeleteOperation, "config", mounttest.Fields{"partnerid": "true"}, "config takes app_key,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Fails(h.Send(t.Context(), test.op, test.path, test.data), 400, `unknown field "partnerid"`, test.takes)
				if h.Stored() != nil {
					t.Error("something is stored")
				}
				h.Called(0, 0)
			})
		})
	}
}

// The framework would quote the value in its error, which Vault writes to its log.
func TestAValueOfTheWrongTypeIsRefusedByNameAndNeverQuoted(t *testing.T) {
	t.Parallel()
	const quoted = "you-must-not-see-me-1"
	wrong := map[string][]any{
		"text":     {[]string{quoted}, []any{}, map[string]any{"value": quoted}, true, false, []any{[]any{quoted}}},
		"flag":     {[]string{quoted}, map[string]any{quoted: quoted}, quoted, 7, 2, "yes please", ""},
		"duration": {[]string{quoted}, map[string]any{quoted: quoted}, quoted, true, -1, "-90s", "-1h", "soon", "1 h", "", "1500ms", 1.9, "1.9"},
	}
	says := map[string]string{
		"text": "must be a string", "flag": "must be true or false", "duration": "must be a duration in whole seconds, such as 90s, 30m or 2h",
	}
	for field, kind := range map[string]string{
		"partner_id": "text", "partner_secret": "text", "app_key": "text", "base_url": "text", "ca_cert": "text",
		"request_timeout": "duration", "token_lifetime": "duration",
		"secret_grace_period": "flag", "verify_connection": "flag", "force": "flag",
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Leaks.Add(quoted)
				for _, value := range wrong[kind] {
					a := h.Write("config", mounttest.Credentials(mounttest.Fields{field: value}))
					h.Fails(a, 400, `"`+field+`"`, says[kind])
					if strings.Contains(a.Text, "see-me") {
						t.Error("the error quotes the value")
					}
				}
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{field: nil})), 400, `field "`+field+`" is null`)
				if h.Stored() != nil {
					t.Error("something is stored")
				}
				h.Called(0, 0)
			})
		})
	}
}

// More seconds than a duration can hold. Truncated to 64 bits, some of these are a few
// seconds.
func TestADurationThatOverflowsIsRefusedByName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_schedule": "0 3 1 * *"})
		before, _ := h.Storage.Peek("config")
		for _, value := range []any{
			9223372037, 9223372046, 18446744083, 1e18, 1e300, "18446744083", "18446744083s", "5124095576h", "213504d",
			"99999999999999999999",
		} {
			for _, field := range []string{"request_timeout", "token_lifetime", "rotation_period", "rotation_window"} {
				h.Fails(h.Write("config", mounttest.Fields{field: value}), 400, `field "`+field+`" must be a duration`)
			}
			h.Fails(h.Read("token", mounttest.Fields{"min_ttl": value}), 400, `field "min_ttl" must be a duration`)
		}
		if after, _ := h.Storage.Peek("config"); !bytes.Equal(before, after) {
			t.Error("something is stored")
		}
	})
}

func TestAWrongMinTTLIsRefusedByName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for _, value := range []any{"-1s", -1, "soon", []any{"1h"}, map[string]any{}, true, nil} {
			h.Fails(h.Read("token", mounttest.Fields{"min_ttl": value}), 400, `"min_ttl"`)
		}
	})
}

// Vault asks whether the entry exists before it does anything else, and logs an error
// of that check.
func TestTheExistenceCheckLeavesWrongFieldsToTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for name, data := range map[string]map[string]any{
			"a list":           {"partner_secret": []any{mounttest.PartnerSecret}},
			"a map":            {"app_key": map[string]any{"value": mounttest.AppKey}},
			"no flag":          {"verify_connection": mounttest.PartnerSecret},
			"no duration":      {"token_lifetime": mounttest.PartnerSecret},
			"an unknown field": {"secret": mounttest.PartnerSecret},
			"a null":           {"partner_secret": nil},
		} {
			found, exists, err := h.B.HandleExistenceCheck(t.Context(), &logical.Request{
				Operation: logical.UpdateOperation, Path: "config", Storage: h.Storage, Data: data,
			})
			if err != nil || found || exists {
				t.Errorf("%s: found %v, exists %v, error %v", name, found, exists, err != nil)
			}
		}
	})
}

func TestTheExistenceCheckTellsTheFirstWriteFromTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		exists := func() bool {
			found, exists, err := h.B.HandleExistenceCheck(t.Context(), &logical.Request{
				Operation: logical.UpdateOperation, Path: "config", Storage: h.Storage, Data: mounttest.Credentials(nil),
			})
			if err != nil || !found {
				t.Fatalf("found %v, error %v", found, err)
			}
			return exists
		}
		if exists() {
			t.Error("a mount that is not configured has a configuration")
		}
		h.Configure(nil)
		if !exists() {
			t.Error("a mount that is configured has none")
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Always: true}) // Vault would hide an error of the check.
		h.Fails(h.Write("config", mounttest.Credentials(nil)), 500, "reading the configuration from storage")
	})
}

// Without quotes, a partner ID arrives as a number.
func TestANumberIsTakenForAText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Succeeds(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_id": int64(1000000000001)})))
		if h.Stored().PartnerID != mounttest.PartnerID {
			t.Error("the partner ID is stored in another form")
		}
		h.Called(1, 0)
	})
}

func TestDurationsAreTakenAsTextsAndAsNumbers(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"90m", "5400s", "5400", 5400, "1.5h"} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.New(t)
			h.Configure(mounttest.Fields{"token_lifetime": value})
			if got := h.Read("config", nil).Data["token_lifetime"]; got != int64(5400) {
				t.Errorf("%v was taken for %v seconds", value, got)
			}
		})
	}
}

// A body that is not JSON arrives as one field name that contains everything.
func TestANameThatMightBeAValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for _, name := range []string{"partner_secret: " + mounttest.PartnerSecret, mounttest.PartnerSecret, strings.Repeat("x", 41)} {
			a := h.Write("config", mounttest.Credentials(mounttest.Fields{name: ""}))
			h.Fails(a, 400, "unknown field", "config takes app_key,")
			if strings.Contains(a.Text, name) {
				t.Error("the error repeats the name")
			}
		}
	})
}

func TestAnUnknownPathIsVaultsToRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Read("tokens", mounttest.Fields{"anything": "x"}), 404, "unsupported path")
		h.Fails(h.Write("config/verified", mounttest.Fields{"anything": "x"}), 404, "unsupported path")
	})
}

func TestFinicitysOwnSpellingOfAFieldIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for given, known := range map[string]string{
			"partnerId": "partner_id", "partnerSecret": "partner_secret", "AppKey": "app_key", "base-url": "base_url",
		} {
			h.Fails(h.Write("config", mounttest.Fields{given: "x"}), 400, fmt.Sprintf("unknown field %q, which is named %q here", given, known))
		}
	})
}
