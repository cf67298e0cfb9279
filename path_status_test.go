// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

// shows checks some fields of the status, and that it has all of them and costs no call.
func (h *harness) shows(want fields) {
	h.t.Helper()
	calls := len(h.fake.Requests())
	a := h.read("status", nil)
	h.succeeds(a)
	for name := range statusShown() {
		if _, found := a.data[name]; !found {
			h.t.Errorf("the status has no %s", name)
		}
	}
	for name, value := range want {
		if got := a.data[name]; got != value {
			h.t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
	if len(h.fake.Requests()) != calls {
		h.t.Error("it made a call")
	}
}

func TestStatusInEachState(t *testing.T) {
	t.Parallel()
	empty := fields{
		"configured": false, "version": "dev", "authentication": "ok", "rejected_attempts": 0, "attempts_left": 4,
		"token_issue_time": nil, "token_expire_time": nil, "token_refresh_time": nil, "retry_time": nil,
		"last_error": "", "last_error_time": nil, "rotation_pending": false,
		"last_vault_rotation": nil, "next_vault_rotation": nil, "last_rotation_error": "",
	}
	healthy := maps.Clone(empty)
	maps.Copy(healthy, fields{
		"configured": true, "token_issue_time": "2000-01-01T00:00:00Z", "token_refresh_time": "2000-01-01T01:30:00Z",
		"token_expire_time": "2000-01-01T01:55:00Z",
	})
	const refusal = "Finicity answered HTTP 401, code 10001: Invalid credentials"
	for name, test := range map[string]struct {
		enter func(h *harness)
		want  fields
	}{
		"not configured":                         {func(h *harness) { h.succeeds(h.remove("config", nil)) }, empty},
		"healthy":                                {func(*harness) {}, healthy},
		"after a restart, the token only stored": {func(h *harness) { h.restart() }, healthy},
		"without a token": {func(h *harness) { h.pass(2 * time.Hour) }, joined(healthy, fields{
			"token_issue_time": nil, "token_expire_time": nil, "token_refresh_time": nil,
		})},
		"held": {func(h *harness) { h.guesses(1) }, joined(healthy, fields{
			"authentication": "held", "rejected_attempts": 1, "attempts_left": 3, "last_error": refusal,
			"last_error_time": "2000-01-01T00:00:00Z", "retry_time": "2000-01-01T00:05:00Z",
		})},
		"stopped": {func(h *harness) { h.guesses(2) }, joined(healthy, fields{
			"authentication": "stopped", "rejected_attempts": 2, "attempts_left": 2, "last_error": refusal,
			"last_error_time": "2000-01-01T00:00:00Z",
		})},
		"locked": {states()["locked"], joined(healthy, fields{
			"authentication": "locked", "rejected_attempts": 1, "attempts_left": 3,
			"last_error":      "Finicity answered HTTP 500, code 24302: we've locked your account",
			"last_error_time": "2000-01-01T00:00:00Z",
		})},
		"crashes": {func(h *harness) { h.plantRecord(attempts{Charged: 4}) }, joined(healthy, fields{
			"authentication": "stopped", "attempts_left": 0,
		})},
		"down": {func(h *harness) {
			h.pass(2 * time.Hour)
			h.down()
			h.fails(h.read("token", nil), 502, "maintenance")
		}, fields{
			"authentication": "ok", "retry_time": "2000-01-01T02:00:01Z", "last_error_time": "2000-01-01T02:00:00Z",
			"last_error": "Finicity answered HTTP 503: maintenance",
		}},
		"a rotation pending": {func(h *harness) { h.interrupt(true) }, joined(healthy, fields{
			"rotation_pending": true, "last_error": "Finicity gave no readable answer: EOF",
			"last_error_time": "2000-01-01T00:00:00Z", "retry_time": "2000-01-01T00:00:30Z",
		})},
		"rotated, and scheduled": {func(h *harness) {
			h.succeeds(h.write("config", fields{"rotation_period": "720h"}))
			h.rotate()
		}, joined(healthy, fields{
			"last_vault_rotation": "2000-01-01T00:00:00Z", "next_vault_rotation": "2000-01-31T00:00:00Z",
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				test.enter(h)
				h.shows(test.want)
			})
		})
	}
}
