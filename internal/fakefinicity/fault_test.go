// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// output collects what a server logs.
type output struct {
	mu sync.Mutex
	strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Builder.Write(p)
}

func TestFaultsThatNeedNoTimeOverRealConnections(t *testing.T) {
	const noAnswer = 0
	tests := map[string]struct {
		fault   fakefinicity.Fault
		status  int
		whole   bool // The client reads the answer without an error.
		applied bool
	}{
		"lost":           {fakefinicity.Fault{Kind: fakefinicity.KindLost}, noAnswer, false, true},
		"dropped":        {fakefinicity.Fault{Kind: fakefinicity.KindDropped}, noAnswer, false, false},
		"cut":            {fakefinicity.Fault{Kind: fakefinicity.KindCut}, noAnswer, false, true},
		"garbage":        {fakefinicity.Fault{Kind: fakefinicity.KindGarbage}, 200, true, true},
		"status":         {fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503}, 503, true, false},
		"echo":           {fakefinicity.Fault{Kind: fakefinicity.KindEcho}, 401, true, false},
		"status no body": {fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204}, 204, true, false},
		"misleading":     {fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 403}, 403, true, true},
		"twice":          {fakefinicity.Fault{Kind: fakefinicity.KindTwice}, 401, true, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
			var logged output
			server := httptest.NewUnstartedServer(fake)
			server.Config.ErrorLog = log.New(&logged, "", 0)
			server.Start()
			c := &caller{t: t, fake: fake, http: server.Client(), base: server.URL}

			test.fault.Call = fakefinicity.CallModifySecret
			fake.Order(test.fault)
			got := c.modify(nil)
			wantEqual(t, "status", got.status, test.status)
			wantEqual(t, "whole answer", got.err == nil, test.whole)
			wantEqual(t, "new secret", fake.AcceptsSecret(alphaID, nextSecret), test.applied)
			wantEqual(t, "old secret", fake.AcceptsSecret(alphaID, alphaSecret), !test.applied)
			entry := last(t, fake)
			wantEqual(t, "applied", entry.Applied, test.applied)
			wantEqual(t, "fault", entry.Fault, test.fault.Kind)
			wantEqual(t, "left", fake.ClearFaults(), 0)

			server.Close()
			wantEqual(t, "server log", logged.String(), "")
		})
	}
}

func TestCutAnswerEndsInTheMiddleOfItsBody(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindCut})
	got := c.alpha()
	wantEqual(t, "status", got.status, 200)
	wantEqual(t, "error", got.err, io.ErrUnexpectedEOF)
	if got.body == "" || json.Valid([]byte(got.body)) {
		t.Fatalf("body %q", got.body)
	}
	wantEqual(t, "status in the log", last(t, c.fake).Status, 200)
	// A recorder has no connection to cut.
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindCut})
	defer func() { wantEqual[any](t, "panic", recover(), http.ErrAbortHandler) }()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fakefinicity.PathCustomers, nil)
	c.fake.ServeHTTP(httptest.NewRecorder(), request)
}

func TestGarbageHasTheRightStatusAndAnUnreadableBody(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindGarbage, Count: 2},
		fakefinicity.Fault{Kind: fakefinicity.KindGarbage, Body: "<html>", ContentType: "text/html"})
	got := c.alpha()
	got.want(t, 200, "")
	wantEqual(t, "readable", json.Valid([]byte(got.body)), false)
	wantEqual(t, "tokens", c.fake.Counters(alphaID).Authentications, 1)
	c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "")
	got = c.modify(nil)
	got.want(t, 200, "")
	wantEqual(t, "body", got.body, "<html>")
	wantEqual(t, "content type", got.header.Get("Content-Type"), "text/html")
}

