// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

const (
	unavailable = finicityapi.Unavailable
	rejected    = finicityapi.Rejected
	locked      = finicityapi.Locked
	policy      = finicityapi.RefusedByPolicy
)

// Finicity's message for a locked partner, as partners report it.
const lockedYou = "For your security, we've locked your account. Please contact support."

// A class that is too harmless may lock the partner. A false refusal of the PUT loses
// the secret.
func TestEachAnswerHasItsClass(t *testing.T) {
	const wrapped = `{"Errors":{"Error":[{"Source":"Partner","ReasonCode":"%d","Description":"%s","Recoverable":false}]}}`
	for _, tc := range []struct {
		name   string
		status int
		body   string
		post   finicityapi.Class
		put    finicityapi.Class
		code   string
	}{
		// Documented.
		{"invalid credentials", 401, `{"code":"10001","message":"Invalid credentials"}`, rejected, rejected, "10001"},
		{"invalid credentials, a number", 401, `{"code":10001,"message":"Invalid credentials"}`, rejected, rejected, "10001"},
		{"not authorized", 401, `{"code":"10021","message":"You are not authorized."}`, rejected, rejected, "10021"},
		{"app key missing", 401, `{"code":"10026","message":"Missing parameter (Finicity-App-Key)"}`, rejected, rejected, "10026"},
		{"app key invalid", 401, "Invalid (Finicity-App-Key)", rejected, rejected, ""},
		{"no partner", 404, `{"Errors":{"code":12401,"message":"partner not found"}}`, rejected, rejected, "12401"},
		{"no partner, official", 404, fmt.Sprintf(wrapped, 12401, "partner not found"), rejected, rejected, "12401"},
		{"locked", 500, `{"code":24302,"message":"` + lockedYou + `"}`, locked, locked, "24302"},
		{"locked, a string", 500, `{"code":"24302"}`, locked, locked, "24302"},
		{"locked, wrapped", 500, fmt.Sprintf(wrapped, 24302, "bad credentials"), locked, locked, "24302"},
		{"missing parameter", 400, `{"code":"10005","message":"Missing parameter (partnerId)"}`, rejected, rejected, "10005"},
		{"bad request", 400, `{"code":14020,"message":"Bad request."}`, rejected, rejected, "14020"},
		{"policy", 400, `{"code":"24437","message":"New password is not as per policy"}`, rejected, policy, "24437"},
		{"policy, a number", 400, `{"code":24437}`, rejected, policy, "24437"},
		{"edge", 403, "<html><body><h1>403 Forbidden</h1></body></html>", rejected, rejected, ""},
		{"rate limit", 429, `{"message":"Too many requests"}`, unavailable, unavailable, ""},
		{"down", 500, `{"code":"SYSTEM","message":"Internal error"}`, unavailable, unavailable, "SYSTEM"},
		{"gateway, 502", 502, "<html>Bad Gateway</html>", unavailable, unavailable, ""},
		{"gateway, 503", 503, "", unavailable, unavailable, ""},
		{"gateway, 504", 504, "upstream request timeout", unavailable, unavailable, ""},

		// A lock counts under any status, and even if only its text survives.
		{"locked under 401", 401, `{"code":24302}`, locked, locked, "24302"},
		{"locked under 400", 400, `{"code":"24302"}`, locked, locked, "24302"},
		{"locked under 429", 429, `{"code":"24302"}`, locked, locked, "24302"},
		{"locked under 503", 503, `{"code":"24302"}`, locked, locked, "24302"},
		{"locked below a message", 500, `{"message":"Error","Errors":[{"code":24302}]}`, locked, locked, "24302"},
		{"locked, second in a list", 500, `{"Errors":[{"message":"Error"},{"code":24302}]}`, locked, locked, "24302"},
		{"locked, cut short", 500, `{"code":"24302","message":"For your secur`, locked, locked, "24302"},
		{"locked below another code", 500, `{"code":500,"message":"Error","errors":[{"code":24302}]}`, locked, locked, "24302"},
		{"locked, CDATA", 500, `<code><![CDATA[24302]]></code><message><![CDATA[x]]></message>`, locked, locked, "24302"},
		{"locked, UTF-16", 500, utf16Of(binary.LittleEndian, `{"code":24302}`), locked, locked, "24302"},
		{"locked, text", 500, lockedYou, locked, unavailable, ""},
		{"locked, upper case", 401, strings.ToUpper(lockedYou), locked, locked, ""},
		{"locked, a page", 502, "<html><p>For your security, we&#39;ve <b>locked</b>\n your account.</p></html>", locked, unavailable, ""},
		{"locked, the other way round", 500, "Account is locked", locked, unavailable, ""},
		{"locked, after a long page", 500, strings.Repeat("<p>Dear customer</p>\n", 500) + lockedYou, locked, unavailable, ""},
		// A text that only resembles a lock does not count: it would stop the engine,
		// and drop a secret that may be in effect.
		{"blocked", 403, "Request blocked. Contact your account manager.", rejected, rejected, ""},
		{"blocked, 503", 503, "Request blocked. Contact your account manager.", unavailable, unavailable, ""},
		{"unlocked", 500, "Your account was unlocked", unavailable, unavailable, ""},
		{"far apart", 503, "The table is locked. " + strings.Repeat("Try again. ", 10) + "Sign in to your account.", unavailable, unavailable, ""},
		{"threat of a lock", 401, `{"code":10001,"message":"After five attempts your account will be locked"}`, rejected, rejected, "10001"},
		{"lock in a success", 200, `{"code":24302,"message":"` + lockedYou + `"}`, unavailable, unavailable, ""},

		// Documented codes under other statuses are a verdict for the POST. For the
		// PUT, only the documented combinations count.
		{"invalid credentials under 500", 500, `{"code":"10001"}`, rejected, unavailable, "10001"},
		{"not authorized under 503", 503, `{"code":10021}`, rejected, unavailable, "10021"},
		{"no partner under 500", 500, `{"code":12401}`, rejected, unavailable, "12401"},
		{"policy under 500", 500, `{"code":24437}`, rejected, unavailable, "24437"},
		{"policy under 401", 401, `{"code":24437}`, rejected, rejected, "24437"},
		// Undocumented answers.
		{"402", 402, "", rejected, unavailable, ""},
		{"405", 405, `{"code":405}`, rejected, unavailable, "405"},
		{"409", 409, "conflict", rejected, unavailable, ""},
		{"418", 418, "\x00\xff", rejected, unavailable, ""},
		{"422", 422, `{"code":"99999","message":"?"}`, rejected, unavailable, "99999"},
		{"499", 499, "", rejected, unavailable, ""},
		{"400 without code", 400, "<html>400 Bad Request</html>", rejected, rejected, ""},
		{"401 with an unknown code", 401, `{"code":99999}`, rejected, rejected, "99999"},
		{"401 without body", 401, "", rejected, rejected, ""},
		{"408", 408, `{"message":"Request timeout"}`, unavailable, unavailable, ""},
		{"501", 501, "", unavailable, unavailable, ""},
		{"599", 599, `{"code":"599"}`, unavailable, unavailable, "599"},
		{"999", 999, "", unavailable, unavailable, ""},
		// Unexpected successes and redirects. Their effect is unknown.
		{"201", 201, `{"token":"` + token + `"}`, unavailable, unavailable, ""},
		{"202", 202, "", unavailable, unavailable, ""},
		{"206", 206, `{"token":"` + token + `"}`, unavailable, unavailable, ""},
		{"300", 300, `{"code":10001}`, unavailable, unavailable, ""},
		{"302", 302, "", unavailable, unavailable, ""},
		{"304", 304, "", unavailable, unavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(tc.status, tc.body)).URL})
			check(t, "authenticate", failure(t, authenticate(t, client)), tc.status, tc.post, tc.code)
			put := failure(t, modify(t, client))
			check(t, "modify", put, tc.status, tc.put, tc.code)
			if want := tc.put == unavailable; put.Ambiguous() != want {
				t.Errorf("modify: ambiguous %v, want %v", !want, want)
			}
		})
	}
}

