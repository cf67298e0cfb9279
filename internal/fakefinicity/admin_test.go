// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// admin calls the admin endpoint and returns the body without its final newline.
func (c *caller) admin(method, path, body string, status int) string {
	c.t.Helper()
	got := c.do(method, "/_fake/"+path, body, nil)
	if got.err != nil || got.status != status {
		c.t.Fatalf("%s %s: %d %v %s, want %d", method, path, got.status, got.err, got.body, status)
	}
	return strings.TrimSuffix(got.body, "\n")
}

func TestAdminOrdersAndClearsFaults(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	ordered := c.admin(http.MethodPost, "faults", `{"kind":"status","status":429,"retryAfter":"7","header":{"X-A":"b"},`+
		`"body":"{}","contentType":"text/plain"}`, 200)
	wantEqual(t, "one", ordered, `{"ordered":1}`)
	ordered = c.admin(http.MethodPost, "faults",
		` [{"call":"authenticate","kind":"slow","delay":"1ns"},{"kind":"lost","count":3}]`, 200)
	wantEqual(t, "a list", ordered, `{"ordered":2}`)
	got := c.alpha()
	got.want(t, 429, "")
	wantEqual(t, "Retry-After", got.header.Get("Retry-After"), "7")
	wantEqual(t, "X-A", got.header.Get("X-A"), "b")
	wantEqual(t, "content type", got.header.Get("Content-Type"), "text/plain")
	c.alpha().want(t, 200, "")
	wantEqual(t, "cleared", c.admin(http.MethodDelete, "faults", "", 200), `{"cleared":3}`)
	c.alpha().want(t, 200, "")
}

// A page in a browser on the developer's machine can send requests to loopback addresses.
func TestAdminRefusesRequestsOfWebPages(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for _, path := range []string{"partners/" + alphaID + "/lock", "faults", "webhooks"} {
		c.do(http.MethodPost, "/_fake/"+path, `{"kind":"lost"}`, map[string]string{"Origin": "http://evil.example"}).want(t, 403, "")
	}
	if c.fake.Counters(alphaID).Locked || c.fake.ClearFaults() > 0 {
		t.Error("a refused request had an effect")
	}
}

func TestAdminNamesWhatIsWrongWithAFault(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for body, named := range map[string]string{
		``:                               "EOF",
		`null`:                           "kind",
		`{"kind":"lost"} {}`:             "text after the JSON value",
		`{"kind":"lost"} }`:              "text after the JSON value",
		`{"kind":"lost"} ]`:              "text after the JSON value",
		`[{"kind":"lost"}] ]`:            "text after the JSON value",
		`{"kind":"lost"} x`:              "text after the JSON value",
		`{"kind":"lost","cout":2}`:       "cout",
		`[{"kind":"lost"},{"kin":"x"}]`:  "kin",
		`[{"kind":"lost"},{"kind":"x"}]`: "x",
		`{"kind":"slow","delay":"soon"}`: "soon",
		`{"kind":"slow","delay":5}`:      "delay",
		`{"kind":"lost","call":"login"}`: "login",
	} {
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(c.admin(http.MethodPost, "faults", body, 400)), &answer); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(answer.Error, named) {
			t.Errorf("%s: %q does not name %q", body, answer.Error, named)
		}
	}
	wantEqual(t, "faults after the errors", c.fake.ClearFaults(), 0)
}

func TestAdminShowsAndEmptiesTheLogAndShowsCounters(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{Now: newClock().Now})
	wantEqual(t, "empty log", c.admin(http.MethodGet, "requests", "", 200), `[]`)
	c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "10001")
	wantEqual(t, "log", c.admin(http.MethodGet, "requests", "", 200), `[{"seq":1,"time":"2026-01-01T12:00:00Z",`+
		`"call":"authenticate","partnerId":"1000000000001","status":401,"code":"10001","outcome":"rejected",`+
		`"applied":true,"userAgent":"tester/1"}]`)
	wantEqual(t, "counters", c.admin(http.MethodGet, "counters", "", 200), `{"1000000000001":{"authentications":0,`+
		`"rejected":1,"towardLock":1,"locked":false,"whileLocked":0,"secretChanges":0,"apiCalls":0,"apiRefused":0},`+
		`"1000000000002":{"authentications":0,"rejected":0,"towardLock":0,"locked":false,"whileLocked":0,`+
		`"secretChanges":0,"apiCalls":0,"apiRefused":0}}`)
	c.admin(http.MethodDelete, "requests", "", 204)
	wantEqual(t, "log", c.admin(http.MethodGet, "requests", "", 200), `[]`)
}

