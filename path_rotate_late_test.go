// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// newLate is a configured harness whose rotation was settled to the old secret, while the change is still on its way and
// lands after so long.
func newLate(t *testing.T, lands time.Duration, extra fields) (h *harness, candidate string) {
	t.Helper()
	h = newConfigured(t, extra)
	h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: lands})
	h.fails(h.write("rotate-root", nil), 400, "unknown")
	candidate = h.stored().Credential.Pending.Secret
	h.pass(30 * time.Second)
	h.succeeds(h.write("config/verify", nil))
	if cred := h.stored().Credential; cred.Current != partnerSecret || cred.Pending != nil {
		t.Fatal("it is not settled to the old secret")
	}
	h.wrongly(1)
	return h, candidate
}

// One interruption and its late end: two wrong attempts, each followed by the right one, and nothing is lost.
func TestAChangeThatLandsAfterSettlingIsFoundByTheNextRefresh(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(h *harness){
		"a read":            func(h *harness) { h.token() },
		"after a restart":   func(h *harness) { h.restart(); h.token() },
		"config/verify":     func(h *harness) { h.succeeds(h.write("config/verify", nil)) },
		"a rotation behind": func(h *harness) { h.token(); h.rotate() },
		"many readers": func(h *harness) {
			for _, one := range h.readers(manyReaders) {
				h.succeeds(<-one)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, 3*time.Hour, nil)
				h.pass(4 * time.Hour)
				if !h.fake.AcceptsSecret(partnerID, candidate) {
					t.Fatal("the change has not landed")
				}
				find(h)
				cred := h.stored().Credential
				if len(cred.Previous) == 0 || name != "a rotation behind" && (cred.Current != candidate ||
					cred.Previous[0].Secret != partnerSecret || !cred.LastRotation.Equal(h.now()) || len(cred.Abandoned) > 0) {
					t.Error("it is not the current secret, with the old one behind it")
				}
				h.wrongly(2)
				h.spent(0, 0)
				h.settled()
				h.fails(h.write("config", fields{"partner_secret": partnerSecret}), 400, "rotated away")
			})
		})
	}
}

func TestUntilAChangeLandsTheOldSecretIsUsedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, 27*time.Hour, nil)
		for range 13 {
			h.pass(2 * time.Hour)
			h.token()
		}
		h.wrongly(1)
		if value, _ := h.storage.peek(configKey); leaked(string(value), []string{candidate}) >= 0 {
			t.Error("after more than a day it is still in storage")
		}
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 400, "10001") // That late, nobody would expect it any more.
		h.wrongly(2)
	})
}

// By age alone, the only copy of the secret would be forgotten on a mount that nobody reads for a while.
func TestACandidateIsKeptUntilTheCurrentSecretIsProvenLongAfterIt(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		for _, silence := range []time.Duration{25 * time.Hour, 31 * 24 * time.Hour, 365 * 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, 70*time.Second, fields{"secret_grace_period": grace})
				h.pass(silence)
				h.token()
				if grace { // The old one is good for 30 days more.
					h.pass(31 * 24 * time.Hour)
					h.token()
				}
				if h.stored().Credential.Current != candidate {
					t.Errorf("grace %v, after %s: it is not the current secret", grace, silence)
				}
				h.settled()
				h.wrongly(2)
			})
		}
	}
}

func TestALateChangeIsFoundWithinADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, 22*time.Hour, nil)
		h.pass(23 * time.Hour)
		h.token()
		if h.stored().Credential.Current != candidate {
			t.Error("it is not the current secret")
		}
		h.settled()
	})
}

// It shows only when the old secret ends.
func TestWithGraceALateChangeIsFoundAfterThirtyDays(t *testing.T) {
	t.Parallel()
	for _, lands := range []time.Duration{time.Hour, 24 * time.Hour, 47 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			h, candidate := newLate(t, lands, fields{"secret_grace_period": true})
			for range 29 {
				h.pass(24 * time.Hour)
				h.token()
			}
			h.wrongly(1)
			if h.stored().Credential.Current != partnerSecret {
				t.Error("the old secret, which is still good, is not the current one")
			}
			h.pass(72*time.Hour - 2*time.Minute)
			h.token()
			if h.stored().Credential.Current != candidate {
				t.Errorf("after %s: the new one is not the current one", lands)
			}
			h.wrongly(2)
			h.settled()
		})
	}
}

// A change that carries the old secret would be refused, and so would the next one: the stored secrets are tried first.
func TestARotationAfterALateChangeFindsTheSecretFirst(t *testing.T) {
	t.Parallel()
	for name, rotate := range map[string]func(h *harness){
		"by hand": func(h *harness) { h.rotate() },
		"by schedule": func(h *harness) {
			h.succeeds(h.write("config", fields{"rotation_period": "1m"}))
			h.pass(time.Minute)
			h.tick()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, candidate := newLate(t, time.Hour, nil)
				h.pass(2 * time.Hour)
				rotate(h)
				if name == "by schedule" { // What was found out to have happened is the rotation that was due.
					if h.stored().Credential.Current != candidate {
						t.Error("the late secret is not the current one")
					}
					h.pass(time.Minute)
					h.tick()
				}
				if cred := h.stored().Credential; cred.Current == candidate || cred.Previous[0].Secret != candidate {
					t.Error("it is not rotated on from the secret that came late")
				}
				h.wrongly(2)
				h.settled()
			})
		})
	}
}

