// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// An ambiguous outcome, in the world where the change has arrived and in the one where it has not.
func TestAnUnknownOutcomeIsSettledToTheSecretThatFinicityHolds(t *testing.T) {
	t.Parallel()
	status := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	redirect := status(302, "")
	redirect.Header = map[string]string{"Location": "http://127.0.0.1/elsewhere"}
	busy := status(429, "slow down")
	busy.RetryAfter = "1"
	for name, test := range map[string]struct {
		fault   fakefinicity.Fault
		applied bool
	}{
		"no answer, applied":          {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLost}, true},
		"no answer, not applied":      {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindDropped}, false},
		"a 204 cut short":             {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindCut}, true},
		"200 instead of 204, applied": {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindGarbage}, true},
		"200 instead, not applied":    {status(200, `{"token":"abc"}`), false},
		"201, not applied":            {status(201, ""), false},
		"a redirect":                  {redirect, false},
		"an error of the server":      {status(500, `{"code":1,"message":"sorry"}`), false},
		"a gateway's time-out":        {status(504, "<html>504</html>"), false},
		"a rate limit":                {busy, false},
		"a conflict":                  {status(409, ""), false},
		"too slow, applied":           {fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindSlowAnswer, Delay: time.Minute}, true},
		"applied after the time-out": {
			fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindSlow, Delay: 31 * time.Second}, true,
		},
		"applied after the answer was lost": {
			fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: 29 * time.Second}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, grace := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, fields{"secret_grace_period": grace})
					token := h.token()
					h.fake.Order(test.fault)
					h.fails(h.write("rotate-root", nil), 400, "whether the secret has changed is unknown", "Finicity ")
					cred := h.stored().Credential
					if cred.Pending == nil || cred.Pending.Grace != grace || cred.Current != partnerSecret {
						t.Fatal("both secrets are not stored")
					}
					if h.token() != token {
						t.Error("the usable token is not served meanwhile")
					}
					h.pass(2 * time.Hour)
					h.token()
					after := h.stored().Credential
					if promoted := after.Current == cred.Pending.Secret; promoted != test.applied {
						t.Errorf("the new secret is the current one: %v", promoted)
					}
					if kept := len(after.Abandoned) == 1 && after.Abandoned[0].Grace == grace; kept == test.applied {
						t.Errorf("the candidate is kept aside: %v", kept)
					}
					if rotated := !after.LastRotation.IsZero(); rotated != test.applied {
						t.Errorf("it is noted as a rotation: %v", rotated)
					}
					h.settled()
					wrong := map[bool]int{true: 0, false: 1}[test.applied]
					if n := h.fake.Counters(partnerID).Rejected; n != wrong {
						t.Errorf("it took %d wrong attempts, want %d", n, wrong)
					}
					h.called(2+wrong, 1)
				})
			}
		})
	}
}

func TestATimeOutIsNamedWithItsLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"request_timeout": "7s"})
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Hour, Count: 2})
		h.fails(h.write("rotate-root", nil), 400, "no complete answer within 7s")
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 502, "no complete answer within 7s")
	})
}

// The call may have been sent with a longer time-out than the one that is set now.
func TestAShorterTimeOutDoesNotLetSettlingOvertakeTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"request_timeout": "2m"})
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: 100 * time.Second})
		h.fails(h.write("rotate-root", nil), 400, "unknown")
		h.succeeds(h.write("config", fields{"request_timeout": "5s"}))
		h.pass(10 * time.Second)
		h.fails(h.read("token", nil), 503, "try again in 1m50s")
		h.pass(110 * time.Second)
		h.token()
		h.settled()
		if n := h.fake.Counters(partnerID).Rejected; n != 0 {
			t.Errorf("it took %d wrong attempts", n)
		}
	})
}

// Until then the call of a process that died may still be on its way.
func TestSettlingBeginsOneTimeOutAfterTheSecretWasStored(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, fields{"request_timeout": "10s"})
		h.pass(2 * time.Hour)
		h.interrupt(applied)
		h.restart()
		for _, left := range []string{"10s", "9s", "8s"} {
			h.fails(h.read("token", nil), 503, "a rotation is pending, and its call may still be on its way", "try again in "+left)
			h.fails(h.write("rotate-root", nil), 503, "try again in "+left)
			h.pass(time.Second)
		}
		h.pass(7*time.Second - 1)
		h.fails(h.read("token", nil), 503, "try again in 1s")
		h.called(1, 1)
		h.pass(1)
		h.token()
		h.settled()
	})
}

