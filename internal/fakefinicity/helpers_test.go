// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	alphaID     = "1000000000001"
	alphaSecret = "Fake-Secret-Alpha-1"
	alphaKey    = "fake-app-key-alpha"
	betaID      = "1000000000002"
	betaSecret  = "Fake-Secret-Beta-2"
	betaKey     = "fake-app-key-beta"
	nextSecret  = "Fake-Secret-Next-3"
)

func twoPartners() []fakefinicity.Partner {
	return []fakefinicity.Partner{
		{ID: alphaID, Secret: alphaSecret, AppKey: alphaKey},
		{ID: betaID, Secret: betaSecret, AppKey: betaKey},
	}
}

// clock is a clock that the test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// caller is a client that connects to the mock server in memory, with a new connection
// for each call.
type caller struct {
	t    *testing.T
	fake *fakefinicity.Server
	http *http.Client
	base string
}

func newCaller(t *testing.T, cfg fakefinicity.Config) *caller {
	t.Helper()
	if cfg.Partners == nil {
		cfg.Partners = twoPartners()
	}
	fake := fakefinicity.New(cfg)
	t.Cleanup(fake.Close)
	transport := &http.Transport{DialContext: fake.Dialer(), DisableKeepAlives: true}
	return &caller{t: t, fake: fake, http: &http.Client{Transport: transport}, base: "http://127.0.0.1"}
}

// result is what the client received. err is set if there was no complete answer.
type result struct {
	status int
	code   string
	token  string
	body   string
	header http.Header
	err    error
}

func (c *caller) do(method, path, body string, header map[string]string) result {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	return c.send(request)
}

func (c *caller) send(request *http.Request) result {
	response, err := c.http.Do(request)
	if err != nil {
		return result{err: err}
	}
	body, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	r := result{status: response.StatusCode, body: string(body), header: response.Header, err: err}
	var fields struct {
		Code   any
		Token  string
		Errors struct {
			Error []struct{ ReasonCode string }
		}
	}
	if json.Unmarshal(body, &fields) == nil {
		r.token = fields.Token
		switch code := fields.Code.(type) {
		case string:
			r.code = code
		case float64:
			r.code = fmt.Sprintf("number %.0f", code)
		}
		if len(fields.Errors.Error) == 1 {
			r.code = fields.Errors.Error[0].ReasonCode
		}
	}
	return r
}

func headers(appKey string) map[string]string {
	return map[string]string{
		"Finicity-App-Key": appKey,
		"Content-Type":     "application/json",
		"Accept":           "application/json",
		"User-Agent":       "tester/1",
	}
}

func object(fields map[string]any) string {
	encoded, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func (c *caller) authenticate(id, secret, appKey string) result {
	c.t.Helper()
	body := object(map[string]any{"partnerId": id, "partnerSecret": secret})
	return c.do(http.MethodPost, fakefinicity.PathAuthentication, body, headers(appKey))
}

func (c *caller) modify(fields map[string]any) result {
	c.t.Helper()
	body := map[string]any{"partnerId": alphaID, "partnerSecret": alphaSecret, "newPartnerSecret": nextSecret}
	maps.Copy(body, fields)
	return c.do(http.MethodPut, fakefinicity.PathAuthentication, object(body), headers(alphaKey))
}

func (c *caller) customers(appKey, token string) result {
	c.t.Helper()
	return c.do(http.MethodGet, fakefinicity.PathCustomers, "", map[string]string{
		"Finicity-App-Key": appKey, "Finicity-App-Token": token, "Accept": "application/json",
	})
}

func (c *caller) alpha() result {
	c.t.Helper()
	return c.authenticate(alphaID, alphaSecret, alphaKey)
}

func (r result) want(t *testing.T, status int, code string) {
	t.Helper()
	if r.err != nil || r.status != status || r.code != code {
		t.Fatalf("got %d %q (%v) %s, want %d %q", r.status, r.code, r.err, r.body, status, code)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func last(t *testing.T, fake *fakefinicity.Server) fakefinicity.Request {
	t.Helper()
	log := fake.Requests()
	if len(log) == 0 {
		t.Fatal("the request log is empty")
	}
	return log[len(log)-1]
}
