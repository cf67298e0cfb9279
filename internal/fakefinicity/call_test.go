// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestCallsThatCannotBeUnderstoodAre400AndCountAsNothing(t *testing.T) {
	credential := `"partnerId":"` + alphaID + `","partnerSecret":"wrong"`
	whole, badImmediate := `{`+credential+`}`, `{`+credential+`,"newPartnerSecret":"x","immediate":"false"}`
	with := func(name, value string) map[string]string { return map[string]string{name: value} }
	tests := map[string]struct {
		method, body, code, message string
		header                      map[string]string
	}{
		"no JSON":                 {body: `partnerId=1`, code: "14020"},
		"nothing":                 {code: "14020"},
		"null":                    {body: `null`, code: "14020"},
		"a list":                  {body: `[]`, code: "14020"},
		"two values":              {body: `{` + credential + `}{}`, code: "14020"},
		"number for the ID":       {body: `{"partnerId":1,"partnerSecret":"wrong"}`, code: "14020"},
		"object for the secret":   {body: `{"partnerId":"1","partnerSecret":{}}`, code: "14020"},
		"wrong type and missing":  {body: `{"partnerSecret":1}`, code: "14020"},
		"no ID":                   {body: `{"partnerSecret":"wrong"}`, code: "10005", message: "(partnerId)"},
		"no secret":               {body: `{"partnerId":"1"}`, code: "10005", message: "(partnerSecret)"},
		"neither":                 {body: `{}`, code: "10005", message: "(partnerId)"},
		"null ID":                 {body: `{"partnerId":null,"partnerSecret":"x"}`, code: "10005", message: "(partnerId)"},
		"blank secret":            {body: `{"partnerId":"1","partnerSecret":" "}`, code: "10005", message: "(partnerSecret)"},
		"a name in another case":  {body: `{"partnerid":"1","partnerSecret":"x"}`, code: "10005", message: "(partnerId)"},
		"no new secret":           {method: "PUT", body: whole, code: "10005", message: "(newPartnerSecret)"},
		"string for immediate":    {method: "PUT", body: badImmediate, code: "14020"},
		"another content type":    {body: whole, header: with("Content-Type", "text/plain"), code: "14020"},
		"broken content type":     {body: whole, header: with("Content-Type", ";"), code: "14020"},
		"no Accept":               {body: whole, header: with("Accept", ""), code: "14020"},
		"Accept for XML":          {body: whole, header: with("Accept", "application/xml"), code: "14020"},
		"Accept that excludes it": {body: whole, header: with("Accept", "application/json;q=0"), code: "14020"},
		"more than 64 KiB":        {body: `{` + credential + `,"x":"` + strings.Repeat("x", 64<<10) + `"}`, code: "14020"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCaller(t, fakefinicity.Config{})
			header := headers(alphaKey)
			maps.Copy(header, test.header)
			method := http.MethodPost
			if test.method != "" {
				method = test.method
			}
			got := c.do(method, fakefinicity.PathAuthentication, test.body, header)
			got.want(t, 400, test.code)
			if !strings.Contains(got.body, test.message) {
				t.Errorf("body %s, want %s", got.body, test.message)
			}
			wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
			wantEqual(t, "outcome", last(t, c.fake).Outcome, fakefinicity.OutcomeRefused)
		})
	}
}

func TestWhatAdmitsJSONAndIsNotAskedForDoesNoHarm(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	body := `{"partnerId":"` + alphaID + `","partnerSecret":"` + alphaSecret + `","unknown":{"a":[1]}}`
	for _, accept := range []string{"*/*", "text/html, application/json;q=0.9", "application/*", "/, application/json"} {
		header := headers(alphaKey)
		header["Accept"] = accept
		header["Content-Type"] = "application/json; charset=utf-8"
		c.do(http.MethodPost, fakefinicity.PathAuthentication, body, header).want(t, 200, "")
	}
	wantEqual(t, "user agent", last(t, c.fake).UserAgent, "tester/1")
}

func TestARequestThatBreaksOffIsNotApplied(t *testing.T) {
	fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
	body := io.MultiReader(strings.NewReader(`{"partnerId":"`+alphaID), brokenReader{})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, fakefinicity.PathAuthentication, body)
	defer func() {
		wantEqual[any](t, "panic", recover(), http.ErrAbortHandler)
		entry := last(t, fake)
		wantEqual(t, "applied", entry.Applied, false)
		wantEqual(t, "status", entry.Status, 0)
	}()
	fake.ServeHTTP(httptest.NewRecorder(), request)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
