// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

const (
	tick           = time.Second // between two times, so that they differ
	requestTimeout = 30 * time.Second
	place          = "here"
)

// reply is what happens to a call.
type reply int

const (
	honest          reply = iota // carried out, and answered
	lost                         // carried out, no answer
	dropped                      // not carried out, no answer
	notSent                      // no connection
	forbidden                    // a gateway's 403 without a code, not carried out
	codeless                     // a gateway's 401 without a code, not carried out
	crashBefore                  // the process dies when the call is stored, before it is sent
	crashAfter                   // the process dies when the call is carried out, before the answer is stored
	unstored                     // carried out and answered, and the answer can't be stored
	acknowledged                 // a change: answered 204, not carried out
	deniedDone                   // a change: carried out, answered 403
	policyDone                   // a change: carried out, a copy answered 24437
	refusedDone                  // a change: carried out, a copy answered 401 with 10001
	late                         // a change: no answer, may be carried out within a day
	twice                        // a change: carried out, and a copy is still on its way
)

func (c *company) pass(d time.Duration) { c.now = c.now.Add(d) }

// request is what the engine asks the record.
func (c *company) facts() attempts.Facts {
	return attempts.Facts{Succeeded: c.succeeded, Acknowledged: c.memory.list.Acknowledged()}
}

func (c *company) allowed(q attempts.Request) bool {
	return c.memory.record.Allow(q, c.facts(), c.now) == attempts.Allowed
}

// fingerprint of a credential: here the secret is all that differs.
func fingerprint(secret id) string { return string(rune('a' + secret)) }

// charge stores an attempt with everything that it may put in effect.
func (c *company) charge(trigger attempts.Trigger, subject attempts.Subject) time.Time {
	c.pass(tick)
	c.memory.record.Charge(attempts.Attempt{At: c.now, Trigger: trigger, Subject: subject, Place: place})
	c.store()
	return c.now
}

// told notes that Finicity has refused an attempt, and that the engine knows.
func (c *company) told(trigger attempts.Trigger, coded bool) {
	if trigger == attempts.Forced {
		return
	}
	c.row++
	c.day = append(c.day, c.now)
	if trigger == attempts.Automatic && coded {
		c.coded++
	}
}

func (c *company) succeed(trigger attempts.Trigger) {
	c.row, c.coded, c.succeeded = 0, 0, true
	if trigger == attempts.Forced {
		c.day = nil
	}
}

// authenticate makes one attempt with a secret, and reports whether it was
// accepted and whether the process still lives.
func (w *walker) authenticate(
	c *company, secret id, trigger attempts.Trigger, subject attempts.Subject, r reply, write func(),
) (accepted, alive bool) {
	at := c.charge(trigger, subject)
	c.pass(tick)
	accepts := c.finicity.accepts(secret, c.now)
	var answer attempts.Answer
	switch r {
	case crashBefore:
		c.crash()
		return false, false
	case crashAfter:
		if !accepts {
			c.told(trigger, true) // As good as told: the charge stays.
		}
		c.crash()
		return false, false
	case lost, dropped, notSent:
		answer.Failure = "no answer"
	case forbidden, codeless:
		answer = attempts.Answer{Outcome: attempts.Refused, Failure: "gateway"}
		c.told(trigger, false)
		if r == codeless {
			c.memory.list.Refuse(w.text(secret), false, c.now)
		}
	default:
		if accepts {
			answer.Success, accepted = true, true
			c.succeed(trigger)
			if write != nil {
				write()
			}
			c.memory.list.Accept(w.text(secret), c.now)
		} else {
			answer = attempts.Answer{Outcome: attempts.RefusedWithCode, Failure: "10001", Credential: fingerprint(secret)}
			c.told(trigger, true)
			c.memory.list.Refuse(w.text(secret), true, c.now)
		}
	}
	c.memory.record.Settle(at, answer, c.now)
	if r != unstored {
		c.store()
	}
	return accepted, true
}

// prove authenticates with the stored credential, as a read, the schedule or
// config/verify does.
func (w *walker) prove(c *company, trigger attempts.Trigger, r reply) (accepted, alive bool) {
	for {
		if c.memory.list.Wait(c.now) > 0 {
			return false, true
		}
		s, found := c.memory.list.Next()
		if !found || !c.allowed(attempts.Request{Trigger: trigger}) {
			return false, true
		}
		accepted, alive = w.authenticate(c, idOf(s.Value), trigger, attempts.Stored, r, nil)
		if accepted || !alive || r != honest && r != unstored {
			return accepted, alive
		}
		if trigger, found = w.followUp(c, s, trigger); !found {
			return false, true
		}
	}
}

