// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestABadValueIsRefusedByNameAndChangesNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("7", 256)
	tests := map[string]struct {
		field string
		value any
		says  string
	}{
		"an empty partner ID":          {"partner_id", "", "is empty"},
		"an empty secret":              {"partner_secret", "", "is empty"},
		"an empty app key":             {"app_key", "", "is empty"},
		"a long partner ID":            {"partner_id", long, "256 characters, and the maximum is 255"},
		"a long secret":                {"partner_secret", long, "256 characters, and the maximum is 255"},
		"a long app key":               {"app_key", long, "256 characters, and the maximum is 255"},
		"a line break after an ID":     {"partner_id", mounttest.PartnerID + "\n", "begins or ends with white space"},
		"a line break after a secret":  {"partner_secret", mounttest.PartnerSecret + "\n", "begins or ends with white space"},
		"a blank before a secret":      {"partner_secret", " " + mounttest.PartnerSecret, "begins or ends with white space"},
		"white space only":             {"partner_secret", " \t\n", "begins or ends with white space"},
		"a tab after an app key":       {"app_key", mounttest.AppKey + "\t", "begins or ends with white space"},
		"no-break space after it":      {"app_key", mounttest.AppKey + "\u00a0", "begins or ends with white space"},
		"a blank in a secret":          {"partner_secret", "two words-1234", "copy it again"},
		"a NUL in a secret":            {"partner_secret", "null\x00byte-1234", "copy it again"},
		"a line break in an app key":   {"app_key", "two\r\nlines", "copy it again"},
		"a letter outside ASCII":       {"partner_secret", "pässword-1234", "copy it again"},
		"a zero-width space":           {"app_key", "abc\u200bdef", "copy it again"},
		"a DEL":                        {"partner_id", "123\x7f", "copy it again"},
		"a timeout too short":          {"request_timeout", "0s", "between 1s and 2m"},
		"a timeout of zero":            {"request_timeout", 0, "between 1s and 2m"},
		"a timeout too long":           {"request_timeout", "121s", "between 1s and 2m"},
		"a lifetime too short":         {"token_lifetime", "59s", "between 1m and 2h"},
		"a lifetime too long":          {"token_lifetime", "7201s", "between 1m and 2h"},
		"a lifetime beyond numbers":    {"token_lifetime", "99999999999999999999", "must be a duration"},
		"a URL without TLS":            {"base_url", "http://api.finicity.com", "must begin with https://"},
		"a URL with a blank":           {"base_url", "https://api.finicity.com/aggregator ", "begins or ends with white space"},
		"a URL with a bad port":        {"base_url", "https://api.finicity.com:0", "invalid port"},
		"a URL outside ASCII":          {"base_url", "https://fïnicity.com", "xn--"},
		"a URL too long":               {"base_url", "https://api.finicity.com/" + strings.Repeat("a", 5000), "is longer than"},
		"a period too short":           {"rotation_period", "59s", "between 1m and 87600h"},
		"a negative period":            {"rotation_period", "-1h", "not negative"},
		"a period beyond sense":        {"rotation_period", "87601h", "between 1m and 87600h"},
		"cron with six fields":         {"rotation_schedule", "0 0 3 1 * *", "a five-field cron expression"},
		"cron with a name":             {"rotation_schedule", "@monthly", "a five-field cron expression"},
		"cron elsewhere":               {"rotation_schedule", "TZ=America/New_York 0 3 1 * *", "a five-field cron expression"},
		"cron that never comes":        {"rotation_schedule", "0 3 30 2 *", "never matches a date"},
		"cron that is none":            {"rotation_schedule", "monthly", "a five-field cron expression"},
		"cron out of range":            {"rotation_schedule", "61 3 1 * *", "a five-field cron expression"},
		"a window alone":               {"rotation_window", "1h", "requires rotation_schedule"},
		"a policy with a line break":   {"password_policy", "my\npolicy", "is not a valid policy name"},
		"a bundle that is none":        {"ca_cert", "ca.pem", "is not PEM"},
		"a bundle too long":            {"ca_cert", strings.Repeat("a", 2<<20), "the maximum is"},
		"a bundle with a key":          {"ca_cert", "-----BEGIN KEY-----\nAAAA\n-----END KEY-----", "is not a certificate"},
		"a bundle with attributes":     {"ca_cert", "-----BEGIN CERTIFICATE-----\nName: a\n\nAAAA\n-----END CERTIFICATE-----", "remove them"},
		"a bundle that is damaged":     {"ca_cert", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be parsed"},
		"force, which is for deletion": {"force", true, "belongs to config/verify"},
		"force, even if it says no":    {"force", false, "belongs to config/verify"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{test.field: test.value})), 400, `"`+test.field+`"`, test.says)
				if h.Stored() != nil {
					t.Error("the first write has stored something")
				}
				h.Called(0, 0)

				h.Configure(nil)
				before, _ := h.Storage.Peek("config")
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{test.field: test.value})), 400, `"`+test.field+`"`, test.says)
				if after, _ := h.Storage.Peek("config"); !bytes.Equal(before, after) {
					t.Error("a later write has changed something")
				}
				h.Called(1, 0)
			})
		})
	}
}

func TestTheBoundsThemselvesAreAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		most := "https://host/" + strings.Repeat("x", 2048-len("https://host/"))
		h.Succeeds(h.Write("config", mounttest.Credentials(mounttest.Fields{"base_url": most, "verify_connection": false})))
		for field, values := range map[string][]string{
			"request_timeout": {"1s", "2m"}, "token_lifetime": {"1m", "2h"},
		} {
			for _, value := range values {
				h.Succeeds(h.Write("config", mounttest.Fields{field: value}))
			}
		}
		h.Called(0, 0)
	})
}

// An old secret may be older than the rules for new ones.
func TestAnExistingSecretIsNotHeldToTheRulesForNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for _, secret := range []string{"short", strings.Repeat("x", 255), "only-letters?~`^()"} {
			h.Fake.SetSecret(mounttest.PartnerID, secret)
			h.Configure(mounttest.Fields{"partner_secret": secret})
		}
		h.Called(3, 0)
	})
}

// Otherwise a trailing slash would look like another place, and the write would need
// the secret.
func TestTheSameAddressInAnotherFormIsNotAnotherPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Succeeds(h.Write("config", mounttest.Fields{"base_url": "HTTP://127.0.0.1/"}))
		h.Called(1, 0)
	})
}

func TestAConfigurationThatCannotBeDecodedIsNotQuoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Plant("config", []byte(`{"credential":"`+mounttest.PartnerSecret+`"}`))
		h.Restart()
		h.Fails(h.Read("config", nil), 500, "the stored configuration cannot be decoded")
		h.Fails(h.Read("token", nil), 500, "the stored configuration cannot be decoded")
		h.Fails(h.Write("rotate-root", nil), 500, "the stored configuration cannot be decoded")
		h.Fails(h.Remove("config", nil), 500, "the stored configuration cannot be decoded")
		h.Called(1, 0)
	})
}
