// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Values with the shape and alphabet of real ones. The second secret contains most of
// the characters that encodings change. No part of them may appear in an error or in a
// failure message of a test.
const (
	oldSecret = "aqJ5&Ic4&Vx2+gDQ6oR4"
	newSecret = "Or7*@!j*#!tC@*!b5$xV9"
	appKey    = "0f6c9b1e7d2a4385"
	token     = "YBh22Sb9Es6e66Q7lWdt"
)

func credential() finicityapi.Credential {
	return finicityapi.Credential{PartnerID: "1234583871234", PartnerSecret: confidential.New(oldSecret), AppKey: confidential.New(appKey)}
}

func newClient(t *testing.T, cfg finicityapi.Config) *finicityapi.Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	client, err := finicityapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// serve answers plain HTTP on the loopback interface. It discards the log, because some
// tests cause certificate failures.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A call is one of the two calls. What holds for both is tested with both.
type call struct {
	name string
	do   func(t *testing.T, client *finicityapi.Client) error
}

func both() []call {
	return []call{{"authenticate", authenticate}, {"modify", modify}}
}

func authenticate(t *testing.T, client *finicityapi.Client) error {
	t.Helper()
	got, err := client.Authenticate(t.Context(), credential())
	if (got == "") != (err != nil) {
		t.Errorf("a token of %d characters together with an error: %v", len(got), err != nil)
	}
	return err
}

func modify(t *testing.T, client *finicityapi.Client) error {
	t.Helper()
	return client.ModifySecret(t.Context(), credential(), confidential.New(newSecret), false)
}

