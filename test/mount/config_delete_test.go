// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// keys returns those of all entries in storage.
func keys(h *mounttest.Harness) (all []string) {
	for key := range h.Storage.Snapshot() {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

func TestDeleteRemovesCredentialTokenAndEntry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Token()
		a := h.Remove("config", nil)
		h.Succeeds(a)
		h.Warned(a)
		if left := keys(h); !slices.Equal(left, []string{"salt"}) {
			t.Errorf("%v is left, want the salt alone", left)
		}
		h.Fails(h.Read("token", nil), 400, "not configured")
		h.Restart()
		h.Fails(h.Read("token", nil), 400, "not configured")
		h.Succeeds(h.Remove("config", nil)) // A second delete is not an error.
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		h.Called(1, 0)
	})
}

// A delete does not reset Finicity's count, so the engine keeps its own count too. The
// message reports it.
func TestDeleteKeepsFailedAttemptsForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		a := h.Remove("config", nil)
		h.Succeeds(a)
		h.Warned(a, "remain counted for 24 hours", "3 of 5")
		if st := h.Stored(); st.Configured() || len(st.Secrets.Secrets) != 0 || st.Token != nil || !st.AppKey.IsZero() {
			t.Error("something besides the attempts is left")
		}
		h.Restart()
		for range 2 {
			h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(0)})), 400,
				"so the engine does not send it again", "3 of 5")
		}
		h.Configure(nil)
		h.Spent(3, 0)
		a = h.Remove("config", nil)
		h.Succeeds(a)
		h.Warned(a, "3 of 5")
		h.Configure(nil)
		h.Pass(24*time.Hour + time.Minute)
		a = h.Remove("config", nil)
		h.Succeeds(a)
		h.Warned(a)
		if left := keys(h); !slices.Equal(left, []string{"salt"}) {
			t.Errorf("%v is left, want the salt alone", left)
		}
		h.Wrongly(3)
	})
}

func TestADeleteBringsNoNewAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		for range 4 {
			h.Fails(h.Write("config/verify", nil), 400, "10001")
		}
		for range 3 {
			h.Succeeds(h.Remove("config", nil))
			h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(0)})), 400,
				"no request was sent", "verify_connection=false", "vault write finicity/config/verify force=true")
			h.Configure(mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false})
			h.Fails(h.Read("token", nil), 400, "no request was sent", "force=true")
			h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "force=true")
			h.Restart()
		}
		h.Wrongly(4)
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Token()
		h.Spent(0, 0)
	})
}

func TestAfterADeleteTheMountCanBeConfiguredAgain(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewRefused(t)
				h.Fails(h.Read("token", nil), 400, "10001")
				h.Pass(5 * time.Minute)
				h.Fails(h.Read("token", nil), 400, "10001") // Automatic calls are stopped now.
				h.Succeeds(h.Remove("config", nil))
				h.Configure(mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": verify})
				if !verify {
					h.Fails(h.Read("token", nil), 400, "no request was sent", "vault write -f finicity/config/verify")
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Token()
				h.Called(4, 0)
				h.Wrongly(2)
			})
		})
	}
}

// Another mount may use the other partner, or an operator may write that partner here
// again.
func TestDeleteLeavesTheRecordsOfOtherPartners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(2)
		h.Succeeds(h.Write("config", mounttest.Fields{
			"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey,
		}))
		a := h.Remove("config", nil)
		h.Succeeds(a)
		h.Warned(a) // This partner has none.
		h.Spent(2, 0)
		if records := h.Stored().Records; len(records) != 1 {
			t.Errorf("%d records are stored, want 1", len(records))
		}
	})
}

// An operator who starts over deletes the configuration. That must work in every state.
func TestDeleteWorksInEachState(t *testing.T) {
	t.Parallel()
	for name, enter := range mounttest.States() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				enter(h)
				h.Succeeds(h.Remove("config", nil))
				h.Fails(h.Read("token", nil), 400, "not configured")
				if a := h.Write("config", mounttest.Credentials(nil)); a.Status != 204 { // Finicity has refused this credential.
					h.Fails(a, 400, "so the engine does not send it again", "verify_connection=false", "vault write -f finicity/config/verify")
					h.Configure(mounttest.Fields{"verify_connection": false})
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Token()
				if state := statusNow(h)["authentication"]; state != "ok" {
					t.Errorf("authentication is %v", state)
				}
			})
		})
	}
}

func TestWhatCannotBeDecodedCanBeDiscarded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Plant("config", []byte("{"))
		h.Restart()
		h.Fails(h.Remove("config", nil), 500, "cannot be decoded", "vault delete finicity/config force=true")
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		h.Configure(nil)
		h.Token()
	})
}