// Somebody was wrong, and what they have replaced is still in force.
func TestARotationAfterAWrongUntriedSecretFindsTheRightOneFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate()
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.rotate()
		h.wrongly(1)
		h.settled()
	})
}

// Several interruptions in a row, each of which may land.
func TestOneOfSeveralLateChangesIsFoundAgain(t *testing.T) {
	t.Parallel()
	for lands := range 3 {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			var want string
			for i := range 3 {
				fault := fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindDropped}
				if i == lands {
					fault = fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLate, Delay: 3 * time.Hour}
				}
				h.fake.Order(fault)
				h.fails(h.write("rotate-root", nil), 400, "unknown")
				if i == lands {
					want = h.stored().Credential.Pending.Secret
				}
				h.pass(time.Minute)
				h.succeeds(h.write("config/verify", nil))
			}
			h.pass(4 * time.Hour)
			for range 3 { // Two by itself, and two more for a person.
				if h.read("token", nil).status == 200 || h.write("config/verify", nil).status == 204 {
					break
				}
			}
			h.token()
			if h.stored().Credential.Current != want {
				t.Errorf("change %d has landed, and its secret is not the current one", lands+1)
			}
			h.settled()
		})
	}
}

// Two candidates and the current one: the third is left to a person.
func TestWhilePendingAnEarlierLateChangeIsFoundByAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, candidate := newLate(t, time.Hour, nil)
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindDropped})
		h.fails(h.write("rotate-root", nil), 400, "unknown")
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 400, "could not be settled", "10001", "2 more are let through")
		for range 5 {
			h.pass(time.Hour)
			h.fails(h.read("token", nil), 400, "no call was made")
		}
		h.wrongly(3)
		h.succeeds(h.write("config/verify", nil))
		cred := h.stored().Credential
		if cred.Current != candidate || cred.Pending != nil || len(cred.Abandoned) != 1 {
			t.Error("it is not the current secret, with the pending one kept aside")
		}
		h.wrongly(3)
		h.settled()
	})
}

// A person who waits for the answer pays for two at a time, and is told why the second one was not made.
func TestAPersonsProofMakesTwoCallsAtMost(t *testing.T) {
	t.Parallel()
	for spent, want := range []int{2, 2, 2, 1, 0} {
		synctest.Test(t, func(t *testing.T) {
			h, candidate := newLate(t, time.Hour, nil)
			h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindDropped})
			h.fails(h.write("rotate-root", nil), 400, "unknown")
			h.pass(2 * time.Hour)
			h.guesses(spent)
			before := h.calls(fakefinicity.CallAuthenticate)
			a := h.write("config/verify", nil)
			h.fails(a, 400, "could not be settled", "10001")
			if n := h.calls(fakefinicity.CallAuthenticate) - before; n != want {
				t.Errorf("with %d spent it makes %d calls, want %d", spent, n, want)
			}
			if said := strings.Contains(a.text, "no call was made"); said != (want == 0) {
				t.Errorf("with %d spent it says that no call was made: %v", spent, said)
			}
			h.spent(spent+want, 0)
			if left := 4 - spent - want; left > 0 {
				h.succeeds(h.write("config/verify", nil))
				if h.stored().Credential.Current != candidate {
					t.Errorf("with %d spent the third one is not found next", spent)
				}
			}
		})
	}
}

func TestAFindThatCannotBeStoredIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h, candidate := newLate(t, time.Hour, nil)
			h.pass(2 * time.Hour)
			h.storage.fail(storageFault{on: put(configKey), applied: applied})
			h.fails(h.read("token", nil), 500, "writing the configuration to storage")
			h.restart()
			h.token()
			if h.stored().Credential.Current != candidate {
				t.Error("it is not the current secret")
			}
			h.settled()
		})
	}
}

// A gateway has sent the change twice: the first copy was carried out, and the second one refused for the old secret.
func TestARotationAfterADoubtedChangeFindsTheSecretFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		refusal := rejections()["10001"]
		refusal.Call = fakefinicity.CallModifySecret
		h.fake.Order(refusal)
		h.fails(h.write("rotate-root", nil), 400, "10001")
		sent := h.stored().Credential.Abandoned[0].Secret
		h.fake.SetSecret(partnerID, sent)
		h.rotate()
		h.wrongly(1)
		if h.stored().Credential.Previous[0].Secret != sent {
			t.Error("it is not rotated on from the doubted secret")
		}
		h.settled()
	})
}
