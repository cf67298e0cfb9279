// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// statusNow reads the status, which must succeed.
func statusNow(h *mounttest.Harness) map[string]any {
	h.T.Helper()
	a := h.Read("status", nil)
	h.Succeeds(a)
	return a.Data
}

// says returns a field of the status that is a text, or null for an empty one. The
// field must exist.
func says(h *mounttest.Harness, field string) string {
	h.T.Helper()
	value, found := statusNow(h)[field]
	text, isText := value.(string)
	if !found || !isText && value != nil {
		h.T.Fatalf("the status has no text %q", field)
	}
	return text
}

// everyHour lets n hours pass, with Vault's periodic call in each.
func everyHour(h *mounttest.Harness, n int) {
	h.T.Helper()
	for range n {
		h.Pass(time.Hour)
		h.Tick()
	}
}

// changes returns how many changes of the secret have reached Finicity.
func changes(h *mounttest.Harness) int { return h.Calls(fakefinicity.CallModifySecret) }

// newRestoredCopy returns a mount on a snapshot that is ten hours old and due for a
// rotation. It has rotated once.
func newRestoredCopy(t *testing.T) *mounttest.Harness {
	t.Helper()
	h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
	everyHour(h, 20)
	h.Pass(270 * time.Minute) // Vault is down for an upgrade. That pauses nothing.
	h.Restart()
	h.Tick()
	if n := changes(h); n != 1 {
		t.Fatalf("%d changes of the secret after an upgrade, want 1", n)
	}
	everyHour(h, 20)
	snapshot := h.Storage.Snapshot()
	h.Pass(10 * time.Hour)
	h.Storage.Restore(snapshot)
	h.Restart()
	return h
}

// A snapshot is restored for a drill or a staging clone, and its rotation is due. If
// the copy rotated, production's secret would change, and production would not know the
// new one.
func TestARestoredCopyDoesNotRotateTheSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRestoredCopy(t)
		before := len(h.Heard())
		h.Tick()
		if n := changes(h); n != 1 {
			t.Fatalf("the copy has changed the secret of production: %d changes, want 1", n)
		}
		if len(h.Heard()) == before {
			t.Error("no event says that the schedule is paused")
		}
		if says(h, "rotation_paused") == "" {
			t.Error("the status does not say that the schedule is paused")
		}

		for range 5 { // The pause outlasts restarts, and everything else works.
			h.Restart()
			everyHour(h, 10)
			token := h.Token()
			h.Pass(2 * time.Minute)
			h.Succeeds(h.Write("rotate-token", nil))
			if h.Token() == token {
				t.Error("rotate-token did not replace the token")
			}
		}
		if n := changes(h); n != 1 {
			t.Errorf("the paused schedule has rotated: %d changes, want 1", n)
		}
		if says(h, "rotation_paused") == "" {
			t.Error("the pause has ended although no operator ended it")
		}
	})
}

// Vault was down for a day, and nothing was restored. One command of the operator
// resumes the schedule. If none did, the secret would age unnoticed. If any write did,
// the guard would be useless.
func TestAnOperatorResumesAPausedSchedule(t *testing.T) {
	t.Parallel()
	for name, resume := range map[string]func(h *mounttest.Harness) mounttest.Answer{
		"rotate-root":   func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-root", nil) },
		"config/verify": func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) },
		"the schedule, written": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Fields{"rotation_period": "24h"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRestoredCopy(t)
				everyHour(h, 2)
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "40s"}))
				h.Answering(http.StatusServiceUnavailable, "", 1)
				if a := h.Write("config/verify", nil); a.Status < http.StatusBadRequest {
					t.Errorf("a failed config/verify is answered %d", a.Status)
				}
				everyHour(h, 1)
				if n := changes(h); n != 1 {
					t.Fatalf("the schedule was not paused, or has been resumed: %d changes, want 1", n)
				}
				if says(h, "rotation_paused") == "" {
					t.Fatal("the status does not say that the schedule is paused")
				}

				h.Succeeds(resume(h))
				if why := says(h, "rotation_paused"); why != "" {
					t.Errorf("the schedule is still paused: %s", why)
				}
				before := changes(h)
				everyHour(h, 24)
				if n := changes(h) - before; n != 1 {
					t.Errorf("the schedule rotated %d times in the next day, want 1", n)
				}
			})
		})
	}
}

// Storage accepts no writes, as when Vault has mounted a missing plugin read-only.
// Nothing else shows it until the token expires, and then every app fails. The status
// shows it from the first failed write until a write succeeds.
func TestTheStatusShowsThatStorageTakesNoWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		if said := says(h, "storage_error"); said != "" {
			t.Errorf("the status shows a storage error before there was one: %s", said)
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		if a := h.Write("config", mounttest.Fields{"request_timeout": "40s"}); a.Status < http.StatusBadRequest {
			t.Errorf("a write that storage did not take is answered %d", a.Status)
		}
		failed := h.Now().UTC().Format(time.RFC3339)
		h.Pass(time.Minute)
		if says(h, "storage_error") == "" || says(h, "storage_error_time") != failed {
			t.Errorf("the status says %q at %q, want an error at %s", says(h, "storage_error"), says(h, "storage_error_time"), failed)
		}
		if statusNow(h)["token_available"] != true {
			t.Error("there is a usable token, and the status says that there is none")
		}
		h.Pass(2 * time.Hour)
		if a := h.Read("token", nil); a.Status != http.StatusOK && statusNow(h)["token_available"] != false {
			t.Error("no read gets a token, and the status says that one would")
		}

		h.Storage.Heal()
		h.Pass(2 * time.Minute)
		h.Token()
		h.Succeeds(h.Write("config/verify", nil))
		if said := says(h, "storage_error") + says(h, "storage_error_time"); said != "" {
			t.Errorf("storage takes writes again, and the status still says %s", said)
		}
	})
}

// One field tells monitoring whether a read would get a token now. If it wrongly says
// yes, an outage goes unnoticed. If it wrongly says no, engineers are paged for nothing
// and disable the alert.
func TestTheStatusShowsWhetherAReadGetsAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		expect := func(when string, want bool) {
			t.Helper()
			if said := statusNow(h)["token_available"]; said != want {
				t.Errorf("%s: the status says %v, want %v", when, said, want)
			}
			if a := h.Read("token", nil); (a.Status == http.StatusOK) != want {
				t.Errorf("%s: a read is answered %d", when, a.Status)
			}
		}
		expect("not configured", false)
		h.Configure(nil)
		expect("configured", true)
		h.Pass(3 * time.Hour)
		expect("no app has read for hours", true)

		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for range 2 {
			h.Pass(6 * time.Minute)
			h.Write("rotate-token", nil)
		}
		expect("automatic attempts are stopped, and the token is still usable", true)
		h.Pass(2 * time.Hour)
		expect("automatic attempts are stopped, and the token has expired", false)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		expect("the right secret was written", true)

		h.Pass(2 * time.Hour)
		h.Answering(http.StatusServiceUnavailable, "", 1000)
		h.Read("token", nil)
		expect("Finicity is down, and the next call has to wait", false)
		h.Pass(2 * time.Minute)
		expect("Finicity is down, and the wait is over", false)
		h.Fake.ClearFaults()
		h.Pass(2 * time.Minute)
		h.Token()
		expect("Finicity has answered", true)
	})
}
