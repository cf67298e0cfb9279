// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// automaticAttempts returns how many attempts reads make with a credential that
// Finicity refuses, and how the wait ends.
func automaticAttempts(rejection string) int {
	switch rejection {
	case "locked":
		return 1
	case "text", "blocked": // These have no Finicity code, so a gateway may have sent them.
		return 3
	default:
		return 2
	}
}

func TestReadsStopAfterTwoRefusalsOrThreeWithoutACode(t *testing.T) {
	t.Parallel()
	for name, fault := range mounttest.Rejections() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				h.Pass(90 * time.Minute)
				fault.Count = 1000
				h.Fake.Order(fault)
				for range 5 { // A usable token is served anyway.
					a := h.Refreshed()
					h.Warned(a, "the refresh of the token failed", "Finicity answered HTTP")
					if a.Data["token"] != token {
						t.Error("the usable token is not served")
					}
					h.Pass(59 * time.Second)
				}
				h.Called(2, 0)
				for range 100 {
					h.Pass(time.Hour)
					h.Fails(h.Read("token", nil), 400, "Finicity answered HTTP", "vault write -f finicity/config/verify")
				}
				most := automaticAttempts(name)
				h.Called(1+most, 0)
				h.Spent(most, 0)
				for range 100 {
					h.Restart()
					h.Fails(h.Read("token", nil), 400, "no request was sent", "vault write -f finicity/config/verify")
					h.Pass(time.Hour)
				}
				h.Called(1+most, 0)
			})
		})
	}
}

func TestTheSecondAttemptEndsTheHoldWhenTheRefusalWasAHiccup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 5 {
			h.Pass(25 * time.Hour) // A refusal counts for a day, even after successes.
			h.Fake.Order(mounttest.Rejections()["10021"])
			h.Fails(h.Read("token", nil), 400, "10021")
			h.Pass(5*time.Minute - 1)
			h.Fails(h.Read("token", nil), 400, "10021", "the engine retries once, at "+
				h.Now().Add(time.Second).Truncate(time.Second).Format(time.RFC3339)+" at the earliest")
			h.Pass(1)
			h.Token()
			if state := statusNow(h)["authentication"]; state != "ok" {
				t.Errorf("authentication is %v", state)
			}
		}
		h.Called(11, 0)
		h.Spent(1, 0)
	})
}

func TestThreeHiccupsADayStopAutomaticAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 3 {
			h.Pass(2 * time.Hour)
			h.Fake.Order(mounttest.Rejections()["10021"])
			h.Fails(h.Read("token", nil), 400, "10021")
			h.Pass(5 * time.Minute)
			h.Read("token", nil)
		}
		// The first was refused after two hours, and counts for a day.
		const ends = "2000-01-02T02:00:01Z"
		h.Fails(h.Read("token", nil), 400, "no request was sent", "10021", "the engine retries once, at "+ends)
		statusShows(h, mounttest.Fields{"authentication": "stopped", "retry_time": ends})
		h.Called(6, 0)
		h.Succeeds(h.Write("config/verify", nil)) // The operator still has one.
		h.Pass(2 * time.Hour)
		h.Token()
	})
}

func TestTheWallClockDoesNotMoveAHold(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"set back": -30 * day, "set ahead": 30 * day} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewRefused(t)
				h.Fails(h.Read("token", nil), 400, "10001")
				h.Pass(time.Minute)
				h.SetClock(by)
				statusShows(h, mounttest.Fields{"authentication": "held", "retry_time": h.Now().Add(4 * time.Minute).Format(time.RFC3339)})
				h.Pass(4*time.Minute - 1)
				h.Fails(h.Read("token", nil), 400, "no request was sent")
				h.Called(2, 0)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
				h.Pass(1)
				h.Token()
			})
		})
	}
}

