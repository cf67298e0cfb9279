// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// newLate returns a mount whose rotation was resolved to the old secret while the
// change is still on its way. The change takes effect the given time after it was sent.
// candidate is the new secret.
func newLate(t *testing.T, lands time.Duration, extra mounttest.Fields) (h *mounttest.Harness, candidate string) {
	t.Helper()
	h = mounttest.NewConfigured(t, extra)
	nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: lands})
	h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
	candidate = storedPending(h)
	h.Pass(30 * time.Second)
	h.Succeeds(h.Write("config/verify", nil))
	if storedCurrent(h) != mounttest.PartnerSecret || h.Stored().Secrets.Unresolved() {
		t.Fatal("the rotation is not resolved to the old secret")
	}
	h.Wrongly(1)
	return h, candidate
}

// findsLate checks that the next automatic attempt finds that the old secret is
// refused, and the one after it, five minutes later, finds the new one.
func findsLate(h *mounttest.Harness, candidate string) {
	h.T.Helper()
	if !h.Fake.HoldsSecret(mounttest.PartnerID, candidate) {
		h.T.Fatal("the change has not taken effect")
	}
	h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "the engine retries once")
	h.Pass(5 * time.Minute)
	h.Token()
	if storedCurrent(h) != candidate {
		h.T.Error("the new secret is not the current one")
	}
}

// One interruption and its late effect cost two failed attempts, and nothing is lost.
func TestAChangeThatLandsLateIsFoundByTheNextRefresh(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(h *mounttest.Harness, candidate string){
		"a read": findsLate,
		"config/verify": func(h *mounttest.Harness, _ string) {
			h.Succeeds(h.Write("config/verify", nil))
		},
		"many readers": func(h *mounttest.Harness, _ string) {
			for _, done := range readMany(h, 200) {
				h.Fails(<-done, http.StatusBadRequest, "10001")
			}
			h.Pass(5 * time.Minute)
			for _, done := range readMany(h, 200) {
				h.Succeeds(<-done)
			}
		},
		// A new process does not trust its record of attempts, so an operator makes the
		// second one.
		"after a restart": func(h *mounttest.Harness, _ string) {
			h.Restart()
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "vault write -f finicity/config/verify")
			h.Pass(time.Hour)
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "vault write -f finicity/config/verify")
			h.Succeeds(h.Write("config/verify", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, 3*time.Hour, nil)
				h.Pass(4 * time.Hour)
				find(h, candidate)
				st := h.Stored()
				if storedCurrent(h) != candidate || storedSecret(h, mounttest.PartnerSecret).Superseded.IsZero() ||
					!st.LastRotation.Equal(h.Now()) || len(st.Secrets.Secrets) != 2 {
					t.Error("the new secret is not the current one, with the old one superseded")
				}
				h.Wrongly(2)
				h.Resolved()
				h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), http.StatusBadRequest,
					"was replaced by a rotation on")
			})
		})
	}
}

func TestUntilAChangeLandsTheOldSecretIsUsedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, 27*time.Hour, nil)
		for range 13 {
			h.Pass(2 * time.Hour)
			h.Token()
		}
		h.Wrongly(1)
		if slices.ContainsFunc(h.Stored().Secrets.Secrets, func(s secrets.Secret) bool { return s.Value.Reveal() == candidate }) {
			t.Error("after more than a day the secret is still in storage")
		}
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001") // A change that late is unexpected.
		h.Wrongly(2)
	})
}

// By age alone, a mount without reads for a while would forget the only copy of the
// secret.
func TestACandidateIsRetainedUntilAnotherSecretIsProven(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		for _, silence := range []time.Duration{25 * time.Hour, 31 * day, 365 * day} {
			t.Run(fmt.Sprintf("grace %v, %s", grace, silence), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h, candidate := newLate(t, 70*time.Second, mounttest.Fields{"secret_grace_period": grace})
					h.Pass(silence)
					if grace && silence < 30*day { // The old secret is valid for 30 days.
						h.Token()
						h.Pass(31 * day)
					}
					findsLate(h, candidate)
					h.Wrongly(2)
					h.Resolved()
				})
			})
		}
	}
}

func TestALateChangeIsFoundWithinADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, 22*time.Hour, nil)
		h.Pass(23 * time.Hour)
		findsLate(h, candidate)
		h.Resolved()
	})
}

// The late change shows only when the old secret stops working.
func TestWithGraceALateChangeIsFoundAfterThirtyDays(t *testing.T) {
	t.Parallel()
	for _, lands := range []time.Duration{time.Hour, 24 * time.Hour, 47 * time.Hour} {
		t.Run(lands.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, lands, mounttest.Fields{"secret_grace_period": true})
				for range 29 {
					h.Pass(day)
					h.Token()
				}
				h.Wrongly(1)
				if storedCurrent(h) != mounttest.PartnerSecret {
					t.Error("the old secret, which is still valid, is not the current one")
				}
				h.Pass(72*time.Hour - 2*time.Minute)
				findsLate(h, candidate)
				h.Wrongly(2)
				h.Resolved()
			})
		})
	}
}

