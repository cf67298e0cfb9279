// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
)

// checkSecret: the secret in effect is in the stored list, at any place, or an operator
// has it. With a grace period, several secrets work. This check is about the secret that
// outlives the others.
//
// Two cases are excused, because only the portal can help: a secret that is newer than
// a restored snapshot, and one that an operator discarded with force.
func (d *disk) checkSecret() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checkSecretLocked()
}

func (d *disk) checkSecretLocked() {
	holds := func(secret string) bool { return d.w.fake.HoldsSecret(partnerID, secret) }
	if slices.ContainsFunc(secretsOf(d.state), holds) {
		return
	}
	for _, people := range []map[string]bool{d.w.known, d.lost} {
		for secret := range people {
			if holds(secret) {
				return
			}
		}
	}
	d.w.violate("the secret in effect is not stored, and no operator has it")
}

// checkFindable: four attempts find the secret in effect, now and after all grace
// periods, if only the engine has it. The check uses the engine's own rules for the
// order, without a call.
func (d *disk) checkFindable() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil || !d.state.Configured() {
		return
	}
	holds := func(secret string) bool { return d.w.fake.HoldsSecret(partnerID, secret) }
	works := func(secret string) bool { return d.w.fake.AcceptsSecret(partnerID, secret) }
	at := slices.IndexFunc(here(d.state), holds)
	if at < 0 || d.w.known[here(d.state)[at]] {
		return
	}
	list := d.state.Secrets.Clone()
	for when, accepts := range []func(string) bool{works, holds} {
		now, found := d.state.Clock.Add(time.Duration(when)*31*day), false
		for try := 1; try <= limit && !found; try++ {
			now = now.Add(time.Second)
			next, _ := list.Next()
			if found = accepts(next.Value.Reveal()); found {
				list.Accept(next.Value, now)
			} else {
				list.Refuse(next.Value, true, now)
			}
		}
		if !found {
			d.w.violate("four attempts do not find the secret in effect")
			return
		}
	}
}

// sentTo: a secret is sent only to an address that it was written for, or where the
// engine has proposed it. Otherwise a user who may write config, but does not know the
// secret, could have it sent to their own host.
func (d *disk) sentTo(e *exchange) {
	if !d.allowed[e.place][e.secret] {
		d.w.violate("call %d sends a secret to an address that it was not written for", e.id)
	}
}

// allow records that a secret may be sent to a place.
func (d *disk) allow(place, secret string) {
	if d.allowed[place] == nil {
		d.allowed[place] = map[string]bool{}
	}
	d.allowed[place][secret] = true
}

// text describes what an exchange sends, without the secret.
func (e *exchange) text(w *company) string {
	kind := "authenticate"
	if e.change {
		kind = "modify"
	}
	return fmt.Sprintf("%s with %s", kind, w.name(e.secret))
}

// name returns the name of a secret in the trace.
func (w *company) name(secret string) string {
	switch {
	case secret == partnerSecret:
		return "the first secret"
	case secret == wrongSecret:
		return "the wrong secret"
	case secret == neverRight:
		return "the secret that is never right"
	case w.known[secret]:
		return "a secret of the portal " + secret[:4]
	}
	sum := sha256.Sum256([]byte(secret))
	return "its own " + hex.EncodeToString(sum[:2])
}

// signedWith checks a webhook that is signed with a secret.
func (w *company) signedWith(secret string) (valid bool, a answer) {
	body := []byte(`{"eventType":"added"}`)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body)
	a = w.ask(request{op: updateOp, path: "webhook/verify", data: fields{
		"input": base64.StdEncoding.EncodeToString(body), "signature": hex.EncodeToString(mac.Sum(nil)),
	}})
	return a.Data["valid"] == true, a
}

// checkSignature: a secret that Finicity has never accepted, and that the engine has
// not sent, signs no webhook.
func (w *company) checkSignature(secret string) {
	w.disk.mu.Lock()
	was := w.inEffect[secret]
	w.disk.mu.Unlock()
	if valid, _ := w.signedWith(secret); valid && !was {
		w.violate("a webhook is valid although its secret was never proven")
	}
}

// here returns the stored secrets that the engine would try.
func here(st *engine.State) (all []string) {
	for _, s := range st.Secrets.Secrets {
		if s.Place == st.Secrets.Place && (s.Superseded.IsZero() || s.Grace || !s.GraceEnds.IsZero()) {
			all = append(all, s.Value.Reveal())
		}
	}
	return all
}

// holds reports whether the engine has a secret that works, and would try it.
func (w *company) holds(st *engine.State) bool {
	return slices.ContainsFunc(here(st), func(secret string) bool { return w.fake.AcceptsSecret(partnerID, secret) })
}
