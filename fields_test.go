// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

func TestAnUnknownFieldIsNamedWithWhatThePathTakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		op    logical.Operation
		path  string
		data  fields
		takes string
	}{
		"config": {logical.UpdateOperation, "config", credentials(fields{"partnerid": "x"}), "config takes app_key, " +
			"base_url, ca_cert, disable_automated_rotation, force, partner_id, partner_secret, password_policy, request_timeout, " +
			"rotation_period, rotation_schedule, rotation_window, secret_grace_period, " +
			"token_lifetime, verify_connection"},
		"config, a null":  {logical.UpdateOperation, "config", credentials(fields{"partnerid": nil}), "config takes app_key,"},
		"token":           {logical.ReadOperation, "token", fields{"partnerid": "1h"}, "token takes min_ttl"},
		"config/verify":   {logical.UpdateOperation, "config/verify", fields{"partnerid": true}, "config/verify takes force"},
		"rotate-root":     {logical.UpdateOperation, "rotate-root", fields{"partnerid": true}, "rotate-root takes no fields"},
		"config, deleted": {logical.DeleteOperation, "config", fields{"partnerid": "true"}, "config takes app_key,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.fails(h.send(t.Context(), test.op, test.path, test.data), 400, `unknown field "partnerid"`, test.takes)
				if h.stored() != nil {
					t.Error("something is stored")
				}
				h.called(0, 0)
			})
		})
	}
}

// The framework would quote the value in its error, which Vault writes to its log.
func TestAValueOfTheWrongTypeIsRefusedByNameAndNeverQuoted(t *testing.T) {
	t.Parallel()
	const quoted = "nobody-may-see-me-1"
	wrong := map[string][]any{
		"text":     {[]string{quoted}, []any{}, map[string]any{"value": quoted}, true, false, []any{[]any{quoted}}},
		"flag":     {[]string{quoted}, map[string]any{quoted: quoted}, quoted, 7, 2, "yes please", ""},
		"duration": {[]string{quoted}, map[string]any{quoted: quoted}, quoted, true, -1, "-90s", "-1h", "soon", "1 h", "", "1500ms", 1.9, "1.9"},
	}
	says := map[string]string{
		"text": "must be a text", "flag": "must be true or false", "duration": "must be a duration in whole seconds like 90s, 30m or 2h",
	}
	for field, kind := range map[string]string{
		"partner_id": "text", "partner_secret": "text", "app_key": "text", "base_url": "text", "ca_cert": "text",
		"request_timeout": "duration", "token_lifetime": "duration",
		"secret_grace_period": "flag", "verify_connection": "flag", "force": "flag",
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.words.add(quoted)
				for _, value := range wrong[kind] {
					a := h.write("config", credentials(fields{field: value}))
					h.fails(a, 400, `"`+field+`"`, says[kind])
					if strings.Contains(a.text, "see-me") {
						t.Error("the error quotes the value")
					}
				}
				h.fails(h.write("config", credentials(fields{field: nil})), 400, `field "`+field+`" is null`)
				if h.stored() != nil {
					t.Error("something is stored")
				}
				h.called(0, 0)
			})
		})
	}
}

func TestAWrongMinTTLIsRefusedByName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for _, value := range []any{"-1s", -1, "soon", []any{"1h"}, map[string]any{}, true, nil} {
			h.fails(h.read("token", fields{"min_ttl": value}), 400, `"min_ttl"`)
		}
	})
}

// Vault asks whether the entry exists before it does anything else, and logs an error that comes from there.
func TestTheExistenceCheckLeavesWrongFieldsToTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for name, data := range map[string]map[string]any{
			"a list":           {"partner_secret": []any{partnerSecret}},
			"a map":            {"app_key": map[string]any{"value": appKey}},
			"no flag":          {"verify_connection": partnerSecret},
			"no duration":      {"token_lifetime": partnerSecret},
			"an unknown field": {"secret": partnerSecret},
			"a null":           {"partner_secret": nil},
		} {
			found, exists, err := h.b.HandleExistenceCheck(t.Context(), &logical.Request{
				Operation: logical.UpdateOperation, Path: "config", Storage: h.storage, Data: data,
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
		h := newHarness(t)
		exists := func() bool {
			found, exists, err := h.b.HandleExistenceCheck(t.Context(), &logical.Request{
				Operation: logical.UpdateOperation, Path: "config", Storage: h.storage, Data: credentials(nil),
			})
			if err != nil || !found {
				t.Fatalf("found %v, error %v", found, err)
			}
			return exists
		}
		if exists() {
			t.Error("a mount that is not configured has a configuration")
		}
		h.configure(nil)
		if !exists() {
			t.Error("a mount that is configured has none")
		}
		h.storage.fail(storageFault{on: get(configKey)})
		h.fails(h.write("config", credentials(nil)), 500, "reading the configuration from storage")
	})
}

// Without quotes a partner ID arrives as a number.
func TestANumberIsTakenForAText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.succeeds(h.write("config", credentials(fields{"partner_id": int64(1000000000001)})))
		if h.stored().Credential.PartnerID != partnerID {
			t.Error("the partner ID is stored in another form")
		}
		h.called(1, 0)
	})
}

func TestDurationsAreTakenAsTextsAndAsNumbers(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"90m", "5400s", "5400", 5400, "1.5h"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t)
			h.configure(fields{"token_lifetime": value})
			if got := h.read("config", nil).data["token_lifetime"]; got != int64(5400) {
				t.Errorf("%v was taken for %v seconds", value, got)
			}
		})
	}
}

// What Vault sends along with its own operations is not the caller's to mend.
func TestVaultsOwnOperationsAreNotHeldToTheFields(t *testing.T) {
	t.Parallel()
	b := newBackend()
	for _, op := range []logical.Operation{logical.RevokeOperation, logical.RenewOperation, logical.RollbackOperation} {
		req := &logical.Request{Operation: op, Path: "token", Data: map[string]any{"anything": nil}}
		if err := b.checkFields(req); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// A body that is not JSON arrives as one field name with everything in it.
func TestANameThatMayBeAValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, name := range []string{"partner_secret: " + partnerSecret, partnerSecret, strings.Repeat("x", 41)} {
			a := h.write("config", credentials(fields{name: ""}))
			h.fails(a, 400, "unknown field", "config takes app_key,")
			if strings.Contains(a.text, name) {
				t.Error("the error repeats the name")
			}
		}
	})
}

func TestAnUnknownPathIsVaultsToRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fails(h.read("tokens", fields{"anything": "x"}), 404, "unsupported path")
		h.fails(h.write("config/verified", fields{"anything": "x"}), 404, "unsupported path")
	})
}

func TestEveryFieldHasATypeThatCanBeNamed(t *testing.T) {
	t.Parallel()
	for _, path := range newBackend().Paths {
		for name, schema := range path.Fields {
			if typeName(schema.Type) == "a text" && schema.Type != framework.TypeString {
				t.Errorf("%s: %s is a %s, and an error would call it a text", path.Pattern, name, schema.Type)
			}
		}
	}
}

func TestFinicitysOwnSpellingOfAFieldIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for given, known := range map[string]string{
			"partnerId": "partner_id", "partnerSecret": "partner_secret", "AppKey": "app_key", "base-url": "base_url",
		} {
			h.fails(h.write("config", fields{given: "x"}), 400, fmt.Sprintf("unknown field %q, which is %q here", given, known))
		}
	})
}