// Finicity would refuse a change that starts from the old secret, and then the new
// secret of that change would be tried next. So the stored secrets must come first.
func TestARotationAfterALateChangeFindsTheSecretFirst(t *testing.T) {
	t.Parallel()
	for name, rotate := range map[string]func(h *mounttest.Harness){
		"by hand": func(h *mounttest.Harness) {
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the secret has not changed", "10001")
			h.Pass(5 * time.Minute)
			h.Rotate()
		},
		"by schedule": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "10m"}))
			everyMinute(h, 20, func() {})
			if changes(h) != 1 || h.Stored().LastRotation.IsZero() { // The late change is the rotation that was due.
				h.T.Error("the schedule has rotated again, or not found the late secret")
			}
			everyMinute(h, 10, func() {})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, time.Hour, nil)
				h.Pass(2 * time.Hour)
				rotate(h)
				if storedCurrent(h) == candidate || storedSecret(h, candidate).Proven.IsZero() || changes(h) != 2 {
					t.Error("the secret is not rotated on from the one that came late")
				}
				h.Wrongly(2)
				h.Resolved()
			})
		})
	}
}

// A colleague has written a wrong secret, and the replaced secret is still in effect.
func TestARotationAfterAWrongUntriedSecretFindsTheRightOneFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Rotate()
		h.Wrongly(1)
		h.Resolved()
	})
}

// Two interruptions in a row, each of which may take effect.
func TestOneOfSeveralLateChangesIsFoundAgain(t *testing.T) {
	t.Parallel()
	for lands := range 2 {
		t.Run(fmt.Sprintf("change %d", lands+1), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				want := ""
				for i := range 2 {
					fault := fakefinicity.Fault{Kind: fakefinicity.KindDropped}
					if i == lands {
						fault = fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 3 * time.Hour}
					}
					nextChange(h, fault)
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
					if i == lands {
						want = storedPending(h)
					}
					h.Pass(time.Minute)
					h.Succeeds(h.Write("config/verify", nil))
				}
				h.Wrongly(2)
				h.Pass(4 * time.Hour)
				servesWithin(h, 2)
				if storedCurrent(h) != want {
					t.Error("the secret of the change that took effect is not the current one")
				}
				atMost(h, 4)
				h.Resolved()
			})
		})
	}
}

// Two secrets were sent, and the current one is refused too. Apps and jobs try two of
// the three, and an operator tries the third.
func TestWhilePendingAnEarlierLateChangeIsFoundByAnOperator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, time.Hour, nil)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001", "and you can make 1 more without force")
		for range 5 {
			h.Pass(time.Hour)
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "no request was sent")
		}
		h.Wrongly(3)
		h.Succeeds(h.Write("config/verify", nil))
		if storedCurrent(h) != candidate || h.Stored().Secrets.Unresolved() || len(h.Stored().Secrets.Secrets) != 3 {
			t.Error("the late secret is not the current one, with the pending one retained")
		}
		h.Wrongly(3)
		h.Resolved()
	})
}

// An operator who waits for the answer makes two attempts at a time, if they are
// allowed, and gets the result.
func TestAnOperatorsProofMakesTwoCallsAtMost(t *testing.T) {
	t.Parallel()
	for typos, want := range []int{2, 2, 1} {
		t.Run(fmt.Sprintf("%d typos", typos), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, time.Hour, nil) // At the cost of one.
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped})
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				h.Pass(2 * time.Hour)
				h.Guesses(typos)
				before := h.Calls(fakefinicity.CallAuthenticate)
				h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001")
				if n := h.Calls(fakefinicity.CallAuthenticate) - before; n != want {
					t.Errorf("config/verify makes %d calls, want %d", n, want)
				}
				h.Spent(1+typos+want, 0)
				calls := h.Calls(fakefinicity.CallAuthenticate)
				if 1+typos+want == 4 {
					h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "no request was sent", "force=true")
					if h.Calls(fakefinicity.CallAuthenticate) != calls {
						t.Error("a fifth attempt was made without force")
					}
					return
				}
				h.Succeeds(h.Write("config/verify", nil))
				if storedCurrent(h) != candidate {
					t.Error("the third secret is not found next")
				}
			})
		})
	}
}

// Storage does not accept the result. This process uses it anyway, and a new process
// finds it again.
func TestAFindThatCannotBeStoredIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("applied %v, restart %v", applied, restart), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewUnresolved(t, true, nil)
					candidate := storedPending(h)
					h.Pass(2 * time.Hour)
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Applied: applied})
					h.Token()
					if restart {
						h.Restart()
						h.Tick()
					}
					h.Pass(time.Minute)
					h.Tick()
					h.Token()
					if storedCurrent(h) != candidate {
						t.Error("the secret is not the current one")
					}
					h.Wrongly(0)
					h.Resolved()
				})
			})
		}
	}
}
