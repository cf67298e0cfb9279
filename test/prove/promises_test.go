// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// The guarantees that a state can violate. Those about the number of attempts are in
// tally_test.go.
const (
	promiseRetained = "the secret in effect is in no list, and no person has it"
	promiseRemoved  = "a secret that was sent or accepted is removed before its time"
	promiseFound    = "four attempts do not find the secret in effect"
	promiseForged   = "a secret that was written and never accepted signs webhooks"
	promiseSigned   = "the secret in effect signs no webhooks"
	promiseOnlyCopy = "a delete without force would lose the only copy of the secret in effect"
	promiseRoom     = "another change is refused for longer than announced"
	promiseHealed   = "after a success of config/verify, automatic attempts do not continue"
)

// retained: the secret in effect is in memory and in storage, or an operator has it.
func (c *company) retained() bool {
	current := c.finicity.current
	return c.known.has(current) || c.unsaved.has(current) || has(&c.memory.list, current) && has(&c.stored.list, current)
}

func has(l *secrets.List, secret id) bool {
	return slices.ContainsFunc(l.Secrets, func(s secrets.Secret) bool { return idOf(s.Value) == secret })
}

// removed: only age removes a secret that was sent or accepted, and only when another
// one was just accepted.
func (c *company) removed(before *company) bool {
	if c.died { // The new process uses storage.
		return false
	}
	fromMemory := c.memory != before.memory && c.removes(&before.memory.list, &c.memory.list, nil)
	fromStorage := c.stored != before.stored && c.removes(&before.stored.list, &c.stored.list, &before.memory.list)
	return fromMemory || fromStorage
}

// removes ignores secrets about which the process knew more than storage.
func (c *company) removes(before, after, known *secrets.List) bool {
	for i := range before.Secrets {
		s := &before.Secrets[i]
		if known != nil && has(known, idOf(s.Value)) {
			continue
		}
		if !c.earned.has(idOf(s.Value)) || slices.ContainsFunc(after.Secrets, func(a secrets.Secret) bool {
			return a.Place == s.Place && a.Value.Equal(s.Value)
		}) {
			continue
		}
		// An operator who brought a secret that Finicity did not accept has a copy,
		// even if it was accepted at another address.
		if s.Origin == secrets.Brought && s.Proven.IsZero() {
			continue
		}
		proven := slices.ContainsFunc(after.Secrets, func(a secrets.Secret) bool {
			return a.Place == s.Place && a.Proven.After(s.Proven)
		})
		limit, since := 25*time.Hour, s.Added
		if !s.Proven.IsZero() {
			limit, since = 4*day, s.Superseded
		}
		if s.Grace || !s.GraceEnds.IsZero() {
			limit = 32 * day
		}
		if !proven || since.IsZero() || c.now.Sub(since) <= limit {
			return true
		}
	}
	return false
}

// forged and signed: a secret that was sent or accepted signs webhooks. An operator's
// secret signs nothing before that.
func (c *company) forged() bool {
	current, previous := c.memory.list.Signers(c.now)
	return slices.ContainsFunc(append(current, previous...), func(s confidential.Text) bool {
		return !c.earned.has(idOf(s)) && (c.known.has(idOf(s)) || idOf(s) == wrongSecret)
	})
}

func (c *company) signed() bool {
	inEffect := c.finicity.current
	if !slices.ContainsFunc(c.memory.list.Secrets, func(s secrets.Secret) bool {
		return idOf(s.Value) == inEffect && (s.Origin == secrets.Sent || !s.Proven.IsZero() && s.Place == c.memory.list.Place)
	}) || c.displaced(inEffect) {
		return true
	}
	current, previous := c.memory.list.Signers(c.now)
	return slices.ContainsFunc(append(current, previous...), func(s confidential.Text) bool { return idOf(s) == inEffect })
}

// displaced: another secret was accepted later, 4 days ago or 30 with a grace period.
// Even then, a read finds out if the older secret is in effect.
func (c *company) displaced(secret id) bool {
	for _, s := range c.memory.list.Secrets {
		if c.now.Before(s.GraceEnds) {
			continue
		}
		for _, o := range c.memory.list.Secrets {
			if idOf(s.Value) == secret && o.Proven.After(s.Added) && o.Proven.After(s.Proven) && c.now.Sub(o.Proven) > 4*day {
				return true
			}
		}
	}
	return false
}

// deletable: a delete requires force unless an operator has the secret in effect, or
// one that was accepted and not replaced since.
func (c *company) deletable() bool {
	list, inEffect := &c.memory.list, c.finicity.current
	return c.known.has(inEffect) || !has(list, inEffect) || list.OnlyCopy() || list.Unresolved() ||
		slices.ContainsFunc(list.Secrets, func(s secrets.Secret) bool {
			return !s.Proven.IsZero() && s.Superseded.IsZero() && c.known.has(idOf(s.Value))
		})
}

// roomy: if another change must wait, a proof at the announced time makes room for it.
func (c *company) roomy() bool {
	list := &c.memory.list
	until, wait := list.MustWait()
	if !wait {
		return true
	}
	later := list.Clone()
	current, _ := later.Current()
	if until.Before(c.now) {
		until = c.now
	}
	later.Accept(current.Value, until.Add(tick))
	_, wait = later.MustWait()
	return !wait
}

// healed: after a success of config/verify, with force if needed, automatic attempts
// continue.
func (c *company) healed() bool {
	here, trigger := c.record(), attempts.Operator
	if here.Left(c.now) == 0 {
		trigger = attempts.Forced
	}
	record := c.memory.record.Clone()
	at := c.now.Add(tick)
	record.Charge(attempts.Attempt{At: at, Trigger: trigger, Place: c.memory.list.Place})
	record.Settle(at, attempts.Answer{Success: true}, at.Add(tick))
	later := at.Add(2 * tick)
	facts := attempts.Facts{Succeeded: true}
	record = record.At(c.memory.list.Place)
	return record.State(facts, later) == attempts.OK &&
		record.Allow(attempts.Request{Trigger: attempts.Automatic}, facts, later) == attempts.Allowed
}

// breaksOnTheWay returns the first guarantee that an event itself violates, apart from
// the state that it leads to.
func (c *company) breaksOnTheWay(before *company) string {
	if c.broken == "" && c.removed(before) {
		return promiseRemoved
	}
	return c.broken
}

// check returns the first guarantee that a state violates, and how many failed attempts
// are needed to find the secret in effect.
func (w *walker) check(e *encoder, c *company) (broken string, wrong int) {
	switch {
	case !c.retained():
		return promiseRetained, 0
	case c.forged():
		return promiseForged, 0
	case !c.signed():
		return promiseSigned, 0
	case !c.deletable():
		return promiseOnlyCopy, 0
	case !c.roomy():
		return promiseRoom, 0
	case !c.healed():
		return promiseHealed, 0
	}
	wrong, found := w.find(e, c, c.memory)
	if c.stored != c.memory && found {
		var more int
		more, found = w.find(e, c, c.stored)
		wrong = max(wrong, more)
	}
	if !found {
		return promiseFound, 0
	}
	return "", wrong
}
