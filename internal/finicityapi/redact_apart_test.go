// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

const notShown = "[not shown, because it repeats the secret or the app key]"

// each encodes every character separately, with the separator in between.
func each(format, separator string) func(string) string {
	return func(s string) string {
		var all []string
		for _, c := range []byte(s) {
			all = append(all, fmt.Sprintf(format, c))
		}
		return strings.Join(all, separator)
	}
}

// inPieces inserts the separator after every n characters.
func inPieces(length int, separator string) func(string) string {
	return func(s string) string {
		var all []string
		for piece := range slices.Chunk([]byte(s), length) {
			all = append(all, string(piece))
		}
		return strings.Join(all, separator)
	}
}

func after(outer, inner func(string) string) func(string) string {
	return func(s string) string { return outer(inner(s)) }
}

// Echoes that a reader can reassemble, although no eight characters of the secret are
// consecutive.
func takenApart() map[string]func(string) string {
	inHex := func(s string) string { return hex.EncodeToString([]byte(s)) }
	inBase64 := base64.StdEncoding.EncodeToString
	return map[string]func(string) string{
		"UTF-16":                      func(s string) string { return utf16Of(binary.LittleEndian, s) },
		"UTF-16, big-endian":          func(s string) string { return utf16Of(binary.BigEndian, s) },
		"UTF-16, a NUL in JSON":       each(`%c\u0000`, ""),
		"zero-width spaces":           each("%c", "\u200b"),
		"zero-width spaces, in JSON":  each("%c", `\u200b`),
		"zero-width spaces, entities": each("%c", "&#8203;"),
		"zero-width, every seven":     inPieces(7, "\u200b"),
		"soft hyphens":                each("%c", "\u00ad"),
		"soft hyphens, by name twice": each("%c", "&amp;shy;"),
		"line breaks":                 each("%c", "\n"),
		"line breaks, every five":     inPieces(5, "\r\n"),
		"line breaks, escaped":        each("%c", `\n`),
		"line breaks, escaped twice":  each("%c", `\\r\\n`),
		"blanks":                      each("%c", " "),
		"blanks, every three":         inPieces(3, " "),
		"commas":                      each("%c", ","),
		"a list":                      each(`"%c"`, ", "),
		"chances to break":            each("%c", "<wbr>"),
		"chances to break, escaped":   each("%c", "&lt;wbr&gt;"),
		"elements":                    each(`<span class="c">%c</span>`, ""),
		"percent":                     each("%%%02x", ""),
		"percent, upper case":         each("%%%02X", ""),
		"percent, twice":              each("%%25%02x", ""),
		"percent, three times":        each("%%2525%02x", ""),
		"percent, UTF-16":             each("%%u%04x", ""),
		"an address, twice":           after(url.QueryEscape, url.QueryEscape),
		"an address, three times":     after(url.QueryEscape, after(url.QueryEscape, url.QueryEscape)),
		"C":                           each(`\x%02x`, ""),
		"C, quoted":                   each(`\\x%02X`, ""),
		"JSON, all of it":             each(`\u%04x`, ""),
		"JSON, all of it, quoted":     each(`\\u%04x`, ""),
		"hexadecimal, colons":         each("%02x", ":"),
		"hexadecimal, colons, upper":  each("%02X", ":"),
		"hexadecimal, a dump":         after(inPieces(4, " "), inHex),
		"hexadecimal, a list":         each("0x%02x", ", "),
		"hexadecimal, one number":     func(s string) string { return "0x" + inHex(s) },
		"decimal, Go":                 func(s string) string { return fmt.Sprintf("%d", []byte(s)) },
		"decimal, a list":             each("%d", ", "),
		"quoted-printable":            each("=%02X", ""),
		"entities":                    each("&#%d;", ""),
		"entities, hexadecimal":       each("&#x%x;", ""),
		"entities, long":              each("&#%07d", ""),
		"entities, twice":             each("&amp;#%d;", ""),
		"entities, three times":       each("&amp;amp;#%d;", ""),
		"entities of percent":         each("&#37;%02x", ""),
		"code points":                 each("U+%04X", " "),
		"base64 in lines":             func(s string) string { return inPieces(6, "\n")(inBase64([]byte("1234567:" + s))) },
	}
}

// bare returns a text as seen by a reader who ignores everything between the
// characters.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// show fails if the error reveals more than seven characters of the secret, in the
// clear or in the echo's encoding.
func show(t *testing.T, e *finicityapi.Error, secret, echo, what string) {
	t.Helper()
	text := bare(strings.ReplaceAll(e.Error(), notShown, ""))
	if hasRun(text, bare(secret), 8) {
		t.Errorf("%s: the secret can be read", what)
	}
	for _, form := range []string{echo, html.UnescapeString(echo)} {
		if n := min(32, len(bare(form))); n > 11 && hasRun(text, bare(form), n) {
			t.Errorf("%s: the secret can be decoded", what)
		}
	}
}

