// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Bodies that Finicity, gateways and debug pages are known to send. sub marks where an
// echo may be. The seeds contain nothing confidential themselves, because a mutation
// could separate a token from its name.
func bodySeeds() []string {
	return []string{
		"", "{}", "null", `"` + sub + `"`, sub, "{", "\x00\xff\xfe", "\ufeff{}",
		`{"token":"FJDSUW577VLU2SJWTFLM"}`, `{"token":"a","Token":"b","token":null}`, `{"token":""}`, `{"token":["x"]}`, `{"token":"` + sub + `"}`,
		`{"code":10001,"message":"Invalid credentials"}`, `{"code":"24302","message":"` + lockedYou + `"}`, lockedYou,
		`{"code":24437,"message":"New password is not as per policy"}`, `{"code":"10026","message":"Invalid (Finicity-App-Key)"}`,
		`{"Errors":{"Error":[{"Source":"Partner","ReasonCode":"12401","Description":"` + sub + `"}]}}`,
		`{"code":"` + sub + `","message":"sent ` + sub + `"}`, `{"message":"cut ` + sub,
		`<?xml version="1.0"?><error><code>10001</code><message>` + sub + ` &amp; b</message></error>`,
		`<html><style>p{}</style><p title="` + sub + `">` + sub + `</p><script>` + sub + `</script></html>`,
		"PUT / HTTP/1.1\r\nFinicity-App-Key: " + sub + "\r\n\r\n{\"partnerSecret\":\"" + sub + "\"}",
		`&lt;token&gt;` + sub, `\u0026` + sub + `\u00`, `&#` + sub, `limit < 5 ` + sub,
	}
}

// framings are the ways to send a body. The last one breaks off.
func framings() []func(body string) (header, onTheWire string) {
	length := func(more int) func(string) (string, string) {
		return func(body string) (string, string) { return fmt.Sprintf("Content-Length: %d\r\n", len(body)+more), body }
	}
	return []func(string) (string, string){
		length(0),
		func(body string) (string, string) { return "", body },
		func(body string) (string, string) {
			return "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		},
		length(1),
	}
}

// inCode applies a content coding to the body. It returns the text that the client
// should read, if it should read any.
func inCode(t *testing.T, coding byte, body string) (header, coded, read string, readable bool) {
	t.Helper()
	switch coding % 4 {
	case 1:
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, body); err != nil || w.Close() != nil {
			t.Fatal("cannot compress")
		}
		return "Content-Encoding: gzip\r\n", b.String(), body, true
	case 2: // Most likely not in that coding.
		r, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			return "Content-Encoding: gzip\r\n", body, "", false
		}
		plain, err := io.ReadAll(r)
		return "Content-Encoding: gzip\r\n", body, string(plain), err == nil
	case 3:
		return "Content-Encoding: br\r\n", body, body, true // The client has not asked for this coding.
	default:
		return "", body, body, true
	}
}

// tokensIn returns the values of the field token if the text is a JSON object.
func tokensIn(text string) (values []any) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if open, err := decoder.Token(); !json.Valid([]byte(text)) || err != nil || open != json.Delim('{') {
		return nil
	}
	for decoder.More() {
		key, err := decoder.Token()
		var value any
		if err != nil || decoder.Decode(&value) != nil {
			return nil
		}
		if name, isText := key.(string); isText && strings.EqualFold(name, "token") {
			values = append(values, value)
		}
	}
	return values
}

