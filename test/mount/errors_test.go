// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

const (
	verifyTyped = "vault write -f finicity/config/verify"
	forceTyped  = "vault write finicity/config/verify force=true"
)

// asking are the ways to make an attempt without force: writes of another credential,
// and the other requests.
func asking() (writers, others map[string]func(h *mounttest.Harness) mounttest.Answer) {
	writers = map[string]func(h *mounttest.Harness) mounttest.Answer{}
	others = map[string]func(h *mounttest.Harness) mounttest.Answer{
		"a setting": func(h *mounttest.Harness) mounttest.Answer {
			h.Succeeds(h.Write("config", mounttest.Fields{"token_lifetime": "1h"})) // It is stored in each state.
			return h.Read("token", mounttest.Fields{"min_ttl": "10m"})
		},
	}
	for name, do := range attempting() {
		switch {
		case name == "by force":
		case slices.Contains([]string{"a new secret", "a new app key", "another address"}, name):
			writers[name] = do
		default:
			others[name] = do
		}
	}
	return writers, others
}

// guided checks that a refusal shows Finicity's answer, how many attempts are used up
// and left, when the engine retries automatically, and the command to type. It compares
// the error with the status after the call.
func guided(h *mounttest.Harness, a mounttest.Answer, writes bool) {
	h.T.Helper()
	status := statusNow(h)
	if strings.Contains(a.Text, "a rotation is pending at the current address") { // Another address, which is not called.
		h.Fails(a, 400, "To resolve it", "config/verify")
		return
	}
	left, retry, locked := status["attempts_left"], status["retry_time"], status["authentication"] == "locked"
	known := strings.Contains(a.Text, "Finicity refused this credential on 2000-01-01T")
	keptForProof := strings.Contains(a.Text, "so the secret is not changed now") // Only rotate-root says this.
	verify, other := verifyTyped, forceTyped
	if left == 0 || keptForProof && left == 1 {
		verify, other = forceTyped, verifyTyped
	}
	says := []string{verify}
	if !known {
		says = append(says, "Finicity answered HTTP ", ", code ")
	}
	if locked {
		says = append(says, "After Finicity support has unlocked the partner")
	} else {
		says = append(says, fmt.Sprintf("Failed attempts: %v of 5 (five lock the partner)", status["rejected_attempts"]))
	}
	switch {
	case writes && locked:
		says = append(says, "nothing was stored", "verify_connection=false")
	case writes:
		says = append(says, "nothing was stored", "verify_connection=false",
			"the stored credential")
	case locked, keptForProof:
	case left == 0:
		says = append(says, "to store another one first", "verify_connection=false")
	case retry != nil:
		says = append(says, fmt.Sprintf("%v more without force; the engine retries once, at %v at the earliest", left, retry),
			"vault write finicity/config partner_secret=… (or app_key=…)")
	default:
		says = append(says, fmt.Sprintf("%v more without force; the engine makes no further attempt automatically", left),
			"vault write finicity/config partner_secret=… (or app_key=…)")
	}
	h.Fails(a, 400, says...) // Vault's clients would repeat a 5xx.
	if strings.Contains(a.Text, other) {
		h.T.Errorf("the error names a command that does not work now: %s", h.Leaks.Hide(a.Text))
	}
}

// usedUp returns a mount whose token has expired and whose secret was changed outside
// the engine, after n refused attempts of operators. With pending, a rotation got no
// answer before that.
func usedUp(t *testing.T, refused int, pending bool) *mounttest.Harness {
	t.Helper()
	h := mounttest.NewConfigured(t, nil)
	if pending {
		h.Interrupt(false)
	}
	h.Pass(2 * time.Hour)
	h.Guesses(min(refused, 3))
	h.Fake.SetSecret(mounttest.PartnerID, h.Guess(99))
	if refused > 3 { // The last one is reserved for the stored credential.
		h.Fails(h.Write("config/verify", nil), 400, "10001")
	}
	return h
}