func TestAnEchoThatIsTakenApartIsHidden(t *testing.T) {
	for secretName, secret := range map[string]string{
		"partner secret": oldSecret, "new secret": newSecret, "app key": appKey, "half of it": oldSecret[:len(oldSecret)/2],
	} {
		for name, encode := range takenApart() {
			echo := encode(secret)
			body, err := json.Marshal(map[string]string{"code": "10001", "message": "sent: " + echo})
			if err != nil {
				t.Fatal(err)
			}
			for place, body := range map[string]string{
				"text":         "sent: " + echo,
				"message":      string(body),
				"JSON, raw":    `{"code":"10001","message":"` + echo + `"}`,
				"cut short":    `{"code":"10001","message":"` + echo,
				"XML":          "<code>10001</code><message>" + echo + "</message>",
				"CDATA":        "<code>10001</code><message><![CDATA[" + echo + "]]></message>",
				"page":         "<html><body><p>Request: " + echo + "</p></body></html>",
				"all UTF-16":   utf16Of(binary.LittleEndian, string(body)),
				"code":         `{"code":"` + echo + `","message":"m"}`,
				"after itself": secret + " " + echo,
			} {
				e := respond(t, http.StatusUnauthorized, body)
				show(t, e, secret, echo, fmt.Sprintf("%s, %s, in the %s", secretName, name, place))
				if e.Class != rejected {
					t.Errorf("%s, in the %s: class %v", name, place, e.Class)
				}
			}
			line := strings.NewReplacer("\r", "", "\n", "").Replace(echo) // net/http quotes only one line.
			show(t, respondRaw(t, line+"\r\n\r\n"), secret, line, fmt.Sprintf("%s, %s, in a malformed answer", secretName, name))
		}
	}
}

// respond returns the error of a call with this answer. It uses no sockets, because
// thousands of calls would leave too many behind.
func respond(t *testing.T, status int, body string) *finicityapi.Error {
	t.Helper()
	return respondRaw(t, fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))
}

func respondRaw(t *testing.T, answer string) *finicityapi.Error {
	t.Helper()
	return failure(t, modify(t, newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(answer))})))
}

// If the whole message is hidden, the code and the class must remain.
func TestHidingAMessageHidesNoVerdict(t *testing.T) {
	spaced := each("%c", " ")(oldSecret)
	if e := respond(t, 500, `{"code":24302,"message":"locked for `+spaced+`"}`); e.Class != locked || e.Code != "24302" || e.Message != notShown {
		t.Errorf("class %v, code %q", e.Class, e.Code)
	}
	if e := respond(t, 500, `{"code":"`+each("%02x", "-")(oldSecret[:10])+`","message":"m"}`); e.Code != "[redacted]" || e.Message != "m" {
		t.Errorf("code %q, message %q", e.Code, e.Message)
	}
	// If the answer counted as a verdict on the secret, the engine would waste one more
	// attempt on the next secret.
	e := respond(t, 401, "Invalid (Finicity-App-Key): "+each("%c", " ")(appKey))
	if refused, _ := e.SecretRefused(); refused || !e.CredentialRefused() || e.Message != notShown {
		t.Errorf("a refusal of the app key is taken for one of the secret: %v, and of the credential: %v", refused, e.CredentialRefused())
	}
}

// The redactor cannot tell a secret made of words from the same words in a message. It
// hides the characters of the secret. A phrase that contains its words hides the whole
// text.
func TestASecretOfOrdinaryWordsHidesThem(t *testing.T) {
	for _, tc := range []struct{ secret, message, want string }{
		{"Credentials-1234", "Invalid credentials", "Invalid [redacted]"},
		{"Invalid-Credentials-1", "Invalid credentials", "Invalid [redacted]"},
		{"Partner-1234567", "partner not found", "partner not found"},
		{"Partner-1234567", "partner 1000000000001 not found", notShown},
		{"Redacted-1234", "Invalid credentials", "Invalid credentials"},
		{"Redacted-1234", "It was redacted", "It was [redacted]"},
		{"Partner-Not-Found-1", "partner not found", notShown},
		{"Partner-Not-Found-1", "Invalid credentials", "Invalid credentials"},
	} {
		body := fmt.Sprintf(`{"code":10001,"message":%q}`, tc.message)
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(401, body)).URL})
		_, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1", PartnerSecret: confidential.New(tc.secret), AppKey: confidential.New(appKey)})
		if e := failure(t, err); e.Message != tc.want || e.Code != "10001" {
			t.Errorf("%q with a secret like %q became %q, code %q", tc.message, tc.secret, e.Message, e.Code)
		}
	}
}

func TestALargeEchoIsReadInTime(t *testing.T) {
	var all strings.Builder
	for _, encode := range takenApart() {
		all.WriteString(encode(oldSecret))
	}
	takesNoMoreThanItsShare(t, all.String(), 1<<20)
}
