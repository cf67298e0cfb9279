// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// atMost checks that Finicity has refused at most n attempts in total, and that the
// partner is not locked.
func atMost(h *mounttest.Harness, n int) {
	h.T.Helper()
	c := h.Fake.Counters(mounttest.PartnerID)
	if c.Rejected > n || c.Locked || c.WhileLocked > 0 {
		h.T.Errorf("Finicity refused %d attempts, at most %d are allowed (locked: %v, attempts since: %d)",
			c.Rejected, n, c.Locked, c.WhileLocked)
	}
}

// inParallel sends n updates of a path at the same time and waits for the answers.
func inParallel(h *mounttest.Harness, n int, path string) {
	answers := make([]<-chan mounttest.Answer, n)
	for i := range answers {
		answers[i] = h.Background(func() mounttest.Answer { return h.Write(path, nil) })
	}
	for _, done := range answers {
		<-done
	}
}

// everyMinute lets n minutes pass. In each, Vault makes its periodic call, and do runs.
func everyMinute(h *mounttest.Harness, n int, do func()) {
	h.T.Helper()
	for range n {
		h.Pass(time.Minute)
		h.Tick()
		do()
	}
}

// The secret changes in the portal, the tokens expire, and twenty apps or jobs rotate,
// again every minute. All of them share two attempts. If they used four, the engine
// would refuse the right secret when the operator writes it.
func TestAFleetThatRotatesLeavesTheOperatorAnAttempt(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"rotate-token", "rotate-root"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewWith(t, fakefinicity.Config{
					Partners:            []fakefinicity.Partner{{ID: mounttest.PartnerID, Secret: mounttest.PartnerSecret, AppKey: mounttest.AppKey}},
					TokensDieWithSecret: true,
				})
				h.Configure(nil)
				h.Pass(2 * time.Minute)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				inParallel(h, 20, path)
				atMost(h, 2)
				everyMinute(h, 15, func() { inParallel(h, 20, path) })
				atMost(h, 2)
				h.Fails(h.Write(path, nil), http.StatusBadRequest, "config/verify")

				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				if token := h.Token(); !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
					t.Error("the engine serves a token that Finicity does not accept")
				}
			})
		})
	}
}

// The secret has changed, an operator tries three wrong ones, and then restores Vault
// from a snapshot taken before. The snapshot does not contain the three attempts. Two
// more automatic ones would lock the partner.
func TestARestoredSnapshotMakesOneAutomaticAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for i := range 3 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)}), http.StatusBadRequest)
		}
		atMost(h, 3)
		h.Pass(2 * time.Hour)
		h.Storage.Restore(snapshot)
		h.Restart()
		everyMinute(h, 120, func() { h.Read("token", nil) })
		atMost(h, 4)

		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Token()
	})
}

// Six changes of the secret in an hour never reach Finicity. Resolving each of them
// costs one refused attempt. Where a success does not reset Finicity's count, the fifth
// locks the partner.
func TestSixLostRotationsDoNotLockThePartner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
		h.Configure(nil)
		for range 6 {
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped})
			h.Write("rotate-root", nil)
			h.Fake.ClearFaults()
			everyMinute(h, 10, func() {})
		}
		atMost(h, 3)
		for range 28 { // Apps continue to get their tokens, and a day later a rotation works again.
			h.Pass(time.Hour)
			h.Tick()
			h.Token()
		}
		h.Rotate()
		h.Token()
		atMost(h, 3)
	})
}

// A script writes the same outdated secret every two hours. The first write costs an
// attempt. If the refreshes in between made the engine forget it, each write would cost
// one more, and the script would lock the partner within a day.
func TestAStaleScriptCostsOneAttemptADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{SuccessKeepsCount: true})
		h.Configure(nil)
		noToken := 0
		for range 12 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), http.StatusBadRequest)
			for range 4 {
				h.Pass(30 * time.Minute)
				h.Tick()
				if h.Read("token", nil).Status != http.StatusOK {
					noToken++
				}
			}
		}
		atMost(h, 1)
		if noToken > 0 {
			t.Errorf("%d of 48 reads got no token", noToken)
		}
		if n := h.Fake.Counters(mounttest.PartnerID).Authentications; n < 12 {
			t.Errorf("the token was refreshed %d times in a day", n-1)
		}
	})
}

// A colleague mistypes a new secret twice, and the engine stores neither. The stored
// credential works, so apps must not stop. If the typos stopped the engine, every app
// would fail two hours later.
func TestTwoTyposDoNotStopAHealthyMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 2 {
			h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i)}), http.StatusBadRequest)
		}
		if state := statusNow(h)["authentication"]; state != "ok" {
			t.Errorf("the status says %v", state)
		}
		for range 4 {
			h.Pass(2 * time.Hour)
			h.Token()
		}
		atMost(h, 2)
	})
}

// An operator writes four wrong secrets, and then a fifth under another address of the
// same Finicity. Finicity counts per partner. An engine that counted per address would
// send the attempt that locks the partner.
func TestAnotherAddressBringsNoNewAttempts(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"on a configured mount": true, "on a new mount": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				if configured {
					h.Configure(nil)
				}
				for i := range 4 {
					h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), http.StatusBadRequest)
				}
				atMost(h, 4)
				before := len(h.Fake.Requests())
				a := h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(4), "base_url": "http://localhost"}))
				if n := len(h.Fake.Requests()) - before; n != 0 {
					t.Errorf("%d calls were sent to the other address", n)
				}
				h.Fails(a, http.StatusBadRequest)
				atMost(h, 4)
			})
		})
	}
}

// Finicity answers an operator's attempt with an outage or a rate limit. Vault's Go
// client automatically repeats a request after any 5xx. Each repetition would be
// another attempt that the operator did not make.
func TestAnOperatorsAttemptIsNeverAnsweredWithA5xx(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		configured bool
		path       string
		data       mounttest.Fields
	}{
		"first write":     {false, "config", mounttest.Credentials(nil)},
		"new secret":      {true, "config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}},
		"new app key":     {true, "config", mounttest.Fields{"app_key": mounttest.NewKey}},
		"another address": {true, "config", mounttest.Credentials(mounttest.Fields{"base_url": "http://localhost"})},
		"config/verify":   {true, "config/verify", nil},
	} {
		for _, status := range []int{500, 503, 429} {
			t.Run(fmt.Sprintf("%s, %d", name, status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.New(t)
					if test.configured {
						h.Configure(nil)
					}
					before := h.Calls(fakefinicity.CallAuthenticate)
					h.Answering(status, "", 1)
					a := h.Write(test.path, test.data)
					if n := h.Calls(fakefinicity.CallAuthenticate) - before; n != 1 {
						t.Errorf("%d calls were sent, want 1", n)
					}
					h.Fails(a, http.StatusBadRequest)
				})
			})
		}
	}
}