// A process without a success does not know whether its record came from a snapshot, so
// it stops after one refusal.
func TestNoNumberOfReadersAndRestartsMakesMoreAttempts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ restartEvery, attempts int }{
		"one process": {1000, 2}, "restarts": {7, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewRefused(t)
				if test.attempts == 1 {
					h.Restart()
				}
				for minute := range 120 {
					for _, one := range readMany(h, 20) {
						h.Fails(<-one, 400, "10001")
					}
					h.Pass(time.Minute)
					if (minute+1)%test.restartEvery == 0 {
						h.Restart()
					}
				}
				h.Wrongly(test.attempts)

				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				h.Token()
				statusShows(h, mounttest.Fields{"authentication": "ok", "rejected_attempts": test.attempts, "last_error": ""})
				h.Wrongly(test.attempts)
			})
		})
	}
}

// A timeout and a 503 say nothing about the credential.
func TestAnOutageEndsInNoState(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"down":    {Kind: fakefinicity.KindStatus, Status: 503},
		"timeout": {Kind: fakefinicity.KindSlow, Delay: time.Hour},
		"dropped": {Kind: fakefinicity.KindDropped},
		"lost":    {Kind: fakefinicity.KindLost},
		"garbage": {Kind: fakefinicity.KindGarbage},
		"busy":    {Kind: fakefinicity.KindStatus, Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				fault.Count = 20
				h.Fake.Order(fault)
				for range 20 {
					h.Fails(h.Read("token", nil), 502, "Finicity ")
					h.Spent(0, 0)
					h.Pass(time.Minute)
				}
				h.Token()
				h.Called(22, 0)
			})
		})
	}
}

// No state prevents a read from getting a usable token, in this process or the next
// one. Each state is entered while there is a token.
func TestAUsableTokenIsServedInEveryState(t *testing.T) {
	t.Parallel()
	all := mounttest.States()
	states := map[string]func(h *mounttest.Harness){
		"ok": all["ok"], "a typo": all["a typo"], "three typos": all["three typos"], "locked": all["locked"], "crashed": all["crashed"],
		"pending": func(h *mounttest.Harness) { h.Interrupt(false) },
		"at the limit": func(h *mounttest.Harness) {
			h.Guesses(3)
			h.Fake.Order(mounttest.Rejections()["10001"])
			h.Fails(h.Write("config/verify", nil), 400, "4 of 5")
		},
		"Finicity is down": func(h *mounttest.Harness) { h.Down() },
		"storage is down": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		},
		"the entry is damaged": func(h *mounttest.Harness) { h.Storage.Plant("config", []byte("{")) },
		"the entry is unreadable": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Always: true})
		},
	}
	for name, refusals := range map[string]int{"held": 1, "stopped": 2} {
		states[name] = func(h *mounttest.Harness) {
			for range refusals {
				h.Pass(5 * time.Minute)
				h.Fake.Order(mounttest.Rejections()["10001"])
				h.Fails(h.Write("rotate-token", nil), 400, "10001")
			}
			statusShows(h, mounttest.Fields{"authentication": name})
		}
	}
	for name, enter := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				issued := time.Now()
				h := mounttest.NewConfigured(t, nil)
				token := h.Token()
				enter(h)
				h.Fake.SetSecret(mounttest.PartnerID, h.Guess(99))
				for _, age := range []time.Duration{15 * time.Minute, time.Hour, 90 * time.Minute, 100 * time.Minute, 114 * time.Minute} {
					h.Pass(age - time.Since(issued))
					for _, restarts := range []bool{false, false, true} { // The second read finds the result of the first.
						if restarts && !strings.HasPrefix(name, "the entry") { // If the next process can read it.
							h.Restart()
						}
						a := h.Refreshed()
						if a.Data["token"] != token {
							t.Fatalf("after %s it is another token", age)
						}
						if age >= 90*time.Minute {
							h.Warned(a, "the refresh of the token failed")
						} else {
							h.Warned(a)
						}
					}
				}
			})
		})
	}
}
