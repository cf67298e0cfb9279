// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
		"a long partner ID":            {"partner_id", long, "256 characters, and at most 255"},
		"a long secret":                {"partner_secret", long, "256 characters, and at most 255"},
		"a long app key":               {"app_key", long, "256 characters, and at most 255"},
		"a line break after an ID":     {"partner_id", partnerID + "\n", "begins or ends with white space"},
		"a line break after a secret":  {"partner_secret", partnerSecret + "\n", "begins or ends with white space"},
		"a blank before a secret":      {"partner_secret", " " + partnerSecret, "begins or ends with white space"},
		"white space only":             {"partner_secret", " \t\n", "begins or ends with white space"},
		"a tab after an app key":       {"app_key", appKey + "\t", "begins or ends with white space"},
		"no-break space after it":      {"app_key", appKey + "\u00a0", "begins or ends with white space"},
		"a blank in a secret":          {"partner_secret", "two words-1234", "copy it again"},
		"a NUL in a secret":            {"partner_secret", "null\x00byte-1234", "copy it again"},
		"a line break in an app key":   {"app_key", "two\r\nlines", "copy it again"},
		"a letter outside ASCII":       {"partner_secret", "pässword-1234", "copy it again"},
		"a zero-width space":           {"app_key", "abc\u200bdef", "copy it again"},
		"a DEL":                        {"partner_id", "123\x7f", "copy it again"},
		"a time-out too short":         {"request_timeout", "0s", "between 1s and 2m"},
		"a time-out of nothing":        {"request_timeout", 0, "between 1s and 2m"},
		"a time-out too long":          {"request_timeout", "121s", "between 1s and 2m"},
		"a lifetime too short":         {"token_lifetime", "59s", "between 1m and 2h"},
		"a lifetime too long":          {"token_lifetime", "7201s", "between 1m and 2h"},
		"a lifetime beyond numbers":    {"token_lifetime", "99999999999999999999", "must be a duration"},
		"a URL without TLS":            {"base_url", "http://api.finicity.com", "must begin with https://"},
		"a period too short":           {"rotation_period", "59s", "between 1m and 87600h"},
		"a negative period":            {"rotation_period", "-1h", "not negative"},
		"a period beyond sense":        {"rotation_period", "87601h", "between 1m and 87600h"},
		"cron with six fields":         {"rotation_schedule", "0 0 3 1 * *", "five fields of cron"},
		"cron with a name":             {"rotation_schedule", "@monthly", "five fields of cron"},
		"cron elsewhere":               {"rotation_schedule", "TZ=America/New_York 0 3 1 * *", "five fields of cron"},
		"cron that never comes":        {"rotation_schedule", "0 3 30 2 *", "a day that does not come"},
		"cron that is none":            {"rotation_schedule", "monthly", "five fields of cron"},
		"a window alone":               {"rotation_window", "1h", "needs rotation_schedule"},
		"a policy with a line break":   {"password_policy", "my\npolicy", "no name of a policy"},
		"a bundle that is none":        {"ca_cert", "ca.pem", "is not PEM"},
		"force, which is for deletion": {"force", true, "is for delete only"},
		"force, even if it says no":    {"force", false, "is for delete only"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.fails(h.write("config", credentials(fields{test.field: test.value})), 400, `"`+test.field+`"`, test.says)
				if h.stored() != nil {
					t.Error("the first write has stored something")
				}
				h.called(0, 0)

				h.configure(nil)
				before, _ := h.storage.peek(configKey)
				h.fails(h.write("config", credentials(fields{test.field: test.value})), 400, `"`+test.field+`"`, test.says)
				if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
					t.Error("a later write has changed something")
				}
				h.called(1, 0)
			})
		})
	}
}

func TestTheBoundsThemselvesAreAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		most := "https://host/" + strings.Repeat("x", 2048-len("https://host/"))
		h.succeeds(h.write("config", credentials(fields{"base_url": most, "verify_connection": false})))
		for field, values := range map[string][]string{
			"request_timeout": {"1s", "2m"}, "token_lifetime": {"1m", "2h"},
		} {
			for _, value := range values {
				h.succeeds(h.write("config", fields{field: value}))
			}
		}
		h.called(0, 0)
	})
}

