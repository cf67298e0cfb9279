// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// quoted returns s as it appears between the quotes of a JSON string.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b[1 : len(b)-1])
}

func base64Behind(prefix string, encoding *base64.Encoding) func(string) string {
	return func(s string) string { return encoding.EncodeToString([]byte(prefix + s)) }
}

func entities(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			if strings.ContainsRune("!@#$%&*_-+", r) {
				fmt.Fprintf(&b, format, r)
			} else {
				b.WriteRune(r)
			}
		}
		return b.String()
	}
}

// The ways in which gateways, frameworks and debug pages encode a value that they echo.
func encodings() map[string]func(string) string {
	return map[string]func(string) string{
		"plain":                    func(s string) string { return s },
		"upper case":               strings.ToUpper,
		"lower case":               strings.ToLower,
		"JSON":                     quoted,
		"JSON in JSON":             func(s string) string { return quoted(quoted(s)) },
		"HTML":                     html.EscapeString,
		"HTML, decimal":            entities("&#%d;"),
		"HTML, hexadecimal":        entities("&#x%X;"),
		"a form":                   url.QueryEscape,
		"a form, from Java":        func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2A", "*") },
		"an address":               url.PathEscape,
		"an address, from a page":  strings.NewReplacer("%", "%25", "@", "%40", "#", "%23", "$", "%24", "&", "%26", "+", "%2B").Replace,
		"an address, lower case":   func(s string) string { return strings.ToLower(url.QueryEscape(s)) },
		"base64":                   base64Behind("", base64.StdEncoding),
		"base64, unpadded":         base64Behind("", base64.RawStdEncoding),
		"base64, for addresses":    base64Behind("", base64.URLEncoding),
		"base64, of Basic":         base64Behind("12345:", base64.StdEncoding),
		"base64, a letter further": base64Behind("123456:", base64.StdEncoding),
		"base64, two further":      base64Behind("1234567:", base64.RawURLEncoding),
		"hexadecimal":              func(s string) string { return hex.EncodeToString([]byte(s)) },
		"hexadecimal, upper case":  func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"base32":                   func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) },
		"escaped":                  entities(`\u%04x`),
		"escaped, upper case":      entities(`\u%04X`),
		"the first half":           func(s string) string { return s[:len(s)/2] },
		"the second half":          func(s string) string { return s[len(s)/2:] },
		"twice":                    func(s string) string { return s + s },
		"in a longer word":         func(s string) string { return "x" + s + "y" },
	}
}

// The server puts the echo in every possible place. An error may keep at most seven
// consecutive characters of it.
func TestAnEchoedSecretIsHidden(t *testing.T) {
	echoes := map[string]struct {
		status int
		format string
	}{
		"message":          {401, `{"code":"10001","message":"partnerSecret=%s refused"}`},
		"official wrapper": {401, `{"Errors":{"Error":[{"ReasonCode":"1","Description":"%s"}]}}`},
		"code":             {401, `{"code":"%s","message":"m"}`},
		"code in XML":      {500, "<code>%s</code>"},
		"cut short":        {401, `{"code":"10001","message":"%s`},
		"whole request":    {500, `{"partnerId":"1","partnerSecret":"%s"}`},
		"text":             {500, "Invalid (%s)"},
		"page":             {502, `<html><p title="x">Request: %s</p><pre>PUT /</pre></html>`},
		"success":          {200, `{"token":"%s `},
	}
	for secretName, secret := range map[string]string{"partner secret": oldSecret, "new secret": newSecret, "app key": appKey} {
		for encoding, encode := range encodings() {
			echo := encode(secret)
			for place, tc := range echoes {
				server := serve(t, answering(tc.status, fmt.Sprintf(tc.format, echo)))
				e := failure(t, modify(t, newClient(t, finicityapi.Config{BaseURL: server.URL})))
				for _, form := range []string{secret, echo, html.UnescapeString(echo), html.EscapeString(echo)} {
					// In base64 after other text, the first characters also depend on that text.
					if strings.HasPrefix(encoding, "base64, ") {
						form = form[min(12, len(form)):]
					}
					if hasRun(e.Error(), form, 8) {
						t.Errorf("the error shows a part of the %s, encoded as %s, in the %s", secretName, encoding, place)
					}
				}
				server.Close()
			}
		}
	}
}

