// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestAChangeOfTheSecretIsAnAttemptToo(t *testing.T) {
	t.Parallel()
	rejections := mounttest.Rejections()
	for name, test := range map[string]struct {
		fault   fakefinicity.Fault
		charged int
	}{
		"10001":           {rejections["10001"], 1},
		"10026":           {rejections["10026"], 1},
		"blocked":         {rejections["blocked"], 1},
		"the lock":        {rejections["locked"], 1},
		"policy":          {fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"policy"}`}, 0},
		"no answer":       {fakefinicity.Fault{Kind: fakefinicity.KindDropped}, 0},
		"a timeout":       {fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Hour}, 0},
		"a 500":           {fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 500}, 0},
		"an answer, lost": {fakefinicity.Fault{Kind: fakefinicity.KindLost}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, test.fault)
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest)
				h.Spent(test.charged, 0)
				h.Called(1, 1)
			})
		})
	}
}

// Not even a proposal is stored, because resolving it would cost an attempt.
func TestARotationThatTheRecordForbidsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]func(h *mounttest.Harness){
		"four refused": func(h *mounttest.Harness) {
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
			for range 4 {
				h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001")
			}
		},
		"four crashes": func(h *mounttest.Harness) {
			for range 4 {
				h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
			}
			h.Spent(0, 4)
		},
		"locked": func(h *mounttest.Harness) {
			for range 4 {
				h.Fake.Order(mounttest.Rejections()["locked"])
				h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "24302")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				enter(h)
				before, calls, writes := h.Stored(), len(h.Fake.Requests()), h.Storage.Accesses(mounttest.Put("config"))
				for range 3 {
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest,
						"the secret has not changed", "no request was sent", "force=true")
				}
				if len(h.Fake.Requests()) != calls || h.Storage.Accesses(mounttest.Put("config")) != writes {
					t.Error("something was sent or stored")
				}
				h.Unchanged(before)
				if h.Token() != token {
					t.Error("the token has changed")
				}
			})
		})
	}
}

// rotate-root shares the attempts of apps and jobs. It never uses up what an operator
// needs.
func TestRotateRootIsHeldBackAsReadsAre(t *testing.T) {
	t.Parallel()
	verify := func(h *mounttest.Harness) { h.Succeeds(h.Write("config/verify", nil)) }
	force := func(h *mounttest.Harness) { h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true})) }
	hold := func(h *mounttest.Harness) { h.Pass(5 * time.Minute) }
	refused := map[string]struct {
		status int
		says   string
		then   func(h *mounttest.Harness)
	}{
		"held":                 {400, "the engine retries once", hold},
		"stopped":              {400, "config/verify", verify},
		"stopped after a typo": {400, "config/verify", force},
		"three typos":          {400, "vault write finicity/config/verify force=true", force},
		"crashed":              {400, "vault write finicity/config/verify force=true", force},
		"locked":               {400, "Finicity support", verify},
		"backing off":          {503, "the next request is sent in 1s", func(h *mounttest.Harness) { h.Pass(time.Second) }},
	}
	for name, enter := range mounttest.States() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				enter(h)
				if want, isRefused := refused[name]; isRefused {
					calls := len(h.Fake.Requests())
					h.Fails(h.Write("rotate-root", nil), want.status, want.says)
					if n := len(h.Fake.Requests()) - calls; n != 0 {
						t.Errorf("%d calls were sent", n)
					}
					want.then(h)
				}
				h.Rotate()
				h.Token()
				h.Resolved()
			})
		})
	}
}

// A colleague has used up three attempts, and the answer to a change is lost. Resolving
// the change costs the fourth, so the old secret would need force, and every app would
// be without a token.
func TestARotationLeavesAnAttemptForFindingOut(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		h.Guesses(3)
		nextChange(h, lostAnswer(applied))
		for range 30 { // The schedule rotates again after a day.
			everyMinute(h, 60, func() {})
			h.Token()
		}
		if h.Stored().LastRotation.IsZero() {
			t.Error("nothing was rotated in thirty hours")
		}
		h.Fake.ClearFaults()
		atMost(h, 4)
		h.Resolved()
	})
}

// The secret was changed in the portal. Rotations cannot work, and share the attempts
// of all jobs.
func TestRotationsWithAWrongSecretStopAfterTwoRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		before := h.Stored()
		says := changeRefused
		for i := range 10 {
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, says, "10001")
			says = "the secret has not changed" // No other change is sent.
			h.Pass(time.Hour)
			if i%3 == 2 {
				h.Restart()
			}
		}
		h.Wrongly(2)
		h.Called(2, 1) // The second one first finds which secret is in effect; the new one was never in effect.
		if storedCurrent(h) != mounttest.PartnerSecret || len(h.Stored().Secrets.Secrets) != len(before.Secrets.Secrets)+1 {
			t.Error("another secret is the current one, or one is gone")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Rotate()
		h.Resolved()
	})
}

// Each interruption that finds the old secret costs one attempt. Refusals count for a
// day, so the engine stops changing the secret before they add up, and continues the
// next day.
func TestInterruptedRotationsCostOneAttemptEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
		h.Configure(nil)
		for i := range 2 {
			h.Interrupt(false)
			h.Restart()
			h.Tick()
			h.Pass(2 * time.Hour)
			h.Token()
			h.Wrongly(i + 1)
			h.Spent(i+1, 0)
		}
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "Rotation is possible again after")
		h.Pass(25 * time.Hour)
		h.Rotate()
		h.Wrongly(2)
		h.Resolved()
	})
}

// If the change has arrived, interruptions cost nothing, however many there are.
func TestInterruptedRotationsThatArriveCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 12 {
			h.Interrupt(true)
			h.Restart()
			h.Tick()
			h.Pass(2 * time.Hour)
			h.Token()
			h.Spent(0, 0)
		}
		h.Wrongly(0)
		h.Resolved()
	})
}

// Finding the secret in effect is a success each time. If that cleared the refusals,
// they would never end.
func TestRefusedChangesHaveAnEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10001", "blocked"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
				h.Configure(nil)
				refusal := mounttest.Rejections()[name]
				refusal.Count = 1000
				nextChange(h, refusal)
				for range 20 {
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest)
					h.Pass(10 * time.Minute)
				}
				if n := changes(h); n > 2 {
					t.Errorf("%d changes were refused", n)
				}
				atMost(h, 1)
				h.Fake.ClearFaults()
				h.Pass(26 * time.Hour)
				h.Succeeds(h.Write("config/verify", nil))
				h.Rotate()
				h.Resolved()
			})
		})
	}
}

func TestJobsThatRotateInAnOutageShareOneBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Interrupt(false)
		h.Down()
		h.Pass(31 * time.Second)
		before := h.Calls(fakefinicity.CallAuthenticate)
		for range 20 {
			h.Write("rotate-root", nil)
		}
		if n := h.Calls(fakefinicity.CallAuthenticate) - before; n != 1 {
			t.Errorf("%d calls within a moment, want 1", n)
		}
	})
}