// sendable reports whether an app can send the value in a header.
func sendable(token string) bool {
	return token != "" && len(token) <= 4096 && strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

var wholeSeconds = regexp.MustCompile(`^[0-9]{1,9}$`)

// Every answer gets the verdict that Finicity documents, and no error quotes a secret. A
// wrong verdict would stop the engine or lose the secret.
func FuzzEveryAnswerGetsTheRightVerdict(f *testing.F) {
	for i, body := range bodySeeds() {
		for j, status := range []uint16{200, 204, 401, 500, 302, 400, 429, 403} {
			f.Add(status, "application/json", []string{"", "7", "soon", "Fri, 31 Dec 9999 23:59:59 GMT"}[j%4],
				[]string{"", "http://127.0.0.1/" + sub, "http://[" + sub}[i%3], body, byte(i+j), byte(i%9*9+j))
		}
	}
	for layout := range byte(16) {
		f.Add(uint16(200), "", "", "", `{"token":"FJDSUW577VLU2SJWTFLM"}`, layout, byte(0))
	}
	for i, status := range []uint16{201, 202, 206, 304, 402, 405, 408, 409, 422, 499, 502, 503, 999} {
		f.Add(status, "", "7", "", `{"code":10001,"message":"no"}`, byte(0), byte(i))
		f.Add(status, "", "", "", lockedYou, byte(1), byte(i))
	}
	all, framed := echoes(), framings()
	for n := range all {
		f.Add(uint16(302), "", "", "http://"+sub, sub, byte(0), byte(n))
		f.Add(uint16(401), "text/html", "", "", "1 < 2, "+sub+" &amp; so on", byte(0), byte(n))
	}
	f.Fuzz(func(t *testing.T, status uint16, contentType, retryAfter, location, body string, layout, echoed byte) {
		code := 200 + (int(status)+600)%800 // 200 to 999. The statuses of the seeds stay as they are.
		e := all[int(echoed)%len(all)]
		substitute := func(s string) string { return strings.ReplaceAll(s, sub, e.text) }
		inHeader := func(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(substitute(s)) }
		codedAs, coded, read, complete := inCode(t, layout/4, substitute(body))
		framedAs, onTheWire := framed[layout%4](coded)
		complete = complete && layout%4 != 3
		answer := fmt.Sprintf("HTTP/1.1 %d Status\r\nContent-Type: %s\r\nRetry-After: %s\r\nLocation: %s\r\n%s%sConnection: close\r\n\r\n%s",
			code, inHeader(contentType), inHeader(retryAfter), inHeader(location), codedAs, framedAs, onTheWire)

		asked(t, answer, e, func(call, got string, failed *finicityapi.Error) {
			if failed == nil {
				switch {
				case call == http.MethodPut && code != http.StatusNoContent, call == http.MethodPost && code != http.StatusOK:
					t.Fatalf("%s: HTTP %d is taken for a success", call, code)
				case call == http.MethodPost && (!complete || !sendable(got) || !slices.Contains(tokensIn(read), any(got))):
					t.Fatalf("a token of %d characters is taken from an answer that does not hold it", len(got))
				}
				return
			}
			if failed.Status == 0 { // The header was unreadable.
				return
			}
			if failed.Status != code {
				t.Errorf("%s: HTTP %d became HTTP %d", call, code, failed.Status)
			}
			checkClass(t, call, failed)
			if tokens := tokensIn(read); call == http.MethodPost && code == http.StatusOK && complete && len(tokens) == 1 {
				if text, isText := tokens[0].(string); isText && sendable(text) {
					t.Error("a good token is not taken")
				}
			}
			if call == http.MethodPut && code == http.StatusNoContent {
				t.Error("a change that was carried out is not taken for one")
			}
			if code >= 300 && wholeSeconds.MatchString(retryAfter) {
				seconds, _ := strconv.Atoi(retryAfter) // The seed is a number.
				if want := min(time.Duration(seconds)*time.Second, 20*time.Minute); failed.RetryAfter != want {
					t.Errorf("told to wait %d seconds, it waits %s", seconds, failed.RetryAfter)
				}
			}
		})
	})
}

// Not only the body can be anything: another service may listen at the address.
func FuzzNothingOnTheWireDoesHarm(f *testing.F) {
	for i, body := range bodySeeds() {
		f.Add(fmt.Sprintf("HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s", len(body), body), byte(i*3))
		f.Add("HTTP/1.0 200 OK\r\n\r\n"+body, byte(i*5))
		f.Add(body, byte(i*7))
	}
	for i, answer := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n" + sub,
		"SSH-2.0-OpenSSH_9.6\r\n", "\x15\x03\x01\x00\x02\x02\x46", "HTTP/1.1 " + sub + "\r\n\r\n", "HTTP/1.1 200" + sub + "\r\n\r\n",
		"HTTP/1.1 401 No\r\n" + sub + "\r\n\r\n", "HTTP/1.1 401 No\r\nContent-Length: " + sub + "\r\n\r\n",
		"HTTP/1.1 401 No\r\nTransfer-Encoding: " + sub + "\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: http://" + sub + "%zz\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sub + "\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX: 1",
		"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n" + sub + "\r\n\r\n",
	} {
		f.Add(answer, byte(i*11))
	}
	// net/http quotes only a part of a line with a space in it, and a token is
	// recognized only by its name.
	all := slices.DeleteFunc(echoes(), func(e echo) bool { return e.text == "Finicity-App-Token: "+token })
	f.Fuzz(func(t *testing.T, answer string, echoed byte) {
		e := all[int(echoed)%len(all)]
		asked(t, strings.ReplaceAll(answer, sub, e.text), e, func(call, got string, failed *finicityapi.Error) {
			switch {
			case failed != nil && failed.Status != 0:
				checkClass(t, call, failed)
			case failed == nil && call == http.MethodPost && !sendable(got):
				t.Error("a token is taken that no app can send")
			case failed == nil && !strings.Contains(answer, "20"):
				t.Error("something that holds neither a 200 nor a 204 is taken for a success")
			}
		})
	})
}

