// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func utf16Of(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestTheReasonIsFoundInAnyLayout(t *testing.T) {
	const lock = `{"code":24302,"message":"we've locked"}`
	const deep = `{"a":{"b":{"c":{"d":{"e":{"code":1}}}}}}`
	for name, tc := range map[string]struct{ body, code, message string }{
		"flat":                      {`{"code":"10001","message":"Invalid credentials"}`, "10001", "Invalid credentials"},
		"a number":                  {`{"code":10001,"message":"Invalid credentials"}`, "10001", "Invalid credentials"},
		"blanks around":             {" \r\n{\"code\":\" 10001 \",\"message\":\"\\tInvalid\\n credentials \"}\n", "10001", "Invalid credentials"},
		"other case":                {`{"Code":"10001","MESSAGE":"Invalid credentials"}`, "10001", "Invalid credentials"},
		"more fields":               {`{"assetId":"1","code":"10001","level":"error","message":"m","status":"401","title":"t","user_message":"u"}`, "10001", "m"},
		"Errors, flat":              {`{"Errors":{"code":12401,"message":"partner not found"}}`, "12401", "partner not found"},
		"Errors, a list":            {`{"Errors":[{"code":12401,"message":"partner not found"}]}`, "12401", "partner not found"},
		"Errors, official":          {`{"Errors":{"Error":[{"Source":"s","ReasonCode":"12401","Description":"no \"d\"","Recoverable":false,"Details":"x"}]}}`, "12401", `no "d"`},
		"errors, lower case":        {`{"errors":{"error":[{"reasonCode":12401,"description":"d"}]}}`, "12401", "d"},
		"a list":                    {`[{"code":"1","message":"first"},{"code":"2","message":"second"}]`, "1", "first"},
		"code below a message":      {`{"message":"outer","Errors":[{"message":"inner","code":"24302"}]}`, "24302", "inner"},
		"code alone below it":       {`{"message":"outer","Errors":[{"code":"24302"}]}`, "24302", "outer"},
		"no code":                   {`{"error":{"message":"m"}}`, "", "m"},
		"no message":                {`{"code":"10001"}`, "10001", ""},
		"null":                      {`{"code":null,"message":null}`, "", `{"code":null,"message":null}`},
		"a sentence for a code":     {`{"code":"Not a code","message":"m"}`, "", "m"},
		"an overlong code":          {`{"code":"` + strings.Repeat("9", 33) + `","message":"m"}`, "", "m"},
		"an object for a message":   {`{"code":"10001","message":{"text":"m"}}`, "10001", ""},
		"escapes":                   {`{"code":1,"message":"we\u2019ve \"locked\" it"}`, "1", "we’ve \"locked\" it"},
		"entities in JSON":          {`{"code":1,"message":"we&#39;ve"}`, "1", "we've"},
		"a byte order mark":         {"\ufeff" + `{"code":"10001","message":"m"}`, "10001", "m"},
		"text before it":            {`500 Internal Server Error {"code":24302,"message":"m"}`, "24302", "m"},
		"text after it":             {`{"code":24302,"message":"m"} at 12:00`, "24302", "m"},
		"cut in the message":        {`{"code":24302,"message":"we've lo`, "24302", "we've lo"},
		"cut in the code":           {`{"message":"m","code":"243`, "", "m"},
		"cut in a number":           {`{"message":"m","code":100`, "", "m"},
		"cut and marked as cut":     {`{"message":"m","code":100...`, "", "m"},
		"cut after the code":        {`{"message":"m","code":24302,"mess`, "24302", "m"},
		"other names":               {`{"errorCode":24302,"errorMessage":"m"}`, "24302", "m"},
		"other names, cut":          {`{"errorCode":24302,"errorMessage":"m`, "24302", "m"},
		"a known code inside":       {`{"code":500,"message":"m","errors":[{"code":24302}]}`, "24302", "m"},
		"a known code deep inside":  {`{"code":500,"message":"m","a":{"b":{"c":{"d":{"e":{"code":"24302"}}}}}}`, "24302", "m"},
		"a lock inside":             {`{"code":10001,"message":"m","errors":[{"errorCode":24302}]}`, "24302", "m"},
		"a known code outside":      {`{"code":10001,"message":"m","errors":[{"code":10021}]}`, "10001", "m"},
		"an unknown code inside":    {`{"message":"m","errors":["<code>500</code>"]}`, "", "m"},
		"JSON in a message":         {`{"code":500,"message":"upstream: {\"code\":\"24302\"}"}`, "24302", `upstream: {"code":"24302"}`},
		"little-endian UTF-16":      {utf16Of(binary.LittleEndian, lock), "24302", "we've locked"},
		"big-endian UTF-16":         {utf16Of(binary.BigEndian, lock), "24302", "we've locked"},
		"UTF-16, marked":            {utf16Of(binary.LittleEndian, "\ufeff"+lock), "24302", "we've locked"},
		"UTF-16, marked, the other": {utf16Of(binary.BigEndian, "\ufeff"+lock), "24302", "we've locked"},
		"UTF-16, typographic":       {utf16Of(binary.LittleEndian, strings.ReplaceAll(lock, "'", "’")), "24302", "we ve locked"},
		"XML, a code in words":      {"<code>AccessDenied</code><message>Access Denied</message>", "", "Access Denied"},
		"cut in a wrapper":          {`{"Errors":{"Error":[{"ReasonCode":"12401","Description":"partner`, "12401", "partner"},
		"text":                      {"Invalid (Finicity-App-Key)\r\n", "", "Invalid (Finicity-App-Key)"},
		"a JSON string":             {`"Invalid (Finicity-App-Key)"`, "", `"Invalid (Finicity-App-Key)"`},
		"XML":                       {`<?xml version="1.0"?><error><code>10001</code><message>a &amp; b</message></error>`, "10001", "a & b"},
		"XML, official":             {"<Errors><Error>\n<ReasonCode> 12401</ReasonCode>\n<Description>d</Description></Error></Errors>", "12401", "d"},
		"XML, empty message":        {`<error><code>10001</code><message></message>why</error>`, "10001", "10001 why"},
		"XML, CDATA":                {`<code><![CDATA[24302]]></code><message><![CDATA[We've locked your account]]></message>`, "24302", "We've locked your account"},
		"XML, attributes":           {`<error code="24302" message="x"/>`, "24302", "x"},
		"XML, single quotes":        {`<error code='24302'/>`, "24302", ""},
		"XML, a namespace":          {`<ns:error xmlns:ns="urn:x"><ns:code>24302</ns:code><ns:message>x</ns:message></ns:error>`, "24302", "x"},
		"XML, typed":                {`<code type="int">24302</code><message xml:lang="en">x</message>`, "24302", "x"},
		"XML, other names":          {`<errorCode>24302</errorCode><errorMessage>x</errorMessage>`, "24302", "x"},
		"XML, the status":           {`<error status-code="500"><code>401</code><cause><code>24302</code></cause><message>x</message></error>`, "24302", "x"},
		"XML, cut in the code":      {`<message>x</message><code>243`, "", "x"},
		"HTML":                      {"<!DOCTYPE html><html><head><title>403 Forbidden</title><style>p{}</style></head><body>\n<p>No&nbsp;entry</p><script>go()</script></body>", "", "403 Forbidden No entry"},
		"HTML, an open script":      {"<p>No entry</p><script>go()", "", "No entry"},
		"nested too deep to trust":  {deep, "1", deep},
		"empty":                     {"", "", ""},
		"blank":                     {" \r\n", "", ""},
		"no value":                  {"{}", "", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusBadRequest, tc.body)).URL})
			for _, c := range both() {
				if e := failure(t, c.do(t, client)); e.Code != tc.code || e.Message != tc.message {
					t.Errorf("%s: code %q, message %q; want %q, %q", c.name, e.Code, e.Message, tc.code, tc.message)
				}
			}
		})
	}
}

