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

func TestNothingIsSentWhenTheNewSecretCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %v", applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: applied})
				h.Fails(h.Write("rotate-root", nil), http.StatusInternalServerError,
					"the secret has not changed: no request was sent to Finicity, because the attempt could not be stored")
				h.Called(1, 0)
				h.Rotate() // This process knows that the proposal in storage was never sent.
				h.Called(2, 1)
				h.Spent(0, 0)
				h.Resolved()
			})
		})
	}
}

// Storage has kept a proposal that was never sent, and the process that knows that is
// gone. The proposal looks like one that was sent, and resolving it costs one attempt.
func TestAProposalThatWasNeverSentIsResolved(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %v", applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: applied})
				h.Fails(h.Write("rotate-root", nil), http.StatusInternalServerError, "no request was sent to Finicity, because the attempt could not be stored")
				h.Restart()
				h.Tick()
				h.Pass(2 * time.Hour)
				h.Token()
				h.Called(map[bool]int{true: 3, false: 2}[applied], 0)
				h.Wrongly(map[bool]int{true: 1, false: 0}[applied])
				h.Resolved()
			})
		})
	}
}

// The next write contains what the failed one should have stored. Only an unstored
// proof is an error: until it is stored, a new process would serve the old token.
func TestARotationContinuesIfAnAnswerCannotBeStored(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]int{"the acknowledgment": 1, "the proof": 3} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %v", name, applied), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					token := h.Token()
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: write, Applied: applied})
					if a := h.Write("rotate-root", nil); name == "the proof" {
						h.Fails(a, 400, "Finicity accepted the request", "repeat the request only if")
					} else {
						h.Succeeds(a)
					}
					h.Called(2, 1)
					if h.Token() == token {
						t.Error("there is no new token")
					}
					h.Tick()
					if said := says(h, "storage_error"); said != "" {
						t.Errorf("a minute later the status still shows %q", said)
					}
					h.Restart()
					if current, _ := h.InEffect(); !current || h.Stored().LastRotation.IsZero() {
						t.Error("what could not be stored is not in storage")
					}
					h.Wrongly(0)
					h.Resolved()
				})
			})
		}
	}
}

func TestARefusalThatCannotBeStoredKeepsItsReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, *fates()["refused by policy"].fault)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, changeRefused, "24437")
		if says(h, "storage_error") == "" {
			t.Error("the status shows no storage error")
		}
		h.Pass(2 * time.Second) // After an outcome that could not be stored.
		h.Rotate()
		h.Wrongly(0)
	})
}

func TestARotationThatCannotReadTheStateDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Write("rotate-root", nil), http.StatusInternalServerError, "reading the configuration from storage")
		h.Called(1, 0)
	})
}

// slowStorage makes the next write take the given time.
func slowStorage(h *mounttest.Harness, takes time.Duration) {
	learn := h.Storage.Learn
	h.Storage.Learn = func(value []byte) {
		h.Storage.Learn = learn
		learn(value)
		h.Pass(takes)
	}
}

// Another process waits for one timeout from the proposal on. It could overtake a
// change that is sent after that.
func TestAChangeIsNotSentWhenAnAttemptCouldOvertakeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		slowStorage(h, 31*time.Second)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadGateway, "the secret has not changed")
		h.Called(1, 0)
		if h.Stored().Secrets.Unresolved() || len(h.Stored().Secrets.Secrets) != 1 {
			t.Error("the secret that was not sent is still stored")
		}
		h.Spent(0, 0)
		h.Pass(2 * time.Second)
		h.Rotate()
	})
}

// A slow write leaves less time for the call: the two together take at most one
// timeout.
func TestTheTimeoutOfAChangeStartsAtTheProposal(t *testing.T) {
	t.Parallel()
	for storage, unanswered := range map[time.Duration]bool{9 * time.Second: false, 11 * time.Second: true, 25 * time.Second: true} {
		t.Run(storage.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
				slowStorage(h, storage)
				began := time.Now()
				a := h.Write("rotate-root", nil)
				if !unanswered {
					h.Succeeds(a)
					return
				}
				h.Fails(a, http.StatusBadRequest, "unknown", "no complete answer within 30s")
				if took := time.Since(began); took != 30*time.Second {
					t.Errorf("the rotation took %s", took)
				}
				h.Pass(time.Second)
				h.Succeeds(h.Write("config/verify", nil)) // The wait is over too.
				h.Wrongly(0)
			})
		})
	}
}

// After a restart, the previous token would be served again.
func TestARotationThatIsNotStoredIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{TokensDieWithSecret: true})
		h.Configure(nil)
		first := h.Token()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 3, Always: true})
		a := h.Write("rotate-root", nil)
		second := h.Token()
		h.Storage.Heal()
		h.Restart()
		third := h.Token()
		if a.Status == 200 && second != first && third == first {
			t.Error("rotate-root answered 200 and replaced the token, and after a restart the old one is served")
		}
	})
}

// The secret is rotated, and storage does not accept that the schedule is resumed.
func TestVaultsClientDoesNotRepeatARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRestoredCopy(t)
		h.Tick()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 4})
		before := changes(h)
		a := h.Write("rotate-root", nil)
		if a.Status >= 500 && changes(h) > before {
			t.Errorf("the secret was rotated, and the answer is a %d, which Vault's client repeats: %s", a.Status, h.Leaks.Hide(a.Text))
		}
	})
}

// The change was carried out, and another node has written before its proof. Vault's
// client must not rotate again.
func TestARotationThatIsOvertakenIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindHoldAfter})
		rotation := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		learn, stored := h.Storage.Learn, false
		h.Storage.Learn = func(value []byte) { learn(value); stored = true } // The outcome of the change.
		h.Storage.BeforeGet = func(key string) {
			if stored && key == "config" {
				h.Storage.Learn, h.Storage.BeforeGet = learn, func(string) {}
				rewrite(h, func(entry map[string]any) { entry["clock"] = h.Now().Add(time.Second) })
			}
		}
		h.Fake.Release()
		h.Fails(<-rotation, http.StatusBadRequest, "the outcome of the rotation is unknown", "has changed in the meantime")
		h.Pass(time.Minute)
		h.Tick()
		h.Token()
		h.Resolved()
	})
}