func check(t *testing.T, call string, e *finicityapi.Error, status int, class finicityapi.Class, code string) {
	t.Helper()
	if e.Class != class || e.Code != code || e.Status != status || e.NotSent {
		t.Errorf("%s: class %q, code %q, status %d, not sent %v; want class %q, code %q, status %d",
			call, e.Class, e.Code, e.Status, e.NotSent, class, code, status)
	}
}

// net/http returns these answers unchanged. If a proxy answers in place of Finicity,
// Finicity has not refused the attempt.
func TestAnAnswerBeforeTheFinalOneIsNoVerdict(t *testing.T) {
	for _, status := range []int{101, 99, 1, 0} {
		for _, code := range []string{"10001", "24302", "24437"} {
			answer := fmt.Sprintf("HTTP/1.1 %03d Interim\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n{\"code\":%s,\"message\":%q}", status, code, lockedYou)
			for _, c := range both() {
				client := newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(answer))})
				if e := failure(t, c.do(t, client)); e.Class != unavailable || !e.Ambiguous() || e.Code != "" {
					t.Errorf("%s, HTTP %d: class %q, code %q", c.name, status, e.Class, e.Code)
				}
			}
		}
	}
}

// The status that means success for one call does not mean success for the other.
func TestEachCallHasOneSuccess(t *testing.T) {
	for _, status := range []int{200, 201, 202, 203, 204, 205, 207, 226, 299} {
		body := `{"token":"` + token + `"}`
		if status == 204 || status == 205 {
			body = ""
		}
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(status, body)).URL})
		for call, err := range map[string]error{"authenticate": authenticate(t, client), "modify": modify(t, client)} {
			if (call == "authenticate" && status == 200) || (call == "modify" && status == 204) {
				if err != nil {
					t.Errorf("%s: %v", call, err)
				}
				continue
			}
			if e := failure(t, err); !e.Ambiguous() || e.Status != status || hasRun(e.Error(), token, 4) {
				t.Errorf("%s, HTTP %d: ambiguous %v", call, status, e.Ambiguous())
			}
		}
	}
}