func TestStatusAnswersAsOrdered(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	elsewhere := map[string]string{"Location": "http://127.0.0.1/x"}
	c.fake.Order(
		fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "30"},
		fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 403, Body: "<html>blocked</html>", ContentType: "text/html"},
		fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 302, Header: elsewhere},
	)
	got := c.alpha()
	got.want(t, 429, "")
	wantEqual(t, "Retry-After", got.header.Get("Retry-After"), "30")
	wantEqual(t, "content type", got.header.Get("Content-Type"), "application/json")
	got = c.alpha()
	got.want(t, 403, "")
	wantEqual(t, "body", got.body, "<html>blocked</html>")
	wantEqual(t, "content type", got.header.Get("Content-Type"), "text/html")
	got = c.alpha()
	got.want(t, 302, "")
	wantEqual(t, "Location", got.header.Get("Location"), "http://127.0.0.1/x")
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
	c.alpha().want(t, 200, "")
}

func TestEchoRepeatsEverySecretOfTheRequest(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindEcho})
	got := c.modify(map[string]any{"newPartnerSecret": "With-&-inside-1"})
	got.want(t, 401, "10001")
	for _, secret := range []string{alphaSecret, alphaKey, alphaID} {
		if !strings.Contains(got.body, secret) {
			t.Errorf("%s is not in %s", secret, got.body)
		}
	}
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
}

func TestFaultsMeetTheirCallsInTheOrderOfTheOrders(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	status := func(call string, status, count int) fakefinicity.Fault {
		return fakefinicity.Fault{Call: call, Kind: fakefinicity.KindStatus, Status: status, Count: count}
	}
	c.fake.Order(status(fakefinicity.CallModifySecret, 500, 0), status("", 501, 2))
	c.fake.Order(status(fakefinicity.CallAuthenticate, 502, 1), status(fakefinicity.CallCustomers, 503, 7))
	for i, step := range []struct {
		call   func() result
		status int
	}{
		{c.alpha, 501},
		{func() result { return c.modify(nil) }, 500},
		{func() result { return c.customers(alphaKey, "x") }, 501},
		{c.alpha, 502},
		{func() result { return c.modify(nil) }, 204},
		{func() result { return c.customers(alphaKey, "x") }, 503},
	} {
		if got := step.call(); got.status != step.status {
			t.Fatalf("step %d: %d, want %d", i+1, got.status, step.status)
		}
	}
	wantEqual(t, "left", c.fake.ClearFaults(), 6)
	c.customers(alphaKey, "x").want(t, 401, "10023")
}

func TestFaultsThatWouldNotDoWhatTheySayAreRefused(t *testing.T) {
	fake := fakefinicity.New(fakefinicity.Config{})
	for name, f := range map[string]fakefinicity.Fault{
		"no kind":         {},
		"unknown kind":    {Kind: "exploded"},
		"unknown call":    {Kind: fakefinicity.KindLost, Call: "logout"},
		"negative count":  {Kind: fakefinicity.KindLost, Count: -1},
		"immense count":   {Kind: fakefinicity.KindLost, Count: 1_000_001},
		"negative delay":  {Kind: fakefinicity.KindSlow, Delay: -1},
		"unused delay":    {Kind: fakefinicity.KindLost, Delay: 1},
		"no status":       {Kind: fakefinicity.KindStatus},
		"status 100":      {Kind: fakefinicity.KindStatus, Status: 100},
		"unused status":   {Kind: fakefinicity.KindSlow, Status: 500},
		"unused retry":    {Kind: fakefinicity.KindGarbage, RetryAfter: "1"},
		"unused header":   {Kind: fakefinicity.KindLost, Header: map[string]string{"A": "b"}},
		"unused body":     {Kind: fakefinicity.KindCut, Body: "x"},
		"body with a 204": {Kind: fakefinicity.KindStatus, Status: 204, Body: "x"},
		"line in a value": {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"A": "b\r\nC: d"}},
		"line in a name":  {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"A: b\nC": "d"}},
		"parenthesis":     {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"A(": "d"}},
		"not ASCII":       {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"Ä": "d"}},
		"type as header":  {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"content-type": "text/html"}},
		"length":          {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"Content-Length": "3"}},
		"chunks":          {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"Transfer-Encoding": "chunked"}},
		"nameless header": {Kind: fakefinicity.KindStatus, Status: 500, Header: map[string]string{"": "d"}},
		"line in a type":  {Kind: fakefinicity.KindGarbage, ContentType: "text/html\rX"},
		"line in a retry": {Kind: fakefinicity.KindStatus, Status: 503, RetryAfter: "1\n"},
	} {
		if f.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was taken", name)
				}
			}()
			fake.Order(f)
		}()
	}
	wantEqual(t, "ordered", fake.ClearFaults(), 0)
}

