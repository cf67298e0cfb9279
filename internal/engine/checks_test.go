// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestAnIdentifierThatCannotBeRightIsRefused(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"": "is empty", strings.Repeat("7", 256): "256 characters, and the maximum is 255", "secret\n": "white space",
		" secret": "white space", "\t": "white space", "key\u00a0": "white space", "two words": "copy it again",
		"nul\x00": "copy it again", "p\u00e4ss": "copy it again", "a\u200bb": "copy it again", "1\x7f": "copy it again",
		`"quoted"`: "begins or ends with quotes", "'quoted'": "begins or ends with quotes", "`quoted`": "begins or ends with quotes", `""`: "begins or ends with quotes", `"`: "begins or ends with quotes",
		`"begun`: "begins or ends with quotes", `ended'`: "begins or ends with quotes", `\"quoted\"`: "begins or ends with quotes", `"a'`: "begins or ends with quotes",
	} {
		err := checkIdentifier("app_key", value)
		user := UserError("")
		if !errors.As(err, &user) || !strings.Contains(err.Error(), `field "app_key"`) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: the error is %v", value, err)
		}
	}
	// An existing secret may be older than the rules for new ones.
	for _, value := range []string{"a", `it's`, "short", strings.Repeat("x", 255), "only-letters?~`^()"} {
		if err := checkIdentifier("partner_secret", value); err != nil {
			t.Errorf("%.20q is refused: %v", value, err)
		}
	}
}

func TestAPolicyNameIsLeftToVault(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{
		"finicity": true, "team/finicity policy": true, strings.Repeat("p", 255): true,
		"a\nb": false, "a\x00b": false, strings.Repeat("p", 256): false,
	} {
		if err := checkPolicyName(name); (err == nil) != taken {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func TestAnAddressIsStoredInOneForm(t *testing.T) {
	t.Parallel()
	const (
		noHost   = "is not a URL with a host"
		userInfo = "must not contain user info"
		query    = "must not contain a query or a fragment"
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
		"https://127.0.0.1:99999":                   {"", "has an invalid port"},
		"https://127.0.0.1:0":                       {"", "has an invalid port"},
		"https://[fe80::1%25eth0]":                  {"", noHost},
		"http://localhost.evil.com":                 {"", scheme},
		"http://evil.com/127.0.0.1":                 {"", scheme},
		"http://10.0.0.1":                           {"", scheme},
		"http://0.0.0.0":                            {"", scheme},
		"http://[2001:db8::1]":                      {"", scheme},
		"ftp://api.finicity.com":                    {"", scheme},
		"file://localhost/etc/passwd":               {"", scheme},
		"//api.finicity.com":                        {"", scheme},
		"https://host/" + strings.Repeat("x", 2100): {"", "is longer than 2048 characters"},
	} {
		got, err := checkBaseURL(given)
		user := UserError("")
		switch {
		case want.refused == "" && (err != nil || got != want.stored):
			t.Errorf("%q is stored as %q, want %q (%v)", given, got, want.stored, err)
		case want.refused != "" && (got != "" || !errors.As(err, &user) || !strings.Contains(err.Error(), `field "base_url" `+want.refused)):
			t.Errorf("%.40q is not refused as %q: %q, %v", given, want.refused, got, err)
		}
	}
}

// Otherwise another spelling would look like a new address, and the write would need
// the secret.
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

// Finicity's older help pages show the address with a part of the path, and people paste
// all of it.
func TestAPartOfFinicitysPathIsRefusedWithTheRightForm(t *testing.T) {
	t.Parallel()
	for given, right := range map[string]string{
		"https://api.finicity.com/aggregation":                            "https://api.finicity.com",
		"https://api.finicity.com/aggregation/v2/partners/authentication": "https://api.finicity.com",
		"https://gateway.example/finicity/aggregation/":                   "https://gateway.example/finicity",
		"https://api.finicity.com/Aggregation/V2":                         "https://api.finicity.com",
		"https://api.finicity.com/%61ggregation":                          "https://api.finicity.com",
		"https://api.finicity.com/aggregation%2Fv2":                       "https://api.finicity.com",
		"https://gateway.example/a%20b/v2/partners/authentication":        "https://gateway.example/a%20b",
		"https://gateway.example/partners/authentication":                 "https://gateway.example",
		"https://api.finicity.com/connect/v2/generate":                    "https://api.finicity.com",
		"https://api.finicity.com/aggregation;v=1":                        "https://api.finicity.com",
		"https://api.finicity.com:443/partners":                           "https://api.finicity.com",
		"https://gateway.example/aggregation-proxy":                       "",
		"https://gateway.example/aggregation/finicity":                    "",
		"https://gateway.example/v2/partners/finicity":                    "",
		"https://aggregation.example":                                     "",
	} {
		_, err := checkBaseURL(given)
		if (err == nil) != (right == "") || err != nil && !strings.HasSuffix(err.Error(), "write "+right) {
			t.Errorf("%s: the error is %v", given, err)
		}
	}
}

// selfSigned returns a self-signed certificate and its key, both in PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"},
		NotBefore: at("2026-01-01 12:00"), NotAfter: at("2026-01-01 13:00"), IsCA: true, BasicConstraintsValid: true,
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

func TestABundleIsTakenWholeOrRefusedByBlock(t *testing.T) {
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
		"no PEM":                          {"ca.pem", "", "block 1 is not PEM"},
		"text after":                      {cert + "the end", "", "block 2 is not PEM"},
		"the first is cut":                {cert[:len(cert)/2], "", "block 1 is not PEM"},
		"the second is cut":               {cert + second[:len(second)/2], "", "block 2 is not PEM"},
		"the end of the second is cut":    {cert + second[:len(second)-10], "", "block 2 is not PEM"},
		"a private key":                   {key, "", "block 1 is not a certificate"},
		"a certificate and a private key": {cert + key, "", "block 2 is not a certificate"},
		"PEM of no certificate":           {broken, "", "certificate 1 cannot be parsed"},
		"the second is no certificate":    {cert + broken, "", "certificate 2 cannot be parsed"},
		"lines before the content": {
			strings.Replace(cert, "-----\n", "-----\nfriendlyName: Proxy\n\n", 1), "", "certificate 1 has lines before its content",
		},
		"far too long": {strings.Repeat(cert, 1+256<<10/len(cert)), "", "is too long"},
	} {
		st := &State{}
		err := st.apply(Write{CACert: &test.value})
		switch {
		case test.refused == "" && (err != nil || st.Settings.CACert != test.stored):
			t.Errorf("%s: it is stored in another form (%v)", name, err)
		case test.refused != "" && (err == nil || !strings.Contains(err.Error(), `field "ca_cert"`) || !strings.Contains(err.Error(), test.refused)):
			t.Errorf("%s: it is not refused as %q: %v", name, test.refused, err)
		case err != nil && strings.Contains(err.Error(), strings.Split(key, "\n")[1]):
			t.Errorf("%s: the error quotes the bundle", name)
		}
	}
}

// If the engine silently skipped a certificate, operators would notice only when the
// proxy that needs it is used, in production.
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
