// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// An unknown outcome, with and without a change that has arrived.
func TestAnUnknownOutcomeIsResolvedToTheSecretInEffect(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	redirect := answer(302, "")
	redirect.Header = map[string]string{"Location": "http://127.0.0.1/elsewhere"}
	busy := answer(429, "slow down")
	busy.RetryAfter = "1"
	for name, test := range map[string]struct {
		fault   fakefinicity.Fault
		applied bool
	}{
		"no answer, applied":          {fakefinicity.Fault{Kind: fakefinicity.KindLost}, true},
		"no answer, not applied":      {fakefinicity.Fault{Kind: fakefinicity.KindDropped}, false},
		"a 204 cut short":             {fakefinicity.Fault{Kind: fakefinicity.KindCut}, true},
		"200 instead of 204, applied": {fakefinicity.Fault{Kind: fakefinicity.KindGarbage}, true},
		"200 instead, not applied":    {answer(200, `{"token":"abc"}`), false},
		"201, not applied":            {answer(201, ""), false},
		"a redirect":                  {redirect, false},
		"an error of the server":      {answer(500, `{"code":1,"message":"sorry"}`), false},
		"a gateway's timeout":         {answer(504, "<html>504</html>"), false},
		"a rate limit":                {busy, false},
		"a conflict":                  {answer(409, ""), false},
		"too slow, applied":           {fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: time.Minute}, true},
		"applied after the timeout":   {fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 31 * time.Second}, true},
		"applied after the answer was lost": {
			fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 29 * time.Second}, true,
		},
	} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, grace %v", name, grace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
					token := h.Token()
					nextChange(h, test.fault)
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the outcome of the rotation is unknown",
						"both secrets are stored", "Finicity ", "resolves this automatically: no action is needed")
					candidate := storedPending(h)
					if storedSecret(h, candidate).Grace != grace || storedCurrent(h) != mounttest.PartnerSecret {
						t.Fatal("both secrets are not stored")
					}
					if h.Token() != token {
						t.Error("the usable token is not served meanwhile")
					}
					h.Pass(2 * time.Hour)
					h.Token()
					if accepted := storedCurrent(h) == candidate; accepted != test.applied {
						t.Errorf("the new secret is the current one: %v", accepted)
					}
					if s := storedSecret(h, candidate); s.Proven.IsZero() == test.applied || s.Grace != grace {
						t.Error("the new secret is not retained as it should be")
					}
					if rotated := !h.Stored().LastRotation.IsZero(); rotated != test.applied {
						t.Errorf("the change is recorded as a rotation: %v", rotated)
					}
					wrong := map[bool]int{true: 0, false: 1}[test.applied]
					h.Wrongly(wrong)
					h.Called(2+wrong, 1)
					h.Resolved()
				})
			})
		}
	}
}

func TestATimeoutIsNamedWithItsLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "7s"})
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Hour, Count: 2})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "no complete answer within 7s")
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), http.StatusBadGateway, "no complete answer within 7s")
		if got := says(h, "last_error"); !strings.Contains(got, "no complete answer within 7s") {
			t.Errorf("the status says %q", got)
		}
	})
}

// The change may have been sent with a longer timeout than the current one.
func TestAShorterTimeoutLetsNoAttemptOvertakeTheChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
		h.Pass(2 * time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 100 * time.Second})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "5s"}))
		h.Pass(10 * time.Second)
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "try again in 1m50s")
		h.Pass(110 * time.Second)
		h.Token()
		h.Wrongly(0)
		h.Resolved()
	})
}

// Until then, the change of a process that died may still be on its way. An operator
// waits too.
func TestAttemptsWaitOneTimeoutFromTheProposal(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "10s"})
		h.Pass(2 * time.Hour)
		h.Interrupt(applied)
		h.Restart()
		for _, left := range []string{"10s", "9s", "8s"} {
			h.Fails(h.Read("token", nil), http.StatusServiceUnavailable,
				"a rotation is pending, and its request might still be in progress", "try again in "+left, "no other action is needed")
			for _, path := range []string{"rotate-root", "rotate-token", "config/verify"} {
				h.Fails(h.Write(path, nil), http.StatusServiceUnavailable, "try again in "+left)
			}
			h.Pass(time.Second)
		}
		h.Pass(7*time.Second - time.Microsecond) // Each look at the engine's clock costs a nanosecond.
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "try again in 1s")
		h.Called(1, 1)
		h.Pass(time.Microsecond)
		h.Token()
		h.Resolved()
	})
}

