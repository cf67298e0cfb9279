// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// attempting returns the requests that make an attempt on a mount whose token has
// expired.
func attempting() map[string]func(h *mounttest.Harness) mounttest.Answer {
	config := func(data mounttest.Fields) func(h *mounttest.Harness) mounttest.Answer {
		return func(h *mounttest.Harness) mounttest.Answer { return h.Write("config", data) }
	}
	return map[string]func(h *mounttest.Harness) mounttest.Answer{
		"read":            func(h *mounttest.Harness) mounttest.Answer { return h.Read("token", nil) },
		"a new secret":    config(mounttest.Fields{"partner_secret": mounttest.WrongSecret}),
		"a new app key":   config(mounttest.Fields{"app_key": mounttest.NewKey}),
		"another address": config(move(elsewhere, mounttest.PartnerSecret)),
		"config/verify":   func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) },
		"by force": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config/verify", mounttest.Fields{"force": true})
		},
		"rotate-root":  func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-root", nil) },
		"rotate-token": func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-token", nil) },
	}
}

// If a process dies while the call is on its way, the attempt is in the record, whether
// or not Finicity got the call.
func TestAnAttemptIsStoredBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		for _, kind := range []fakefinicity.Kind{fakefinicity.KindHoldBefore, fakefinicity.KindHoldAfter} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Pass(2 * time.Hour)
					writes := h.Storage.Accesses(mounttest.Put("config"))
					h.Fake.Order(fakefinicity.Fault{Kind: kind})
					call := h.Background(func() mounttest.Answer { return do(h) })
					if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					h.Spent(0, 1)
					if n := h.Storage.Accesses(mounttest.Put("config")) - writes; n != 1 {
						t.Errorf("%d writes come before the call", n)
					}
					h.Fake.Release()
					if (<-call).Status < 300 {
						h.Spent(0, 0)
					} else {
						h.Spent(1, 0)
					}
				})
			})
		}
	}
}

func TestEachAttemptIsRecordedWithWhatTheRulesNeed(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(mounttest.Rejections()["10001"])
				h.Fails(do(h), 400, "10001")
				all := h.Record().Attempts
				if len(all) != 1 {
					t.Fatalf("%d attempts are recorded", len(all))
				}
				a := all[0]
				automatic := slices.Contains([]string{"read", "rotate-root", "rotate-token"}, name)
				written := strings.HasPrefix(name, "a")
				if (a.Trigger == 0) != automatic || (a.Subject != 0) != written {
					t.Errorf("the attempt is recorded with trigger %d and subject %d", a.Trigger, a.Subject)
				}
				place := map[bool]string{true: elsewhere, false: here}[name == "another address"]
				if a.Place != place || (a.Credential == "") != (name == "rotate-root") || a.Answered.Before(a.At) {
					t.Errorf("the attempt is recorded at %s, with a credential: %v", a.Place, a.Credential != "")
				}
			})
		})
	}
}

// The process was killed n times in the middle of a call.
func TestWhatACrashLeavesChargedCountsAndHoldsNothingBack(t *testing.T) {
	t.Parallel()
	crashed := func(t *testing.T, times int) *mounttest.Harness {
		t.Helper()
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		for range times {
			h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
		}
		h.Spent(0, times)
		return h
	}
	for times := range 4 {
		synctest.Test(t, func(t *testing.T) {
			h := crashed(t, times)
			calls := len(h.Fake.Requests())
			h.Token()
			statusShows(h, mounttest.Fields{"authentication": "ok", "attempts_left": 4 - times})
			if n := len(h.Fake.Requests()) - calls; n != 1 {
				t.Errorf("%d calls after %d crashes", n, times)
			}
		})
	}
	for name, do := range attempting() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := crashed(t, 4)
				calls := len(h.Fake.Requests())
				if name != "by force" {
					h.Fails(do(h), 400, "no request was sent to Finicity, because of 4 failed or unanswered attempts",
						"vault write finicity/config/verify force=true")
					if n := len(h.Fake.Requests()) - calls; n != 0 {
						t.Errorf("%d calls were sent", n)
					}
				}
				h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
				h.Token()
				h.Spent(0, 0)
			})
		})
	}
}

func TestMountsHaveRecordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := mounttest.NewRefused(t), mounttest.NewConfigured(t, nil)
		stop(one)
		two.Pass(2 * time.Hour)
		two.Token()
		two.Spent(0, 0)
		statusShows(two, mounttest.Fields{"authentication": "ok"})
		statusShows(one, mounttest.Fields{"authentication": "stopped"})
	})
}

// Another spelling of the address is the same Finicity, with the same count.
func TestASpellingOfTheAddressBringsNoMoreAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for i, spelled := range []string{"http://LOCALHOST", "http://localhost:80", "http://localhost/", "HTTP://localhost"} {
			h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{
				"base_url": spelled, "partner_secret": h.Guess(i),
			})), 400, "10001")
		}
		for _, spelled := range []string{
			"http://LocalHost:80/", "http://localhost:", "http://localhost:080", "http://localhost.", "http://localhost./.",
			"http://localhost/a/..", "http://localhost//",
		} {
			h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"base_url": spelled})), 400, "no request was sent")
		}
		h.Wrongly(4)
	})
}

func TestAllIsStoredUnderOneKeyBesideTheSalt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		h.Guesses(2)
		h.Rotate()
		h.Tick()
		if got := keys(h); !slices.Equal(got, []string{"config", "salt"}) {
			t.Errorf("the keys are %v", got)
		}
	})
}

// Finicity may continue to count after a success, so force below the limit must not
// give four new attempts.
func TestUnneededForceForgetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
		h.Configure(nil)
		for i := range 6 {
			if i == 2 {
				h.Write("config/verify", mounttest.Fields{"force": true})
			}
			h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)})
			h.Pass(time.Minute)
		}
		if c := h.Fake.Counters(mounttest.PartnerID); c.Locked || c.Rejected > 4 {
			t.Errorf("%d attempts were refused within ten minutes, none of them forced; locked: %v", c.Rejected, c.Locked)
		}
	})
}