func TestAdminSeesAndReleasesHeldCalls(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	wantEqual(t, "held", c.admin(http.MethodGet, "held", "", 200), `{"held":0}`)
	c.admin(http.MethodPost, "faults", `{"kind":"hold_before"}`, 200)
	answered := c.modifyAside()
	wantEqual(t, "held", c.admin(http.MethodGet, "held", "", 200), `{"held":1}`)
	wantEqual(t, "released", c.admin(http.MethodPost, "release", "", 200), `{"released":1}`)
	held := <-answered
	held.want(t, 204, "")
}

func TestAdminChangesPartnersAsThePortalDoes(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for range 5 {
		c.authenticate(alphaID, "Wrong-Secret-1", alphaKey)
	}
	const partner = "partners/" + alphaID
	c.admin(http.MethodPost, partner+"/unlock", "", 204)
	token := c.alpha().token
	c.admin(http.MethodPost, partner+"/secret", `{"secret":"Portal-Secret-9"}`, 204)
	c.admin(http.MethodPost, partner+"/app-key", `{"appKey":"portal-app-key"}`, 204)
	c.authenticate(alphaID, "Portal-Secret-9", "portal-app-key").want(t, 200, "")
	for body, accepted := range map[string]string{
		`{"secret":"Portal-Secret-9"}`:     `{"accepted":true}`,
		`{"secret":"` + alphaSecret + `"}`: `{"accepted":false}`,
		`{"token":"` + token + `"}`:        `{"accepted":true}`,
		`{"token":"made-up"}`:              `{"accepted":false}`,
	} {
		wantEqual(t, body, c.admin(http.MethodPost, partner+"/accepts", body, 200), accepted)
	}
}

func TestAdminMakesTokensExpire(t *testing.T) {
	clock := newClock()
	c := newCaller(t, fakefinicity.Config{Now: clock.Now})
	old, current := c.alpha().token, c.alpha().token
	other := c.authenticate(betaID, betaSecret, betaKey).token
	const expire = "partners/" + alphaID + "/expire"
	wantEqual(t, "one", c.admin(http.MethodPost, expire, `{"token":"`+old+`"}`, 200), `{"expired":1}`)
	c.customers(alphaKey, old).want(t, 401, "10023")
	c.customers(alphaKey, current).want(t, 200, "")
	// A test that means another token, or the token of another partner, would show nothing.
	for _, token := range []string{old, other, "made-up", ""} {
		c.admin(http.MethodPost, expire, `{"token":"`+token+`"}`, 400)
	}
	wantEqual(t, "all", c.admin(http.MethodPost, expire, `{}`, 200), `{"expired":1}`)
	c.customers(alphaKey, current).want(t, 401, "10023")
	c.customers(betaKey, other).want(t, 200, "")
	c.customers(alphaKey, c.alpha().token).want(t, 200, "")
	wantEqual(t, "failed attempts", c.fake.Counters(alphaID).TowardLock, 0)
}

func TestAdminRefusesChangesThatMakeNoSense(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	const partner = "partners/" + alphaID
	for path, bodies := range map[string][]string{
		partner + "/secret":  {``, `{}`, `{"Secret":""}`, `{"password":"x"}`},
		partner + "/app-key": {``, `{}`, `{"app_key":"x"}`},
		partner + "/expire":  {``, `{"secret":"x"}`},
		partner + "/accepts": {``, `{}`, `{"secret":"x","token":"y"}`, `{"appKey":"x"}`},
	} {
		for _, body := range bodies {
			c.admin(http.MethodPost, path, body, 400)
		}
	}
	for _, path := range []string{"partners/404/unlock", "partners/404/secret", partner + "/delete", "nothing"} {
		c.admin(http.MethodPost, path, `{}`, 404)
	}
	c.admin(http.MethodGet, "release", "", 405)
	wantEqual(t, "health", c.admin(http.MethodGet, "health", "", 200), `{"status":"ok"}`)
	c.alpha().want(t, 200, "")
	wantEqual(t, "entries of the log", len(c.fake.Requests()), 1)
}
