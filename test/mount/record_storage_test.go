// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestNothingIsSentWhenTheAttemptCannotBeStored(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		for what, fault := range map[string]mounttest.Fault{
			"a write": {On: mounttest.Put("config")}, "a write that took effect": {On: mounttest.Put("config"), Applied: true},
			"a read": {On: mounttest.Get("config")}, "the salt": {On: mounttest.Get("salt")},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Pass(2 * time.Hour)
					before := h.Stored()
					h.Restart()
					fault.Always = true
					h.Storage.Fail(fault)
					for range 6 { // More than the limit: attempts that were never sent must not end in a stop.
						a := do(h)
						h.Fails(a, 500, "storage is out of order")
						if fault.On == mounttest.Put("config") {
							h.Fails(a, 500, "no request was sent to Finicity, because the attempt could not be stored")
						}
						h.Pass(time.Minute) // Reads back off.
					}
					h.Called(1, 0)
					if !fault.Applied {
						h.Unchanged(before)
					}
					h.Storage.Heal()
					h.Token()
					h.Spent(0, 0)
					h.Called(2, 0)
					if n := len(h.Stored().Secrets.Secrets); n != 1 {
						t.Errorf("%d secrets are stored", n)
					}
					statusShows(h, mounttest.Fields{"authentication": "ok", "attempts_left": 4, "storage_error": ""})
				})
			})
		}
	}
}

// Storage is full, or sealed, while there is a token.
func TestAUsableTokenIsServedWhileNoAttemptCanBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(100 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		a := h.Refreshed()
		h.Warned(a, "the refresh of the token failed", "no request was sent to Finicity, because the attempt could not be stored")
		if a.Data["token"] != token {
			t.Error("the read returns another token")
		}
		h.Called(1, 0)
	})
}

// At worst, a storage failure makes the engine count one attempt too many. It never
// counts one too few.
func TestAnOutcomeThatCannotBeStoredIsKeptByThisProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Fails(h.Read("token", nil), 400, "10001", "1 of 5")
		if !h.Leaks.Logged("a write to storage failed") {
			t.Error("the log does not say so")
		}
		statusShows(h, mounttest.Fields{
			"authentication": "held", "rejected_attempts": 1, "storage_error_time": "2000-01-01T02:00:00Z",
		})
		h.Spent(0, 1)
		for range 4 { // This process knows that it must wait.
			h.Pass(time.Minute)
			h.Fails(h.Read("token", nil), 400, "no request was sent", "10001", "1 of 5", "3 more without force")
		}
		h.Called(2, 0)

		h.Restart() // The next process knows of an attempt, and not of its outcome.
		h.Fails(h.Read("token", nil), 400, "10001", "2 of 5", "2 more without force")
		h.Spent(1, 1)
		h.Wrongly(2)
	})
}

// If the outcome cannot be stored, the engine backs off as after an outage. A wait that
// Finicity asked for has priority.
func TestAnOutcomeThatCannotBeStoredBacksOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  func(h *mounttest.Harness)
		status int
		first  string   // The answer to the read that made the call.
		next   []string // And to the next read.
	}{
		"a refusal": {
			func(h *mounttest.Harness) { h.Fake.Order(mounttest.Rejections()["10001"]) },
			400, "10001",
			[]string{"storage is out of order", "the next request is sent in 1s at the earliest"},
		},
		"an outage": {
			func(h *mounttest.Harness) { h.Answering(503, "maintenance", 1) },
			502, "maintenance",
			[]string{"maintenance", "the next request is sent in 1s at the earliest"},
		},
		"an outage with a time": {
			func(h *mounttest.Harness) {
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"})
			},
			502, "HTTP 429",
			[]string{"HTTP 429", "the next request is sent in 1m30s at the earliest"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				test.fault(h)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
				h.Fails(h.Read("token", nil), test.status, test.first)
				for range 20 {
					h.Fails(h.Read("token", nil), 503, test.next...)
				}
				h.Called(2, 0)
				h.Storage.Heal()
				h.Tick()
				h.Succeeds(h.Write("config/verify", nil)) // The operator does not wait.
				h.Token()
				statusShows(h, mounttest.Fields{"storage_error": "", "authentication": "ok"})
			})
		})
	}
}

func TestASuccessThatCannotBeStoredIsNoHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 10 {
			h.Pass(2 * time.Hour)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
			h.Token()
		}
		h.Spent(0, 1)
		h.Restart()
		h.Pass(2 * time.Hour)
		h.Token()
		h.Called(12, 0)
		statusShows(h, mounttest.Fields{"authentication": "ok", "attempts_left": 3, "storage_error": ""})
	})
}