// inBubble runs f in a synctest bubble with its own caller, whose t is the bubble's.
func inBubble(t *testing.T, f func(c *caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(newCaller(t, fakefinicity.Config{}))
	})
}

// impatient makes the caller time out after d.
func (c *caller) impatient(d time.Duration) *caller {
	client := *c.http
	client.Timeout = d
	return &caller{t: c.t, fake: c.fake, http: &client, base: c.base}
}

func TestSlowIsAppliedAndAnsweredAfterTheDelay(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 10 * time.Second})
		start := time.Now()
		c.modify(nil).want(t, 204, "")
		wantEqual(t, "delay", time.Since(start), 10*time.Second)
	})
}

func TestSlowIsAppliedAlsoWhenTheClientHasGone(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 10 * time.Second})
		if got := c.impatient(time.Second).modify(nil); got.err == nil {
			t.Fatal("there was an answer")
		}
		wantEqual(t, "old secret before", c.fake.AcceptsSecret(alphaID, alphaSecret), true)
		<-time.After(10 * time.Second)
		synctest.Wait()
		wantEqual(t, "old secret after", c.fake.AcceptsSecret(alphaID, alphaSecret), false)
		entry := last(t, c.fake)
		wantEqual(t, "applied", entry.Applied, true)
		wantEqual(t, "status", entry.Status, 0)
	})
}

func TestSlowAnswerIsAppliedAtOnce(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 10 * time.Second, Count: 2})
		if got := c.impatient(time.Second).modify(nil); got.err == nil {
			t.Fatal("there was an answer")
		}
		wantEqual(t, "new secret", c.fake.AcceptsSecret(alphaID, nextSecret), true)
		start := time.Now()
		c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
		wantEqual(t, "delay", time.Since(start), 10*time.Second)
	})
}

func TestLateIsAppliedUnderTheRulesOfItsMoment(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		late := fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: time.Minute}
		c.fake.Order(late)
		if got := c.modify(nil); got.err == nil {
			t.Fatal("there was an answer")
		}
		c.alpha().want(t, 200, "")
		<-time.After(time.Minute)
		synctest.Wait()
		c.alpha().want(t, 401, "10001")
		c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")

		// The old secret is valid when this call is sent, and wrong when it arrives.
		c.fake.Order(late)
		third := map[string]any{"partnerSecret": nextSecret, "newPartnerSecret": "Fake-Secret-Third-4"}
		if got := c.modify(third); got.err == nil {
			t.Fatal("there was an answer")
		}
		entry := last(t, c.fake)
		wantEqual(t, "applied before", entry.Applied, false)
		c.fake.SetSecret(alphaID, "Fake-Secret-Fourth-5")
		<-time.After(time.Minute)
		synctest.Wait()
		entry = last(t, c.fake)
		wantEqual(t, "applied after", entry.Applied, true)
		wantEqual(t, "outcome", entry.Outcome, fakefinicity.OutcomeRejected)
		wantEqual(t, "toward the lock", c.fake.Counters(alphaID).TowardLock, 1)
		wantEqual(t, "secret", c.fake.AcceptsSecret(alphaID, "Fake-Secret-Fourth-5"), true)
	})
}