// An answer may end anywhere: within the echo, and within an escaped character.
func TestASecretThatIsCutOffIsHidden(t *testing.T) {
	for encoding, encode := range encodings() {
		if encoding == "in a longer word" {
			continue // Its first character also depends on other text.
		}
		echo := encode(newSecret)
		for length := 8; length < len(echo); length++ {
			answer := fmt.Sprintf("HTTP/1.1 401 No\r\n\r\nsent %s", echo[:length])
			client := newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(answer))})
			e := failure(t, modify(t, client))
			for _, form := range hiddenForms(encoding, newSecret, echo) {
				if hasRun(e.Error(), form, 8) {
					t.Errorf("the error shows a part of a secret, encoded as %s, of which %d characters were sent", encoding, length)
				}
			}
		}
	}
}

// net/http quotes text that it cannot parse.
func TestASecretInAMalformedAnswerIsHidden(t *testing.T) {
	for _, format := range []string{
		"%s\r\n\r\n", "HTTP/1.1 %s\r\n\r\n", "HTTP/1.1 200%s\r\n\r\n", "%s 200 OK\r\n\r\n", "HTTP/1.1 401 No\r\n%s\r\n\r\n",
		"HTTP/1.1 401 No\r\nContent-Length: %s\r\n\r\n", "HTTP/1.1 401 No\r\nTransfer-Encoding: %s\r\n\r\n", "HTTP/1.1 401 No\r\nX %s: 1\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://%s%%zz\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
		"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n%s\r\n\r\n",
	} {
		for _, secret := range []string{oldSecret, newSecret, appKey} {
			for encoding, encode := range encodings() {
				echo := encode(secret)
				client := newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(fmt.Sprintf(format, echo)))})
				e := failure(t, modify(t, client))
				if strings.HasPrefix(encoding, "base64, ") {
					echo = echo[12:]
				}
				if strings.HasPrefix(encoding, "HTML, ") || encoding == "JSON in JSON" {
					continue // The echo does not fit in a header. failure has made its check.
				}
				if hasRun(e.Error(), echo, 8) {
					t.Errorf("the error shows a part of a secret, encoded as %s, in %q", encoding, format)
				}
			}
		}
	}
}

// The client decodes HTML entities, and "&lt" is one. A reader could easily reconstruct
// a secret from the rest of it.
func TestASecretThatReadsLikeAnEntityIsHidden(t *testing.T) {
	for secret, read := range map[string]string{"aq&lt5Jx&gt1Vx2": "aq<5Jx>1Vx2", "&lt&gt&amp1A2": "<>&1A2", "A1&#98&#99&#97x": "A1bcax"} {
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusBadRequest, "sent "+secret)).URL})
		_, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1", PartnerSecret: confidential.New(secret), AppKey: confidential.New(appKey)})
		if e := failure(t, err); strings.Contains(e.Message, read) || hasRun(e.Message, secret, 8) {
			t.Errorf("a secret of %d characters is shown", len(secret))
		}
	}
}

// The client does not know a token in an answer, so only its name identifies it.
func TestATokenInAnErrorIsHidden(t *testing.T) {
	for _, body := range []string{
		`{"token":"` + token + `"}`, `{"token" : "` + token, `{"access_token":"` + token + `"}`, `{"x":{"Token":"` + token + `"}}`, "token=" + token,
		"Finicity-App-Token: " + token, "<token>" + token + "</token>", "<token>" + token, "1 < 2, <token>" + token + "</token>",
		"<<token>" + token, "<ns:token>" + token + "</ns:token>", "<token><![CDATA[" + token + "]]></token>",
		"<p>{&quot;token&quot;:&quot;" + token + "&quot;}</p>",
		`{"code":1,"message":"got {\"token\":\"` + token + `\"}"}`,
		"Finicity-App-Token:" + token + "Finicity-App-Token:" + token, "token==" + token,
	} {
		for _, status := range []int{400, 401, 404, 500, 502} {
			_ = failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: serve(t, answering(status, body)).URL})))
		}
		// net/http quotes a line like this. It quotes only a part of a line with a
		// space in it, so the name may be missing.
		line := strings.ReplaceAll(html.UnescapeString(body), " ", "")
		dial := wire(writes(line + "\r\n\r\n"))
		_ = failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: dial})))
	}
}

// An HTML entity needs no semicolon. If "&not" is decoded, only "oken" remains of the
// name.
func TestATokenWhoseNameReadsLikeAnEntityIsHidden(t *testing.T) {
	for _, name := range []string{"&notoken", "&gtoken", "&lttoken", "&quotoken", "&amp;notoken"} {
		for _, format := range []string{"%s=%s", `{"message":"%s=%s"}`, "<p>%s: %s</p>", "message=\"%s: %s\""} {
			body := fmt.Sprintf(format, name, token)
			_ = failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusUnauthorized, body)).URL})))
		}
	}
}

