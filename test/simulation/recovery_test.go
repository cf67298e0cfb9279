// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// recovers: once faults have stopped, the engine serves a token and the stored secret
// is the one in effect. Otherwise the error says that an operator must act, and which
// command to type. That command helps, without a restart.
func (w *company) recovers() {
	w.fake.ClearFaults()
	w.outage.order(0, 0)
	w.disk.heal()
	w.awaitRequests()
	// The latest change of the secret takes effect within two hours. Then all tokens
	// must be refreshed.
	for range 14 {
		w.pass(20 * time.Minute)
		w.ask(read())
		w.rest()
		w.ask(minute())
		w.rest()
	}
	w.judge(false)
	w.pass(31 * day) // Grace periods have ended.
	w.rest()
	w.judge(true)
	w.rotatesAtLast()
	w.keepsSchedule()
}

// judge checks the guarantees for a mount without faults. settled is whether all grace
// periods are over.
func (w *company) judge(settled bool) {
	if !w.ok() {
		return
	}
	w.attempts.checkLock()
	w.statusAgrees()
	w.checkSignature(neverRight)
	w.checkSignature(wrongSecret)
	a := w.ask(read())
	w.rest()
	for range 4 {
		if len(a.Warnings) == 0 {
			break
		}
		w.pass(30 * time.Minute) // The token is served for some more time, and the refresh fails.
		a = w.ask(read())
		w.rest()
	}
	a = w.retryAsSaid(a)
	if a.Status != http.StatusOK {
		w.tracef("--- a person acts")
		w.repair(a)
		w.rest()
		w.statusAgrees()
		w.pass(2 * time.Minute) // Meanwhile, the engine resolves a rotation.
		w.ask(minute())
		w.rest()
		if a = w.ask(read()); a.Status != http.StatusOK {
			w.violate("an operator has followed the errors, and a read still answers %d: %s", a.Status, a.Text)
			return
		}
	}
	w.healthy(a, settled)
}

// retryAsSaid: if an error says that the engine will make one more attempt, it waits
// for that attempt, which must happen.
func (w *company) retryAsSaid(a answer) answer {
	for strings.Contains(a.Text, "the engine retries once, at ") {
		_, rest, _ := strings.Cut(a.Text, "the engine retries once, at ")
		when, _, _ := strings.Cut(rest, " ")
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			w.violate("an error does not contain a time: %s", a.Text)
			return a
		}
		wait := at.Sub(w.now()) + time.Second
		longest := time.Hour
		if state := w.ask(status()).Data["authentication"]; state == "stopped" { // Until the oldest refusal is a day old.
			longest = day + time.Minute
		}
		if wait > longest {
			w.violate("the engine retries only after %s", wait)
			return a
		}
		w.pass(max(0, wait))
		a = w.ask(read())
		w.rest()
		if a.Status == http.StatusBadRequest && strings.Contains(a.Text, "no request was sent to Finicity") {
			w.violate("the engine does not retry at the announced time: %s", a.Text)
			return a
		}
	}
	return a
}

// healthy checks what must hold when a token is served and nothing is wrong any more.
func (w *company) healthy(a answer, settled bool) {
	token, _ := a.Data["token"].(string)
	st := w.disk.configured()
	switch {
	case len(a.Warnings) > 0:
		w.violate("after the faults, a read warns: %s", a.Warnings[0])
		return
	case !w.fake.AcceptsToken(partnerID, token):
		w.violate("after the faults, a token is served that Finicity does not accept")
		return
	case st == nil:
		w.violate("a token is served without a configuration")
		return
	}
	current, _ := st.Secrets.Current()
	secret := current.Value.Reveal()
	_, pending := st.Secrets.Pending()
	shown := w.ask(status())
	switch {
	case pending, shown.Data["rotation_pending"] != false:
		w.violate("after the faults, a rotation stays pending")
	case shown.Data["storage_error"] != "":
		w.violate("storage works, and the status says %v", shown.Data["storage_error"])
	case !w.fake.AcceptsSecret(partnerID, secret):
		w.violate("a token is served, and the current secret is not accepted")
	case settled && !w.fake.HoldsSecret(partnerID, secret):
		w.violate("after the grace periods, the current secret is not in effect")
	}
	if valid, _ := w.signedWith(secret); !valid {
		w.violate("a webhook that was signed with the current secret is not valid")
	}
}

