// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"net/http"
	"strings"
	"time"
)

// recovers: when faults have stopped, a token is served and the right secret is stored, or the error says that a person
// must act and what to do; and doing that helps, without a restart.
func (w *world) recovers() {
	w.fake.ClearFaults()
	w.disk.heal()
	w.awaitRequests()
	// The latest change of secret comes into force within two hours. Then all tokens have to be refreshed, those from a
	// time when the clock was ahead as well.
	const pace = 20 * time.Minute
	ahead := time.Duration(0)
	for _, step := range w.steps {
		ahead = max(ahead, step.offset-w.offset)
	}
	for range 14 + ahead/pace {
		w.pass(pace)
		w.ask(request{op: readOp, path: "token"})
		w.rest()
	}
	w.judge()
	w.pass(31 * 24 * time.Hour) // Grace periods have ended.
	w.rest()
	w.judge()
}

func (w *world) judge() {
	if !w.ok() {
		return
	}
	w.checkAttempts()
	a := w.ask(request{op: readOp, path: "token"})
	w.rest()
	if a.status == http.StatusOK {
		w.healthy(a)
		return
	}
	cfg := w.stored()
	record := w.disk.record()
	switch {
	case a.status != http.StatusBadRequest:
		w.violate("faults have stopped, and a read answers %d: %s", a.status, a.text)
		return
	case cfg == nil && strings.Contains(a.text, "not configured"):
	case record.state() == stateOK && record.left() > 0:
		w.violate("a read says that a person must act, and the record says that all is well: %s", a.text)
		return
	case !strings.Contains(a.text, "vault write"):
		w.violate("an error does not say what to type: %s", a.text)
		return
	}
	w.tell("--- a person acts")
	w.repair()
	w.rest()
	if a := w.ask(request{op: readOp, path: "token"}); a.status == http.StatusOK {
		w.healthy(a)
	} else {
		w.violate("a person has done what the errors say, and a read still answers %d: %s", a.status, a.text)
	}
}

// healthy checks what must hold when a token is served and nothing is wrong any more.
func (w *world) healthy(a answer) {
	token, _ := a.data["token"].(string)
	cfg := w.stored()
	switch {
	case len(a.warnings) > 0:
		w.violate("faults have stopped, and a read warns: %s", a.warnings[0])
	case !w.fake.AcceptsToken(partnerID, token):
		w.violate("faults have stopped, and a token is served that Finicity does not accept")
	case cfg == nil:
		w.violate("a token is served without a configuration")
	case cfg.Credential.Pending != nil:
		w.violate("faults have stopped, and a rotation stays pending")
	case !w.fake.AcceptsSecret(partnerID, cfg.Credential.Current):
		w.violate("a token is served, and the stored secret is not in force")
	}
}

// repair is what a sensible person does who reads the errors.
func (w *world) repair() {
	w.callSupport()
	cfg := w.stored()
	record := w.disk.record()
	limit := record.left() == 0
	if cfg != nil && cfg.Credential.AppKey != w.key && !limit {
		if a := w.ask(request{op: updateOp, path: "config", data: fields{"app_key": w.key}}); a.status == http.StatusNoContent {
			return
		}
	} else if cfg != nil && w.holds(cfg) {
		// Each one finds the secret, or tries one more of those that are stored.
		for tries := 0; !limit; tries++ {
			a := w.ask(request{op: updateOp, path: "config/verify"})
			if a.status == http.StatusNoContent {
				return
			}
			limit = strings.Contains(a.text, "force=true")
			if a.status != http.StatusBadRequest || !limit && tries == attemptsMost {
				w.violate("faults have stopped, the secret in force is stored, and config/verify answers %d: %s", a.status, a.text)
				return
			}
		}
	}
	if cfg != nil && cfg.Credential.Pending == nil && w.fake.AcceptsSecret(partnerID, cfg.Credential.Current) {
		if cfg.Credential.Current == w.portal {
			// Somebody is sure of the credential. It may have been refused before it was right.
			w.storeUntried(fields{"partner_secret": w.portal, "app_key": w.key})
			return
		}
		if record.Rejected == 0 && cfg.Credential.AppKey == w.key {
			w.force() // Attempts without an answer are all that there is.
			return
		}
	}
	// Nobody knows the secret for sure: it is set anew in the portal.
	w.setPortal(w.freshSecret())
	data := fields{"partner_secret": w.portal, "app_key": w.key}
	if cfg == nil {
		data = credentials(data)
	}
	w.store(data)
}

// callSupport has the partner unlocked. checkAttempts knows whether the engine is to blame; with answers lost it need not
// be.
func (w *world) callSupport() {
	if w.fake.Counters(partnerID).Locked {
		w.tell("support unlocks the partner")
		w.fake.Unlock(partnerID)
	}
}

// store writes a credential that is right.
func (w *world) store(data fields) {
	a := w.ask(request{op: updateOp, path: "config", data: data})
	if a.status == http.StatusNoContent {
		return
	}
	if !strings.Contains(a.text, "verify_connection=false") {
		w.violate("the right credential is not taken, with a %d: %s", a.status, a.text)
		return
	}
	w.storeUntried(data)
}

func (w *world) storeUntried(data fields) {
	data["verify_connection"] = false
	a := w.ask(request{op: updateOp, path: "config", data: data})
	if a.status != http.StatusOK && a.status != http.StatusNoContent {
		w.violate("the right credential is not taken without being tried, with a %d: %s", a.status, a.text)
		return
	}
	w.force()
}

// force is for somebody who is sure of the stored credential, and in the simulation is right.
func (w *world) force() {
	w.callSupport()
	if a := w.ask(request{op: updateOp, path: "config/verify", data: fields{"force": true}}); a.status != http.StatusNoContent {
		w.violate("the stored credential is right, and config/verify force=true answers %d: %s", a.status, a.text)
	}
}
