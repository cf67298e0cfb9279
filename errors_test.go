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
		write   = "vault write team/finicity/config partner_secret=… (or app_key=…)"
		all     = "vault write team/finicity/config partner_id=… partner_secret=… app_key=…"
		verify  = "vault write -f team/finicity/config/verify"
		force   = "vault write team/finicity/config/verify force=true"
		untried = "store it with verify_connection=false, then type "
		spent   = "of the five attempts that lock the partner are spent"
		oneMore = "The engine makes one more by itself, at 2026-03-01T12:05:00Z at the earliest"
		noMore  = "The engine makes no further attempt by itself"
		support = "only its support can unlock it. When it has: "
		full    = "the engine makes no more. When you are sure of the credential, store it with verify_connection=false, " +
			"if you know it, then type " + force
	)
	rejected := func(outcomes ...*finicityapi.Error) error {
		return &rejection{failure: outcomes[len(outcomes)-1], record: *after(outcomes...)}
	}
	halted := func(outcomes ...*finicityapi.Error) error { return &stopped{record: *after(outcomes...)} }
	var ours error = refused("field x is wrong")
	one, down := refusal401(), unavailable()
	unreachable := &finicityapi.Error{NotSent: true, Message: "connection refused"}
	known := &knownBad{noted: after(one).Refused[0], record: *after(one)}

	for name, test := range map[string]struct {
		err    error
		status int
		says   []string
		not    string
	}{
		"a refusal of ours": {fmt.Errorf("wrapped: %w", ours), 400, []string{"wrapped: field x is wrong"}, "Finicity"},
		"not configured":    {fmt.Errorf("wrapped: %w", errNotConfigured), 400, []string{"not configured", all}, ""},

		"refused": {rejected(one), 400, []string{
			"HTTP 401, code 10001: Invalid credentials. 1 " + spent, "3 more are let through for you", oneMore, write, verify,
		}, untried},
		"refused twice": {rejected(one, refusal403()), 400, []string{
			"HTTP 403: denied", "2 " + spent, "2 more are let through for you", noMore, write, verify,
		}, untried},
		"refused three times": {rejected(one, one, one), 400, []string{"3 " + spent, "1 more", noMore, write, verify}, force},
		"refused four times":  {rejected(one, one, one, one), 400, []string{"10001", "4 attempts were refused", full}, verify},
		"locked":              {rejected(lockedOut()), 400, []string{"24302", support + verify}, noMore},
		"locked, and full": {rejected(one, one, one, lockedOut()), 400, []string{
			"24302", support + force, // Without force there would be no call.
		}, verify},

		"held": {halted(one), 400, []string{
			"no call was made to Finicity, after this one: Finicity answered HTTP 401, code 10001: Invalid credentials. 1 " + spent,
			"3 more", oneMore, write, verify,
		}, untried},
		"stopped":             {halted(one, one), 400, []string{"no call was made", "10001", "2 more", noMore, write, verify}, force},
		"stopped, full":       {halted(one, one, one, one), 400, []string{"no call was made", "10001", full}, verify},
		"stopped, locked":     {halted(lockedOut()), 400, []string{"no call was made", "24302", support + verify}, noMore},
		"stopped, by crashes": {&stopped{record: attempts{Charged: 4}}, 400, []string{"after 4 attempts without an answer. ", full}, ""},

		"refused, not stored": {&notStored{err: rejected(one)}, 400, []string{
			"nothing was stored: Finicity answered", "10001", "3 more", oneMore, write, untried + verify,
		}, all},
		"refused, nothing stored before": {&notStored{err: rejected(one), first: true}, 400, []string{
			"10001", "3 more", noMore, all, untried + verify,
		}, oneMore},
		"stopped, not stored": {&notStored{err: halted(one, one, one, one)}, 400, []string{
			"nothing was stored: no call was made to Finicity", full,
		}, verify},
		"known": {&notStored{err: known}, 400, []string{
			"nothing was stored: Finicity refused this very credential on 2026-03-01T12:00:00Z, so it is not sent again: " +
				"Finicity answered HTTP 401, code 10001: Invalid credentials. 1 " + spent,
			"3 more", write, untried + verify,
		}, "no call was made"},
		"locked, not stored": {&notStored{err: rejected(lockedOut())}, 400, []string{support + untried + verify}, noMore},

		"refused by policy": {againstPolicy(), 400, []string{"24437", "The current secret stays in force"}, noMore},
		"unavailable":       {down, 502, []string{"HTTP 503", "down"}, noMore},
		"unreachable":       {unreachable, 502, []string{"could not be reached", "connection refused"}, noMore},
		"held back for now": {&heldBack{last: down, wait: 1500 * time.Millisecond}, 503, []string{
			"down", "the next call is made in 2s at the earliest",
		}, noMore},
		"not to be settled yet": {&unsettled{wait: 29*time.Second + 1}, 503, []string{
			"a rotation is pending", "try again in 30s",
		}, noMore},
		"not settled, unavailable": {&unsettled{err: down}, 502, []string{
			"a rotation is pending and could not be settled", "down",
		}, noMore},
		"not settled, refused": {&unsettled{err: rejected(one)}, 400, []string{
			"a rotation is pending and could not be settled: Finicity answered", "10001", "3 more", oneMore, verify,
		}, ""},
		"not settled, stopped": {&unsettled{err: halted(one, one)}, 400, []string{
			"a rotation is pending and could not be settled: no call was made", "10001", noMore, verify,
		}, ""},
		"not settled, locked": {&unsettled{err: rejected(lockedOut())}, 400, []string{"24302", support}, noMore},
		"not sent": {&notSent{errStorage}, 500, []string{
			"nothing was sent to Finicity, because the attempt could not be recorded: storage is out of order",
		}, noMore},
		"refused, and storage failed": {fmt.Errorf("%w (storage failed too: %w)", rejected(one), errStorage), 400, []string{
			"10001", "storage failed too", oneMore,
		}, ""},
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

// Finicity's message may be a sentence of its own.
func TestAnErrorHasNoTwoFullStops(t *testing.T) {
	t.Parallel()
	failure := &finicityapi.Error{Class: finicityapi.Locked, Status: 500, Message: "Contact support to unlock it."}
	_, text := outcome(respond(mount, &rejection{failure: failure, record: *after(failure)}))
	if strings.Contains(text, "..") || !strings.Contains(text, "unlock it. Finicity has locked") {
		t.Errorf("it reads: %s", text)
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
