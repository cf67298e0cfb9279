// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestUnknownPathsAndWrongMethodsAreRefusedAndLogged(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindDropped})
	unknown := c.do(http.MethodGet, "/aggregation/v3/customers", "", nil)
	unknown.want(t, 404, "")
	wantEqual(t, "content type", unknown.header.Get("Content-Type"), "text/plain; charset=utf-8")
	wantEqual(t, "status in the log", last(t, c.fake).Status, 404)
	wrong := c.do(http.MethodGet, fakefinicity.PathAuthentication, "", nil)
	wrong.want(t, 405, "")
	wantEqual(t, "Allow", wrong.header.Get("Allow"), "POST, PUT")
	c.do(http.MethodPost, fakefinicity.PathCustomers, "", nil).want(t, 405, "")
	wantEqual(t, "call in the log", last(t, c.fake).Call, "other")
	wantEqual(t, "faults used", c.fake.ClearFaults(), 1)
}

func TestConfigurationThatCannotWorkIsRefusedWithoutTheSecret(t *testing.T) {
	good := twoPartners()
	for name, cfg := range map[string]fakefinicity.Config{
		"no ID":             {Partners: []fakefinicity.Partner{{Secret: alphaSecret, AppKey: alphaKey}}},
		"no secret":         {Partners: []fakefinicity.Partner{{ID: alphaID, AppKey: alphaKey}}},
		"no app key":        {Partners: []fakefinicity.Partner{{ID: alphaID, Secret: alphaSecret}}},
		"twice":             {Partners: []fakefinicity.Partner{good[0], good[0]}},
		"negative lifetime": {Partners: good, TokenLifetime: -time.Second},
	} {
		err := cfg.Validate()
		if err == nil || strings.Contains(err.Error(), alphaSecret) {
			t.Errorf("%s: %v", name, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New did not panic", name)
				}
			}()
			fakefinicity.New(cfg)
		}()
	}
}

func TestManyCallersAtOnceAreCountedExactly(t *testing.T) {
	fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
	server := httptest.NewServer(fake)
	defer server.Close()
	defer fake.Close()
	const callers, calls = 8, 20
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			c := &caller{t: t, fake: fake, http: server.Client(), base: server.URL}
			for range calls {
				token := c.alpha().token
				if got := c.customers(alphaKey, token); got.status != 200 {
					t.Errorf("customers: %d %v", got.status, got.err)
				}
				if got := c.authenticate(betaID, "Wrong-Secret-1", betaKey); got.status != 401 && got.status != 500 {
					t.Errorf("wrong secret: %d %v", got.status, got.err)
				}
			}
		})
	}
	all.Wait()
	wantEqual(t, "right ones", fake.Counters(alphaID),
		fakefinicity.Counters{Authentications: callers * calls, APICalls: callers * calls})
	wantEqual(t, "wrong ones", fake.Counters(betaID),
		fakefinicity.Counters{Rejected: 5, TowardLock: 5, Locked: true, WhileLocked: callers*calls - 5})
	for i, entry := range fake.Requests() {
		wantEqual(t, "sequence number", entry.Seq, i+1)
	}
}

func BenchmarkNewAuthenticateClose(b *testing.B) {
	body := object(map[string]any{"partnerId": alphaID, "partnerSecret": alphaSecret})
	for b.Loop() {
		fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
		client := &http.Client{Transport: &http.Transport{DialContext: fake.Dialer()}}
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
			"http://127.0.0.1"+fakefinicity.PathAuthentication, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		for name, value := range headers(alphaKey) {
			request.Header.Set(name, value)
		}
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(response.StatusCode, err)
		}
		fake.Close()
	}
}
