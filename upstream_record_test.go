// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// attempting are the ways to an attempt, of a mount whose token is due.
func attempting() map[string]func(h *harness) answer {
	return map[string]func(h *harness) answer{
		"read":          func(h *harness) answer { return h.read("token", nil) },
		"a new secret":  func(h *harness) answer { return h.write("config", fields{"partner_secret": wrongSecret}) },
		"a new app key": func(h *harness) answer { return h.write("config", fields{"app_key": newKey}) },
		"config/verify": func(h *harness) answer { return h.write("config/verify", nil) },
		"by force":      func(h *harness) answer { return h.write("config/verify", fields{"force": true}) },
		"rotate-root":   func(h *harness) answer { return h.write("rotate-root", nil) },
	}
}

// A process that dies while the call is on its way has it in its record, whatever has become of it.
func TestAnAttemptIsStoredBeforeItIsSent(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		for _, kind := range []fakefinicity.Kind{fakefinicity.KindHoldBefore, fakefinicity.KindHoldAfter} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					h.pass(2 * time.Hour)
					h.fake.Order(fakefinicity.Fault{Kind: kind})
					call := h.background(func() answer { return do(h) })
					if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					h.spent(0, 1)
					h.fake.Release()
					if (<-call).status < 300 {
						h.spent(0, 0)
					} else {
						h.spent(1, 0)
					}
				})
			})
		}
	}
}

func TestNothingIsSentWhenTheAttemptCannotBeStored(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		for _, fault := range []storageFault{
			{}, {applied: true}, {on: storageAccess{op: "get"}}, {on: storageAccess{op: "get", key: "salt"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					h.pass(2 * time.Hour)
					before := h.stored()
					switch {
					case fault.on.op == "":
						fault.on = put(h.ownKey())
					case fault.on.key == "":
						fault.on = get(h.ownKey())
					}
					h.restart()
					fault.always = true
					h.storage.fail(fault)
					for range 6 { // More than the limit: what was never sent must not end in stopped.
						h.fails(do(h), 500, "storage is out of order")
					}
					h.called(1, 0)
					if !reflect.DeepEqual(h.stored(), before) {
						t.Error("what is stored has changed")
					}
					h.storage.heal()
					h.token()
					h.spent(0, 0)
					h.called(2, 0)
				})
			})
		}
	}
}

func TestAnAttemptThatCouldNotBeStoredSaysThatNothingWasSent(t *testing.T) {
	t.Parallel()
	for name, do := range attempting() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				h.storage.fail(storageFault{on: put(h.ownKey())})
				h.fails(do(h), 500, "nothing was sent to Finicity, because the attempt could not be recorded")
			})
		})
	}
}

// It is full, or sealed, while a token is there.
func TestAUsableTokenIsServedWhileNoAttemptCanBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(100 * time.Minute)
		h.storage.fail(storageFault{on: put(h.ownKey()), always: true})
		a := h.read("token", nil)
		h.warned(a, "which failed", "nothing was sent to Finicity")
		if a.data["token"] != token {
			t.Error("it is another token")
		}
		h.called(1, 0)
	})
}

// The process was killed so many times in the middle of a call.
func TestWhatACrashHasLeftChargedCountsAndHoldsNothingBack(t *testing.T) {
	t.Parallel()
	for charged := range 6 {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.pass(2 * time.Hour)
			h.plantRecord(attempts{Charged: charged})
			if charged < 4 {
				h.token()
				h.spent(0, 0)
				return
			}
			for name, do := range attempting() {
				if name == "by force" {
					continue
				}
				h.fails(do(h), 400, "no call was made to Finicity, after", "attempts without an answer",
					"vault write finicity/config/verify force=true")
			}
			h.succeeds(h.write("config/verify", fields{"force": true}))
			h.token()
			h.spent(0, 0)
			h.called(2, 0)
		})
	}
}

// An attempt more than was made is the worst that a failing store may come to, and never one less.
func TestAnOutcomeThatCannotBeStoredIsKeptByThisProcessAndLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		h.storage.fail(storageFault{on: put(h.ownKey()), skip: 1})
		h.fails(h.read("token", nil), 400, "10001")
		if !h.words.logged("the attempt record cannot be stored") {
			t.Error("the log does not say so")
		}
		h.spent(0, 1)
		for range 4 { // This process knows that it must wait.
			h.fails(h.read("token", nil), 400, "no call was made", "10001", "3 more are let through")
			h.pass(time.Minute)
		}
		h.called(2, 0)

		h.restart() // The next one knows of an attempt, and not what has become of it.
		h.fails(h.read("token", nil), 400, "10001", "2 of the five", "2 more are let through")
		h.spent(1, 1)
		h.wrongly(2)
	})
}

func TestASuccessThatCannotBeStoredIsNoHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for range 10 {
			h.pass(2 * time.Hour)
			h.storage.fail(storageFault{on: put(h.ownKey()), skip: 1})
			h.token()
		}
		h.spent(0, 1)
		h.restart()
		h.pass(2 * time.Hour)
		h.token()
		h.spent(0, 0)
		h.called(12, 0)
	})
}

