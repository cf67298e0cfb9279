// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// statusShows checks some fields of the status, and that it costs no call. The harness
// checks that all fields exist.
func statusShows(h *mounttest.Harness, want mounttest.Fields) {
	h.T.Helper()
	calls := len(h.Fake.Requests())
	data := statusNow(h)
	for name, value := range want {
		if got := data[name]; got != value {
			h.T.Errorf("%s is %v, want %v", name, got, value)
		}
	}
	if len(h.Fake.Requests()) != calls {
		h.T.Error("the status has sent a request to Finicity")
	}
}

// statusOf are the expected fields in a state that is entered from a healthy mount at
// midnight.
type statusOf struct {
	enter func(h *mounttest.Harness)
	want  mounttest.Fields
}

func TestTheStatusInEachState(t *testing.T) {
	t.Parallel()
	empty := mounttest.Fields{
		"configured": false, "version": "dev", "authentication": "ok", "rejected_attempts": 0, "attempts_left": 4,
		"token_available": false, "token_issue_time": nil, "token_expire_time": nil, "token_refresh_time": nil,
		"retry_time": nil, "last_error": "", "last_error_time": nil, "rotation_pending": false,
		"last_vault_rotation": nil, "next_vault_rotation": nil, "last_rotation_error": "", "rotation_paused": "",
		"storage_error": "", "storage_error_time": nil,
	}
	healthy := joined(empty, mounttest.Fields{
		"configured": true, "token_available": true, "token_issue_time": "2000-01-01T00:00:00Z",
		"token_refresh_time": "2000-01-01T01:30:00Z", "token_expire_time": "2000-01-01T01:55:00Z",
	})
	noToken := joined(healthy, mounttest.Fields{"token_issue_time": nil, "token_expire_time": nil, "token_refresh_time": nil})
	for name, test := range map[string]statusOf{
		"not configured": {func(h *mounttest.Harness) { h.Succeeds(h.Remove("config", nil)) }, empty},
		"deleted after a typo": {func(h *mounttest.Harness) {
			h.Guesses(1)
			h.Succeeds(h.Remove("config", nil))
		}, empty},
		"healthy":                                {func(*mounttest.Harness) {}, healthy},
		"after a restart, the token only stored": {func(h *mounttest.Harness) { h.Restart() }, healthy},
		"without a token":                        {func(h *mounttest.Harness) { h.Pass(2 * time.Hour) }, noToken},
		"a rotation pending": {func(h *mounttest.Harness) { h.Interrupt(true) }, joined(healthy, mounttest.Fields{
			"rotation_pending": true, "last_error": "Finicity gave no readable answer: EOF",
			"last_error_time": "2000-01-01T00:00:00Z", "retry_time": "2000-01-01T00:00:30Z",
		})},
		"a rotation pending, without a token": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Interrupt(true)
		}, joined(noToken, mounttest.Fields{
			"token_available": false, "rotation_pending": true, "last_error": "Finicity gave no readable answer: EOF",
			"last_error_time": "2000-01-01T02:00:00Z", "retry_time": "2000-01-01T02:00:30Z",
		})},
		"rotated, and scheduled": {func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "720h"}))
			h.Rotate()
		}, joined(healthy, mounttest.Fields{
			"last_vault_rotation": "2000-01-01T00:00:00Z", "next_vault_rotation": "2000-01-31T00:00:00Z",
		})},
		"the schedule paused": {func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "720h"}))
			h.Pass(7 * time.Hour)
			h.Restart()
			h.Tick()
		}, joined(noToken, mounttest.Fields{
			"rotation_paused": "paused on 2000-01-01T07:00:00Z: the engine was down for more than six hours, so this data might be " +
				"a restored copy. If it is not, resume with vault write -f finicity/config/verify",
		})},
		"storage takes no write": {func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
			h.Pass(time.Minute)
			h.Fails(h.Write("config/verify", nil), 500, "no request was sent to Finicity, because the attempt could not be stored")
		}, joined(healthy, mounttest.Fields{
			"storage_error": "writing to storage: storage is out of order", "storage_error_time": "2000-01-01T00:01:00Z",
		})},
		"storage takes no write, without a token": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
			h.Fails(h.Read("token", nil), 500, "no request was sent to Finicity, because the attempt could not be stored")
		}, joined(noToken, mounttest.Fields{
			"token_available": false, "storage_error": "writing to storage: storage is out of order",
			"storage_error_time": "2000-01-01T02:00:00Z", "retry_time": "2000-01-01T02:00:01Z",
		})},
	} {
		checkStatus(t, name, test)
	}
}

