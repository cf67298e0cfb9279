// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Finicity would refuse each of these values, and each would cost one of five attempts.
// So the engine refuses them before it sends or stores anything, even with
// verify_connection=false. The error never repeats the value.
func TestAMistakeIsRefusedBeforeItCostsAnAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data mounttest.Fields
		says []string
	}{
		"a secret that is a number":   {mounttest.Fields{"partner_secret": 123456789012}, []string{`"partner_secret"`, "not a number"}},
		"a secret that is a fraction": {mounttest.Fields{"partner_secret": 12.5}, []string{`"partner_secret"`}},
		"a secret that is a flag":     {mounttest.Fields{"partner_secret": true}, []string{`"partner_secret"`}},
		"a secret in a list":          {mounttest.Fields{"partner_secret": []string{mounttest.PartnerSecret}}, []string{`"partner_secret"`}},
		"an app key that is a number": {mounttest.Fields{"app_key": 1234567890}, []string{`"app_key"`, "not a number"}},
		"an app key in an object":     {mounttest.Fields{"app_key": map[string]any{"key": mounttest.AppKey}}, []string{`"app_key"`}},

		"a secret in double quotes": {mounttest.Fields{"partner_secret": `"` + mounttest.PartnerSecret + `"`}, []string{`"partner_secret"`, "quotes"}},
		"a secret in single quotes": {mounttest.Fields{"partner_secret": `'` + mounttest.PartnerSecret + `'`}, []string{`"partner_secret"`, "quotes"}},
		"a secret in backquotes":    {mounttest.Fields{"partner_secret": "`" + mounttest.PartnerSecret + "`"}, []string{`"partner_secret"`, "quotes"}},
		"a secret in curly quotes":  {mounttest.Fields{"partner_secret": "“" + mounttest.PartnerSecret + "”"}, []string{`"partner_secret"`, "non-ASCII"}},
		"an app key in quotes":      {mounttest.Fields{"app_key": `"` + mounttest.AppKey + `"`}, []string{`"app_key"`, "quotes"}},
		"a partner ID in quotes":    {mounttest.Fields{"partner_id": `"` + mounttest.PartnerID + `"`}, []string{`"partner_id"`, "quotes"}},
		"nothing but quotes":        {mounttest.Fields{"partner_secret": `""`}, []string{`"partner_secret"`, "quotes"}},

		"a byte order mark": {mounttest.Fields{"partner_secret": "\ufeff" + mounttest.PartnerSecret}, []string{`"partner_secret"`, "non-ASCII"}},

		"a part of the path":            {mounttest.Fields{"base_url": "https://api.finicity.com/aggregation"}, []string{`"base_url"`, "write https://api.finicity.com"}},
		"with a slash":                  {mounttest.Fields{"base_url": "https://api.finicity.com/aggregation/"}, []string{`"base_url"`, "write https://api.finicity.com"}},
		"with two":                      {mounttest.Fields{"base_url": "https://api.finicity.com//aggregation//"}, []string{`"base_url"`, "write https://api.finicity.com"}},
		"the version too":               {mounttest.Fields{"base_url": "https://api.finicity.com/aggregation/v2"}, []string{`"base_url"`, "write https://api.finicity.com"}},
		"the whole authentication path": {mounttest.Fields{"base_url": "https://api.finicity.com/aggregation/v2/partners/authentication"}, []string{`"base_url"`, "write https://api.finicity.com"}},
		"below a gateway's prefix":      {mounttest.Fields{"base_url": "https://gateway.example/finicity/aggregation/v1"}, []string{`"base_url"`, "write https://gateway.example/finicity"}},
		"a query":                       {mounttest.Fields{"base_url": "https://api.finicity.com?a=b"}, []string{`"base_url"`, "query"}},
		"no URL":                        {mounttest.Fields{"base_url": "api.finicity.com"}, []string{`"base_url"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, verify := range []bool{true, false} {
					h := mounttest.New(t)
					data := mounttest.Credentials(joined(test.data, mounttest.Fields{"verify_connection": verify}))
					a := h.Write("config", data)
					h.Fails(a, 400, test.says...)
					if right := test.says[len(test.says)-1]; strings.HasPrefix(right, "write ") && !strings.HasSuffix(a.Text, right) {
						t.Errorf("the error does not end in %q: %s", right, a.Text)
					}
					if h.Stored() != nil {
						t.Error("something is stored")
					}
					h.Configure(nil)
					before := h.Stored()
					h.Fails(h.Write("config", data), 400, test.says...)
					h.Fails(h.Patch("config", data), 400, test.says...)
					h.Unchanged(before)
					h.Called(1, 0)
				}
			})
		})
	}
}

// A partner ID is a number, and JSON may send it as one. It is the same partner as the
// text.
func TestAPartnerIDMayBeANumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(mounttest.Fields{"partner_id": 1000000000001})
		if id := h.Read("config", nil).Data["partner_id"]; id != mounttest.PartnerID {
			t.Errorf("the partner ID is %v", id)
		}
		h.Configure(nil)
		h.Configure(mounttest.Fields{"partner_id": 1000000000001})
		h.Called(1, 0)
		for _, id := range []any{1.5, 1e30, true} {
			h.Fails(h.Write("config", mounttest.Fields{"partner_id": id}), 400, `field "partner_id" must be a string`)
		}
	})
}

// A gateway's own prefix is part of the address, even if it only begins like Finicity's
// path.
func TestAGatewaysPrefixIsPartOfTheAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for written, stored := range map[string]string{
			"https://gateway.example/finicity":        "https://gateway.example/finicity",
			"https://gateway.example/finicity/":       "https://gateway.example/finicity",
			"https://gateway.example/aggregations":    "https://gateway.example/aggregations",
			"https://Gateway.Example:443/my/gateway/": "https://gateway.example/my/gateway",
		} {
			h := mounttest.New(t)
			h.Configure(mounttest.Fields{"base_url": written, "verify_connection": false})
			if got := h.Read("config", nil).Data["base_url"]; got != stored {
				t.Errorf("%s is stored as %v", written, got)
			}
		}
	})
}