// failure returns the error of a call that must fail, and checks the guarantees for
// every error's text.
func failure(t *testing.T, err error) *finicityapi.Error {
	t.Helper()
	var e *finicityapi.Error
	if !errors.As(err, &e) {
		t.Fatalf("the failure is not an *Error: nil %v, type %T", err == nil, err)
	}
	text := err.Error()
	for _, confidential := range []string{oldSecret, newSecret, appKey, token} {
		for _, field := range []string{text, e.Code, e.Message} {
			if hasRun(field, confidential, 8) {
				t.Errorf("the error holds a part of something confidential of %d characters", len(confidential))
			}
		}
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(text) {
		t.Errorf("the error holds at %d what is not for logs and terminals", i)
	}
	if n := utf8.RuneCountInString(text); n > 500 {
		t.Errorf("the error is %d characters long", n)
	}
	return e
}

// hasRun reports whether text contains n consecutive characters of confidential, in
// upper or lower case.
func hasRun(text, confidential string, n int) bool {
	text, confidential = strings.ToLower(text), strings.ToLower(confidential)
	for i := 0; i+n <= len(confidential); i++ {
		if strings.Contains(text, confidential[i:i+n]) {
			return true
		}
	}
	return false
}

func TestEachCallIsTheDocumentedRequest(t *testing.T) {
	post := map[string]any{"partnerId": "1234583871234", "partnerSecret": oldSecret}
	put := func(immediate bool) map[string]any {
		body := maps.Clone(post)
		body["newPartnerSecret"], body["immediate"] = newSecret, immediate
		return body
	}
	for _, tc := range []struct {
		name, method, prefix string
		grace                bool
		body                 map[string]any
	}{
		{"authenticate", "POST", "", false, post},
		{"authenticate below a path", "POST", "/proxy/finicity", false, post},
		{"modify", "PUT", "", false, put(true)},
		{"modify with grace", "PUT", "", true, put(false)},
		{"modify below a path", "PUT", "/proxy", false, put(true)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if want := tc.prefix + "/aggregation/v2/partners/authentication"; r.Method != tc.method || r.RequestURI != want {
					t.Errorf("got %s %s, want %s %s", r.Method, r.RequestURI, tc.method, want)
				}
				for key, want := range map[string]string{
					"Finicity-App-Key": appKey, "Content-Type": "application/json",
					"Accept": "application/json", "User-Agent": "tests/1.0 (of the client)",
				} {
					if values := r.Header.Values(key); len(values) != 1 || values[0] != want {
						t.Errorf("%s is not what it should be (%d values)", key, len(values))
					}
					r.Header.Del(key)
				}
				// net/http sets these headers. Any other header would disclose something to
				// Finicity without need.
				for key := range r.Header {
					if !slices.Contains([]string{"Accept-Encoding", "Connection", "Content-Length"}, key) {
						t.Errorf("unexpected header %s", key)
					}
				}
				var body map[string]any
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !reflect.DeepEqual(body, tc.body) {
					t.Errorf("the body is not the documented one: fields %v, error %v", slices.Sorted(maps.Keys(body)), err)
				}
				if tc.method == http.MethodPost {
					answering(http.StatusOK, `{"token":"`+token+`"}`)(w, r)
				} else {
					w.WriteHeader(http.StatusNoContent)
				}
			})
			client := newClient(t, finicityapi.Config{BaseURL: server.URL + tc.prefix, UserAgent: "tests/1.0 (of the client)"})
			var err error
			if tc.method == http.MethodPost {
				err = authenticate(t, client)
			} else {
				err = client.ModifySecret(t.Context(), credential(), confidential.New(newSecret), tc.grace)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// If the client misread a token, every app that sends it would be refused, and nothing
// would show why.
func TestATokenIsReturnedExactlyAsSentOrNotAtAll(t *testing.T) {
	longest := strings.Repeat("x", 4096)
	for name, tc := range map[string]struct{ body, want string }{
		"as documented":       {`{"token":"` + token + `"}`, token},
		"with more fields":    {`{"expires":7200,"token":"` + token + `","scope":null}`, token},
		"every allowed kind":  {`{"token":"!azAZ09-._~+/=\u007e\u0026|"}`, "!azAZ09-._~+/=~&|"},
		"the longest allowed": {`{"token":"` + longest + `"}`, longest},
		"too long":            {`{"token":"` + longest + `x"}`, ""},
		"with a blank":        {`{"token":"` + token + ` x"}`, ""},
		"with a line break":   {`{"token":"` + token + `\r\nX-Evil: 1"}`, ""},
		"with a NUL":          {`{"token":"` + token + `\u0000"}`, ""},
		"with a DEL":          {`{"token":"` + token + `\u007f"}`, ""},
		"not ASCII":           {`{"token":"` + token + `é"}`, ""},
		"not UTF-8":           {`{"token":"` + token + "\xff" + `"}`, ""},
		"empty":               {`{"token":"","x":"` + token + `"}`, ""},
		"missing":             {`{"access_token":"` + token + `"}`, ""},
		"null":                {`{"token":null,"x":"` + token + `"}`, ""},
		"a number":            {`{"token":12345678,"x":"` + token + `"}`, ""},
		"a list":              {`{"token":["` + token + `"]}`, ""},
		"in a list":           {`[{"token":"` + token + `"}]`, ""},
		"the bare token":      {token, ""},
		"cut short":           {`{"token":"` + token, ""},
		"trailing garbage":    {`{"token":"` + token + `"} ` + token, ""},
		"two answers in one":  {`{"token":"` + token + `"}{"token":"other"}`, ""},
		"over 1 MiB":          {`{"token":"` + token + `","x":"` + strings.Repeat("x", 1<<20) + `"}`, ""},
		"a page":              {"<html><title>Welcome " + token + "</title></html>", ""},
		"binary":              {"\x00\x01\x1b[31m\xfe" + token, ""},
		"no body":             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusOK, tc.body)).URL})
			got, err := client.Authenticate(t.Context(), credential())
			if got != tc.want {
				t.Errorf("got a token of %d characters, want another one of %d", len(got), len(tc.want))
			}
			if tc.want != "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := failure(t, err)
			if e.Class != finicityapi.Unavailable || e.Status != http.StatusOK || e.NotSent {
				t.Errorf("class %v, status %d, not sent %v", e.Class, e.Status, e.NotSent)
			}
			if hasRun(e.Error(), token, 3) || strings.Contains(e.Error(), "xxx") || strings.Contains(e.Error(), "1234") {
				t.Error("the error holds a part of an answer that may hold a token")
			}
		})
	}
}

