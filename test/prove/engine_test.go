// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// This is the control flow of internal/engine, without everything around it.

const (
	day = 24 * time.Hour
	// tick is the difference between two times, so that no two are equal. All ticks of
	// a sequence together make no difference.
	tick           = time.Millisecond
	requestTimeout = 30 * time.Second
)

func (c *company) facts() attempts.Facts {
	return attempts.Facts{Succeeded: c.succeeded, Copy: c.copied, Acknowledged: c.memory.list.Acknowledged()}
}

// record returns the record as it applies to the address in use.
func (c *company) record() attempts.Record { return c.memory.record.At(c.memory.list.Place) }

func (c *company) allowed(q attempts.Request, place int) bool {
	verdict := c.verdict(q, place)
	if c.log != nil && verdict != attempts.Allowed {
		record := c.memory.record.At(placeName(place))
		c.note("no call: attempts are %s, %d left", record.State(c.facts(), c.now), record.Left(c.now))
	}
	return verdict == attempts.Allowed
}

func (c *company) verdict(q attempts.Request, place int) attempts.Verdict {
	record := c.memory.record.At(placeName(place))
	return record.Allow(q, c.facts(), c.now)
}

func (c *company) note(format string, args ...any) {
	*c.log = append(*c.log, fmt.Sprintf(format, args...))
}

// fingerprint identifies a credential: only the address and the secret vary.
func fingerprint(place int, secret id) string { return fingerprints[place][secret : secret+1] }

var fingerprints = [places]string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

// charge stores an attempt before the call, together with the changes of prepare.
func (c *company) charge(q attempts.Request, place int, r reply, prepare func(*entry)) (at time.Time, sent bool) {
	before := c.memory
	c.owned = false // Do not change the previous entry.
	memory := c.own()
	c.pass(tick)
	if prepare != nil {
		prepare(memory)
	}
	c.pass(tick)
	at = c.now
	memory.record.Charge(attempts.Attempt{At: at, Trigger: q.Trigger, Subject: q.Subject, Place: placeName(place)})
	c.store()
	c.pass(tick)
	if r.answer == notCharged {
		c.memory = before
		return at, false
	}
	return at, true
}

// result is what the engine knows after a call.
type result int

const (
	open result = iota // No verdict, or the process has died.
	accepted
	refused
)

// authenticate makes one attempt with a secret. settle changes the entry according to
// the verdict, in the write of the outcome.
func (w *walker) authenticate(
	c *company, secret id, q attempts.Request, place int, r reply, settle func(m *entry, verdict result),
) result {
	at, sent := c.charge(q, place, r, nil)
	if c.log != nil {
		c.note("authenticate with %s at the address %q: %s", secret, placeName(place), r.name)
	}
	if !sent {
		return open
	}
	verdict, outcome := open, attempts.Answer{Failure: "no answer"}
	right := c.finicity.accepts(secret, c.now)
	switch r.answer {
	case died:
		if !right {
			c.refused(q, place, true, false)
		}
		c.crash()
		return open
	case silence:
	case forbidden, codeless:
		verdict, outcome = refused, attempts.Answer{Outcome: attempts.Refused, Failure: "gateway", OfSecret: r.answer == codeless}
		c.refused(q, place, false, true)
	default:
		if right {
			verdict, outcome = accepted, attempts.Answer{Success: true, Credential: fingerprint(place, secret)}
			c.succeed(q.Trigger, place)
			c.earned.add(secret)
		} else {
			verdict = refused
			outcome = attempts.Answer{
				Outcome: attempts.RefusedWithCode, Failure: "10001", Credential: fingerprint(place, secret), OfSecret: true,
			}
			c.refused(q, place, true, true)
		}
	}
	if c.log != nil {
		c.note("  Finicity: %s", [...]string{"no verdict", "accepted", "refused"}[verdict])
	}
	memory := c.own()
	memory.record.Settle(at, outcome, c.now)
	if verdict != open && r.answer != forbidden {
		settle(memory, verdict)
	}
	if r.answer != notStored {
		c.store()
	}
	return verdict
}

// prove authenticates with the stored credential, as a read, the schedule and
// config/verify do.
func (w *walker) prove(c *company, trigger attempts.Trigger, r reply) result {
	for first := true; ; first = false {
		list := &c.memory.list
		if list.Wait(c.now) > 0 {
			return open
		}
		tried, found := c.nextFor(trigger)
		q, place := attempts.Request{Trigger: trigger, Reserve: c.reserves()}, placeOf(list.Place)
		if list.Candidate(tried) {
			q.Subject = attempts.Candidate
		}
		if !found || !c.allowed(q, place) {
			return open
		}
		verdict := w.authenticate(c, idOf(tried.Value), q, place, r,
			func(m *entry, verdict result) {
				if verdict == accepted {
					m.accept(tried.Value, c.now)
				} else {
					m.list.Refuse(tried.Value, r.answer != codeless, c.now)
				}
			})
		if verdict != refused || r.answer != truth {
			return verdict
		}
		next, _ := c.nextFor(trigger)
		if !first || !follows(&c.memory.list, tried, next, trigger) {
			return refused
		}
	}
}

func (c *company) nextFor(trigger attempts.Trigger) (secrets.Secret, bool) {
	list, place := &c.memory.list, placeOf(c.memory.list.Place)
	if trigger >= attempts.Operator {
		return list.Next()
	}
	return list.NextAutomatic(func(s secrets.Secret) bool {
		verdict := c.verdict(attempts.Request{
			Subject: attempts.Written, Credential: fingerprint(place, idOf(s.Value)), Reserve: c.reserves(),
		}, place)
		return verdict == attempts.KnownBad || verdict == attempts.LastReserved
	})
}

