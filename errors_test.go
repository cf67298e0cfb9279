// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// A 5xx makes Vault's clients repeat the request. For a refusal by Finicity that would cost one more of five attempts.
func TestErrorsSayWhatHappenedAndWhatToType(t *testing.T) {
	t.Parallel()
	const (
		write   = "vault write team/finicity/config"
		support = "Only Finicity's support can unlock the partner"
		noMore  = "No further attempt is made automatically"
	)
	rejected := &finicityapi.Error{
		Class: finicityapi.Rejected, Status: 401, Code: "10001", Message: "Invalid credentials",
	}
	locked := &finicityapi.Error{Class: finicityapi.Locked, Status: 500, Code: "24302", Message: "locked"}
	policy := &finicityapi.Error{Class: finicityapi.RefusedByPolicy, Status: 400, Code: "24437", Message: "policy"}
	down := &finicityapi.Error{Status: 503, Message: "maintenance"}
	unreachable := &finicityapi.Error{NotSent: true, Message: "connection refused"}

	for name, test := range map[string]struct {
		err    error
		status int
		says   []string
		not    string
	}{
		"a refusal of ours": {refused("field x is wrong"), 400, []string{"field x is wrong"}, "Finicity"},
		"not configured": {fmt.Errorf("wrapped: %w", errNotConfigured), 400, []string{
			"not configured", write + " partner_id=… partner_secret=… app_key=…",
		}, ""},
		"rejected": {rejected, 400, []string{
			"HTTP 401", "10001", "Invalid credentials", noMore, write + " partner_secret=… app_key=…",
		}, support},
		"rejected, wrapped": {fmt.Errorf("nothing was stored: %w", rejected), 400, []string{
			"nothing was stored", "10001", noMore,
		}, support},
		"locked":            {locked, 400, []string{"24302", support, write}, noMore},
		"refused by policy": {policy, 400, []string{"24437", "Nothing has changed"}, noMore},
		"unavailable":       {down, 502, []string{"HTTP 503", "maintenance"}, noMore},
		"unreachable":       {unreachable, 502, []string{"could not be reached", "connection refused"}, noMore},
		"held back for now": {&heldBack{last: down, wait: 1500 * time.Millisecond}, 503, []string{
			"maintenance", "the next call is made in 2s at the earliest",
		}, noMore},
		"held back after a rejection": {&heldBack{last: rejected}, 400, []string{"10001", noMore, write}, support},
		"held back after the lock":    {&heldBack{last: locked}, 400, []string{"24302", support}, noMore},
		"not to be settled yet": {&unsettled{wait: 29*time.Second + 1}, 503, []string{
			"a rotation is pending", "try again in 30s",
		}, noMore},
		"not settled, unavailable": {&unsettled{err: down}, 502, []string{
			"a rotation is pending and could not be settled", "maintenance",
		}, noMore},
		"not settled, rejected": {&unsettled{err: rejected}, 400, []string{
			"a rotation is pending and could not be settled", "10001", noMore, write,
		}, ""},
		"not settled, locked": {&unsettled{err: locked}, 400, []string{"24302", support}, noMore},
		"the caller has gone": {context.Canceled, 503, []string{"try again"}, noMore},
		"the caller's time is up": {fmt.Errorf("waiting: %w", context.DeadlineExceeded), 503, []string{
			"try again",
		}, noMore},
		"storage": {fmt.Errorf("writing: %w", errStorage), 500, []string{"writing: storage is out of order"}, noMore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := outcome(respond("team/finicity/", test.err))
			if status != test.status {
				t.Errorf("got a %d, want a %d", status, test.status)
			}
			for _, says := range test.says {
				if !strings.Contains(text, says) {
					t.Errorf("it does not say %q: %s", says, text)
				}
			}
			if test.not != "" && strings.Contains(text, test.not) {
				t.Errorf("it says %q: %s", test.not, text)
			}
		})
	}
}

func TestWaitsAreShownInWholeSecondsAndNeverAsNone(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Duration]time.Duration{
		0:                      time.Second,
		1:                      time.Second,
		time.Second:            time.Second,
		time.Second + 1:        2 * time.Second,
		59*time.Second + 1:     time.Minute,
		90 * time.Second:       90 * time.Second,
		500 * time.Millisecond: time.Second,
	} {
		if got := roundUp(given); got != want {
			t.Errorf("%s is shown as %s, want %s", given, got, want)
		}
	}
}
