// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// countKind returns how many of the events are of a kind.
func countKind(events []string, kind string) int {
	n := 0
	for _, event := range events {
		if event == kind {
			n++
		}
	}
	return n
}

// Finicity carries out a change of the secret, and the engine cannot tell at once:
// storage reports an error, or the answer is lost. If an event reported a failure, an
// engineer would be paged to repair a rotation that took effect. If no event ever
// reported the success, the audit trail would have a gap.
func TestARotationThatTookEffectIsNotReportedAsFailed(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(h *mounttest.Harness) (end func()){
		"storage took the outcome, and reports an error": func(h *mounttest.Harness) func() { return failOutcomes(h, "config", true) },
		"storage did not take the outcome":               func(h *mounttest.Harness) func() { return failOutcomes(h, "config", false) },
		"the answer was lost": func(h *mounttest.Harness) func() {
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost})
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := len(h.Heard())
				end := begin(h)
				h.Write("rotate-root", nil)
				end()
				everyMinute(h, 10, func() {})
				h.Token()
				if now := statusNow(h); now["rotation_pending"] != false || now["last_vault_rotation"] == nil {
					t.Errorf("the rotation is not resolved: pending %v, last %v", now["rotation_pending"], now["last_vault_rotation"])
				}
				if n := h.Fake.Counters(mounttest.PartnerID).SecretChanges; n != 1 {
					t.Fatalf("Finicity changed the secret %d times", n)
				}
				events := h.Heard()[before:]
				if n := countKind(events, "finicity/root-rotate-fail"); n != 0 {
					t.Errorf("%d events report a failed rotation: %v", n, events)
				}
				if n := countKind(events, "finicity/root-rotate"); n != 1 {
					t.Errorf("%d events report the rotation, want 1: %v", n, events)
				}
			})
		})
	}
}

// An operator writes a credential that Finicity refuses. Nothing is stored, so the
// engine has nothing to try again. A message that announces another attempt in five
// minutes would make the operator wait for nothing.
func TestARefusedWriteAnnouncesNoAttemptOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]mounttest.Fields{
		"another partner": {"partner_id": mounttest.OtherID, "partner_secret": mounttest.WrongSecret, "app_key": mounttest.OtherKey},
		"a new secret":    {"partner_secret": mounttest.WrongSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				a := h.Write("config", write)
				h.Fails(a, http.StatusBadRequest, "10001")
				if retry := h.Now().UTC().Add(5 * time.Minute).Format(time.RFC3339); strings.Contains(a.Text, retry) {
					t.Errorf("the error announces an attempt at %s, which never happens", retry)
				}
				if now := statusNow(h); now["authentication"] != "ok" || now["retry_time"] != nil {
					t.Errorf("the stored credential is %v, retry time %v", now["authentication"], now["retry_time"])
				}
				everyMinute(h, 180, func() { h.Token() })
				if n := h.Fake.Counters(mounttest.PartnerID).Rejected + h.Fake.Counters(mounttest.OtherID).Rejected; n != 1 {
					t.Errorf("Finicity refused %d attempts, want 1", n)
				}
			})
		})
	}
}

// The mount is about to move to another address, and the engine refuses that while it
// might have the only copy of the secret. The error says to reset the secret in the
// portal and to write that one first. If the move were refused after that too, the
// operator could not continue for a day.
func TestTheAdviceOfARefusedMoveWorksTheSameDay(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(h *mounttest.Harness){
		"after a rotation": func(h *mounttest.Harness) { h.Rotate() },
		"after a rotation without an answer": func(h *mounttest.Harness) {
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped})
			h.Write("rotate-root", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				prepare(h)
				h.Pass(10 * time.Minute)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				h.Pass(time.Hour)
				h.Succeeds(h.Write("config", mounttest.Fields{
					"base_url": "http://localhost", "partner_secret": mounttest.WrongSecret, "app_key": mounttest.AppKey,
				}))
				h.Token()
				h.Rotate()
			})
		})
	}
}

// A password policy always returns the same secret. The first rotation would use it,
// and each later one would fail, a month after anyone looked at the policy. Anyone who
// can read the policy would know the partner secret.
func TestAPolicyThatAlwaysMakesTheSameSecretIsRefused(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(h *mounttest.Harness) mounttest.Answer{
		"first write": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Credentials(mounttest.Fields{"password_policy": "constant"}))
		},
		"later write": func(h *mounttest.Harness) mounttest.Answer {
			h.Configure(nil)
			return h.Write("config", mounttest.Fields{"password_policy": "constant"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				const constant = "Always-The-Same-1234"
				h.Leaks.Add(constant)
				h.View.SetPasswordPolicy("constant", func() (string, error) { return constant, nil })
				h.Fails(write(h), http.StatusBadRequest, "password_policy")
			})
		})
	}
}
