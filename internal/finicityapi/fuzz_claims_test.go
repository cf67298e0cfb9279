// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"context"
	"fmt"
	"html"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// sub is the character that marks an echo in the fuzzer's input. A mutation moves it as
// a whole, but would tear an echo to pieces.
const sub = "\x1a"

// echo is a value that a server may repeat. An error must not show eight consecutive
// characters of any of its forms.
type echo struct {
	text     string
	hidden   []string
	newOne   bool // The new secret, which only the change of secret sends.
	inHeader bool // Also hidden where net/http quotes a header.
}

// echoes returns each confidential value in each encoding, and a token that follows its
// name.
func echoes() []echo {
	var all []echo
	byName := encodings()
	for _, secret := range []string{oldSecret, newSecret, appKey} {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			all = append(all, echo{
				text: byName[name](secret), hidden: hiddenForms(name, secret, byName[name](secret)), newOne: secret == newSecret,
				inHeader: !strings.HasPrefix(name, "HTML") && name != "JSON in JSON",
			})
		}
	}
	for _, format := range []string{`"token":"%s"`, `\"token\":\"%s\"`, "token=%s", "Finicity-App-Token: %s", "<token>%s</token>"} {
		all = append(all, echo{text: fmt.Sprintf(format, token), hidden: []string{token}})
	}
	return all
}

func hiddenForms(encoding, secret, echoed string) []string {
	forms := []string{secret, echoed, html.UnescapeString(echoed), html.EscapeString(echoed)}
	for i, form := range forms[1:] {
		// In base64 after other text, the first characters also depend on that text.
		if strings.HasPrefix(encoding, "base64, ") {
			forms[i+1] = form[min(12, len(form)):]
		}
	}
	return forms
}

// asked makes both calls to a server that answers with these bytes, and checks the
// guarantees for any answer. It passes the result to visit: the token of a success, or
// the error of a failure.
func asked(t *testing.T, wireBytes string, e echo, visit func(call, got string, failed *finicityapi.Error)) {
	t.Helper()
	for _, call := range []string{http.MethodPost, http.MethodPut} {
		if e.newOne && call == http.MethodPost {
			continue
		}
		dialed := 0
		client := newClient(t, finicityapi.Config{
			BaseURL: "http://127.0.0.1", DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialed++
				return wire(writes(wireBytes))(ctx, network, address)
			},
		})
		var got string
		var err error
		if call == http.MethodPost {
			got, err = client.Authenticate(t.Context(), credential())
		} else {
			err = client.ModifySecret(t.Context(), credential(), confidential.New(newSecret), false)
		}
		if dialed != 1 {
			t.Errorf("%s: %d connections for one call", call, dialed)
		}
		if err == nil {
			visit(call, got, nil)
			continue
		}
		if got != "" {
			t.Errorf("%s: a token together with an error", call)
		}
		failed := failure(t, err)
		for _, form := range e.hidden {
			if (failed.Status != 0 || e.inHeader) && hasRun(failed.Message+"\n"+failed.Code, form, 8) {
				t.Errorf("%s, HTTP %d: the error shows a part of something confidential", call, failed.Status)
			}
		}
		sane(t, call, failed)
		visit(call, "", failed)
	}
}

// sane checks the guarantees for any failure of a call that has reached a server.
func sane(t *testing.T, call string, e *finicityapi.Error) {
	t.Helper()
	known := []finicityapi.Class{unavailable, rejected, locked, policy}
	refused, sure := e.SecretRefused()
	for claim, kept := range map[string]bool{
		"the class is known": slices.Contains(known, e.Class),
		"it was sent":        !e.NotSent,
		"without a verdict the secret may have changed":          e.Ambiguous() == (e.Class == unavailable),
		"who is sure of a refusal sees one":                      refused || !sure,
		"a refused secret is a refused credential":               !refused || e.CredentialRefused(),
		"only a rejection refuses the credential":                !e.CredentialRefused() || e.Class == rejected,
		"only a change of the secret is refused by policy":       e.Class != policy || call == http.MethodPut,
		"the server can hold calls back for at most 20 minutes":  e.RetryAfter >= 0 && e.RetryAfter <= 20*time.Minute,
		"the text says where it comes from":                      strings.HasPrefix(e.Error(), "Finicity "),
		"the message is short":                                   len([]rune(e.Message)) <= 301,
		"the code is a word":                                     !strings.ContainsAny(e.Code, " \t\r\n\"<>"),
		"a success or a redirect says nothing of the credential": e.Status/100 != 2 && e.Status/100 != 3 || e.Class == unavailable && e.Code == "",
	} {
		if !kept {
			t.Errorf("%s, HTTP %d, class %v: not true that %s", call, e.Status, e.Class, claim)
		}
	}
}

// checkClass checks the class of an error. Only these statuses and codes decide, and the
// rest of the body does not.
func checkClass(t *testing.T, call string, e *finicityapi.Error) {
	t.Helper()
	definite := slices.Contains([]int{400, 401, 403, 404}, e.Status)
	described := slices.Contains([]string{"10001", "10005", "10021", "10026", "12401", "14020", "24437"}, e.Code)
	put := call == http.MethodPut
	var want []finicityapi.Class
	switch {
	case e.Status/100 == 2, e.Status/100 == 3:
		want = []finicityapi.Class{unavailable}
	case e.Code == "24302":
		want = []finicityapi.Class{locked}
	case put && !definite:
		want = []finicityapi.Class{unavailable}
	case put && e.Status == 400 && e.Code == "24437":
		want = []finicityapi.Class{policy}
	case described:
		want = []finicityapi.Class{rejected}
	case put, e.Status/100 == 4 && e.Status != 408 && e.Status != 429:
		want = []finicityapi.Class{rejected}
	default:
		want = []finicityapi.Class{unavailable}
	}
	if e.Code == "" && e.Status >= 400 && (!put || definite) {
		want = append(want, locked) // The text may say so.
	}
	if !slices.Contains(want, e.Class) {
		t.Errorf("%s, HTTP %d, code %q: class %v, want one of %v", call, e.Status, e.Code, e.Class, want)
	}
}
