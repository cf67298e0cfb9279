// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestRotateTokenReplacesTheSharedTokenAndReturnsTimesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		before := h.token()
		h.pass(time.Minute)
		a := h.write("rotate-token", nil)
		h.succeeds(a)
		h.warned(a)
		if a.data["issue_time"] != "2000-01-01T00:01:00Z" || a.data["expire_time"] != "2000-01-01T01:56:00Z" || len(a.data) != 2 {
			t.Errorf("it returns %v", a.data)
		}
		after := h.token()
		if after == before || !h.fake.AcceptsToken(partnerID, after) {
			t.Error("the token is not replaced by a good one")
		}
		h.restart()
		if h.token() != after {
			t.Error("the new one is not stored")
		}
		h.called(2, 0)
	})
}

// All apps that are told by Finicity that their token is no good ask at the same time.
func TestRotateTokenWithinAMinuteChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(time.Hour)
		var all []<-chan answer
		for range 200 {
			all = append(all, h.background(func() answer { return h.write("rotate-token", nil) }))
		}
		warned := 0
		for _, each := range all {
			a := <-each
			h.succeeds(a)
			warned += len(a.warnings)
		}
		if warned != 199 {
			t.Errorf("%d of 200 were told that nothing was changed", warned)
		}
		h.called(2, 0)
		h.pass(time.Minute - 1)
		h.restart()
		a := h.write("rotate-token", nil)
		h.warned(a, "the token was replaced 59s ago", "once in 1m0s at most")
		h.called(2, 0)
		h.pass(1)
		h.warned(h.write("rotate-token", nil))
		h.called(3, 0)
	})
}

func TestWhenRotateTokenFailsTheOldTokenStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(time.Minute)
		h.fails(h.write("rotate-token", fields{"force": true}), 400, `unknown field "force"`)
		h.down()
		h.fails(h.write("rotate-token", nil), 502, "maintenance")
		for range 20 { // Apps may ask for it as often as for a token.
			h.fails(h.write("rotate-token", nil), 503, "maintenance", "the next call is made in 1s")
		}
		h.called(2, 0)
		h.fake.ClearFaults()
		h.pass(time.Second)
		h.fake.SetSecret(partnerID, wrongSecret)
		for range 6 {
			h.fails(h.write("rotate-token", nil), 400, "10001")
		}
		h.wrongly(4)
		if h.token() != token {
			t.Error("the old token is gone")
		}
	})
}

func TestRotateTokenNeedsAConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fails(h.write("rotate-token", nil), 400, "not configured", "vault write finicity/config")
	})
}

// A token that Finicity does not honour any more is what it is for.
func TestRotateTokenHelpsWhenATokenDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarnessWith(t, fakefinicity.Config{TokensDieWithSecret: true})
		h.configure(nil)
		token := h.token()
		h.interrupt(true)
		h.pass(time.Minute)
		if h.fake.AcceptsToken(partnerID, token) {
			t.Fatal("the token did not die with the secret")
		}
		h.succeeds(h.write("rotate-token", nil))
		if !h.fake.AcceptsToken(partnerID, h.token()) {
			t.Error("the new token is no good")
		}
		h.settled()
	})
}
