// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// fates are what can become of a change of the secret.
func fates() map[string]*fakefinicity.Fault {
	return map[string]*fakefinicity.Fault{
		"accepted": nil,
		"refused": {
			Call: modify, Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"against policy"}`,
		},
		"lost":          {Call: modify, Kind: fakefinicity.KindLost},
		"dropped":       {Call: modify, Kind: fakefinicity.KindDropped},
		"arrives later": {Call: modify, Kind: fakefinicity.KindLate, Delay: 20 * time.Second},
	}
}

// At each write of a rotation storage fails, once or from then on, with and without effect, and the process dies. Then
// another one takes over.
func TestNoStorageFailureOfARotationLosesTheSecret(t *testing.T) {
	t.Parallel()
	for fate, fault := range fates() {
		for skip := range 3 {
			for _, applied := range []bool{false, true} {
				for _, always := range []bool{false, true} {
					for _, grace := range []bool{false, true} {
						name := fmt.Sprintf("%s, write %d, applied %v, always %v, grace %v", fate, skip+1, applied, always, grace)
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							synctest.Test(t, func(t *testing.T) {
								h := newConfigured(t, fields{"secret_grace_period": grace})
								if fault != nil {
									h.fake.Order(*fault)
								}
								h.storage.fail(storageFault{on: put(configKey), skip: skip, applied: applied, always: always})
								h.write("rotate-root", nil)
								h.storage.heal()
								h.recovers()
							})
						})
					}
				}
			}
		}
	}
}

// recovers restarts the plugin after an interruption of a rotation and checks that it gets by with one wrong attempt.
func (h *harness) recovers() {
	h.t.Helper()
	h.restart()
	h.fake.ClearFaults() // Left over if nothing was sent.
	h.token()            // A usable token is served throughout, or a new one can be had.
	h.pass(2 * time.Hour)
	if token := h.token(); !h.fake.AcceptsToken(partnerID, token) {
		h.t.Error("the token does not work")
	}
	h.settled()
	if n := h.fake.Counters(partnerID).Rejected; n > 1 {
		h.t.Errorf("it took %d wrong attempts", n)
	}
	h.rotate()
	h.settled()
}

// settled checks that nothing is pending, and that the stored secret is the latest one that Finicity has been given.
func (h *harness) settled() {
	h.t.Helper()
	cred := h.stored().Credential
	if cred.Pending != nil {
		h.t.Error("a rotation is still pending")
	}
	if current, _ := h.inForce(); !current {
		h.t.Error("the stored secret is not in force")
	}
	// During a grace period the old one works too, and must not be mistaken for the one that stays.
	h.pass(31 * 24 * time.Hour)
	if current, _ := h.inForce(); !current {
		h.t.Error("the stored secret was the outgoing one")
	}
}

func TestNothingIsSentWhenTheNewSecretCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			h.storage.fail(storageFault{on: put(configKey), applied: applied})
			h.fails(h.write("rotate-root", nil), 500, "the rotation was not begun, and nothing was sent to Finicity")
			h.called(1, 0)
		})
	}
}

func TestARotationThatCannotBeNotedIsMadeUpForLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.fail(storageFault{on: put(configKey), skip: 1})
		h.fails(h.write("rotate-root", nil), 500, "the new secret is stored as pending")
		if current, pending := h.inForce(); current || !pending {
			t.Error("the secret in force is not stored as pending")
		}
		h.token() // The old one, until it is due.
		h.called(1, 1)
		h.pass(30 * time.Second)
		h.rotate()
		h.called(3, 2)
		if n := h.fake.Counters(partnerID).Rejected; n != 0 {
			t.Errorf("it took %d wrong attempts", n)
		}
	})
}

func TestARefusalThatCannotBeNotedKeepsItsReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(*fates()["refused"])
		h.storage.fail(storageFault{on: put(configKey), skip: 1})
		h.fails(h.write("rotate-root", nil), 400, "the secret has not changed", "24437", "storage failed too")
		h.pass(30 * time.Second)
		h.rotate()
	})
}

func TestARotationNeedsNoStoredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.fail(storageFault{on: put(tokenKey)})
		h.rotate()
		token := h.token()
		h.restart()
		if h.token() == token {
			t.Error("a token that was not stored has come back")
		}
		h.called(3, 1)
	})
}

func TestARotationThatCannotReadTheConfigurationDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.storage.fail(storageFault{on: get(configKey)})
		h.fails(h.write("rotate-root", nil), 500, "reading the configuration from storage")
		h.called(1, 0)
	})
}

// Settling, too, writes after each step, and each of these can fail. A second interruption may cost a second attempt.
func TestNoStorageFailureWhileSettlingLosesTheSecret(t *testing.T) {
	t.Parallel()
	for _, world := range []bool{false, true} {
		for skip := range 3 {
			for _, applied := range []bool{false, true} {
				for _, grace := range []bool{false, true} {
					name := fmt.Sprintf("arrived %v, write %d, applied %v, grace %v", world, skip+1, applied, grace)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							h := newConfigured(t, fields{"secret_grace_period": grace})
							kind := fakefinicity.KindDropped
							if world {
								kind = fakefinicity.KindLost
							}
							h.fake.Order(fakefinicity.Fault{Call: modify, Kind: kind})
							h.write("rotate-root", nil)
							h.pass(2 * time.Hour)
							h.storage.fail(storageFault{on: put(configKey), skip: skip, applied: applied})
							if a := h.read("token", nil); a.status != 200 {
								h.fails(a, 500, "writing the configuration to storage")
							}
							h.storage.heal()
							h.restart()
							h.token()
							h.settled()
							if n := h.fake.Counters(partnerID).Rejected; n > 2 || n > 1 && applied {
								t.Errorf("it took %d wrong attempts", n)
							}
						})
					})
				}
			}
		}
	}
}