// inRules turns any text into a secret whose characters follow Finicity's rules.
func inRules(anything string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%&*_-+"
	secret := []byte(anything)
	for i, c := range secret {
		if !strings.ContainsRune(alphabet, rune(c)) {
			secret[i] = alphabet[int(c)%len(alphabet)]
		}
	}
	return string(secret[:min(len(secret), 255)])
}

// The other targets repeat secrets that the tests know. Here the secret itself is
// random.
func FuzzAnEchoOfAnySecretIsHidden(f *testing.F) {
	for i, layout := range bodySeeds() {
		before, after, _ := strings.Cut(layout, sub)
		for j, secret := range []string{oldSecret, "x" + newSecret, "&lt&gt&amp1A2", "%41%42%43%44", "000000000000", "a&#97b&#x62c3"} {
			f.Add(secret, byte(i+5*j), uint16(400+i*7+j), before, after)
		}
	}
	byName := encodings()
	names := slices.Sorted(maps.Keys(byName))
	f.Fuzz(func(t *testing.T, anything string, encoding byte, status uint16, before, after string) {
		secret := inRules(anything)
		if len(secret) < 12 || strings.Contains(strings.ToLower(secret), "redacted") {
			t.Skip("too short for a secret, or the very word that takes its place")
		}
		name := names[int(encoding)%len(names)]
		echoed := byName[name](secret)
		body := before + echoed + after
		client := newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(
			fmt.Sprintf("HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s", 400+int(status)%200, len(body), body),
		))})
		_, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1", PartnerSecret: confidential.New(secret)})
		e := failure(t, err)
		sane(t, http.MethodPost, e)
		switch {
		case strings.HasPrefix(name, "base64, "):
			echoed = echoed[12:] // In base64 after other text, the first characters also depend on that text.
		case name == "twice", name == "in a longer word":
			echoed = secret // A run across its ends is not a part of the secret, and may occur elsewhere in the text.
		}
		for _, form := range []string{secret, html.UnescapeString(secret), echoed} {
			if hasRun(e.Message+"\n"+e.Code, form, 8) {
				t.Errorf("the error shows a part of a secret of %d characters, encoded as %s", len(secret), name)
			}
		}
	})
}