func TestTheStatusShowsTheStateOfAttempts(t *testing.T) {
	t.Parallel()
	const words = " failed: Finicity answered HTTP 401, code 10001: Invalid credentials (the partner secret is wrong)"
	const refusal = "an attempt with the stored credential" + words
	for name, test := range map[string]statusOf{
		"a typo": {func(h *mounttest.Harness) { h.Guesses(1) }, mounttest.Fields{
			"authentication": "ok", "rejected_attempts": 1, "attempts_left": 3, "retry_time": nil, "token_available": true,
			"last_error": "an attempt with an unstored credential" + words, "last_error_time": "2000-01-01T00:00:00Z",
		}},
		"held": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			mounttest.States()["held"](h)
		}, mounttest.Fields{
			"authentication": "held", "rejected_attempts": 1, "attempts_left": 3, "last_error": refusal,
			"last_error_time": "2000-01-01T02:00:00Z", "retry_time": "2000-01-01T02:05:00Z", "token_available": false,
		}},
		"held, and due": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			mounttest.States()["held"](h)
			h.Pass(5 * time.Minute)
		}, mounttest.Fields{"authentication": "held", "retry_time": nil, "token_available": true}},
		"stopped": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			mounttest.States()["stopped"](h)
		}, mounttest.Fields{
			"authentication": "stopped", "rejected_attempts": 2, "attempts_left": 2, "last_error": refusal,
			"last_error_time": "2000-01-01T02:05:00Z", "retry_time": nil, "token_available": false,
		}},
		"locked": {mounttest.States()["locked"], mounttest.Fields{
			"authentication": "locked", "rejected_attempts": 1, "attempts_left": 3, "token_available": true,
			"last_error": "an attempt with an unstored credential failed: " +
				"Finicity answered HTTP 500, code 24302: Bad credentials. For your security, we've locked your account. Contact support to unlock it",
			"last_error_time": "2000-01-01T00:00:00Z",
		}},
		"three crashes": {mounttest.States()["crashed"], mounttest.Fields{
			"authentication": "ok", "rejected_attempts": 0, "attempts_left": 1, "last_error": "", "token_available": true,
		}},
		"four crashes": {func(h *mounttest.Harness) {
			mounttest.States()["crashed"](h)
			h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
		}, mounttest.Fields{
			"authentication": "stopped", "rejected_attempts": 0, "attempts_left": 0, "last_error": "", "retry_time": nil,
		}},
		"down": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Down()
			h.Fails(h.Read("token", nil), 502, "maintenance")
		}, mounttest.Fields{
			"authentication": "ok", "retry_time": "2000-01-01T02:00:01Z", "last_error_time": "2000-01-01T02:00:00Z",
			"last_error": "Finicity answered HTTP 503: maintenance", "token_available": false,
		}},
		"an outage after a refusal": {func(h *mounttest.Harness) { // The refusal is what an operator must look at.
			h.Pass(2 * time.Hour)
			mounttest.States()["held"](h)
			h.Pass(5 * time.Minute)
			h.Down()
			h.Fails(h.Read("token", nil), 502, "maintenance")
		}, mounttest.Fields{"authentication": "held", "last_error": refusal, "last_error_time": "2000-01-01T02:00:00Z"}},
		"a success after it all": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			mounttest.States()["stopped after a typo"](h)
			h.Succeeds(h.Write("config/verify", nil))
		}, mounttest.Fields{
			"authentication": "ok", "rejected_attempts": 3, "attempts_left": 1, "last_error": "", "last_error_time": nil,
			"token_available": true,
		}},
		"a day later": {func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			mounttest.States()["stopped after a typo"](h)
			h.Succeeds(h.Write("config/verify", nil))
			h.Pass(day + time.Minute)
		}, mounttest.Fields{"rejected_attempts": 0, "attempts_left": 4}},
	} {
		checkStatus(t, name, test)
	}
}

func checkStatus(t *testing.T, name string, test statusOf) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			test.enter(h)
			statusShows(h, test.want)
		})
	})
}

// The wall clock is for operators, so the times follow it.
func TestTheStatusShowsTimesByTheWallClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Fails(h.Read("token", nil), 400, "10001")
		h.SetClock(24 * time.Hour)
		statusShows(h, mounttest.Fields{
			"last_error_time": "2000-01-02T02:00:00Z", "retry_time": "2000-01-02T02:05:00Z", "authentication": "held",
		})
	})
}

func TestTheStatusReportsAStorageFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Read("status", nil), 500, "reading the configuration from storage")
		h.Storage.Plant("config", []byte("{"))
		h.Fails(h.Read("status", nil), 500, "cannot be decoded", "vault delete finicity/config force=true")
	})
}