// rotatesAtLast: a healthy mount can change its secret. If it cannot yet, the error
// correctly says what to do first, or when.
func (w *company) rotatesAtLast() {
	if !w.ok() {
		return
	}
	st := w.disk.configured()
	if st == nil {
		return
	}
	current, _ := st.Secrets.Current()
	before := current.Value.Reveal()
	a := w.ask(request{op: updateOp, path: "rotate-root"})
	waited, confirmed := false, false
	for {
		switch {
		case a.ok():
			w.hasRotated(before)
			return
		case strings.Contains(a.Text, "Rotation is possible again after ") && !waited:
			waited = true
			_, when, _ := strings.Cut(a.Text, "Rotation is possible again after ")
			at, err := time.Parse(time.RFC3339, when)
			if err != nil {
				w.violate("an error does not contain a time: %s", a.Text)
				return
			}
			w.pass(at.Sub(w.now()) + time.Second)
		case strings.Contains(a.Text, "config/verify") && !confirmed:
			confirmed = true
			// The credential is right: a token was just read.
			if a = w.ask(commandIn(a)); !a.ok() {
				w.violate("a healthy mount answers %d to config/verify: %s", a.Status, a.Text)
			}
		default:
			w.violate("a healthy mount does not rotate (waited: %v, confirmed: %v), with a %d: %s",
				waited, confirmed, a.Status, a.Text)
			return
		}
		if !w.ok() {
			return
		}
		a = w.ask(request{op: updateOp, path: "rotate-root"})
	}
}

// hasRotated: the new secret is the one in effect, and webhooks signed with the
// previous secret are still valid.
func (w *company) hasRotated(before string) {
	current, _ := w.disk.configured().Secrets.Current()
	secret := current.Value.Reveal()
	switch {
	case secret == before:
		w.violate("rotate-root succeeds, and the current secret is the same")
	case !w.fake.HoldsSecret(partnerID, secret):
		w.violate("rotate-root succeeds, and the current secret is not in effect")
	}
	if w.fake.AcceptsSecret(partnerID, before) {
		return // With a grace period, both are valid.
	}
	if st := w.disk.configured(); st.Settings.Schedule.Period != 0 || st.Settings.Schedule.Cron != "" {
		return // The schedule is next.
	}
	w.pass(3 * day)
	w.ask(read())
	if valid, a := w.signedWith(before); !valid || a.Data["secret_version"] != "previous" {
		w.violate("a webhook of three days ago is not valid: %v", a.Data)
	}
}

func graceful(s secrets.Secret) bool { return s.Grace || !s.GraceEnds.IsZero() }

// keepsSchedule: a healthy mount with a schedule rotates once when the rotation is due,
// as long as Vault calls once a minute. Here, Vault calls every half hour.
func (w *company) keepsSchedule() {
	st := w.disk.configured()
	if !w.ok() || st == nil || st.Settings.SecretGracePeriod || slices.ContainsFunc(st.Secrets.Secrets, graceful) {
		return // While a grace period may run, there are at most two rotations in a day.
	}
	due := st.Settings.Schedule.Period
	if st.Settings.Schedule.Cron != "" {
		due = day
	}
	if due == 0 {
		return
	}
	w.tracef("--- the schedule")
	for passed := time.Duration(0); passed < due+time.Hour; passed += 30 * time.Minute {
		w.pass(30 * time.Minute)
		w.ask(minute())
		w.rest()
	}
	after := w.disk.configured()
	shown := w.ask(status())
	if !after.LastRotation.After(st.LastRotation) {
		w.violate("the schedule is due and does not rotate: paused %q, failed %q, next %v",
			shown.Data["rotation_paused"], shown.Data["last_rotation_error"], shown.Data["next_vault_rotation"])
	}
	if a := w.ask(read()); a.ok() {
		w.healthy(a, true)
	}
}
