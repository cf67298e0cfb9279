// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestTheLogSaysWhatHappenedInTheOrderOfArrival(t *testing.T) {
	clock := newClock()
	c := newCaller(t, fakefinicity.Config{Now: clock.Now})
	c.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost})
	token := c.alpha().token
	clock.Advance(time.Minute)
	if got := c.modify(nil); got.err == nil {
		t.Fatal("there was an answer")
	}
	c.alpha().want(t, 401, "10001")
	c.customers(alphaKey, token).want(t, 200, "")
	start := newClock().Now()
	want := []fakefinicity.Request{
		{Seq: 1, Time: start, Call: "authenticate", PartnerID: alphaID, Status: 200, Outcome: "accepted"},
		{Seq: 2, Time: start.Add(time.Minute), Call: "modify_secret", PartnerID: alphaID, Outcome: "accepted", Fault: "lost"},
		{
			Seq: 3, Time: start.Add(time.Minute), Call: "authenticate", PartnerID: alphaID,
			Status: 401, Code: "10001", Outcome: "rejected",
		},
		{Seq: 4, Time: start.Add(time.Minute), Call: "customers", PartnerID: alphaID, Status: 200, Outcome: "accepted"},
	}
	for i := range want {
		want[i].Applied, want[i].UserAgent = true, "tester/1"
	}
	want[3].UserAgent = "Go-http-client/1.1"
	got := c.fake.Requests()
	wantEqual(t, "entries", len(got), len(want))
	for i := range want {
		wantEqual(t, "entry", got[i], want[i])
	}
	c.fake.ResetLog()
	wantEqual(t, "entries after ResetLog", len(c.fake.Requests()), 0)
	c.alpha().want(t, 401, "10001")
	wantEqual(t, "sequence number after ResetLog", last(t, c.fake).Seq, 5)
}

func TestTheLogHoldsNoSecretNoTokenAndNoAppKey(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	token := c.alpha().token
	c.customers(alphaKey, token).want(t, 200, "")
	c.modify(nil).want(t, 204, "")
	c.authenticate(alphaSecret, "swapped", alphaKey).want(t, 404, "12401")
	c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindEcho})
	c.modify(nil).want(t, 401, "10001")
	log := fmt.Sprintf("%+v", c.fake.Requests())
	for _, secret := range []string{alphaSecret, nextSecret, alphaKey, token} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

func TestTheLogForgetsTheOldestWhenItIsFull(t *testing.T) {
	fake := fakefinicity.New(fakefinicity.Config{})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	const bound = 1 << 16
	for range bound + 1 {
		fake.ServeHTTP(httptest.NewRecorder(), request)
	}
	wantEqual(t, "entries", len(fake.Requests()), bound/2+1)
	wantEqual(t, "sequence number", last(t, fake).Seq, bound+1)
}

func TestSecretAndAppKeyChangedInThePortalKillTheOldOnesAtOnce(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	token := c.alpha().token
	c.modify(map[string]any{"immediate": false}).want(t, 204, "")
	c.fake.SetSecret(alphaID, "Portal-Secret-9")
	wantEqual(t, "old", c.fake.AcceptsSecret(alphaID, alphaSecret), false)
	wantEqual(t, "next", c.fake.AcceptsSecret(alphaID, nextSecret), false)
	c.authenticate(alphaID, "Portal-Secret-9", alphaKey).want(t, 200, "")
	c.customers(alphaKey, token).want(t, 200, "")

	c.fake.SetAppKey(alphaID, "portal-app-key")
	c.authenticate(alphaID, "Portal-Secret-9", alphaKey).want(t, 401, "10026")
	c.authenticate(alphaID, "Portal-Secret-9", "portal-app-key").want(t, 200, "")
	c.customers(alphaKey, token).want(t, 401, "10026")
	c.customers("portal-app-key", token).want(t, 200, "")
}

func TestAnotherTokenLifetimeIsThatOfTheTokensAfterIt(t *testing.T) {
	clock := newClock()
	c := newCaller(t, fakefinicity.Config{Now: clock.Now})
	before := c.alpha().token
	c.fake.SetTokenLifetime(time.Minute)
	after := c.alpha().token
	clock.Advance(time.Minute - time.Nanosecond)
	c.customers(alphaKey, after).want(t, 200, "")
	clock.Advance(time.Nanosecond)
	c.customers(alphaKey, after).want(t, 401, "10023")
	c.customers(alphaKey, before).want(t, 200, "")
}

func TestOracleQueriesDoNotCountAndRefuseUnknownPartners(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for range 6 {
		wantEqual(t, "wrong secret", c.fake.AcceptsSecret(alphaID, "wrong"), false)
		wantEqual(t, "stranger's secret", c.fake.AcceptsSecret("404", alphaSecret), false)
		wantEqual(t, "made-up token", c.fake.AcceptsToken(alphaID, "made-up"), false)
	}
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
	wantEqual(t, "entries", len(c.fake.Requests()), 0)
	defer func() {
		if recover() == nil {
			t.Fatal("a partner that does not exist was unlocked")
		}
	}()
	c.fake.Unlock("404")
}