func TestUnstoredOutcomesAreStoredWithinAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		token := h.Token() // It is shared anyway.
		if h.Token() != token {
			t.Error("the next reader gets another token")
		}
		h.Pass(time.Minute)
		h.Tick()
		statusShows(h, mounttest.Fields{
			"storage_error": "writing to storage: storage is out of order", "storage_error_time": "2000-01-01T02:01:00Z",
			"token_available": true,
		})
		h.Storage.Heal()
		h.Pass(time.Minute)
		h.Tick()
		statusShows(h, mounttest.Fields{"storage_error": "", "storage_error_time": nil})
		h.Spent(0, 0)
		h.Restart()
		if h.Token() != token {
			t.Error("the token is not stored")
		}
		h.Called(2, 0)
	})
}

// The other node does not know the refusal that this node could not store.
func TestUnstoredOutcomesAreAddedToTheStoredState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Fails(h.Read("token", nil), 400, "10001", "1 of 5")
		one := h.B
		h.Restart()
		h.Fails(h.Write("config/verify", nil), 400, "10001", "2 of 5")
		h.Fails(h.Write("config/verify", nil), 400, "10001", "3 of 5")
		h.Fails(h.Write("config/verify", nil), 400, "10001", "4 of 5")
		h.B = one
		for range 2 {
			statusShows(h, mounttest.Fields{"rejected_attempts": 4, "attempts_left": 0})
			h.Tick()
			statusShows(h, mounttest.Fields{"rejected_attempts": 4, "attempts_left": 0, "storage_error": ""})
			h.B.InvalidateKey(t.Context(), "config")
		}
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "4 of 5")
		h.Wrongly(4)
	})
}

func TestInvalidateEndsTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Answering(429, "", 1)
		h.Fails(h.Read("token", nil), 502)
		h.Fails(h.Read("token", nil), 503, "the next request is sent in")
		h.B.InvalidateKey(t.Context(), "config")
		h.Token()
	})
}

// The process that made the attempts remembers the unstored outcomes, regardless of what
// it does in the meantime.
func TestARecordThatCannotBeStoredIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		for range 4 {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1}) // The charge is stored, the outcome is not.
			h.Read("token", nil)
			h.Storage.Heal()
			h.Fails(h.Write("config", move(elsewhere, h.Guess(0))), 400, "nothing was stored")
			h.Pass(10 * time.Minute)
		}
		automatic := 0
		for _, a := range h.Record().Attempts {
			if a.Trigger == attempts.Automatic {
				automatic++
			}
		}
		if automatic != 2 {
			t.Errorf("%d automatic attempts are recorded", automatic)
		}
		h.Wrongly(3)
	})
}

func TestAnUnconfiguredMountStoresItsRefusalLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret})), 400, "10001")
		h.Storage.Heal()
		for range 60 {
			h.Pass(time.Minute)
			h.Tick()
		}
		if e := h.Read("status", nil).Data["storage_error"]; e != "" {
			t.Errorf("an hour after storage takes writes again, storage_error is %q", e)
		}
		h.Restart()
		h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret})), 400)
		h.Wrongly(1) // A refused credential is not sent again.
	})
}

// The second attempt of two cannot be stored, and the first was refused. A client must
// not send both again.
func TestARefusalBeforeAFailedChargeIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Pass(time.Minute)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 2})
		a := h.Write("config/verify", nil)
		if n := h.Fake.Counters(mounttest.PartnerID).Rejected; a.Status >= 500 && n > 0 {
			t.Errorf("%d attempts were refused, and the answer is a %d", n, a.Status)
			for range 2 { // As Vault's client does.
				if a = h.Write("config/verify", nil); a.Status < 500 {
					break
				}
			}
		}
	})
}

// The same is true if the network fails between the two attempts.
func TestARefusalBeforeACallThatIsNotSentIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
		dial, calls := h.Fake.Dialer(), 0
		h.RestartWith(func(ctx context.Context, network, address string) (net.Conn, error) {
			if calls++; calls > 1 {
				return nil, errors.New("no route to host")
			}
			return dial(ctx, network, address)
		})
		h.Read("status", nil) // From now on, time passes for this process.
		h.Pass(time.Minute)
		h.Fails(h.Write("config/verify", nil), 400, "10001")
		h.Wrongly(1)
	})
}
