// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestEachChangeIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		since := 0
		announced := func(what string, want ...string) {
			t.Helper()
			heard := h.Heard()
			if got := heard[since:]; !slices.Equal(got, want) {
				t.Errorf("%s announces %v, want %v", what, got, want)
			}
			since = len(heard)
		}
		h.Configure(nil)
		announced("the first write", "finicity/token-create", "finicity/config-write")
		h.Token()
		announced("a read")
		h.Rotate()
		announced("a rotation", "finicity/token-create", "finicity/root-rotate")
		h.Succeeds(h.Patch("config", mounttest.Fields{"rotation_period": "1h"}))
		announced("a setting", "finicity/config-write")
		h.Interrupt(true)
		announced("an unknown outcome")
		h.Pass(time.Minute)
		h.Token()
		h.Tick()
		announced("a rotation that is found to have happened", "finicity/token-create", "finicity/root-rotate")
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Pass(time.Hour)
		h.Tick()
		announced("a scheduled rotation that is refused", "finicity/attempts-held", "finicity/root-rotate-fail")
		h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001")
		announced("two more refusals", "finicity/attempts-stopped")
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		announced("the right secret", "finicity/token-create", "finicity/config-write")
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0)}), http.StatusBadRequest)
		announced("a refused write")
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		announced("a delete", "finicity/config-delete")
	})
}

// Vault adds path and mount to an observation.
func TestAnEventSaysWhereToLookAndNamesNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		h.Pass(2 * time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 401, Body: `{"code":10021,"message":"no"}`})
		h.Write("rotate-root", nil)
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Write("config/verify", nil)
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		const (
			refused = "Finicity answered HTTP 401, code 10021: no"
			locked  = "Finicity answered HTTP 500, code 24302: Bad credentials. For your security, we've locked your account. Contact support to unlock it"
		)
		for kind, want := range map[string]map[string]any{
			"finicity/config-write":     {"data_path": "config", "modified": "true", "operation": "create"},
			"finicity/token-create":     {"data_path": "token", "modified": "true", "operation": "create", "expire_time": "2000-01-01T01:55:00Z"},
			"finicity/root-rotate":      {"data_path": "config", "modified": "true", "operation": "update", "last_vault_rotation": "2000-01-01T00:00:00Z"},
			"finicity/root-rotate-fail": {"data_path": "status", "operation": "update", "error": changeRefused + refused},
			"finicity/attempts-held":    {"data_path": "status", "modified": "true", "operation": "authenticate", "state": "held", "error": "the change of the secret failed: " + refused},
			"finicity/attempts-stopped": {"data_path": "status", "modified": "true", "operation": "authenticate", "state": "locked", "error": "an attempt with the stored credential failed: " + locked},
			"finicity/config-delete":    {"data_path": "config", "modified": "true", "operation": "delete"},
		} {
			want["path"], want["partner_id"] = want["data_path"], mounttest.PartnerID
			events, observations := h.Recorded(kind), h.Observed(kind)
			if len(events) == 0 || !reflect.DeepEqual(events[0], want) {
				t.Errorf("%s is announced as %v", kind, events)
			}
			for _, name := range []string{"path", "data_path", "modified"} {
				delete(want, name)
			}
			if len(observations) == 0 || !maps.Equal(observations[0], want) {
				t.Errorf("%s is observed as %v", kind, observations)
			}
		}
	})
}

// An engineer who is paged must know whether an operator, a job, an app or the schedule
// made the request.
func TestARotationIsAnnouncedWithWhatHasConfirmedIt(t *testing.T) {
	t.Parallel()
	for operation, confirm := range map[string]func(h *mounttest.Harness){
		"read":   func(h *mounttest.Harness) { h.Pass(2 * time.Hour); h.Token() },
		"settle": func(h *mounttest.Harness) { h.Tick() },
		"update": func(h *mounttest.Harness) { h.Succeeds(h.Write("rotate-token", nil)) },
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewUnresolved(t, true, nil)
				h.Pass(time.Minute)
				confirm(h)
				events := h.Recorded("finicity/root-rotate")
				if len(events) != 1 || events[0]["operation"] != operation || len(h.Recorded("finicity/root-rotate-fail")) != 0 {
					t.Errorf("the events are %v", events)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1m"})
		everyMinute(h, 1, func() {})
		if events := h.Recorded("finicity/root-rotate"); len(events) != 1 || events[0]["operation"] != "rotate" {
			t.Errorf("the schedule announces %v", events)
		}
	})
}

// OpenBao answers like this, and so does Vault without the feature.
func TestNothingFailsWithoutAnEventListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Events.Deaf = true
		h.Configure(nil)
		h.Rotate()
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		if n := len(h.Heard()); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

// Vault may take long for an event. A request waits for a second each for an
// observation and for an event.
func TestAnEventBusThatHangsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Events.Stuck = true
		began := time.Now()
		h.Configure(nil)
		if took := time.Since(began); took != 4*time.Second { // A token, and the configuration.
			t.Errorf("a write takes %s", took)
		}
		began = time.Now()
		h.Token()
		if took := time.Since(began); took != 0 {
			t.Errorf("a read takes %s", took)
		}
	})
}

// Each further refusal on a stopped mount is in the log. It is no reason to page an
// engineer again.
func TestAStopIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Read("token", nil)
		h.Pass(5 * time.Minute)
		h.Read("token", nil)
		h.Fails(h.Write("config/verify", nil), 400, "3 of 5")
		if n := len(h.Recorded("finicity/attempts-stopped")); n != 1 {
			t.Errorf("the stop is announced %d times", n)
		}
	})
}

// The audit trail: a config write whose outcome is stored a minute later.
func TestAConfigWriteThatIsStoredLaterIsAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		n := len(h.Recorded("finicity/config-write"))
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		h.Pass(time.Minute)
		h.Tick()
		h.Restart()
		h.Pass(2 * time.Hour)
		h.Token() // The outcome is stored.
		if got := len(h.Recorded("finicity/config-write")); got != n+1 {
			t.Errorf("announced %d times", got-n)
		}
	})
}

// An attempt with another partner says nothing about the stored partner.
func TestAStopIsAnnouncedOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		stop(h)
		mistypes(h, 0, 1)
		h.Pass(time.Minute)
		h.Tick()
		if n := len(h.Recorded("finicity/attempts-stopped")); n != 1 {
			t.Errorf("the stop is announced %d times", n)
		}
	})
}
