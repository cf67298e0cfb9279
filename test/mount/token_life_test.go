// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The phases of a token's life, for lifetimes at all of the bounds.
func TestATokenIsServedRefreshedAndGivenUpByItsAge(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, life := range []struct{ lifetime, refresh, end time.Duration }{
		{2 * time.Hour, 90 * time.Minute, 115 * time.Minute},
		{10 * time.Minute, 450 * second, 575 * second},
		{time.Minute, 45 * second, 57*second + 500*time.Millisecond},
	} {
		t.Run(life.lifetime.String(), func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]struct {
				age       time.Duration
				down      bool
				calls     int
				sameToken bool
				status    int
			}{
				"new":                      {0, false, 0, true, 200},
				"fresh":                    {life.refresh - 1, false, 0, true, 200},
				"fresh, while down":        {life.refresh - 1, true, 0, true, 200},
				"due":                      {life.refresh, false, 1, false, 200},
				"due, while down":          {life.refresh, true, 1, true, 200},
				"almost over":              {life.end - second, false, 1, false, 200},
				"almost over, while down":  {life.end - second, true, 1, true, 200},
				"under a second":           {life.end - second + 1, false, 1, false, 200},
				"under a second, and down": {life.end - second + 1, true, 1, false, 503},
				"over":                     {life.end, false, 1, false, 200},
				"over, while down":         {life.end, true, 1, false, 503},
				"long over, while down":    {24 * time.Hour, true, 1, false, 503},
			} {
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": life.lifetime.String()})
					token := h.Token()
					if test.down {
						h.Down()
					}
					h.Pass(test.age)
					h.Read("token", nil) // A token that is due is refreshed after this answer.
					synctest.Wait()
					a := h.Read("token", nil)
					if a.Status != test.status {
						t.Fatalf("%s: got a %d, want a %d", name, a.Status, test.status)
					}
					h.Called(1+test.calls, 0)
					if test.status != 200 {
						return
					}
					if same := a.Data["token"] == token; same != test.sameToken {
						t.Errorf("%s: the same token: %v, want %v", name, same, test.sameToken)
					}
					left := life.end
					if test.sameToken {
						left -= test.age
					}
					if got := leaseOf(h, a); got != left.Truncate(second) || got == 0 {
						t.Errorf("%s: a lease for %s, want %s", name, got, left.Truncate(second))
					}
					if test.down && test.calls > 0 {
						h.Warned(a, "the refresh of the token failed", "maintenance", "The current token is valid until")
					} else {
						h.Warned(a)
					}
				})
			}
		})
	}
}

// A lease of 0 would be Vault's default: a month, for a token that ends now.
func TestALeaseIsNeverZero(t *testing.T) {
	t.Parallel()
	served := 0
	for ticks := range 20 { // After this many looks at the clock, the last second of the token begins.
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Down()
			h.Pass(115*time.Minute - time.Second)
			h.SetClock(-time.Duration(ticks) * time.Millisecond)
			var err error
			h.B, err = finicity.NewFactory(engine.Options{Dial: h.Fake.Dialer(), Now: func() time.Time {
				h.SetClock(time.Millisecond)
				return h.Now()
			}})(t.Context(), &logical.BackendConfig{System: h.View, Logger: hclog.NewNullLogger()})
			if err != nil {
				t.Fatal(err)
			}
			a := h.Read("token", nil)
			if a.Status != 200 {
				return
			}
			served++
			if leaseOf(h, a) < time.Second {
				t.Errorf("after %d looks at the clock a token is given with a lease of 0", ticks)
			}
		})
	}
	if served == 0 || served == 20 {
		t.Errorf("the token was served %d times in 20: the moment was missed", served)
	}
}

func TestASlowAnswerDoesNotMakeATokenLookYounger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
		h.Configure(nil)
		a := h.Read("token", nil)
		if got := leaseOf(h, a); got != 115*time.Minute-20*time.Second || a.Data["issue_time"] != "2000-01-01T00:00:00Z" {
			t.Errorf("a lease for %s, issued %v", got, a.Data["issue_time"])
		}
	})
}

// The token is due for a refresh when it arrives. If readers waited for another one, they
// would never get any.
func TestAnAnswerAsSlowAsATokensLifeCostsOneAuthentication(t *testing.T) {
	t.Parallel()
	for delay, status := range map[time.Duration]int{
		50 * time.Second:                          200,
		56*time.Second + 500*time.Millisecond:     200, // A second is left.
		56*time.Second + 500*time.Millisecond + 1: 503,
		70 * time.Second:                          503,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "1m", "request_timeout": "2m"})
			h.Pass(time.Hour)
			h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: delay, Count: 5})
			if a := h.Read("token", nil); a.Status != status {
				t.Errorf("after %s: got a %d, want a %d: %s", delay, a.Status, status, a.Text)
			}
			h.Called(2, 0)
		})
	}
}

func TestClocksThatAreSetDoNotStretchATokensLife(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passed  time.Duration // On both clocks.
		set     time.Duration // On the wall clock.
		restart bool
		lease   time.Duration
		calls   int
	}{
		"set back a little":                  {80 * time.Minute, -79 * time.Minute, false, 35 * time.Minute, 0},
		"set back before the issue":          {10 * time.Minute, -time.Hour, false, 115 * time.Minute, 1},
		"set back before it, restarted":      {10 * time.Minute, -time.Hour, true, 115 * time.Minute, 1},
		"set ahead within its life":          {10 * time.Minute, 30 * time.Minute, false, 75 * time.Minute, 0},
		"set ahead beyond its life":          {10 * time.Minute, 3 * time.Hour, false, 115 * time.Minute, 1},
		"the machine slept over the refresh": {time.Minute, 100 * time.Minute, false, 115 * time.Minute, 1},
		"set ahead, restarted":               {10 * time.Minute, 30 * time.Minute, true, 75 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Token()
				h.Pass(test.passed)
				h.SetClock(test.set)
				if test.restart {
					h.Restart()
				}
				if got := leaseOf(h, h.Refreshed()); got != test.lease {
					t.Errorf("the lease is for %s, want %s", got, test.lease)
				}
				h.Called(1+test.calls, 0)
			})
		})
	}
}

func TestATokenThatWasLoadedAgesByTheProcessesClockToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(20 * time.Minute)
		h.Restart()
		h.Token()
		h.Pass(40 * time.Minute)
		h.SetClock(-59 * time.Minute)
		if got := leaseOf(h, h.Read("token", nil)); got != 55*time.Minute {
			t.Errorf("an hour after its issue the lease is for %s", got)
		}
		h.Called(1, 0)
	})
}
