// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// What is promised, as it is checked of each schedule.

// watchToken: a token is accepted when it is served, and until the last second of its ttl.
func (w *world) watchToken(a answer, settled origin, begun time.Time) {
	token, _ := a.data["token"].(string)
	key, _ := a.data["app_key"].(string)
	ttl, _ := a.data["ttl"].(int64)
	if token == "" || ttl < 1 {
		w.violate("a read succeeds without a token, or without a ttl")
		return
	}
	w.disk.mu.Lock()
	from, seen := w.disk.tokens[token]
	now := w.disk.origin
	if !seen {
		from = now
		w.disk.tokens[token] = from
	}
	w.disk.mu.Unlock()
	if from.change < settled.change && from.of != settled.of && from.of != now.of {
		w.violate("a token is served that was issued for another credential than the stored one")
	}
	w.mu.Lock()
	known, sound := slices.Contains(w.keys, key), w.clockIsSound()
	w.mu.Unlock()
	if !known {
		w.violate("a token is served with an app key that was never good")
	}
	if !sound {
		return
	}
	if !w.fake.AcceptsToken(partnerID, token) {
		w.violate("a token is served that Finicity does not accept")
		return
	}
	left := time.Duration(ttl)*time.Second - time.Second - time.Since(begun)
	time.AfterFunc(max(0, left), func() {
		if !w.fake.AcceptsToken(partnerID, token) {
			w.violate("a token that was served dies before its ttl is over")
		}
	})
}

// clockIsSound reports whether the engine can know how old a token is. For one that comes from storage it has the wall
// clock alone to go by: when that was set back by more than the margin since it was issued, the engine takes it for
// younger than it is.
func (w *world) clockIsSound() bool {
	slack := margin(defaultTokenLifetime) - 2*time.Second
	for i, step := range w.steps {
		back := step.offset - w.offset
		over := i+1 < len(w.steps) && time.Since(w.steps[i+1].at) > fakefinicity.DefaultTokenLifetime+back
		if !over && back > slack {
			return false
		}
	}
	return true
}

// checkSecret: the secret in force at Finicity is stored, or else people know it.
func (w *world) checkSecret() {
	cfg := w.stored()
	if cfg == nil {
		return // Nothing was stored yet, or somebody has deleted it.
	}
	if w.holds(cfg) || w.fake.AcceptsSecret(partnerID, w.portal) || w.forgiven() {
		return
	}
	w.violate("the secret in force at Finicity is stored nowhere, and nobody knows it")
}

// holds reports whether the secret in force is stored, wherever.
func (w *world) holds(cfg *config) bool {
	secrets := []string{cfg.Credential.Current}
	if cfg.Credential.Pending != nil {
		secrets = append(secrets, cfg.Credential.Pending.Secret)
	}
	for _, a := range cfg.Credential.Abandoned {
		secrets = append(secrets, a.Secret)
	}
	return slices.ContainsFunc(secrets, func(secret string) bool { return w.fake.AcceptsSecret(partnerID, secret) })
}

// forgiven: people had the credential deleted, or had an untried secret put in its place, which keeps it until another one is accepted.
func (w *world) forgiven() bool {
	return w.gaveUp || !w.unproven.IsZero() && time.Since(w.unproven) > 30*24*time.Hour
}

// wrong reports whether Finicity has refused a call and told the engine so. An answer that got lost is none that the
// engine could count: such an attempt is given back, because it looks the same as an outage.
// The same holds for a change of secret that is applied later, and for the answer that the whole body was lost of.
func wrong(r fakefinicity.Request) bool {
	told := r.Applied && r.Status != 0
	return told && (r.Outcome == fakefinicity.OutcomeRejected ||
		r.Outcome == fakefinicity.OutcomeLocked && r.Fault != fakefinicity.KindGarbage)
}

// right reports whether Finicity has accepted a call and the engine can know.
func right(r fakefinicity.Request) bool {
	return r.Outcome == fakefinicity.OutcomeAccepted && (r.Status == http.StatusOK || r.Status == http.StatusNoContent) &&
		r.Fault != fakefinicity.KindGarbage && r.Fault != fakefinicity.KindCut
}

// checkAttempts: no fifth wrong attempt in a row, and no third that nobody has asked for.
func (w *world) checkAttempts() {
	durable := func(id int) int { return int(w.cluster[id-1].durable.Load()) }
	untold := 0 // wrong attempts that the engine was not told of
	spent := 0
	steady := len(w.steps) == 1          // The hold goes by the wall clock.
	var automatic []fakefinicity.Request // the wrong ones since the last success
	resets := w.disk.reset
	log := w.fake.Requests()
	for i, r := range log {
		for len(resets) > 0 && r.Seq > resets[0] { // Somebody had the config deleted, and the record with it.
			resets, spent, automatic = resets[1:], 0, nil
			untold++
		}
		c := callerOf(r)
		if wrong(r) && r.Fault == fakefinicity.KindSlow && slices.ContainsFunc(log[i:], right) {
			untold++ // A node that has died sent it, and it took effect after a success of the next one.
		}
		switch {
		case right(r):
			spent, automatic = 0, nil
		case wrong(r) && c.by != "forced":
			if spent++; spent > attemptsMost {
				w.violate("call %d is wrong attempt %d since the last success", r.Seq, spent)
			}
			if c.by != "automatic" {
				continue
			}
			// A refusal that a node could not store is forgotten when it dies, or is told to read the record again. Its
			// charge remains, but holds nothing back.
			known := 1
			for _, before := range automatic {
				by := callerOf(before)
				if before.Seq > durable(by.node) && (by.node != c.node || by.memory != c.memory) {
					continue
				}
				known++
				if wait := r.Time.Sub(before.Time); steady && by.request != c.request && wait < holdFor {
					w.violate("call %d is an automatic wrong attempt %s after the last one", r.Seq, wait)
				}
			}
			if known > automaticMost {
				w.violate("call %d is automatic wrong attempt %d in a row", r.Seq, known)
			}
			automatic = append(automatic, r)
		case r.Applied && (r.Outcome == fakefinicity.OutcomeRejected || r.Outcome == fakefinicity.OutcomeLocked):
			untold++
		}
	}
	if counters := w.fake.Counters(partnerID); untold == 0 && (counters.Locked || counters.TowardLock > attemptsMost) {
		w.violate("Finicity has locked the partner")
	}
}

// checkWords: no secret is in anything that was said.
func (w *world) checkWords() {
	said := strings.ToLower(strings.Join(w.words.said, "\n") + w.words.log.String())
	for i, secret := range w.words.secrets {
		// Ten characters out of it are too many, see words.check. To look for three such pieces of each is enough here, and
		// quick.
		secret = strings.ToLower(secret)
		for _, at := range []int{0, len(secret)/2 - 5, len(secret) - 10} {
			if at >= 0 && strings.Contains(said, secret[at:at+10]) {
				w.violate("secret %d of %d is in what was said", i+1, len(w.words.secrets))
			}
		}
	}
}