func TestACompleteBodyIsNotNeededForAVerdict(t *testing.T) {
	for body, code := range map[string]string{`{"code":"10001","message":"Inv`: "10001", `{"co`: "", "": ""} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, body)
		})
		for _, c := range both() {
			e := failure(t, c.do(t, newClient(t, finicityapi.Config{BaseURL: server.URL})))
			if e.Class != finicityapi.Rejected || e.Code != code || e.Message == "" {
				t.Errorf("%s, %q: class %v, code %q, message %q", c.name, body, e.Class, e.Code, e.Message)
			}
		}
	}
}

// Errors appear in logs, in terminals and in Vault's responses. failure checks each of
// them for unwanted characters.
func TestHostileTextBecomesOneShortPrintableLine(t *testing.T) {
	for name, text := range map[string]string{
		"colors":           "\x1b[31mred\x1b[0m \x1b]0;title\x07",
		"a forged line":    "no\r\n2026-01-01T00:00:00Z [INFO] all is well\u2028really\u0085",
		"not UTF-8":        "a\xff\xfe\xc3(\xed\xa0\x80b",
		"binary":           "\x00\x01\x02\x7f\x80\x9b31m",
		"backwards":        "\u202etxet\u202c \u200b\u2066x\u2069\ufeff",
		"private":          "\ue000\U000f0000\ufffe\ufffd",
		"long":             strings.Repeat("é", 10_000),
		"long without end": strings.Repeat("<p>a</p>", 10_000),
		"entities":         "&#27;[31m&#x202e;&#0;&#10;line &lt;b&gt;",
	} {
		t.Run(name, func(t *testing.T) {
			inJSON := `{"code":"10001","message":"` + strings.NewReplacer("\x1b", `\u001b`, "\r", `\r`, "\n", `\n`, "\x00", `\u0000`).Replace(text) + `"}`
			for layout, body := range map[string]string{
				"text": text, "JSON": inJSON, "broken JSON": inJSON[:len(inJSON)-1], "XML": "<code>10001</code><message>" + text + "</message>",
			} {
				client := newClient(t, finicityapi.Config{BaseURL: serve(t, answering(http.StatusUnauthorized, body)).URL})
				e := failure(t, authenticate(t, client))
				if n := utf8.RuneCountInString(e.Message); n > 301 || e.Class != finicityapi.Rejected {
					t.Errorf("%s: a message of %d characters, class %v", layout, n, e.Class)
				}
			}
		})
	}
	t.Run("in the status line", func(t *testing.T) {
		dial := wire(writes("\x1b[31mHTTP\xff/1.1 " + strings.Repeat("9", 1000) + "\r\n\r\n"))
		if e := failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: dial}))); e.Message == "" {
			t.Error("the error says nothing")
		}
	})
}

