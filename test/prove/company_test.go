// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// id names a secret. The texts are made once: the walk visits millions of states.
type id uint8

const (
	maxIDs         = 26
	firstSecret id = 0
	wrongSecret id = maxIDs - 1 // Not the secret of any partner.
)

// ids is a set of secrets.
type ids uint32

func (s ids) has(secret id) bool { return s&(1<<secret) != 0 }

func (s *ids) add(secret id) { *s |= 1 << secret }

func texts() (all [maxIDs]confidential.Text) {
	for i := range all {
		all[i] = confidential.New(string(rune('a' + i)))
	}
	return all
}

func idOf(text confidential.Text) id { return id(text.Reveal()[0] - 'a') }

func (i id) String() string { return string('a' + rune(i)) }

// outgoing is an earlier secret within its grace period.
type outgoing struct {
	secret id
	until  time.Time
	// foreign is set for a change by one of the company's own programs.
	foreign bool
}

// change is a call that was sent and has not arrived yet, or a copy of one.
type change struct {
	old, new id
	grace    bool
	ends     time.Time // No call is on its way for longer.
}

// finicity is all that matters of Finicity. It has one secret, whatever the
// address that a call takes.
type finicity struct {
	current  id
	outgoing []outgoing
	// lenient means that a change without a grace period ends none that runs. Nobody
	// knows whether Finicity is like that.
	lenient bool
}

func (f *finicity) accepts(secret id, now time.Time) bool {
	return secret == f.current ||
		slices.ContainsFunc(f.outgoing, func(o outgoing) bool { return o.secret == secret && now.Before(o.until) })
}

// change carries out a change, unless the old secret is wrong.
func (f *finicity) change(c change, now time.Time) (accepted bool) {
	switch {
	case !f.accepts(c.old, now):
		return false
	case c.new == f.current: // A copy of the call that made it so.
	case c.grace:
		f.outgoing = append(slices.Clip(f.outgoing), outgoing{f.current, now.Add(30 * day), false})
		f.current = c.new
	case f.lenient:
		f.current = c.new
	default:
		f.outgoing, f.current = nil, c.new
	}
	return true
}

// entry is what storage has: one entry, written as a whole. Those that a company
// points to never change; company.own makes a copy first.
type entry struct {
	list   secrets.List
	record attempts.Record
	// rotatedAway are the secrets that the engine has replaced. It refuses to send
	// one that somebody writes.
	rotatedAway ids
}

// snapshot is a copy of storage, and what had happened until it was taken.
type snapshot struct {
	entry *entry
	tally tally
	made  id // the next secret
	at    time.Time
	// copied is that of the company.
	copied bool
}

// isOld: an engine that begins with it finds that none was alive for hours, or has it
// from storage.
func (s *snapshot) isOld(now time.Time) bool { return s.copied || now.Sub(s.at) > 6*time.Hour }

// company is a state of everything: the engine, its storage, Finicity, what is
// on its way, and what people know.
type company struct {
	now      time.Time
	memory   *entry // what the living process goes by
	stored   *entry
	snapshot *snapshot
	// owned is set while this event alone has the memory, and died when the process
	// has died in it.
	owned, died bool
	// succeeded is whether the living process has had a success.
	succeeded bool
	// copied is whether an old snapshot was restored, and nothing has succeeded since. A
	// process that begins finds out, or has it from storage.
	copied   bool
	finicity finicity
	onTheWay []change
	grace    bool
	made     id  // the next secret
	portal   id  // the secret that people take for the right one
	known    ids // the secrets that people have
	earned   ids // the secrets that the engine has sent, or Finicity has accepted
	// unsaved are secrets that the engine made after the snapshot that was restored.
	// Storage can't have them, so what Finicity does with them is forgiven.
	unsaved ids
	tally   tally
	// rejected is how many attempts Finicity itself has refused.
	rejected int
	broken   string    // the first promise that the event broke on its way
	log      *[]string // for a story
}

func (c *company) pass(d time.Duration) { c.now = c.now.Add(d) }