// reserves reports whether the last attempt is reserved for the stored credential.
func (c *company) reserves() bool {
	current, _ := c.memory.list.Current()
	record := c.record()
	return !current.Proven.IsZero() && !record.StoredRefused()
}

// follows reports whether another secret is tried at once after a refusal.
func follows(list *secrets.List, tried, next secrets.Secret, trigger attempts.Trigger) bool {
	return trigger != attempts.Forced && !next.Value.Equal(tried.Value) && !list.Refused(next)
}

// rotate changes the secret.
func (w *walker) rotate(c *company, r reply) {
	until, full := c.memory.list.MustWait()
	overdue := full && !c.now.Before(until)
	if full && !overdue && !c.memory.list.Unresolved() {
		if next, _ := c.nextFor(attempts.Automatic); !c.memory.list.Candidate(next) {
			return
		}
	}
	if (overdue || c.memory.list.MustProve()) && w.prove(c, attempts.Automatic, honest()) != accepted {
		return
	}
	q, place := attempts.Request{Trigger: attempts.Automatic, Change: true}, placeOf(c.memory.list.Place)
	if _, full := c.memory.list.MustWait(); full || !c.allowed(q, place) {
		return
	}
	current, _ := c.memory.list.Current()
	oldText, newID := current.Value, c.fresh()
	newText := w.texts[newID]
	at, sent := c.charge(q, place, r, func(m *entry) {
		m.list.Propose(newText, c.grace, c.now.Add(requestTimeout), c.now)
	})
	if c.log != nil {
		c.note("change %s to %s (grace period: %v): %s", idOf(oldText), newID, c.grace, r.name)
	}
	if !sent {
		return
	}
	if r.answer != notSent {
		c.earned.add(newID)
	}
	right := c.send(change{idOf(oldText), newID, c.grace, c.now.Add(day)}, r)
	if r.answer == died {
		if !right {
			c.refused(q, place, true, false)
		}
		c.crash()
		return
	}
	memory, outcome := c.own(), attempts.Answer{Failure: "no answer"}
	switch r.answer {
	case silence:
	case notSent:
		memory.list.NotSent(newText)
	case forbidden:
		outcome = attempts.Answer{Outcome: attempts.Refused, Failure: "gateway"}
		c.refused(q, place, false, true)
		memory.list.Deny(newText, oldText, false, c.now)
	case policy:
		memory.list.Deny(newText, oldText, false, c.now)
	case noContent:
		memory.list.Acknowledge(newText, c.now)
	default:
		if right && r.answer != invalid {
			memory.list.Acknowledge(newText, c.now)
			break
		}
		outcome = attempts.Answer{Outcome: attempts.RefusedWithCode, Failure: "10001"}
		c.refused(q, place, true, true)
		memory.list.Deny(newText, oldText, true, c.now)
	}
	memory.record.Settle(at, outcome, c.now)
	if r.answer == notStored {
		return // Storage does not accept the charge of the next step either.
	}
	c.store()
	if r.answer == truth && right || r.answer == noContent {
		w.prove(c, attempts.Automatic, honest())
	}
}

// send sends a change, and reports whether Finicity would carry it out.
func (c *company) send(sent change, r reply) (right bool) {
	if r.arrival == isOnItsWay || r.arrival == isCopied {
		c.onTheWay = append(slices.Clip(c.onTheWay), sent)
	}
	if r.arrival == arrives || r.arrival == isCopied {
		return c.finicity.change(sent, c.now)
	}
	return true
}

// accept records that Finicity accepted a secret, and which secrets a rotation has
// replaced.
func (m *entry) accept(secret confidential.Text, now time.Time) {
	before := m.list.Clone()
	m.list.Accept(secret, now)
	for i, s := range before.Secrets {
		if !s.Value.Equal(secret) || s.Place != m.list.Place {
			continue
		}
		if s.Origin == secrets.Sent && s.Proven.IsZero() {
			for _, older := range before.Secrets[:i] {
				if older.Superseded.IsZero() && !older.Proven.IsZero() && older.Place == m.list.Place {
					m.rotatedAway.add(idOf(older.Value))
				}
			}
		}
		return
	}
}

// mayWrite reports whether the engine would accept the secret in a write that has an
// effect.
func (c *company) mayWrite(secret id, place int) bool {
	current, _ := c.memory.list.Current()
	if idOf(current.Value) == secret && placeOf(c.memory.list.Place) == place {
		return false
	}
	if !c.memory.rotatedAway.has(secret) {
		return true
	}
	for _, s := range c.memory.list.Secrets {
		if idOf(s.Value) == secret && s.Place == placeName(place) && s.Superseded.IsZero() {
			return true
		}
	}
	return false
}

// write is an operator's write of a secret and the address, with
// verify_connection=false if untried.
func (w *walker) write(c *company, secret id, place int, untried bool, r reply) {
	written, moves := w.texts[secret], placeOf(c.memory.list.Place) != place
	c.pass(tick)
	if untried {
		memory := c.own()
		memory.list.Move(placeName(place))
		memory.list.Bring(written, c.now)
		c.store()
		return
	}
	q := attempts.Request{
		Trigger: attempts.Operator, Subject: attempts.Written, Credential: fingerprint(place, secret), Reserve: c.reserves(),
	}
	if !c.allowed(q, place) {
		return
	}
	w.authenticate(c, secret, q, place, r, func(m *entry, verdict result) {
		switch {
		case verdict == accepted:
			m.list.Move(placeName(place))
			m.list.Bring(written, c.now)
			m.accept(written, c.now)
		case r.answer == truth && !moves:
			m.list.Refuse(written, true, c.now)
		}
	})
}