// The timeout bounds the network, not the client's own work. An answer that takes
// minutes to parse would block every reader.
func TestNoAnswerTakesLongToRead(t *testing.T) {
	for _, piece := range []string{
		"<script>", "<style x", "<", "&#", `"code":`, "<code> ", "<code x", `"code":24302,`, "<![CDATA[", " code = ", `"message":"`, "token:", "token \t", "locked ", "account ",
		"[", `{"a":`, "\xff", oldSecret[:9],
	} {
		takesNoMoreThanItsShare(t, piece, 256<<10)
	}
}

// takesNoMoreThanItsShare reads an answer of the given size, made of pieces, and one of
// an eighth of that size. If the work is linear in the size, the large answer takes
// eight times as long. If it is quadratic, 64 times. The machine may be slow or busy,
// so one of ten tries must show it.
func takesNoMoreThanItsShare(t *testing.T, piece string, size int) {
	t.Helper()
	took := func(size int) time.Duration {
		client := newClient(t, finicityapi.Config{
			BaseURL: serve(t, answering(http.StatusUnauthorized, strings.Repeat(piece, size/len(piece)))).URL,
			Timeout: time.Hour,
		})
		start := time.Now()
		_ = failure(t, authenticate(t, client))
		return time.Since(start)
	}
	var tried []string
	if len(piece) > size/8 {
		t.Fatal("an eighth has no piece")
	}
	for range 10 {
		part, whole := min(took(size/8), took(size/8)), took(size)
		if whole < 24*part {
			return
		}
		tried = append(tried, fmt.Sprintf("%s and %s", part, whole))
	}
	t.Errorf("an eighth of %d KiB of %.20q, and all of it, took %s", size>>10, piece, strings.Join(tried, ", "))
}