// An old secret may be older than the rules for new ones.
func TestAnExistingSecretIsNotHeldToTheRulesForNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, secret := range []string{"short", strings.Repeat("x", 255), "only-letters?~`^()"} {
			h.fake.SetSecret(partnerID, secret)
			h.configure(fields{"partner_secret": secret})
		}
		h.called(3, 0)
	})
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	const (
		noHost   = "is not a URL with a host"
		userInfo = "must not hold user info"
		query    = "must not have a query or a fragment"
		scheme   = "must begin with https://"
	)
	for given, want := range map[string]struct{ stored, refused string }{
		"https://api.finicity.com":                  {"https://api.finicity.com", ""},
		"https://api.finicity.com/":                 {"https://api.finicity.com", ""},
		"https://api.finicity.com///":               {"https://api.finicity.com", ""},
		"HTTPS://api.finicity.com":                  {"https://api.finicity.com", ""},
		"https://API.Finicity.com":                  {"https://api.finicity.com", ""},
		"https://api.finicity.com:443":              {"https://api.finicity.com", ""},
		"https://[2001:DB8::1]:443":                 {"https://[2001:db8::1]", ""},
		"http://127.0.0.1:80":                       {"http://127.0.0.1", ""},
		"https://api.finicity.com:80":               {"https://api.finicity.com:80", ""},
		"https://proxy.example:8443":                {"https://proxy.example:8443", ""},
		"https://proxy.example:4430/Path":           {"https://proxy.example:4430/Path", ""},
		"https://proxy.example/finicity":            {"https://proxy.example/finicity", ""},
		"https://proxy.example/finicity/v1/":        {"https://proxy.example/finicity/v1", ""},
		"https://proxy.example/a%2Fb":               {"https://proxy.example/a%2Fb", ""},
		"https://[2001:db8::1]:8443":                {"https://[2001:db8::1]:8443", ""},
		"http://127.0.0.1":                          {"http://127.0.0.1", ""},
		"http://127.8.9.1:8080":                     {"http://127.8.9.1:8080", ""},
		"http://localhost:8080/":                    {"http://localhost:8080", ""},
		"http://[::1]:8080":                         {"http://[::1]:8080", ""},
		"HTTP://localhost":                          {"http://localhost", ""},
		"":                                          {"", noHost},
		"api.finicity.com":                          {"", noHost},
		"https:foo":                                 {"", noHost},
		"https:///path":                             {"", noHost},
		"https://":                                  {"", noHost},
		"https://:8443":                             {"", noHost},
		"https://api.finicity.com ":                 {"", noHost},
		" https://api.finicity.com":                 {"", noHost},
		"https://api.finicity.com\n":                {"", noHost},
		"https://host:port":                         {"", noHost},
		"https://[::1":                              {"", noHost},
		"https://]":                                 {"", noHost},
		"https://host..":                            {"", noHost},
		"https://[0:0:0:0:0:0:0:1]":                 {"https://[::1]", ""},
		"https://user:pass@api.finicity.com":        {"", userInfo},
		"https://user@api.finicity.com":             {"", userInfo},
		"https://@api.finicity.com":                 {"", userInfo},
		"http://localhost@evil.com":                 {"", userInfo},
		"https://api.finicity.com?x=1":              {"", query},
		"https://api.finicity.com/?":                {"", query},
		"https://api.finicity.com#top":              {"", query},
		"https://api.finicity.com/#":                {"", query},
		"http://api.finicity.com":                   {"", scheme},
		"http://127.0.0.1.evil.com":                 {"", scheme},
		"https://API.Finicity.com:443":              {"https://api.finicity.com", ""},
		"https://127.0.0.1:99999":                   {"", "a port that does not exist"},
		"https://127.0.0.1:0":                       {"", "a port that does not exist"},
		"https://[fe80::1%25eth0]":                  {"", "not a URL with a host"},
		"http://localhost.evil.com":                 {"", scheme},
		"http://evil.com/127.0.0.1":                 {"", scheme},
		"http://10.0.0.1":                           {"", scheme},
		"http://0.0.0.0":                            {"", scheme},
		"http://[2001:db8::1]":                      {"", scheme},
		"ftp://api.finicity.com":                    {"", scheme},
		"file://localhost/etc/passwd":               {"", scheme},
		"//api.finicity.com":                        {"", scheme},
		"https://host/" + strings.Repeat("x", 2100): {"", "is too long"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t)
			a := h.write("config", credentials(fields{"base_url": given, "verify_connection": false}))
			if want.refused != "" {
				h.fails(a, 400, `field "base_url"`, want.refused)
				if h.stored() != nil {
					t.Errorf("%.40q is refused and stored", given)
				}
				return
			}
			h.succeeds(a)
			if got := h.read("config", nil).data["base_url"]; got != want.stored {
				t.Errorf("%q is stored as %q, want %q", given, got, want.stored)
			}
			h.called(0, 0)
		})
	}
}