// An entry that is unreadable now may be intact. The operator does not want to discard
// that.
func TestForceDiscardsNothingThatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Remove("config", mounttest.Fields{"force": true}), 500, "reading the configuration from storage")
		if !h.IsConfigured() {
			t.Error("the entry is deleted")
		}
		newer := []byte(`{"version":99,"partner_id":"1"}`)
		h.Storage.Plant("config", newer)
		h.Restart()
		h.Fails(h.Remove("config", mounttest.Fields{"force": true}), 500, "install the version that wrote it")
		if value, _ := h.Storage.Peek("config"); string(value) != string(newer) {
			t.Error("the entry of a newer version is deleted")
		}
	})
}

func TestDeleteTakesNoFieldButForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fails(h.Remove("config", mounttest.Fields{"partner_id": mounttest.PartnerID}), 400, `"partner_id"`, "a delete of config takes only force")
		h.Fails(h.Remove("config", mounttest.Fields{"force": "perhaps"}), 400, `"force"`, "true or false")
		h.Fails(h.Remove("config", mounttest.Fields{"force": true, "verify_connection": false}), 400, `"verify_connection"`)
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": "true"})) // Query strings contain texts.
		if h.Stored() != nil {
			t.Error("with force it is not deleted")
		}
	})
}

func TestADeleteThatFailsCanBeRepeated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		typo  bool // Then an entry stays, for the attempts.
		fault mounttest.Fault
		gone  bool
	}{
		"not applied":                  {false, mounttest.Fault{On: mounttest.Del("config")}, false},
		"applied":                      {false, mounttest.Fault{On: mounttest.Del("config"), Applied: true}, true},
		"with an attempt, not applied": {true, mounttest.Fault{On: mounttest.Put("config")}, false},
		"with an attempt, applied":     {true, mounttest.Fault{On: mounttest.Put("config"), Applied: true}, true},
		"the reading of it":            {false, mounttest.Fault{On: mounttest.Get("config")}, false},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					if test.typo {
						h.Guesses(1)
					}
					h.Restart()
					h.Storage.Fail(test.fault)
					h.Fails(h.Remove("config", nil), 500, "storage is out of order")
					if got := !h.IsConfigured(); got != test.gone {
						t.Errorf("the credential is gone: %v, want %v", got, test.gone)
					}
					if restart {
						h.Restart()
					}
					if !test.gone { // The answer was an error, and the mount continues as before.
						h.Token()
					}
					h.Succeeds(h.Remove("config", nil))
					if h.IsConfigured() {
						t.Error("the second delete has left the credential there")
					}
					h.Tick() // Nor does a tick bring back what storage did not accept before.
					h.Restart()
					h.Fails(h.Read("token", nil), 400, "not configured")
					h.Called(1+len(h.Record().Attempts), 0)
				})
			})
		}
	}
}

func TestADeleteThatFailsForgetsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewRefused(t)
			for range 4 {
				h.Fails(h.Write("config/verify", nil), 400, "10001")
			}
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: applied})
			h.Fails(h.Remove("config", nil), 500, "storage is out of order")
			h.Restart()
			h.Spent(4, 0)
			for range 5 {
				h.Fails(h.Read("token", nil), 400)
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(0)})), 400, "no request was sent")
				h.Pass(time.Hour)
			}
			h.Wrongly(4)
		})
	}
}

func TestNothingIsBegunForACallerWhoHasGone(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(ctx context.Context, h *mounttest.Harness) mounttest.Answer{
		"config": func(ctx context.Context, h *mounttest.Harness) mounttest.Answer {
			return h.Send(ctx, logical.CreateOperation, "config", mounttest.Fields{"app_key": mounttest.NewKey})
		},
		"delete": func(ctx context.Context, h *mounttest.Harness) mounttest.Answer {
			return h.Send(ctx, logical.DeleteOperation, "config", nil)
		},
		"rotate-root": func(ctx context.Context, h *mounttest.Harness) mounttest.Answer {
			return h.Send(ctx, logical.UpdateOperation, "rotate-root", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := h.Storage.Accesses()
				gone, leave := context.WithCancel(t.Context())
				leave()
				for range 20 { // Both the lock and the context are ready, and select takes either.
					h.Fails(do(gone, h), 503, "try again")
				}

				// Also for a caller who leaves while waiting for the lock.
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
				other := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
				synctest.Wait()
				waiting, leave := context.WithCancel(t.Context())
				mine := h.Background(func() mounttest.Answer { return do(waiting, h) })
				synctest.Wait()
				leave()
				h.Fails(<-mine, 503, "try again")
				// The rotation has read the entry, checked it again, and written it.
				if n := h.Storage.Accesses() - before - 3; n != 0 {
					t.Errorf("storage was accessed %d times", n)
				}
				h.Fake.Release()
				h.Succeeds(<-other)
				h.Called(2, 1)
			})
		})
	}
}