// A token is hidden with all its characters, in any notation of an entity.
func TestATokenIsHiddenToItsEnd(t *testing.T) {
	for _, sign := range []string{"&#43;", "&#x2F;", ":", "=", "%2B", `\u002b`, "+"} {
		for _, name := range []string{"token=", "token: ", "token%3D", "Finicity-App-Token: Bearer ", `token":"Bearer `, "Finicity-App-Token:[", "Token=('"} {
			body := "bad " + name + token[:10] + sign + token[10:]
			_ = failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusUnauthorized, body)).URL})))
		}
	}
}

func TestAShortSecretIsHiddenWhole(t *testing.T) {
	for _, secret := range []string{"s3cret", "A1&", "hunter7"} {
		cred := finicityapi.Credential{PartnerID: "1", PartnerSecret: confidential.New(secret), AppKey: confidential.New("k")}
		for encoding, encode := range encodings() {
			if strings.Contains(encoding, "half") || strings.HasPrefix(encoding, "base64, ") || encoding == "JSON in JSON" {
				continue // Too little of it remains, or too much surrounds it. Finicity's secrets have at least 12 characters.
			}
			echo := encode(secret)
			client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusBadRequest, "sent "+echo+" or "+echo)).URL})
			_, err := client.Authenticate(t.Context(), cred)
			if text := strings.ToLower(err.Error()); strings.Contains(text, strings.ToLower(echo)) || strings.Contains(text, strings.ToLower(secret)) {
				t.Errorf("a secret of %d characters, encoded as %s, is shown", len(secret), encoding)
			}
		}
	}
}

// Redaction must not hide the verdict: the class is determined from the original text,
// the message from the redacted one.
func TestASecretThatLooksLikeAnAnswerHidesNoVerdict(t *testing.T) {
	client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(500, `{"code":"24302","message":"bad credentials"}`)).URL})
	_, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1", PartnerSecret: confidential.New("24302"), AppKey: confidential.New("3")})
	if e := failure(t, err); e.Class != finicityapi.Locked || strings.Contains(e.Error(), "24302") {
		t.Errorf("class %v, and the secret is shown: %v", e.Class, strings.Contains(e.Error(), "24302"))
	}
}

func TestNoSecretsHideNothing(t *testing.T) {
	client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(401, "Missing parameter (Finicity-App-Key)")).URL})
	_, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1"})
	if e := failure(t, err); e.Message != "Missing parameter (Finicity-App-Key)" {
		t.Errorf("got %q", e.Message)
	}
}

// If an error hid Finicity's own words together with the secret's, it would tell the
// operator nothing.
func TestFinicitysOwnWordsStayAsTheyAre(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%&*_-+"
	random := rand.New(rand.NewPCG(1, 2)) // The same secrets on each run. None of them is in use.
	secret := func(length int) string {
		b := make([]byte, length)
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	for _, message := range []string{
		"Invalid credentials", "You are not authorized.", "Missing parameter (Finicity-App-Key)", "Invalid (Finicity-App-Key)",
		"Missing parameter (partnerId)", "Missing parameter (partnerSecret)", "Bad request.", "partner not found", lockedYou,
		"New password is not as per policy", "Invalid token", "Missing parameter (Finicity-App-Token)", "Resource Not Found.",
		// Messages of gateways in between.
		"Access Denied You don't have permission to access \"http://api.finicity.com/aggregation/v2/partners/authentication\" on " +
			"this server. Reference #18.4d3c1202.1763812345.1a2b3c4d https://errors.edgesuite.net/18.4d3c1202.1763812345.1a2b3c4d",
		"The request could not be satisfied. Request ID: QeXv1w-pJ0mD3mHnq2wkRz0vG5Yk0uQ7d1sB8t6LxW9cN4aF2hE==",
		"upstream connect error or disconnect/reset before headers. reset reason: connection termination, 100% %2Fx \\x0a",
		"2026-11-22T10:19:43.123456Z 7f1c2d9e-3b4a-4c5d-8e6f-0a1b2c3d4e5f partner 1234583871234: 0x80072ee7 [3 14 15 92 65]",
	} {
		body, err := json.Marshal(map[string]any{"code": 10001, "message": message})
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusUnauthorized, string(body))).URL})
		for _, length := range []int{12, 20, 64, 255} {
			cred := finicityapi.Credential{PartnerID: "1234583871234", PartnerSecret: confidential.New(secret(length)), AppKey: confidential.New(appKey)}
			e := failure(t, client.ModifySecret(t.Context(), cred, confidential.New(secret(length)), true))
			if e.Message != message || e.Code != "10001" {
				t.Errorf("%q became %q, code %q", message, e.Message, e.Code)
			}
		}
	}
}