// Another node has made attempts meanwhile.
func TestInvalidateHasTheRecordReadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		h.fails(h.read("token", nil), 400, "10001") // From here on the process has one of its own.
		h.plantRecord(attempts{})
		h.fails(h.read("token", nil), 400, "10001", "The engine makes one more by itself")
		h.called(3, 0)

		value, err := json.Marshal(attempts{Rejected: 4, LastError: "what the other node was told"})
		if err != nil {
			t.Fatal(err)
		}
		h.storage.plant(h.ownKey(), value)
		h.fails(h.write("config/verify", nil), 400, "10001", "2 of the five")
		h.storage.plant(h.ownKey(), value)
		h.b.InvalidateKey(t.Context(), h.ownKey())
		h.fails(h.write("config/verify", nil), 400, "no call was made", "what the other node was told")
		h.called(4, 0)
	})
}

func TestInvalidateOfConfigOrTokenResetsTheBackoff(t *testing.T) {
	t.Parallel()
	for _, key := range []string{configKey, tokenKey} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.pass(2 * time.Hour)
			h.answering(429, "", 1)
			h.fails(h.read("token", nil), 502)
			h.fails(h.read("token", nil), 503, "the next call is made in")
			h.b.InvalidateKey(t.Context(), key)
			h.token()
		})
	}
}

// A record of a later version, or one that was restored badly. It may have been full.
func TestARecordThatCannotBeDecodedIsTakenForAFullOne(t *testing.T) {
	t.Parallel()
	for _, garbage := range []string{`{"rejected":"many"}`, "\x00{", `[]`, ""} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			token := h.token()
			h.storage.plant(h.ownKey(), []byte(garbage))
			h.restart()
			if h.token() != token {
				t.Error("the usable token is not served")
			}
			h.pass(2 * time.Hour)
			for range 3 {
				h.fails(h.read("token", nil), 400, "the stored attempt record cannot be decoded",
					"vault write finicity/config/verify force=true")
			}
			h.fails(h.write("config", fields{"app_key": newKey}), 400, "cannot be decoded", "force=true")
			h.called(1, 0)
			h.succeeds(h.write("config/verify", fields{"force": true}))
			h.token()
			h.spent(0, 0)
			h.called(2, 0)
		})
	}
}

func TestMountsHaveRecordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := newRefused(t), newConfigured(t, nil)
		one.fails(one.read("token", nil), 400, "10001")
		one.pass(5 * time.Minute)
		one.fails(one.read("token", nil), 400, "10001")
		two.pass(2 * time.Hour)
		two.token()
		two.spent(0, 0)
		one.spent(2, 0)
	})
}

// Finicity counts for each partner, and goes on where it was when one comes back.
func TestAnotherPartnerOrAddressHasARecordOfItsOwnAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]fields{
		"partner": {"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey},
		"address": {"base_url": "http://127.0.0.2", "partner_secret": wrongSecret, "app_key": appKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRefused(t)
				h.guesses(2)
				wrong := maps.Clone(other)
				wrong["partner_secret"] = h.guess(0)
				h.fails(h.write("config", wrong), 400, "10001", "1 of the five", "3 more are let through")
				h.spent(2, 0)
				h.succeeds(h.write("config", other))
				h.token()
				h.spent(2, 0)

				h.restart()
				back := credentials(fields{"partner_secret": h.guess(0)})
				h.fails(h.write("config", back), 400, "this very credential")
				back["partner_secret"] = h.guess(7)
				h.fails(h.write("config", back), 400, "10001", "3 of the five", "1 more are let through")
				h.spent(3, 0)
				back["partner_secret"] = wrongSecret
				h.succeeds(h.write("config", back))
				h.token()
				h.spent(0, 0)
			})
		})
	}
}

// The same partner at the same place, spelled another way, must not have four more.
func TestASpellingOfTheAddressBringsNoMoreAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for i, spelled := range []string{"http://LOCALHOST", "http://localhost:80", "http://localhost/", "HTTP://localhost"} {
			h.fails(h.write("config", credentials(fields{"base_url": spelled, "partner_secret": h.guess(i)})), 400, "10001")
		}
		for _, spelled := range []string{
			"http://LocalHost:80/", "http://localhost:", "http://localhost:080", "http://localhost.", "http://localhost./.",
			"http://localhost/a/..", "http://localhost//",
		} {
			h.fails(h.write("config", credentials(fields{"base_url": spelled})), 400, "no call was made")
		}
		h.wrongly(4)
	})
}

func TestARecordIsStoredUnderNoReadableName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		keys, err := h.storage.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if leaked(key, []string{partnerID, partnerSecret, appKey}) >= 0 {
				t.Error("a key in storage shows the credential")
			}
		}
	})
}