func TestATokenInABodyThatBreaksOffIsNotTaken(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"token":"`+token+`"}`) // The token looks complete, but the body is not what the server meant to send.
	})
	e := failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: server.URL})))
	if e.Class != finicityapi.Unavailable || e.Status != http.StatusOK || e.NotSent || hasRun(e.Error(), token, 3) {
		t.Errorf("class %v, status %d, not sent %v", e.Class, e.Status, e.NotSent)
	}
}

// A second request would be a second attempt toward the lockout, which the engine has
// not counted.
func TestOneCallIsOneRequestOnItsOwnConnection(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"answered":            answering(http.StatusOK, `{"token":"`+token+`"}`),
		"closed unanswered":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"asked to come again": answering(http.StatusServiceUnavailable, ""),
		"asked again, 408":    answering(http.StatusRequestTimeout, ""), // net/http resends after this status on a kept connection.
	} {
		t.Run(name, func(t *testing.T) {
			var requests, connections atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				handler(w, r)
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			client := newClient(t, finicityapi.Config{BaseURL: server.URL})
			for n := range int32(4) {
				for _, c := range both() {
					_ = c.do(t, client) // Other tests check its result.
				}
				if r, c := requests.Load(), connections.Load(); r != 2*n+2 || c != 2*n+2 {
					t.Fatalf("%d calls made %d requests on %d connections", 2*n+2, r, c)
				}
			}
		})
	}
}

func TestConcurrentCallsDoNotMix(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct{ PartnerID, PartnerSecret string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Finicity-App-Key") != "key of "+body.PartnerID {
			t.Errorf("the app key is not the one of %q: %v", body.PartnerID, err)
		}
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"code":14020,"message":"%s sent %s"}`, body.PartnerID, body.PartnerSecret)
			return
		}
		_, _ = fmt.Fprintf(w, `{"token":"token-of-%s"}`, body.PartnerID)
	})
	client := newClient(t, finicityapi.Config{BaseURL: server.URL})
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			id := strconv.Itoa(n)
			cred := finicityapi.Credential{PartnerID: id, PartnerSecret: confidential.New("secret-number-" + id + "-of-many"), AppKey: confidential.New("key of " + id)}
			if got, err := client.Authenticate(t.Context(), cred); err != nil || got != "token-of-"+id {
				t.Errorf("partner %s got another one's token, or none: %v", id, err)
			}
			err := client.ModifySecret(t.Context(), cred, confidential.New(newSecret), false)
			if e := failure(t, err); e.Message != id+" sent [redacted]" {
				t.Errorf("partner %s got an error with %d characters that are not its own", id, len(e.Message))
			}
		})
	}
	wg.Wait()
}

func TestACredentialIsNotFormattedWithItsSecrets(t *testing.T) {
	cred := credential()
	type holder struct {
		Name       string
		Credential finicityapi.Credential
		Pointer    *finicityapi.Credential
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for name, value := range map[string]any{
			"itself": cred, "a pointer": &cred, "in a struct": holder{Credential: cred}, "in a pointer's struct": &holder{Credential: cred},
			"behind a pointer in a struct": holder{Pointer: &cred}, "in a list": []finicityapi.Credential{cred},
			"in a map": map[string]any{"cred": cred}, "in an error": fmt.Errorf("with %v", cred),
		} {
			// Hexadecimal would hide the secret from the comparison, but not from a
			// reader.
			text := fmt.Sprintf(verb, value)
			for _, secret := range []string{oldSecret, appKey} {
				if hasRun(text, secret, 5) || hasRun(text, fmt.Sprintf("%x", secret), 10) {
					t.Errorf("%s of %s shows a secret", verb, name)
				}
			}
		}
	}
	// The remaining text must still distinguish partners.
	if text := fmt.Sprint(cred); !strings.Contains(text, cred.PartnerID) {
		t.Errorf("the text %q does not name the partner", text)
	}
}
