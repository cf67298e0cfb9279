// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestMisleadingIsAppliedAndAnsweredAsOrdered(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.fake.Order(
		fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindMisleading, Status: 429, RetryAfter: "30",
			Header: map[string]string{"Via": "gateway"}, Body: "<html>", ContentType: "text/html",
		},
		fakefinicity.Fault{
			Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindMisleading, Status: 403,
			Body: `{"code":"24437","message":"no"}`, Count: 2,
		},
	)
	got := c.modify(nil)
	got.want(t, 429, "")
	wantEqual(t, "body", got.body, "<html>")
	wantEqual(t, "content type", got.header.Get("Content-Type"), "text/html")
	wantEqual(t, "Retry-After", got.header.Get("Retry-After"), "30")
	wantEqual(t, "Via", got.header.Get("Via"), "gateway")
	wantEqual(t, "new secret", c.fake.HoldsSecret(alphaID, nextSecret), true)
	entry := last(t, c.fake)
	wantEqual(t, "applied", entry.Applied, true)
	wantEqual(t, "outcome", entry.Outcome, fakefinicity.OutcomeAccepted)
	wantEqual(t, "status in the log", entry.Status, 429)

	// The client gets the same answer whether the call is right or wrong.
	c.authenticate(alphaID, nextSecret, alphaKey).want(t, 403, "24437")
	wantEqual(t, "tokens", c.fake.Counters(alphaID).Authentications, 1)
	c.alpha().want(t, 403, "24437")
	wantEqual(t, "wrong attempts", c.fake.Counters(alphaID).Rejected, 1)
	wantEqual(t, "code in the log", last(t, c.fake).Code, "10001")
}

func TestMisleadingWithADelayIsAnsweredFirstAndAppliedLater(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 204, Delay: time.Minute})
		start := time.Now()
		c.modify(nil).want(t, 204, "")
		wantEqual(t, "delay", time.Since(start), 0)
		wantEqual(t, "applied before", last(t, c.fake).Applied, false)
		c.alpha().want(t, 200, "")
		<-time.After(time.Minute)
		synctest.Wait()
		wantEqual(t, "applied after", c.fake.Requests()[0].Applied, true)
		c.alpha().want(t, 401, "10001")
		c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
	})
}

// The copy of a change contains the secret that the first change has replaced. With a
// grace period, that secret still works.
func TestTwiceSendsTheAnswerToTheSecondCopy(t *testing.T) {
	for _, test := range []struct {
		immediate                 bool
		status, changes, rejected int
		code                      string
	}{
		{immediate: true, status: 401, changes: 1, rejected: 1, code: "10001"},
		{immediate: false, status: 204, changes: 2, rejected: 0},
	} {
		c := newCaller(t, fakefinicity.Config{})
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindTwice})
		c.modify(map[string]any{"immediate": test.immediate}).want(t, test.status, test.code)
		wantEqual(t, "new secret", c.fake.HoldsSecret(alphaID, nextSecret), true)
		wantEqual(t, "changes", c.fake.Counters(alphaID).SecretChanges, test.changes)
		wantEqual(t, "wrong attempts", c.fake.Counters(alphaID).Rejected, test.rejected)
		log := c.fake.Requests()
		wantEqual(t, "entries", len(log), 2)
		for i, want := range []fakefinicity.Request{
			{Seq: 1, Outcome: fakefinicity.OutcomeAccepted}, // Its answer was lost.
			{Seq: 2, Status: test.status, Code: test.code, Outcome: log[1].Outcome},
		} {
			want.Time, want.Applied, want.Fault = log[i].Time, true, fakefinicity.KindTwice
			want.Call, want.PartnerID, want.UserAgent = fakefinicity.CallModifySecret, alphaID, "tester/1"
			wantEqual(t, "entry", log[i], want)
		}
	}
}

func TestTwiceWithADelayAnswersFirstAndItsCopyArrivesLater(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindTwice, Delay: time.Hour})
		c.modify(map[string]any{"immediate": false}).want(t, 204, "")
		wantEqual(t, "entries before", len(c.fake.Requests()), 1)
		third := map[string]any{"partnerSecret": nextSecret, "newPartnerSecret": "Fake-Secret-Third-4", "immediate": false}
		c.modify(third).want(t, 204, "")
		<-time.After(time.Hour)
		synctest.Wait()
		// The rules apply to the state when it arrives: the old secret still works, so
		// the first change wins once more.
		wantEqual(t, "secret", c.fake.HoldsSecret(alphaID, nextSecret), true)
		entry := last(t, c.fake)
		wantEqual(t, "sequence number", entry.Seq, 3)
		wantEqual(t, "status", entry.Status, 0)
		wantEqual(t, "outcome", entry.Outcome, fakefinicity.OutcomeAccepted)
		wantEqual(t, "arrival", entry.Time.Sub(c.fake.Requests()[0].Time), time.Hour)
	})
}

func TestWhatIsStillToArriveDoesNotArriveAfterClose(t *testing.T) {
	inBubble(t, func(c *caller) {
		t := c.t
		c.fake.Order(
			fakefinicity.Fault{Kind: fakefinicity.KindTwice, Delay: time.Hour},
			fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 204, Delay: time.Hour},
		)
		c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "10001")
		c.modify(nil).want(t, 204, "")
		c.fake.Close()
		<-time.After(2 * time.Hour)
		wantEqual(t, "entries", len(c.fake.Requests()), 2)
		wantEqual(t, "wrong attempts", c.fake.Counters(alphaID).Rejected, 1)
		wantEqual(t, "old secret", c.fake.HoldsSecret(alphaID, alphaSecret), true)
	})
}

func TestGatewayFaultsThatWouldNotDoWhatTheySayAreRefused(t *testing.T) {
	for name, f := range map[string]fakefinicity.Fault{
		"no status":            {Kind: fakefinicity.KindMisleading},
		"status 600":           {Kind: fakefinicity.KindMisleading, Status: 600},
		"body with a 204":      {Kind: fakefinicity.KindMisleading, Status: 204, Body: "x"},
		"line in a header":     {Kind: fakefinicity.KindMisleading, Status: 500, Header: map[string]string{"A": "b\nC: d"}},
		"status of a copy":     {Kind: fakefinicity.KindTwice, Status: 500},
		"body of a copy":       {Kind: fakefinicity.KindTwice, Body: "x"},
		"negative delay":       {Kind: fakefinicity.KindTwice, Delay: -1},
		"negative delay again": {Kind: fakefinicity.KindMisleading, Status: 500, Delay: -1},
	} {
		if f.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}
