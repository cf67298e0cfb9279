// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// down makes Finicity answer nothing but errors.
func (h *harness) down() {
	h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance", Count: 1000})
}

// lease checks the lease of a token read against its ttl, and returns it.
func (h *harness) lease(a answer) time.Duration {
	h.t.Helper()
	h.succeeds(a)
	if a.secret == nil {
		h.t.Fatal("the token comes without a lease")
	}
	if a.secret.Renewable {
		h.t.Error("the lease is renewable")
	}
	if a.data["ttl"] != int64(a.secret.TTL/time.Second) || a.secret.TTL%time.Second != 0 {
		h.t.Errorf("the ttl is %v, and the lease %s", a.data["ttl"], a.secret.TTL)
	}
	return a.secret.TTL
}

func TestATokenReadHasBothHeadersAndTheTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil) // At midnight, when a bubble begins.
		h.pass(10*time.Minute + 900*time.Millisecond)
		a := h.read("token", nil)
		if got := h.lease(a); got != 104*time.Minute+59*time.Second {
			t.Errorf("the lease is for %s", got)
		}
		want := []string{"app_key", "expire_time", "issue_time", "partner_id", "token", "ttl"}
		if got := slices.Sorted(maps.Keys(a.data)); !slices.Equal(got, want) {
			t.Errorf("the fields are %v, want %v", got, want)
		}
		token, _ := a.data["token"].(string)
		if !h.fake.AcceptsToken(partnerID, token) || a.data["app_key"] != appKey || a.data["partner_id"] != partnerID {
			t.Error("what it returns does not work at Finicity")
		}
		if a.data["issue_time"] != "2000-01-01T00:00:00Z" || a.data["expire_time"] != "2000-01-01T01:55:00Z" {
			t.Errorf("issued %v, expires %v", a.data["issue_time"], a.data["expire_time"])
		}
		h.warned(a)
	})
}

func TestTheMountsMaximumLeaseWinsWithoutAWarning(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]time.Duration{
		time.Millisecond:   time.Second, // Not 0, which would be Vault's default.
		10*time.Minute + 1: 10 * time.Minute,
		115 * time.Minute:  115 * time.Minute,
		48 * time.Hour:     115 * time.Minute,
		0:                  115 * time.Minute, // Vault could not be asked.
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.view.MaxLeaseTTLVal = limit
			a := h.read("token", nil)
			if got := h.lease(a); got != want {
				t.Errorf("with a maximum of %s the lease is for %s, want %s", limit, got, want)
			}
			h.warned(a)
		})
	}
}

// The phases of a token's life, for lifetimes that are all of the bounds.
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
				"under a second, and down": {life.end - second + 1, true, 1, false, 502},
				"over":                     {life.end, false, 1, false, 200},
				"over, while down":         {life.end, true, 1, false, 502},
				"long over, while down":    {24 * time.Hour, true, 1, false, 502},
			} {
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, fields{"token_lifetime": life.lifetime.String()})
					token := h.token()
					if test.down {
						h.down()
					}
					h.pass(test.age)
					a := h.read("token", nil)
					if a.status != test.status {
						t.Fatalf("%s: got a %d, want a %d", name, a.status, test.status)
					}
					h.called(1+test.calls, 0)
					if test.status != 200 {
						return
					}
					if same := a.data["token"] == token; same != test.sameToken {
						t.Errorf("%s: the same token: %v, want %v", name, same, test.sameToken)
					}
					left := life.end
					if test.sameToken {
						left -= test.age
					}
					if got := h.lease(a); got != left.Truncate(second) || got == 0 {
						t.Errorf("%s: a lease for %s, want %s", name, got, left.Truncate(second))
					}
					if test.down && test.calls > 0 {
						h.warned(a, "due for a refresh, which failed", "maintenance", "This one is good until")
					} else {
						h.warned(a)
					}
				})
			}
		})
	}
}

