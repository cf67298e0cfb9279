// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"net/http"
	"strings"
)

const (
	verifyCommand = "vault write -f finicity/config/verify"
	forceCommand  = "vault write finicity/config/verify force=true"
	writeCommand  = "vault write finicity/config partner_"
	lockedAdvice  = "After Finicity support has unlocked the partner, type "
	untriedAdvice = "verify_connection=false"
)

// repair does what a sensible operator does who reads the errors and types only
// commands that an error has named. Once they have verified the credential, each
// command must work at once.
func (w *company) repair(a answer) {
	tries, unlocked := 0, false
	for range 12 {
		switch {
		case a.ok():
			return
		case a.Status != http.StatusBadRequest:
			w.violate("after the faults, a command answers %d: %s", a.Status, a.Text)
			return
		}
		w.callSupport()
		st := w.disk.configured()
		switch {
		case st == nil && strings.Contains(a.Text, writeCommand):
			a = w.ask(request{op: updateOp, path: "config", data: credentials(fields{
				"partner_secret": w.portal, "app_key": w.key,
			})})
			if !a.ok() {
				w.sure(a, credentials(fields{}))
				return
			}
		case st == nil:
			w.violate("the mount is not configured, and an error does not say what to type: %s", a.Text)
			return
		case st.AppKey.Reveal() != w.key && w.holds(st) && (strings.Contains(a.Text, untriedAdvice+" (or app_key=…), then "+verifyCommand) ||
			strings.Contains(a.Text, "app_key=… "+untriedAdvice+", then "+verifyCommand)):
			try := commandIn(a)
			if a = w.ask(request{op: updateOp, path: "config", data: fields{"app_key": w.key, untriedField: false}}); a.ok() {
				a = w.ask(try)
			}
		case st.AppKey.Reveal() != w.key && w.holds(st) && strings.Contains(a.Text, "(or app_key=…)"):
			a = w.ask(request{op: updateOp, path: "config", data: fields{"app_key": w.key}})
		case strings.Contains(a.Text, lockedAdvice) && !unlocked && st.AppKey.Reveal() == w.key && w.holds(st):
			unlocked = true
			a = w.ask(commandIn(a))
		case st.AppKey.Reveal() == w.key && w.holds(st) && strings.Contains(a.Text, verifyCommand):
			// Each attempt finds the secret, or tries one more of the stored ones.
			if tries++; tries > limit {
				w.violate("the secret in effect is stored, and config/verify does not find it: %s", a.Text)
				return
			}
			a = w.ask(verify())
		default:
			w.sure(a, fields{})
			return
		}
	}
	w.violate("an operator follows the errors without reaching a working state: %s", a.Text)
}

// sure does what an operator does who cannot know which secret is in effect: they set a
// new one in the portal, and write it.
func (w *company) sure(a answer, data fields) {
	if !strings.Contains(a.Text, "vault write ") {
		w.violate("an error does not say what to type: %s", a.Text)
		return
	}
	w.setPortal(w.freshSecret())
	w.callSupport()
	data["partner_secret"], data["app_key"] = w.portal, w.key
	if a = w.ask(request{op: updateOp, path: "config", data: data}); a.ok() {
		return
	}
	if a.Status != http.StatusBadRequest || !strings.Contains(a.Text, untriedAdvice) {
		w.violate("the right credential is not accepted, with a %d: %s", a.Status, a.Text)
		return
	}
	if !strings.Contains(a.Text, forceCommand) && !strings.Contains(a.Text, verifyCommand) {
		w.violate("an error does not say how to try a credential that was stored: %s", a.Text)
		return
	}
	command := commandIn(a)
	data[untriedField] = false
	if a = w.ask(request{op: updateOp, path: "config", data: data}); !a.ok() {
		w.violate("the right credential is not stored untried, with a %d: %s", a.Status, a.Text)
		return
	}
	w.callSupport()
	if a = w.ask(command); !a.ok() {
		w.violate("the stored credential is right, and config/verify (%v) answers %d: %s", command.data, a.Status, a.Text)
	}
}

// commandIn returns the config/verify command that an error names.
func commandIn(a answer) request {
	command := verify()
	if strings.Contains(a.Text, forceCommand) {
		command.data = fields{"force": true}
	}
	return command
}

const untriedField = "verify_connection"

// callSupport has the partner unlocked. The ledger decides whether the engine caused
// the lock. With lost answers, it may be innocent.
func (w *company) callSupport() {
	if w.fake.Counters(partnerID).Locked {
		w.tracef("support unlocks the partner")
		w.fake.Unlock(partnerID)
	}
}
