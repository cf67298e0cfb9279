// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestVerifySucceedsInEachStateAndResetsEverything(t *testing.T) {
	t.Parallel()
	for name, enter := range mounttest.States() {
		for _, data := range []mounttest.Fields{nil, {"force": false}, {"force": "true"}} {
			t.Run(fmt.Sprintf("%s, %v", name, data), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Rotate() // So that only the engine has the secret.
					h.Pass(2 * time.Hour)
					enter(h)
					before, counted := h.Calls(fakefinicity.CallAuthenticate), len(h.Record().Attempts)
					h.Succeeds(h.Write("config/verify", data))
					status := statusNow(h)
					if status["authentication"] != "ok" || status["retry_time"] != nil || status["last_error"] != "" {
						t.Errorf("authentication is %v, retry time %v, last error %v",
							status["authentication"], status["retry_time"], status["last_error"])
					}
					if data["force"] == "true" && counted > 2 {
						counted = 0 // A forced success clears everything before it. With more attempts left, there is nothing to force.
					}
					if got := len(h.Record().Attempts); got != counted || status["attempts_left"] != attempts.Limit-counted {
						t.Errorf("%d attempts count, want %d; %v are left", got, counted, status["attempts_left"])
					}
					token := h.Token()
					if !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
						t.Error("the shared token is not good")
					}
					h.Restart()
					if h.Token() != token {
						t.Error("its token is not stored")
					}
					if n := h.Calls(fakefinicity.CallAuthenticate) - before; n != 1 {
						t.Errorf("the verification took %d calls", n)
					}
					h.Pass(2 * time.Hour) // And automatic attempts work again.
					h.Token()
				})
			})
		}
	}
}

// An operator wants to know now whether the credential works, not when the token is due.
func TestVerifyReplacesAFreshToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Succeeds(h.Write("config/verify", nil))
		if h.Token() == token {
			t.Error("the token is the old one")
		}
		h.Called(2, 0)
	})
}

func TestAVerifyThatIsRefusedCountsAndLeavesEverythingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token, want := h.Token(), h.Read("config", nil).Data
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for i := range 4 {
			h.Fails(h.Write("config/verify", nil), 400, "10001", fmt.Sprintf("%d of 5", i+1))
			h.Spent(i+1, 0)
		}
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent to Finicity", "10001",
			"vault write finicity/config/verify force=true")
		h.Wrongly(4)
		st := h.Stored()
		if h.Token() != token || storedCurrent(h) != mounttest.PartnerSecret || len(st.Secrets.Secrets) != 1 ||
			st.AppKey.Reveal() != mounttest.AppKey || h.Read("config", nil).Data["base_url"] != want["base_url"] {
			t.Error("the usable token, or the configuration, has changed")
		}
	})
}

// Vault's clients would repeat a 5xx, and each repetition may be refused unseen.
func TestAVerifyWithoutAVerdictIsNotRepeatedByClients(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{"an operator's": nil, "forced": {"force": true}} {
		for answer, fault := range map[string]fakefinicity.Fault{
			"lost":       {Kind: fakefinicity.KindLost},
			"too late":   {Kind: fakefinicity.KindSlowAnswer, Delay: time.Minute},
			"garbage":    {Kind: fakefinicity.KindGarbage},
			"an outage":  {Kind: fakefinicity.KindStatus, Status: 503},
			"a gateway":  {Kind: fakefinicity.KindStatus, Status: 504},
			"rate limit": {Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "3600"},
		} {
			t.Run(name+", "+answer, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					token := h.Token()
					h.Fake.Order(fault)
					h.Fails(h.Write("config/verify", data), 400, "Finicity ", "does not retry the request")
					h.Called(2, 0)
					h.Spent(0, 0)
					if h.Token() != token {
						t.Error("the usable token is gone")
					}
					h.Succeeds(h.Write("config/verify", data)) // An operator need not wait.
				})
			})
		}
	}
}

func TestAVerifyThatNeverReachesFinicityMayBeRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.RestartWith(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		for range 6 {
			h.Fails(h.Write("config/verify", nil), 502, "could not be reached")
		}
		h.Spent(0, 0)
		h.Restart()
		h.Succeeds(h.Write("config/verify", nil))
		h.Called(2, 0)
	})
}

// Finicity may lock the partner now: each forced request is one call, even if another
// secret could be tried.
func TestForceGoesPastTheLimitOneCallAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, true, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		h.Guesses(3)
		h.Fails(h.Write("config/verify", nil), 400, "10001", "force=true") // The pending secret, and no other after it.
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "force=true")
		h.Called(5, 1)
		for i := range 3 {
			h.Fake.Unlock(mounttest.PartnerID)
			h.Fails(h.Write("config/verify", mounttest.Fields{"force": true}), 400, "10001", "force=true")
			h.Called(6+i, 1)
			h.Spent(5+i, 0)
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Spent(0, 0)
		h.Token()
	})
}

