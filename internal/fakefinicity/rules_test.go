// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestAuthenticationAnswersATokenThatProvesThePartner(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	first, second := c.alpha(), c.alpha()
	first.want(t, 200, "")
	if !regexp.MustCompile(`^[A-Za-z0-9]{20}$`).MatchString(first.token) {
		t.Fatalf("token %q", first.token)
	}
	if first.token == second.token {
		t.Fatal("the same token twice")
	}
	for _, token := range []string{first.token, second.token} {
		got := c.customers(alphaKey, token)
		got.want(t, 200, "")
		wantEqual(t, "body", got.body, `{"found":0,"displaying":0,"moreAvailable":false,"customers":[]}`)
	}
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{Authentications: 2, APICalls: 2})
	wantEqual(t, "counters of the other", c.fake.Counters(betaID), fakefinicity.Counters{})
}

func TestATokenIsRefusedIfExpiredMissingOrAnotherPartners(t *testing.T) {
	clock := newClock()
	c := newCaller(t, fakefinicity.Config{Now: clock.Now})
	token := c.alpha().token
	c.customers("", token).want(t, 401, "10026")
	c.customers("no-such-key", token).want(t, 401, "10026")
	c.customers(alphaKey, "").want(t, 401, "10022")
	c.customers(betaKey, token).want(t, 401, "10023")
	c.customers(alphaKey, "made-up").want(t, 401, "10023")
	clock.Advance(fakefinicity.DefaultTokenLifetime - time.Nanosecond)
	c.customers(alphaKey, token).want(t, 200, "")
	wantEqual(t, "accepts", c.fake.AcceptsToken(alphaID, token), true)
	wantEqual(t, "accepts for the other", c.fake.AcceptsToken(betaID, token), false)
	clock.Advance(time.Nanosecond)
	c.customers(alphaKey, token).want(t, 401, "10023")
	wantEqual(t, "accepts", c.fake.AcceptsToken(alphaID, token), false)
	// Issuing a later token removes the expired one.
	c.alpha().want(t, 200, "")
	c.customers(alphaKey, token).want(t, 401, "10023")
	wantEqual(t, "refused", c.fake.Counters(alphaID).APIRefused, 4)
	wantEqual(t, "locked", c.fake.Counters(alphaID).TowardLock, 0)
}

func TestTwoPartnersMayShareAnAppKey(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{TokenLifetime: time.Minute, Partners: []fakefinicity.Partner{
		{ID: alphaID, Secret: alphaSecret, AppKey: alphaKey}, {ID: betaID, Secret: betaSecret, AppKey: alphaKey},
	}})
	c.customers(alphaKey, c.authenticate(betaID, betaSecret, alphaKey).token).want(t, 200, "")
	wantEqual(t, "calls of the token's partner", c.fake.Counters(betaID).APICalls, 1)
}

func TestFifthWrongAttemptLocksThePartner(t *testing.T) {
	wrongSecret := func(c *caller) result { return c.authenticate(alphaID, "Wrong-Secret-1", alphaKey) }
	wrongPut := func(c *caller) result { return c.modify(map[string]any{"partnerSecret": "Wrong-Secret-1"}) }
	wrongKey := func(c *caller) result { return c.authenticate(alphaID, alphaSecret, betaKey) }
	noKey := func(c *caller) result { return c.authenticate(alphaID, alphaSecret, "") }
	attempts := []struct {
		try  func(*caller) result
		code string
	}{{wrongSecret, "10001"}, {wrongPut, "10001"}, {wrongKey, "10026"}, {noKey, "10026"}}

	c := newCaller(t, fakefinicity.Config{})
	token := c.alpha().token
	for _, attempt := range attempts {
		attempt.try(c).want(t, 401, attempt.code)
	}
	wantEqual(t, "locked after four", c.fake.Counters(alphaID).Locked, false)
	fifth := wrongSecret(c)
	fifth.want(t, 500, "number 24302")
	if !strings.Contains(fifth.body, "we've locked your account") {
		t.Fatalf("body %s", fifth.body)
	}
	for _, try := range []func(*caller) result{(*caller).alpha, wrongKey, func(c *caller) result { return c.modify(nil) }} {
		try(c).want(t, 500, "number 24302")
	}
	wantEqual(t, "secret after a locked PUT", c.fake.AcceptsSecret(alphaID, alphaSecret), true)
	wantEqual(t, "outcome", last(t, c.fake).Outcome, fakefinicity.OutcomeLocked)
	c.customers(alphaKey, token).want(t, 200, "")
	c.authenticate(betaID, betaSecret, betaKey).want(t, 200, "")
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{
		Authentications: 1, Rejected: 5, TowardLock: 5, Locked: true, WhileLocked: 3, APICalls: 1,
	})

	c.fake.Unlock(alphaID)
	c.alpha().want(t, 200, "")
	wantEqual(t, "toward the lock after Unlock", c.fake.Counters(alphaID).TowardLock, 0)
}

func TestWhetherASuccessResetsTheCountIsConfigured(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		c := newCaller(t, fakefinicity.Config{SuccessKeepsCount: keeps})
		for range 4 {
			c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "10001")
		}
		c.alpha().want(t, 200, "")
		if keeps {
			c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 500, "number 24302")
		} else {
			c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "10001")
			c.modify(nil).want(t, 204, "")
			wantEqual(t, "after a successful PUT", c.fake.Counters(alphaID).TowardLock, 0)
		}
	}
}