// A lease of 0 would be Vault's default: a month, for a token that ends now.
func TestALeaseIsNeverForNothing(t *testing.T) {
	t.Parallel()
	served := 0
	for ticks := range 20 { // After so many looks at the clock, the last second of the token begins.
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.down()
			h.pass(115*time.Minute - time.Second)
			h.setClock(-time.Duration(ticks) * time.Millisecond)
			h.b.now = func() time.Time {
				h.setClock(time.Millisecond)
				return h.now()
			}
			a := h.read("token", nil)
			if a.status != 200 {
				return
			}
			served++
			if h.lease(a) < time.Second {
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
		h := newHarness(t)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
		h.configure(nil)
		a := h.read("token", nil)
		if got := h.lease(a); got != 115*time.Minute-20*time.Second || a.data["issue_time"] != "2000-01-01T00:00:00Z" {
			t.Errorf("a lease for %s, issued %v", got, a.data["issue_time"])
		}
	})
}

// It comes old enough to be due already. To ask again at once would never end.
func TestAnAnswerAsSlowAsATokensLifeCostsOneAuthentication(t *testing.T) {
	t.Parallel()
	for delay, status := range map[time.Duration]int{
		50 * time.Second:                          200,
		56*time.Second + 500*time.Millisecond:     200, // A second is left.
		56*time.Second + 500*time.Millisecond + 1: 503,
		70 * time.Second:                          503,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, fields{"token_lifetime": "1m", "request_timeout": "2m"})
			h.pass(time.Hour)
			h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: delay, Count: 5})
			if a := h.read("token", nil); a.status != status {
				t.Errorf("after %s: got a %d, want a %d: %s", delay, a.status, status, a.text)
			}
			h.called(2, 0)
		})
	}
}

func TestClocksThatAreSetDoNotStretchATokensLife(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passed  time.Duration // on both clocks
		set     time.Duration // on the wall clock
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
				h := newConfigured(t, nil)
				h.token()
				h.pass(test.passed)
				h.setClock(test.set)
				if test.restart {
					h.restart()
				}
				if got := h.lease(h.read("token", nil)); got != test.lease {
					t.Errorf("the lease is for %s, want %s", got, test.lease)
				}
				h.called(1+test.calls, 0)
			})
		})
	}
}

func TestATokenThatWasLoadedAgesByTheProcessesClockToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(20 * time.Minute)
		h.restart()
		h.token()
		h.pass(40 * time.Minute)
		h.setClock(-59 * time.Minute)
		if got := h.lease(h.read("token", nil)); got != 55*time.Minute {
			t.Errorf("an hour after its issue the lease is for %s", got)
		}
		h.called(1, 0)
	})
}

// Other apps hold the token too, and a lease that can't be revoked keeps the mount from being disabled.
func TestRevokingALeaseDoesNothingAndNeverFails(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"configured": true, "not configured": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				if configured {
					h.configure(nil)
				}
				h.storage.fail(storageFault{on: get(configKey), always: true})
				before := h.storage.accesses()
				for _, internal := range []map[string]any{
					{"secret_type": tokenSecretType},
					{"secret_type": tokenSecretType, "from_a_later_version": []any{1.5, nil}, "token": 7},
				} {
					resp, err := h.b.HandleRequest(t.Context(), &logical.Request{
						Operation: logical.RevokeOperation, Path: "token", Storage: h.storage, MountPoint: mount,
						Data: internal, Secret: &logical.Secret{InternalData: internal},
					})
					if err != nil || resp != nil {
						t.Errorf("got a response: %v, an error: %v", resp != nil, err)
					}
				}
				if h.storage.accesses() != before {
					t.Error("it has accessed storage")
				}
				h.storage.heal()
				if configured {
					h.token()
					h.called(1, 0)
				}
			})
		})
	}
}

func TestALeaseCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		a := h.read("token", nil)
		resp, err := h.b.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.RenewOperation, Path: "token", Storage: h.storage, MountPoint: mount, Secret: a.secret,
		})
		if status, _ := outcome(resp, err); status != 405 {
			t.Errorf("got a %d", status)
		}
		h.called(1, 0)
	})
}