// A forced attempt is refused again and again. The record is bounded, and the engine
// still refuses attempts without force.
func TestRepeatedForceDoesNotFillTheRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		size := 0
		for i := range 60 {
			h.Fake.Unlock(mounttest.PartnerID)
			h.Fails(h.Write("config/verify", mounttest.Fields{"force": true}), 400, "10001")
			if i == 30 {
				size = storedBytes(h)
			}
		}
		if grown := storedBytes(h) - size; grown > 64 {
			t.Errorf("30 more attempts took %d bytes more of storage", grown)
		}
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "force=true")
		h.Fails(h.Read("token", nil), 400, "no request was sent", "force=true")
		h.Called(61, 0)
	})
}

// Support may have unlocked the partner, and Vault has not been told.
func TestAfterALockOnlyAnOperatorTries(t *testing.T) {
	t.Parallel()
	for _, guesses := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Guesses(guesses)
			h.Pass(2 * time.Hour)
			h.Fake.Order(mounttest.Rejections()["locked"])
			h.Fails(h.Write("config/verify", nil), 400, "24302", "After Finicity support has unlocked the partner")
			for range 10 {
				h.Pass(24 * time.Hour)
				h.Tick()
				h.Fails(h.Read("token", nil), 400, "no request was sent", "24302", "After Finicity support has unlocked the partner")
				h.Restart()
			}
			command := mounttest.Fields{"force": guesses == 3}
			says := map[bool]string{
				false: "vault write -f finicity/config/verify", true: "vault write finicity/config/verify force=true",
			}[guesses == 3]
			h.Fails(h.Read("token", nil), 400, says)
			h.Called(2+guesses, 0)
			h.Succeeds(h.Write("config/verify", command))
			h.Token()
			if state := statusNow(h)["authentication"]; state != "ok" {
				t.Errorf("authentication is %v", state)
			}
		})
	}
}

func TestVerifyResolvesAPendingRotation(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		for _, data := range []mounttest.Fields{nil, {"force": true}} {
			h.Fails(h.Write("config/verify", data), 503, "a rotation is pending", "try again in 30s")
		}
		h.Called(1, 1)
		h.Pass(30 * time.Second)
		h.Succeeds(h.Write("config/verify", nil))
		h.Wrongly(map[bool]int{true: 0, false: 1}[applied])
		h.Resolved()
	})
}

// A forced attempt also finds the secret of a change that never arrived. Far from the
// limit, it works like config/verify without force: at once.
func TestForceResolvesAPendingRotation(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewUnresolved(t, applied, nil)
		h.Pass(30 * time.Second)
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Spent(map[bool]int{true: 0, false: 1}[applied], 0)
		h.Resolved()
	})
}

func TestVerifyOfAMountThatIsNotConfiguredSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for _, data := range []mounttest.Fields{nil, {"force": true}} {
			h.Fails(h.Write("config/verify", data), 400, "not configured", "vault write finicity/config partner_id=…")
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Write("config/verify", nil), 500, "reading the configuration from storage")
		h.Called(0, 0)
	})
}

func TestVerifyAcceptsOnlyForceAndOnlyUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fails(h.Write("config/verify", mounttest.Fields{"force": "perhaps"}), 400, `"force"`, "true or false")
		h.Fails(h.Write("config/verify", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, `"partner_secret"`,
			"config/verify takes force")
		h.Fails(h.Read("config/verify", nil), 405)
		h.Fails(h.Remove("config/verify", nil), 405)
		h.Called(1, 0)
	})
}

func TestVerifyWhileFinicityIsDownSaysSoAndCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Down()
		for range 10 { // An operator does not wait for the next time at which reads may try.
			h.Fails(h.Write("config/verify", nil), 400, "maintenance")
		}
		h.Spent(0, 0)
		h.Called(11, 0)
		h.Fails(h.Read("token", nil), 503, "maintenance", "the next request is sent in 1m0s")
	})
}

func TestAVerifyIsFinishedWithoutItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(2)
		h.Pass(2 * time.Hour)
		gone, leave := context.WithCancel(t.Context())
		leave()
		h.Fails(h.Send(gone, logical.UpdateOperation, "config/verify", nil), 503, "try again")
		h.Called(3, 0)

		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
		ctx, leave := context.WithCancel(t.Context())
		done := h.Background(func() mounttest.Answer { return h.Send(ctx, logical.UpdateOperation, "config/verify", nil) })
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		h.Fake.Release()
		h.Succeeds(<-done)
		h.Spent(2, 0) // The charge of this attempt is settled.
		h.Token()
		h.Called(4, 0)
	})
}