func (c *company) breaks(promise string) {
	if c.broken == "" {
		c.broken = promise
	}
}

func (c *company) fresh() id {
	c.made++
	return c.made - 1
}

// own makes the memory a copy that may be changed.
func (c *company) own() *entry {
	if !c.owned {
		c.memory = &entry{c.memory.list.Clone(), c.memory.record.Clone(), c.memory.rotatedAway}
		c.owned = true
	}
	return c.memory
}

func (c *company) store() {
	c.stored, c.owned = c.memory, false
	c.tally.told.until = c.now
	c.tally.stored = c.tally.told
}

// crash leaves nothing but storage.
func (c *company) crash() {
	if c.memory != c.stored {
		c.tally.forgetUntold()
	}
	c.memory, c.owned = c.stored, false
	c.succeeded, c.died = false, true
}

// take takes a snapshot of storage.
func (c *company) take() {
	c.snapshot = &snapshot{c.stored, c.tally, c.made, c.now, c.copied}
	if c.memory != c.stored {
		c.snapshot.tally.forgetUntold()
	}
}

// restore brings the snapshot back, and forgives what it can't have: secrets that
// were sent later, and what people were refused later. Automatic attempts are not
// forgiven: see tally.refused.
func (c *company) restore() {
	for secret := c.snapshot.made; secret < c.made; secret++ {
		if !c.known.has(secret) {
			c.unsaved.add(secret)
		}
	}
	c.stored, c.tally = c.snapshot.entry, c.snapshot.tally
	c.crash()
	c.copied = c.snapshot.isOld(c.now)
}

// lands reports whether Finicity carries out a call that arrives late. It does not while
// a grace period runs that the engine knows nothing of: for that, a call would have to
// be late by hours just when the company changes the secret without the engine.
func (f *finicity) lands(old id, now time.Time) bool {
	return f.accepts(old, now) && !f.foreign(now)
}

func (f *finicity) foreign(now time.Time) bool {
	return slices.ContainsFunc(f.outgoing, func(o outgoing) bool { return o.foreign && now.Before(o.until) })
}

// land lets a call that was on its way arrive.
func (c *company) land(which int) {
	landing := c.onTheWay[which]
	c.onTheWay = append(slices.Clone(c.onTheWay[:which]), c.onTheWay[which+1:]...)
	if c.now.Before(landing.ends) && c.finicity.lands(landing.old, c.now) {
		c.finicity.change(landing, c.now)
	}
}

// mayArrive reports whether a call on its way may still be carried out: its old
// secret is right, or another call may make it so.
func (c *company) mayArrive(o change) bool {
	return c.now.Before(o.ends) && (c.finicity.lands(o.old, c.now) ||
		slices.ContainsFunc(c.onTheWay, func(p change) bool { return p.new == o.old && c.mayArrive(p) }))
}

// forget drops the calls that nothing can come of.
func (c *company) forget() {
	for _, o := range c.onTheWay {
		if !c.mayArrive(o) {
			c.onTheWay = slices.DeleteFunc(slices.Clone(c.onTheWay), func(o change) bool { return !c.mayArrive(o) })
			return
		}
	}
}

// beginnings are where the walk begins: without and with a grace period, and at a
// lenient Finicity.
func beginnings() []*company {
	w := &walker{texts: texts()}
	lenient := w.beginning(true)
	lenient.finicity.lenient = true
	return []*company{w.beginning(false), w.beginning(true), lenient}
}

// beginning is a mount that was configured with the right secret.
func (w *walker) beginning(grace bool) *company {
	c := &company{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), grace: grace, memory: &entry{}}
	c.portal = c.fresh()
	c.known.add(c.portal)
	c.finicity.current = c.portal
	c.own().list.Move(placeName(0))
	q := attempts.Request{Trigger: attempts.Operator, Subject: attempts.Written}
	w.authenticate(c, c.portal, q, 0, honest(), func(m *entry, _ result) {
		m.list.Bring(w.texts[c.portal], c.now)
		m.accept(w.texts[c.portal], c.now)
	})
	return c
}