// Operators should be able to look the error up in Finicity's documentation.
func TestAnErrorSaysWhatFinicitySaid(t *testing.T) {
	const region = " (often a geographic block: call from an accepted country, such as the US)"
	const between = " (no Finicity code: the answer might come from a proxy or a gateway)"
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"secret":           {401, `{"code":10001,"message":"Invalid credentials."}`, "401, code 10001: Invalid credentials (the partner secret is wrong)"},
		"app key":          {401, `{"code":10026,"message":"Invalid (Finicity-App-Key)"}`, "401, code 10026: Invalid (Finicity-App-Key) (the app key is wrong)"},
		"app key, no code": {401, "Invalid (Finicity-App-Key)", "401: Invalid (Finicity-App-Key) (the app key is wrong)"},
		"partner ID":       {404, `{"Errors":{"code":12401,"message":"partner not found"}}`, "404, code 12401: partner not found (the partner ID is wrong)"},
		"no message":       {401, `{"code":"10021"}`, "401, code 10021"},
		"locked":           {500, `{"code":24302,"message":"We've locked your account"}`, "500, code 24302: We've locked your account"},
		"nothing":          {500, "", "500"},
		"edge":             {403, "<html><title>Access Denied</title></html>", "403: Access Denied" + region},
		"edge, silent":     {403, "", "403" + region},
		"rate limit":       {429, `{"message":"Too many requests"}`, "429: Too many requests (a rate limit, or the app key is invalid)"},
		"no such page":     {404, "404 page not found", "404: 404 page not found (check base_url)"},
		"no such route":    {404, `{"code":404,"message":"no route"}`, "404, code 404: no route (check base_url)"},
		"gateway":          {407, "who are you?", "407: who are you?" + between},
		"unknown code":     {422, `{"code":99999}`, "422, code 99999"},
		"redirect":         {302, "", "302: a redirect, which is not followed because that would forward the secret; check base_url"},
		"not modified":     {304, "", "304: not the expected answer"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(tc.status, tc.body)).URL})
			text := failure(t, authenticate(t, client)).Error()
			if want := "Finicity answered HTTP " + tc.want; text != want {
				t.Errorf("%q, want %q", text, want)
			}
			if strings.HasSuffix(text, ": ") || strings.HasSuffix(text, ":") || strings.Contains(text, "code ,") {
				t.Errorf("%q announces something that does not come", text)
			}
		})
	}
}

