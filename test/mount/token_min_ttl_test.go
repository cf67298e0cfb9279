// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestMoreMinTTLThanIsLeftAfterAQuarterOfTheLifetimeIsRefused(t *testing.T) {
	t.Parallel()
	for lifetime, limit := range map[string]struct{ most, more, shown string }{
		"2h":  {"85m", "5101s", "85m"},
		"10m": {"425s", "426s", "7m5s"},
		"1m":  {"42s", "43s", "42s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": lifetime})
			for range 2 { // With a token at hand, and without one.
				h.Fails(h.Read("token", mounttest.Fields{"min_ttl": limit.more}), 400, `"min_ttl"`, "at most "+limit.shown)
				h.Succeeds(h.Read("token", mounttest.Fields{"min_ttl": limit.most}))
				h.Fails(h.Write("token", mounttest.Fields{"min_ttl": limit.more}), 400, `"min_ttl"`, "at most "+limit.shown)
				h.Succeeds(h.Write("token", mounttest.Fields{"min_ttl": limit.most}))
				h.Restart()
			}
			h.Called(1, 0)
		})
	}
}

func TestMinTTLRefreshesWhenLessIsLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		age   time.Duration
		ttl   any
		calls int
	}{
		"enough is left":                {55 * time.Minute, "1h", 0},
		"a second too little":           {55*time.Minute + time.Second, "1h", 1},
		"a part of a second too little": {55*time.Minute + 1, 3600, 1},
		"the most, after 30 minutes":    {30 * time.Minute, "85m", 0},
		"the most, a second later":      {30*time.Minute + time.Second, "85m", 1},
		"nothing is asked for":          {80 * time.Minute, "0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, restarted := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					token := h.Token()
					h.Pass(test.age)
					if restarted {
						h.Restart()
					}
					a := h.Read("token", mounttest.Fields{"min_ttl": test.ttl})
					h.Succeeds(a)
					if same := a.Data["token"] == token; same != (test.calls == 0) {
						t.Errorf("the same token: %v", same)
					}
					h.Called(1+test.calls, 0)
					if h.Token() != a.Data["token"] {
						t.Error("the refreshed token is not everyone's")
					}
				})
			}
		})
	}
}

func TestARefreshForMinTTLThatFailsIsThatReadersErrorAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(70 * time.Minute)
		h.Down()
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "1h"}), 502, "maintenance")
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "1h"}), 503, "the next request is sent in 1s")
		a := h.Read("token", nil)
		h.Succeeds(a)
		h.Warned(a)
		if a.Data["token"] != token {
			t.Error("the others do not get the token that is still fresh")
		}
		a = h.Read("token", mounttest.Fields{"min_ttl": "45m"})
		h.Succeeds(a)
		h.Warned(a)
		h.Called(2, 0)
	})
}

// The refresh that a reader joins need not return the lifetime that the reader
// requests.
func TestAReaderWhoJoinsAnothersRefreshGetsTheirMinTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(85 * time.Minute)
		h.Restart()
		// All of them wait for a refresh that finds a token in storage. Some of them
		// need no more.
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		write := h.Background(func() mounttest.Answer {
			return h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		})
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		plain := readMany(h, 5)
		synctest.Wait()
		demanding := h.Background(func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "85m"}) })
		synctest.Wait()
		h.Fake.Release()
		h.Fails(<-write, 400, "10001")
		for _, one := range plain {
			h.Succeeds(<-one)
		}
		a := <-demanding
		if got := leaseOf(h, a); got < 85*time.Minute {
			t.Errorf("the lease is for %s", got)
		}
		h.Called(3, 0)
	})
}

// The old token is served to readers for which it lasts long enough, while another
// reader has it refreshed.
func TestARefreshForMinTTLDelaysNoOtherReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		demanding := h.Background(func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "85m"}) })
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		sameToken(h, readMany(h, 20), token)
		h.Fake.Release()
		h.Succeeds(<-demanding)
		h.Called(2, 0)
	})
}

// Otherwise the answer would have less time left than requested, and the reader would
// not know.
func TestAMinTTLOverTheLimitOfALeaseIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.View.MaxLeaseTTLVal = 10 * time.Minute
		h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "11m"}), 400, `field "min_ttl"`, "at most 10m0s", "vault secrets tune")
		if a := h.Read("token", mounttest.Fields{"min_ttl": "10m"}); a.Data["ttl"] != int64(600) {
			t.Errorf("ttl is %v", a.Data["ttl"])
		}
	})
}

func TestReadersWhoAskForTheMostCostOneAuthenticationInHalfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 24 * 60 {
			h.Succeeds(h.Read("token", mounttest.Fields{"min_ttl": "85m"}))
			h.Token()
			h.Tick()
			h.Pass(time.Minute)
		}
		if n := h.Calls(fakefinicity.CallAuthenticate); n > 48 {
			t.Errorf("%d authentications within a day", n)
		}
	})
}

// The mount allows a lease of ten minutes, so this request is refused in any case.
func TestAMinTTLThatTheMountForbidsCostsNoAuthentication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.View.MaxLeaseTTLVal = 10 * time.Minute
		for range 8 * 60 {
			h.Fails(h.Read("token", mounttest.Fields{"min_ttl": "85m"}), 400, "at most 10m0s")
			h.Pass(time.Minute)
		}
		h.Called(1, 0)
	})
}