func TestAnEndlessAnswerEnds(t *testing.T) {
	head := "HTTP/1.1 401 No\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 100) // Real headers are smaller than 2 KiB.
	dial := wire(writes(head + "\r\n"))
	if e := failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: dial}))); e.Status != 0 {
		t.Error("100 KiB of headers were read")
	}
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		chunk := []byte(strings.Repeat("no ", 10_000))
		for range 2000 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("an answer of 60 MB was read")
	})
	e := failure(t, authenticate(t, newClient(t, finicityapi.Config{BaseURL: server.URL, Timeout: time.Hour})))
	if e.Class != finicityapi.Rejected || e.Status != http.StatusUnauthorized {
		t.Errorf("class %v, status %d", e.Class, e.Status)
	}
}

// Following a redirect would send the secret to another address, and would be a second
// request.
func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed with a %s", r.Method)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, location := range map[string]string{
			"elsewhere": elsewhere.URL, "a path": "/", "this again": "", "unreadable": "http://[" + oldSecret,
			"unreadable, of a token": "http://Finicity-App-Token: " + token, "with the secret": elsewhere.URL + "/?" + newSecret,
		} {
			requests := 0
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header().Set("Location", location)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"code":10001}`)
			})
			for n, c := range both() {
				e := failure(t, c.do(t, newClient(t, finicityapi.Config{BaseURL: server.URL})))
				if requests != n+1 || !e.Ambiguous() || e.Status != status {
					t.Errorf("%s, %d to %s: %d requests, class %v, status %d", c.name, status, name, requests, e.Class, e.Status)
				}
			}
		}
	}
}

// Without a bound, a mistyped digit in a header would cause an outage of days.
func TestRetryAfterIsBounded(t *testing.T) {
	const most = finicityapi.MaxRetryAfter
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	for name, tc := range map[string]struct {
		value    string
		min, max time.Duration
	}{
		"none":                     {"", 0, 0},
		"seconds":                  {"7", 7 * time.Second, 7 * time.Second},
		"zero":                     {"0", 0, 0},
		"the most":                 {"3600", most, most},
		"a second more":            {"3601", most, most},
		"a year":                   {"31536000", most, most},
		"overflowing a duration":   {"9223372037", most, most},
		"the largest number":       {"9223372036854775807", most, most},
		"larger than any number":   {"99999999999999999999999", most, most},
		"negative":                 {"-5", 0, 0},
		"negative overflow":        {"-9223372037", 0, 0},
		"the smallest number":      {"-9223372036854775808", 0, 0},
		"smaller than any number":  {"-99999999999999999999999", 0, 0},
		"a date":                   {in(10 * time.Minute), 9 * time.Minute, 10 * time.Minute},
		"a past date":              {in(-time.Hour), 0, 0},
		"a far date":               {in(50 * time.Hour), most, most},
		"the farthest date":        {"Fri, 31 Dec 9999 23:59:59 GMT", most, most},
		"a fraction":               {"1.5", 0, 0},
		"words":                    {"soon", 0, 0},
		"a unit":                   {"30s", 0, 0},
		"a date of another format": {"2038-01-19T03:14:07Z", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, authenticate(t, newClient(t, finicityapi.Config{
				BaseURL: "http://127.0.0.1", DialContext: wire(writes("HTTP/1.1 429 Slow\r\nRetry-After: " + tc.value + "\r\nConnection: close\r\n\r\n")),
			})))
			if e.Class != unavailable || e.Status != 429 || e.RetryAfter < tc.min || e.RetryAfter > tc.max {
				t.Errorf("class %v, status %d, wait %s, want %s to %s", e.Class, e.Status, e.RetryAfter, tc.min, tc.max)
			}
		})
	}
}
