// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

// guided checks that a refusal says what Finicity has answered, what is spent and left, when the engine goes on by itself,
// and what to type. It goes by the record as it is after the call.
func (h *harness) guided(a answer) {
	h.t.Helper()
	record := h.record()
	says := []string{"Finicity answered HTTP", record.LastError}
	switch {
	case record.state() == stateLocked && record.left() == 0:
		says = append(says, "code 24302", "only its support can unlock it", "vault write finicity/config/verify force=true")
	case record.state() == stateLocked:
		says = append(says, "code 24302", "only its support can unlock it", "vault write -f finicity/config/verify")
	case record.left() == 0:
		says = append(says, fmt.Sprintf("%d attempts were refused or got no answer since the last success", record.Rejected),
			"the engine makes no more", "store it with verify_connection=false", "vault write finicity/config/verify force=true")
	default:
		next := "The engine makes no further attempt by itself"
		if record.Rejected == 1 {
			next = "The engine makes one more by itself, at " +
				record.RejectedAt.Add(5*time.Minute).Format(time.RFC3339) + " at the earliest"
		}
		says = append(says, next, fmt.Sprintf("%d of the five attempts that lock the partner are spent", record.Rejected),
			fmt.Sprintf("%d more are let through for you", 4-record.Rejected),
			"vault write finicity/config partner_secret=", "vault write -f finicity/config/verify")
	}
	h.fails(a, 400, says...) // A 5xx would be repeated by Vault's clients.
}

// operations are what can be asked of a mount without a usable token, and whether it makes a call of its own accord.
func operations() map[string]func(h *harness) answer {
	all := maps.Clone(attempting())
	delete(all, "by force")
	all["a setting"] = func(h *harness) answer {
		h.succeeds(h.write("config", fields{"token_lifetime": "1h"})) // That is let through in each state.
		return h.read("token", fields{"min_ttl": "10m"})
	}
	return all
}

func TestEveryRefusalInEveryStateSaysWhatHappenedAndWhatToType(t *testing.T) {
	t.Parallel()
	for spent := range 5 {
		for name, do := range operations() {
			for _, pending := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d spent, %s, pending %v", spent, name, pending), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						h := newConfigured(t, nil)
						h.pass(2 * time.Hour)
						h.guesses(spent)
						if pending {
							h.pendingWithout()
						}
						h.fake.SetSecret(partnerID, h.guess(99))
						h.guided(do(h))
						h.restart()
						h.guided(do(h))
						h.wrongly(h.record().Rejected)
					})
				})
			}
		}
	}
}

// pendingWithout puts a pending secret into storage that was never sent, so that attempts which are spent stay spent.
func (h *harness) pendingWithout() {
	h.t.Helper()
	cfg := h.stored()
	cfg.Credential.propose(h.guess(77), false, time.Second, h.now().Add(-time.Minute).UTC())
	if err := h.b.saveConfig(h.t.Context(), h.storage, cfg); err != nil {
		h.t.Fatal(err)
	}
}

func TestTheLockInEveryOperationSaysWhomToCallAndWhatToTypeThen(t *testing.T) {
	t.Parallel()
	for spent := range 4 {
		for name, do := range operations() {
			t.Run(fmt.Sprintf("%d spent, %s", spent, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					h.pass(2 * time.Hour)
					h.guesses(spent)
					h.answering(500, `{"code":24302,"message":"we've locked your account"}`, 10)
					h.fails(h.write("config/verify", nil), 400, "24302")
					h.guided(do(h))
					h.restart()
					h.guided(do(h))
				})
			})
		}
	}
}

// None of the states stops a read while there is a token.
func TestAUsableTokenIsServedInEveryState(t *testing.T) {
	t.Parallel()
	enters := states()
	delete(enters, "backing off") // These three come by reads without a token.
	delete(enters, "refused itself")
	delete(enters, "refused itself, twice")
	enters["full"] = func(h *harness) { h.guesses(4) }
	enters["not decodable"] = func(h *harness) { h.storage.plant(h.ownKey(), []byte("{")) }
	enters["pending"] = func(h *harness) { h.interrupt(false) }
	for name, enter := range enters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				enter(h)
				h.fake.SetSecret(partnerID, h.guess(99))
				for _, age := range []time.Duration{0, time.Hour, 90 * time.Minute, 100 * time.Minute, 114 * time.Minute} {
					h.pass(age - h.now().Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
					for _, restarted := range []bool{false, true} {
						if restarted {
							h.restart()
						}
						a := h.read("token", nil)
						h.succeeds(a)
						if a.data["token"] != token {
							t.Fatalf("after %s it is another token", age)
						}
						if due := age >= 90*time.Minute; due {
							h.warned(a, "which failed")
						} else {
							h.warned(a)
						}
					}
				}
			})
		})
	}
}

func TestTheErrorNamesTheMountItCameFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.mount = "teams/payments/finicity/"
		h.fails(h.write("config/verify", nil), 400, "vault write teams/payments/finicity/config partner_id=")
		h.configure(nil)
		h.fails(h.write("config", fields{"partner_secret": wrongSecret}), 400,
			"vault write teams/payments/finicity/config partner_secret=", "vault write -f teams/payments/finicity/config/verify")
		h.warned(h.write("config", fields{"partner_secret": h.guess(0), "verify_connection": false}),
			"vault write -f teams/payments/finicity/config/verify")
	})
}