// Each spelling would have its own attempt record, and so four more attempts before the engine stops.
func TestAnAddressThatIsDialledAsAnotherIsStoredAsThatOneOrRefused(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://host:": "https://host", "https://host:/": "https://host", "https://host:0443": "https://host", "http://[::1]:080": "http://[::1]",
		"https://host:08443": "https://host:8443", "https://[::1]:": "https://[::1]",
		"https://b\u00fccher.example": "", "http://\uff4cocalhost": "", "http://localho\u017ft": "", "https://host\u3002example": "",
	} {
		got, err := checkBaseURL(given)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%+q is stored as %q, want %q (%v)", given, got, want, err)
		}
	}
}

// Otherwise a slash at the end would look like another place, and the write would need the secret.
func TestTheSameAddressInAnotherFormIsNotAnotherPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.succeeds(h.write("config", fields{"base_url": "HTTP://127.0.0.1/"}))
		h.called(1, 0)
	})
}

// selfSigned is a certificate in PEM form, with its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"},
		NotBefore: noon, NotAfter: noon.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestCACert(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	second, _ := selfSigned(t)
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")}))
	for name, test := range map[string]struct {
		value, stored, refused string
	}{
		"none":                            {"", "", ""},
		"white space only":                {" \n", "", ""},
		"one":                             {cert, strings.TrimSpace(cert), ""},
		"two":                             {cert + second, strings.TrimSpace(cert + second), ""},
		"two, a blank line between":       {cert + "\n\r\n" + second + "\n\n", strings.TrimSpace(cert + "\n\r\n" + second), ""},
		"with text before":                {"# Proxy CA\n" + cert, strings.TrimSpace("# Proxy CA\n" + cert), ""},
		"no PEM":                          {"ca.pem", "", "certificate 1 is not PEM"},
		"text after":                      {cert + "the end", "", "certificate 2 is not PEM"},
		"the first is cut":                {cert[:len(cert)/2], "", "certificate 1 is not PEM"},
		"the second is cut":               {cert + second[:len(second)/2], "", "certificate 2 is not PEM"},
		"the end of the second is cut":    {cert + second[:len(second)-10], "", "certificate 2 is not PEM"},
		"a private key":                   {key, "", "block 1 is not a certificate"},
		"a certificate and a private key": {cert + key, "", "block 2 is not a certificate"},
		"PEM of no certificate":           {broken, "", "certificate 1 cannot be read"},
		"the second is no certificate":    {cert + broken, "", "certificate 2 cannot be read"},
		"lines before the content": {
			strings.Replace(cert, "-----\n", "-----\nfriendlyName: Proxy\n\n", 1), "", "certificate 1 has lines before its content",
		},
		"far too long": {strings.Repeat(cert, 1+256<<10/len(cert)), "", "is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.words.add(strings.Split(key, "\n")[1])
				a := h.write("config", credentials(fields{"ca_cert": test.value, "verify_connection": false}))
				if test.refused != "" {
					h.fails(a, 400, `field "ca_cert"`, test.refused)
					if h.stored() != nil {
						t.Error("it is refused and stored")
					}
					return
				}
				h.succeeds(a)
				if h.read("config", nil).data["ca_cert"] != test.stored {
					t.Error("it is stored in another form")
				}
			})
		})
	}
}

// A certificate that is silently left out shows when the one proxy that needs it is used, in production, at night.
func TestNoCertificateOfABundleIsLeftOutSilently(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	second, _ := selfSigned(t)
	for name, bundle := range map[string]string{
		"the first is cut short":       cert[:len(cert)/2] + "\n" + second,
		"the first lost its last line": strings.TrimSuffix(cert, "-----END CERTIFICATE-----\n") + second,
		"the middle one is cut short":  cert + second[:len(second)/2] + "\n" + cert,
		"the first has a stray sign":   strings.Replace(cert, "MII", "M?I", 1) + second,
	} {
		if checkCACert(bundle) == nil {
			t.Errorf("%s: the bundle is taken", name)
		}
	}
}

func TestAConfigurationThatCannotBeDecodedIsNotQuoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.plant(configKey, []byte(`{"credential":"`+partnerSecret+`"}`))
		h.restart()
		h.fails(h.read("config", nil), 500, "the stored configuration cannot be decoded")
		h.fails(h.read("token", nil), 500, "the stored configuration cannot be decoded")
		h.fails(h.write("rotate-root", nil), 500, "the stored configuration cannot be decoded")
		h.fails(h.remove("config", nil), 500, "the stored configuration cannot be decoded")
		h.called(1, 0)
	})
}