// eachAsks runs a test for each way to make an attempt.
func eachAsks(t *testing.T, name string, test func(t *testing.T, do func(h *mounttest.Harness) mounttest.Answer, writes bool)) {
	t.Helper()
	writers, others := asking()
	for what, do := range writers {
		t.Run(name+", "+what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, do, true) })
		})
	}
	for what, do := range others {
		t.Run(name+", "+what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, do, false) })
		})
	}
}

func TestEachRefusalSaysWhatHappenedAndWhatToType(t *testing.T) {
	t.Parallel()
	for refused := range 5 {
		for _, pending := range []bool{false, true} {
			eachAsks(t, fmt.Sprintf("%d refused, pending %v", refused, pending),
				func(t *testing.T, do func(h *mounttest.Harness) mounttest.Answer, writes bool) {
					h := usedUp(t, refused, pending)
					guided(h, do(h), writes)
					h.Restart()
					guided(h, do(h), writes)
					counted, _ := statusNow(h)["rejected_attempts"].(int)
					h.Wrongly(counted)
				})
		}
	}
}

func TestTheLockSaysWhomToCallAndWhatToTypeThen(t *testing.T) {
	t.Parallel()
	for refused := range 4 {
		eachAsks(t, fmt.Sprintf("%d refused", refused),
			func(t *testing.T, do func(h *mounttest.Harness) mounttest.Answer, writes bool) {
				h := usedUp(t, refused, false)
				h.Answering(500, `{"code":24302,"message":"we've locked your account"}`, 10)
				h.Fails(h.Write("config/verify", nil), 400, "24302")
				guided(h, do(h), writes)
				h.Restart()
				guided(h, do(h), writes)
			})
	}
}

// There is no stored credential to continue with, and the engine has nothing to try
// again.
func TestARefusedFirstWriteNamesTheThreeFieldsToWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for i := range 4 {
			a := h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)}))
			h.Fails(a, 400, "nothing was stored: Finicity answered HTTP 401, code 10001", fmt.Sprintf("Failed attempts: %d of 5", i+1))
			if i < 3 {
				h.Fails(a, 400, fmt.Sprintf(", and you can make %d more without force. To write another one, type ", 3-i),
					"vault write finicity/config partner_id=… partner_secret=… app_key=…",
					"base_url=… verify_connection=false, then "+verifyTyped)
			} else {
				h.Fails(a, 400, "If you are sure of the", "verify_connection=false", forceTyped)
			}
			for _, wrong := range []string{"the stored credential", "retries once", "makes no further attempt"} {
				if strings.Contains(a.Text, wrong) {
					t.Errorf("the error says %q: %s", wrong, h.Leaks.Hide(a.Text))
				}
			}
		}
		h.Wrongly(4)
	})
}

func TestAnErrorNamesTheMountThatItCameFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Mount = "teams/payments/finicity/"
		const config, verify = "vault write teams/payments/finicity/config ", "vault write -f teams/payments/finicity/config/verify"
		for _, path := range []string{"config/verify", "rotate-root", "rotate-token"} {
			h.Fails(h.Write(path, nil), 400, config+"partner_id=")
		}
		h.Configure(nil)
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, config+"partner_secret=", verify)
		h.Warned(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0), "verify_connection": false}), verify)
		h.Interrupt(false)
		h.Fails(h.Remove("config", nil), 400, verify, "vault delete teams/payments/finicity/config force=true")
	})
}

// Finicity's message may be a sentence of its own.
func TestAnErrorHasNoTwoFullStops(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{
		500: `{"code":24302,"message":"Contact support to unlock it."}`,
		401: `{"code":10001,"message":"The credentials are wrong."}`,
		503: "We are back soon.",
	} {
		eachAsks(t, fmt.Sprint(status), func(t *testing.T, do func(h *mounttest.Harness) mounttest.Answer, _ bool) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(2 * time.Hour)
			h.Answering(status, body, 10)
			for range 2 {
				a := do(h)
				if a.Status < 400 || strings.Contains(a.Text, "..") {
					t.Errorf("a %d: %s", a.Status, h.Leaks.Hide(a.Text))
				}
			}
		})
	}
}