func TestATokenThatIsDueIsServedWhileSettlingMustWait(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(100 * time.Minute)
		h.interrupt(applied)
		h.pass(time.Second)
		for range 3 {
			a := h.read("token", nil)
			h.warned(a, "which failed", "a rotation is pending, and its call may still be on its way")
			if a.data["token"] != token {
				t.Error("it is another token")
			}
		}
		h.called(1, 1)
		h.pass(30 * time.Second)
		a := h.read("token", nil)
		h.warned(a)
		if a.data["token"] == token {
			t.Error("settling has brought no token")
		}
		if outcome := map[bool]string{true: "true", false: "false"}[applied]; !h.words.logged("new_secret=" + outcome) {
			t.Error("the log does not say which secret it is settled to")
		}
		h.settled()
	})
}

func TestRotateRootSettlesFirst(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newUnsettled(t, applied, nil)
		candidate := h.stored().Credential.Pending.Secret
		h.pass(30 * time.Second)
		h.rotate()
		cred := h.stored().Credential
		if cred.Current == candidate || cred.Current == partnerSecret || cred.Pending != nil {
			t.Error("it is not rotated to another secret")
		}
		if want := map[bool]string{true: candidate, false: partnerSecret}[applied]; cred.Previous[0].Secret != want {
			t.Error("the previous secret is not the one that was in force")
		}
		h.settled()
		h.called(map[bool]int{true: 3, false: 4}[applied], 2)
	})
}

// It must not be stored again and again as begun just now.
func TestAClockThatWasSetBackDelaysSettlingOnce(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(applied)
		h.pass(time.Second)
		h.setClock(-time.Hour)
		h.storage.discard(tokenKey) // By this clock it would be good again.
		h.storage.fail(storageFault{on: put(configKey)})
		h.fails(h.read("token", nil), 500, "writing the configuration to storage")
		h.pass(time.Second)
		h.fails(h.read("token", nil), 503, "try again in 30s")
		for range 3 {
			h.pass(10*time.Second - 1)
			h.restart()
			h.fails(h.read("token", nil), 503, "try again in")
		}
		h.called(1, 1)
		h.pass(3)
		h.token()
		h.settled()
	})
}

// Somebody has reset the secret in the portal, after a rotation whose answer was lost.
func TestWhenBothSecretsAreRefusedNothingIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(true)
		candidate := h.stored().Credential.Pending.Secret
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(30 * time.Second)
		h.fails(h.read("token", nil), 400, "a rotation is pending and could not be settled", "10001",
			"vault write finicity/config partner_secret=")
		for range 10 {
			h.pass(time.Hour)
			h.fails(h.read("token", nil), 400, "10001")
		}
		h.called(3, 1) // Both have been tried once.
		cred := h.stored().Credential
		if cred.Current != partnerSecret || cred.Pending == nil || cred.Pending.Secret != candidate {
			t.Error("a secret is gone")
		}
		h.fails(h.remove("config", nil), 400, "unsettled")

		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		if cred := h.stored().Credential; len(cred.Abandoned) != 1 || cred.Abandoned[0].Secret != candidate {
			t.Error("the candidate is gone")
		}
		h.token()
		h.called(4, 1)
	})
}

// One attempt on each is what an interruption may cost, not one more for each restart or outage.
func TestThatThePendingSecretWasRefusedSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(false)
		h.pass(30 * time.Second)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer}) // The first call goes through.
		for range 3 {
			h.answering(503, "maintenance", 1)
			h.fails(h.read("token", nil), 502, "could not be settled", "503")
			h.spent(1, 0)
			h.fails(h.read("token", nil), 503, "the next call is made in")
			h.restart()
			h.pass(5 * time.Minute)
		}
		h.token()
		h.wrongly(1)
		h.settled()
	})
}

// Neither would the current secret fare better, nor is it known that the pending one is not in force.
func TestARefusalOfSomethingElseEndsTheSettlingThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10026", "text", "12401", "blocked", "10005"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				h.interrupt(true)
				h.pass(30 * time.Second)
				h.fake.Order(rejections()[name])
				h.fails(h.read("token", nil), 400, "a rotation is pending and could not be settled")
				h.called(2, 1)
				h.restart()
				h.pass(5 * time.Minute)
				h.token()
				h.called(3, 1)
				h.wrongly(0)
				h.settled()
			})
		})
	}
}