func TestATokenThatIsDueIsServedWhileARotationIsPending(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(100 * time.Minute)
		h.Interrupt(applied)
		h.Pass(time.Second)
		for range 3 {
			a := h.Refreshed()
			h.Warned(a, "a rotation is pending, and its request might still be in progress")
			if a.Data["token"] != token {
				t.Error("the read returns another token")
			}
		}
		h.Called(1, 1)
		h.Pass(30 * time.Second)
		a := h.Refreshed()
		h.Warned(a)
		if a.Data["token"] == token {
			t.Error("there is no new token")
		}
		if announced := h.Leaks.Logged("the new partner secret is in effect: partner_id=" + mounttest.PartnerID); announced != applied {
			t.Errorf("the log says that the new secret is in effect: %v", announced)
		}
		h.Resolved()
	})
}

func TestRotateRootResolvesFirst(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		candidate := storedPending(h)
		h.Pass(30 * time.Second)
		h.Rotate()
		if now := storedCurrent(h); now == candidate || now == mounttest.PartnerSecret || h.Stored().Secrets.Unresolved() {
			t.Error("the secret is not rotated to another one")
		}
		if want := map[bool]string{true: candidate, false: mounttest.PartnerSecret}[applied]; storedSecret(h, want).Proven.IsZero() ||
			storedSecret(h, want).Superseded.IsZero() {
			t.Error("the secret that was in effect is not the superseded one")
		}
		h.Called(map[bool]int{true: 3, false: 4}[applied], 2)
		h.Wrongly(map[bool]int{true: 0, false: 1}[applied])
		h.Resolved()
	})
}

// The engine's own clock dates secrets, so a wall clock that was set back delays
// nothing, and no entry is stored again.
func TestAClockThatWasSetBackDelaysNoResolution(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			mounttest.EitherWay(t, func(t *testing.T, applied bool) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Interrupt(applied)
				h.Pass(time.Second)
				h.SetClock(by)
				writes := h.Storage.Accesses(mounttest.Put("config"))
				h.Fails(h.Write("rotate-token", nil), http.StatusServiceUnavailable, "try again in 29s")
				h.Pass(10 * time.Second)
				h.Fails(h.Write("rotate-token", nil), http.StatusServiceUnavailable, "try again in 19s")
				if n := h.Storage.Accesses(mounttest.Put("config")) - writes; n != 0 {
					t.Errorf("%d writes while it waits", n)
				}
				h.Called(1, 1)
				h.Pass(19 * time.Second)
				h.Succeeds(h.Write("rotate-token", nil))
				h.Resolved()
			})
		})
	}
}

// The secret was reset in the portal, after a rotation whose answer was lost.
func TestWhenBothSecretsAreRefusedNothingIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(true)
		candidate := storedPending(h)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(30 * time.Second)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "vault write finicity/config partner_secret=")
		for range 10 {
			h.Pass(time.Hour)
			h.Tick()
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
		}
		h.Called(3, 1) // Each was tried once.
		if storedCurrent(h) != mounttest.PartnerSecret || storedSecret(h, candidate).Refused.IsZero() {
			t.Error("a secret is gone, or not marked as refused")
		}
		h.Fails(h.Remove("config", nil), http.StatusBadRequest, "a rotation is unresolved", "force=true")

		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		storedSecret(h, candidate)
		h.Token()
		h.Called(4, 1)
	})
}

// An interruption may cost one attempt for each secret, but not one more for each
// restart or outage.
func TestThatThePendingSecretWasRefusedSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Interrupt(false)
		h.Pass(30 * time.Second)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer}) // The first call succeeds.
		h.Answering(503, "maintenance", 1)
		h.Fails(h.Read("token", nil), http.StatusBadGateway, "503")
		for range 3 {
			h.Spent(1, 0)
			h.Restart()
			h.Pass(5 * time.Minute)
			h.Answering(503, "maintenance", 2)
			h.Fails(h.Read("token", nil), http.StatusBadGateway, "503")
			h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "503")
		}
		h.Pass(time.Minute)
		h.Token()
		h.Wrongly(1)
		h.Resolved()
	})
}

// A refusal for another reason says nothing about the pending secret, and would also
// apply to the current secret. So the engine does not try the current secret.
func TestARefusalOfSomethingElseEndsTheResolutionThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10026", "text", "12401", "blocked", "10005"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Interrupt(true)
				candidate := storedPending(h)
				h.Pass(30 * time.Second)
				h.Fake.Order(mounttest.Rejections()[name])
				h.Fails(h.Read("token", nil), http.StatusBadRequest)
				h.Called(2, 1)
				if storedPending(h) != candidate {
					t.Error("the rotation is not pending any more")
				}
				h.Pass(5 * time.Minute)
				h.Token()
				h.Called(3, 1)
				h.Wrongly(0)
				h.Resolved()
			})
		})
	}
}