// The edge has not passed the call on, so nothing counts.
func TestAnInvalidAppKeyIsARateLimitIfConfigured(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{AppKeyRateLimited: true})
	token := c.alpha().token
	for range 6 {
		c.authenticate(alphaID, alphaSecret, betaKey).want(t, 429, "")
		c.modify(map[string]any{"partnerId": "404"}).want(t, 401, "10001")
		c.authenticate("404", alphaSecret, "no-such-key").want(t, 429, "")
		c.customers("no-such-key", token).want(t, 429, "")
	}
	wantEqual(t, "rejected", c.fake.Counters(alphaID).Rejected, 0)
	c.customers(alphaKey, token).want(t, 200, "")
	c.authenticate(alphaID, "Wrong-Secret-1", alphaKey).want(t, 401, "10001")
}

func TestUnknownPartnerIsAWrapped404ForPostAndA401ForPut(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for range 6 {
		c.authenticate("404", alphaSecret, alphaKey).want(t, 404, "12401")
		c.modify(map[string]any{"partnerId": "404"}).want(t, 401, "10001")
		c.authenticate("404", alphaSecret, "no-such-key").want(t, 401, "10026")
	}
	wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
	wantEqual(t, "counters of an unknown partner", c.fake.Counters("404"), fakefinicity.Counters{})
	wantEqual(t, "partner in the log", last(t, c.fake).PartnerID, "")
}

func TestModifySecretKillsTheOldOneAtOnce(t *testing.T) {
	for _, fields := range []map[string]any{nil, {"immediate": true}, {"immediate": nil}} {
		c := newCaller(t, fakefinicity.Config{})
		token := c.alpha().token
		changed := c.modify(fields)
		changed.want(t, 204, "")
		wantEqual(t, "body", changed.body, "")
		c.alpha().want(t, 401, "10001")
		c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
		c.customers(alphaKey, token).want(t, 200, "")
		wantEqual(t, "changes", c.fake.Counters(alphaID).SecretChanges, 1)
	}
}

func TestGracePeriodKeepsTheOldSecretForThirtyDays(t *testing.T) {
	clock := newClock()
	c := newCaller(t, fakefinicity.Config{Now: clock.Now})
	c.modify(map[string]any{"immediate": false}).want(t, 204, "")
	wantEqual(t, "new secret held", c.fake.HoldsSecret(alphaID, nextSecret), true)
	wantEqual(t, "old secret held", c.fake.HoldsSecret(alphaID, alphaSecret), false)
	clock.Advance(30*24*time.Hour - time.Nanosecond)
	c.alpha().want(t, 200, "")
	c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
	clock.Advance(time.Nanosecond)
	c.alpha().want(t, 401, "10001")
	c.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
}

func TestAnImmediateChangeEndsAGracePeriodToo(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	c.modify(map[string]any{"immediate": false}).want(t, 204, "")
	c.modify(map[string]any{"newPartnerSecret": "Fake-Secret-Third-4"}).want(t, 204, "")
	for secret, good := range map[string]bool{alphaSecret: false, nextSecret: false, "Fake-Secret-Third-4": true} {
		wantEqual(t, secret, c.fake.AcceptsSecret(alphaID, secret), good)
	}
}

func TestTokensDieWithTheSecretIfConfigured(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{TokensDieWithSecret: true})
	token, other := c.alpha().token, c.authenticate(betaID, betaSecret, betaKey).token
	c.modify(map[string]any{"immediate": false}).want(t, 204, "")
	c.customers(alphaKey, token).want(t, 200, "")
	c.modify(nil).want(t, 204, "")
	c.customers(alphaKey, token).want(t, 401, "10023")
	c.customers(betaKey, other).want(t, 200, "")
}

// Of the printable ASCII characters, letters, digits and these ten are allowed (OpenAPI
// document 1.42).
func TestANewSecretMayContainOnlyTheseCharacters(t *testing.T) {
	for c := byte(' '); c <= '~'; c++ {
		secret := "Secret-1-with-" + string(c) + "-inside"
		letter, digit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
		caller := newCaller(t, fakefinicity.Config{})
		if letter || digit || strings.ContainsRune("!@#$%&*_-+", rune(c)) {
			caller.modify(map[string]any{"newPartnerSecret": secret}).want(t, 204, "")
		} else {
			caller.modify(map[string]any{"newPartnerSecret": secret}).want(t, 400, "24437")
		}
	}
}

func TestNewSecretMustMeetThePolicy(t *testing.T) {
	const long = "Abc-1234567" // 11 characters
	for secret, good := range map[string]bool{
		long:                            false,
		long + "8":                      true,
		long + strings.Repeat("x", 244): true,
		long + strings.Repeat("x", 245): false,
		"onlylettershere":               false,
		"123456789012":                  false,
		"!@#$%&*_-+aA0":                 true,
		"not a secret 1":                false,
		"Tilde~inside-1":                false,
		"Ümlaut-secret-1":               false,
		"colon:inside-1":                false,
	} {
		c := newCaller(t, fakefinicity.Config{})
		got := c.modify(map[string]any{"newPartnerSecret": secret})
		if good {
			got.want(t, 204, "")
		} else {
			got.want(t, 400, "24437")
			wantEqual(t, "outcome", last(t, c.fake).Outcome, fakefinicity.OutcomeRefused)
			wantEqual(t, "counters", c.fake.Counters(alphaID), fakefinicity.Counters{})
		}
		wantEqual(t, "old secret after "+secret, c.fake.AcceptsSecret(alphaID, alphaSecret), !good)
		wantEqual(t, "new secret "+secret, c.fake.AcceptsSecret(alphaID, secret), good)
	}
}