func TestEachClassHasItsWord(t *testing.T) {
	words := map[string]bool{}
	for _, class := range []finicityapi.Class{unavailable, rejected, locked, policy} {
		words[class.String()] = true
	}
	if len(words) != 4 || words[""] {
		t.Errorf("four classes have the words %v", words)
	}
	// A class of a later version is not a verdict either.
	if got := finicityapi.Class(99).String(); got != unavailable.String() {
		t.Errorf("an unknown class is called %q", got)
	}
	if zero := (&finicityapi.Error{}); zero.Class != unavailable || !zero.Ambiguous() {
		t.Error("an unforeseen failure counts as a verdict")
	}
}

// If SecretRefused reports true, the engine tries the next secret to resolve a
// rotation. With a grace period, it does so only if the refusal is also sure. If
// CredentialRefused reports true, a config write does not send the same credential
// again.
func TestVerdictsOnTheSecretAndOnTheCredential(t *testing.T) {
	for name, tc := range map[string]struct {
		status                    int
		body                      string
		refused, sure, credential bool
	}{
		"invalid credentials": {401, `{"code":"10001"}`, true, true, true},
		"a number":            {401, `{"code":10001}`, true, true, true},
		"under another":       {400, `{"code":10001}`, true, true, true},
		"not authorized":      {401, `{"code":10021}`, true, false, true},
		"another code":        {401, `{"code":110001}`, true, false, true},
		"a gateway's text":    {401, "denied", true, false, true},
		"silent":              {401, "", true, false, true},
		"app key":             {401, `{"code":10026}`, false, false, true},
		"app key, under 400":  {400, `{"code":10026}`, false, false, true},
		"no partner":          {404, `{"Errors":{"code":12401}}`, false, false, true},
		"no such page":        {404, "404 page not found", false, false, false},
		"bad request":         {400, `{"code":14020}`, false, false, false},
		"locked":              {500, `{"code":24302}`, false, false, false},
		"locked under 401":    {401, `{"code":24302}`, false, false, false},
		"edge":                {403, "<html>Forbidden</html>", false, false, false},
		"code in a success":   {202, `{"code":10001}`, false, false, false},
		"down":                {503, `{"code":503}`, false, false, false},
		"a rate limit":        {429, "", false, false, false},
	} {
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(tc.status, tc.body)).URL})
		e := failure(t, authenticate(t, client))
		if refused, sure := e.SecretRefused(); refused != tc.refused || sure != tc.sure {
			t.Errorf("%s: a refusal of the secret: %v, sure: %v; want %v, %v", name, refused, sure, tc.refused, tc.sure)
		}
		if got := e.CredentialRefused(); got != tc.credential {
			t.Errorf("%s: a refusal of the credential: %v", name, got)
		}
	}
}

// Without the code, only the text identifies the app key. If the answer counted as a
// verdict on the secret, the engine would waste one more attempt on the next secret,
// which fails for the same app key.
func TestARefusedAppKeySaysNothingAboutTheSecretInAnyLayout(t *testing.T) {
	for name, body := range map[string]string{
		"text":       "Invalid (Finicity-App-Key)",
		"missing":    "Missing parameter (Finicity-App-Key)",
		"lower case": `{"message":"invalid (finicity-app-key)"}`,
		"a page":     "<html><body>Invalid (<b>Finicity-App-Key</b>)</body></html>",
	} {
		client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(401, body)).URL})
		e := failure(t, authenticate(t, client))
		if refused, sure := e.SecretRefused(); refused || sure {
			t.Errorf("%s: it is taken for a refusal of the secret, sure: %v", name, sure)
		}
		if !e.CredentialRefused() {
			t.Errorf("%s: it is not taken for a refusal of the credential", name)
		}
	}
}