// followUp reports whether another secret is tried at once after a refusal, and
// by whom.
func (w *walker) followUp(c *company, refused secrets.Secret, trigger attempts.Trigger) (attempts.Trigger, bool) {
	next, found := c.memory.list.Next()
	if !found || !refused.Proven.IsZero() || next.Proven.IsZero() || trigger == attempts.FollowUp || trigger == attempts.Forced {
		return trigger, false
	}
	if trigger == attempts.Automatic {
		trigger = attempts.FollowUp
	}
	return trigger, true
}

// rotate makes a change of the secret.
func (w *walker) rotate(c *company, r reply) {
	list := &c.memory.list
	if list.MustProve(c.now) {
		if accepted, alive := w.prove(c, attempts.Automatic, honest); !accepted || !alive {
			return
		}
	}
	if _, full := list.Full(); full || !c.allowed(attempts.Request{Trigger: attempts.Automatic, Change: true}) {
		return
	}
	current, _ := list.Current()
	old, secret := idOf(current.Value), c.fresh()
	c.pass(tick)
	list.Propose(w.text(secret), c.grace, c.now.Add(requestTimeout), c.now)
	at := c.charge(attempts.Automatic, attempts.Stored)
	c.pass(tick)
	sent := change{old, secret, c.grace, c.now.Add(24 * time.Hour)}
	if r == crashBefore {
		c.crash()
		return
	}
	carriedOut, answered := false, true
	switch r {
	case dropped, notSent, forbidden, codeless, acknowledged:
	case late:
		c.onTheWay = append(append([]change{}, c.onTheWay...), sent)
	default:
		if carriedOut = c.finicity.change(sent, c.now); !carriedOut {
			r = honest // Finicity has refused it, and says so.
		}
		if r == twice {
			c.onTheWay = append(append([]change{}, c.onTheWay...), sent)
		}
	}
	answer := attempts.Answer{Failure: "no answer"}
	switch {
	case r == crashAfter:
		c.crash()
		return
	case r == lost, r == dropped, r == late:
		answered = false
	case r == notSent:
		list.NotSent(w.text(secret))
	case r == forbidden, r == codeless, r == deniedDone:
		answer = attempts.Answer{Outcome: attempts.Refused, Failure: "gateway"}
		c.told(attempts.Automatic, false)
		list.Deny(w.text(secret), w.text(old), false, c.now)
	case r == policyDone:
		list.Deny(w.text(secret), w.text(old), false, c.now)
	case r == refusedDone, r == honest && !carriedOut:
		answer = attempts.Answer{Outcome: attempts.RefusedWithCode, Failure: "10001"}
		c.told(attempts.Automatic, true)
		list.Deny(w.text(secret), w.text(old), true, c.now)
	default:
		list.Acknowledge(w.text(secret), c.now)
	}
	c.memory.record.Settle(at, answer, c.now)
	if r != unstored {
		c.store()
	}
	if answered && (r == honest && carriedOut || r == acknowledged || r == twice || r == unstored) {
		w.prove(c, attempts.Automatic, honest)
	}
}

// write is an operator who writes a secret, tried or untried.
func (w *walker) write(c *company, secret id, untried bool) {
	list := &c.memory.list
	c.pass(tick)
	if untried {
		list.Bring(w.text(secret), c.now)
		c.store()
		return
	}
	current, _ := list.Current()
	q := attempts.Request{
		Trigger: attempts.Operator, Subject: attempts.Written, Credential: fingerprint(secret),
		Reserve: !current.Proven.IsZero(),
	}
	if !c.allowed(q) {
		return
	}
	w.authenticate(c, secret, attempts.Operator, attempts.Written, honest, func() { list.Bring(w.text(secret), c.now) })
}

// land lets a call that was on its way arrive.
func (c *company) land() {
	first := c.onTheWay[0]
	c.onTheWay = append([]change{}, c.onTheWay[1:]...)
	c.pass(tick)
	if c.now.Before(first.ends) {
		c.finicity.change(first, c.now)
	}
}

func (r reply) String() string {
	names := []string{
		"answered", "carried out, answer lost", "not carried out, no answer", "not sent", "gateway answers 403",
		"gateway answers 401 without a code", "process dies before the call", "process dies before the answer is stored",
		"answer not stored", "gateway answers 204, not carried out", "carried out, gateway answers 403",
		"carried out twice, 24437", "carried out twice, 401", "on its way", "carried out, a copy on its way",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reply %d", int(r))
}
