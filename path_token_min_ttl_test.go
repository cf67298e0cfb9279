// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestMinTTLBeyondThreeQuartersOfTheLifetimeIsRefused(t *testing.T) {
	t.Parallel()
	for lifetime, limit := range map[string]struct{ most, more, shown string }{
		"2h":  {"90m", "5401s", "1h30m0s"},
		"10m": {"450s", "451s", "7m30s"},
		"1m":  {"45s", "46s", "45s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, fields{"token_lifetime": lifetime})
			for range 2 { // With a token at hand, and without one.
				h.fails(h.read("token", fields{"min_ttl": limit.more}), 400, `"min_ttl"`, "at most "+limit.shown)
				h.succeeds(h.read("token", fields{"min_ttl": limit.most}))
				h.restart()
			}
			h.called(1, 0)
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
		"enough is left":                  {55 * time.Minute, "1h", 0},
		"a second too little":             {55*time.Minute + time.Second, "1h", 1},
		"a part of a second too little":   {55*time.Minute + 1, 3600, 1},
		"the most, of a new token":        {0, "90m", 0},
		"the most, of a token that isn't": {26 * time.Minute, "90m", 1},
		"nothing is asked for":            {80 * time.Minute, "0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, restarted := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					token := h.token()
					h.pass(test.age)
					if restarted {
						h.restart()
					}
					a := h.read("token", fields{"min_ttl": test.ttl})
					h.succeeds(a)
					if same := a.data["token"] == token; same != (test.calls == 0) {
						t.Errorf("the same token: %v", same)
					}
					h.called(1+test.calls, 0)
					if h.token() != a.data["token"] {
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
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(70 * time.Minute)
		h.down()
		h.fails(h.read("token", fields{"min_ttl": "1h"}), 502, "maintenance")
		h.fails(h.read("token", fields{"min_ttl": "1h"}), 503, "the next call is made in 1s")
		a := h.read("token", nil)
		h.succeeds(a)
		h.warned(a)
		if a.data["token"] != token {
			t.Error("the others do not get the token that is still fresh")
		}
		a = h.read("token", fields{"min_ttl": "45m"})
		h.succeeds(a)
		h.warned(a)
		h.called(2, 0)
	})
}

// The refresh that is joined need not bring what the one who joins asks for.
func TestAReaderWhoJoinsAnothersRefreshGetsTheirMinTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(85 * time.Minute)
		h.restart()
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: time.Second})
		// All of them wait for a load from storage, which brings a token that is good enough for some.
		h.b.upstream <- struct{}{}
		plain := h.readers(5)
		synctest.Wait()
		demanding := h.background(func() answer { return h.read("token", fields{"min_ttl": "90m"}) })
		synctest.Wait()
		h.b.unlock()
		for _, one := range plain {
			h.succeeds(<-one)
		}
		a := <-demanding
		if got := h.lease(a); got < 90*time.Minute {
			t.Errorf("the lease is for %s", got)
		}
		h.called(2, 0)
	})
}

// The old token is served to whom it is enough for, while another reader has it refreshed.
func TestARefreshForMinTTLHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		demanding := h.background(func() answer { return h.read("token", fields{"min_ttl": "90m"}) })
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		h.same(h.readers(20), token)
		h.fake.Release()
		h.succeeds(<-demanding)
		h.called(2, 0)
	})
}

// Otherwise the answer would have less left than was asked for, and nobody would be told.
func TestAMinTTLOfMoreThanALeaseMayHaveIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.view.MaxLeaseTTLVal = 10 * time.Minute
		h.fails(h.read("token", fields{"min_ttl": "11m"}), 400, `field "min_ttl"`, "at most 10m0s", "vault secrets tune")
		if a := h.read("token", fields{"min_ttl": "10m"}); a.data["ttl"] != int64(600) {
			t.Errorf("ttl is %v", a.data["ttl"])
		}
	})
}
