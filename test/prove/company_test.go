// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// id names a secret. The texts are created once, because the walk visits millions of
// states.
type id uint8

const (
	maxIDs         = 26
	firstSecret id = 0
	wrongSecret id = maxIDs - 1 // The secret of no partner.
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

// finicity is the relevant state of Finicity. It has one secret, for calls to any
// address.
type finicity struct {
	current  id
	outgoing []outgoing
	// lenient means that a change without a grace period does not end a running one.
	// Whether Finicity behaves like that is unknown.
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
	case c.new == f.current: // A copy of the call that made this change.
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

// entry is the content of storage: one entry, written as a whole. An entry that a
// company points to never changes; company.own makes a copy first.
type entry struct {
	list   secrets.List
	record attempts.Record
	// rotatedAway are the secrets that the engine has replaced. If an operator writes
	// one of them, the engine refuses to send it.
	rotatedAway ids
}

// snapshot is a copy of storage, and the events until it was taken.
type snapshot struct {
	entry *entry
	tally tally
	made  id // The next secret.
	at    time.Time
	// copied is the company's field of that name.
	copied bool
}

// isOld reports whether an engine that starts with the snapshot finds that none was
// alive for hours, or has that from storage.
func (s *snapshot) isOld(now time.Time) bool { return s.copied || now.Sub(s.at) > 6*time.Hour }

// company is the complete state: the engine, its storage, Finicity, the calls on their
// way, and the knowledge of the operators.
type company struct {
	now      time.Time
	memory   *entry // The state that the running process uses.
	stored   *entry
	snapshot *snapshot
	// owned is set while only this event uses the memory. died is set if the process
	// has died during the event.
	owned, died bool
	// succeeded means that the running process has had a success.
	succeeded bool
	// copied means that an old snapshot was restored, and nothing has succeeded since.
	// A process that starts finds that out, or has it from storage.
	copied   bool
	finicity finicity
	onTheWay []change
	grace    bool
	made     id  // The next secret.
	portal   id  // The secret that operators believe to be right.
	known    ids // The secrets that operators have.
	earned   ids // The secrets that the engine has sent, or Finicity has accepted.
	// unsaved are secrets that the engine generated after the restored snapshot.
	// Storage cannot have them, so their loss is excused.
	unsaved ids
	tally   tally
	// rejected is the number of attempts that Finicity itself has refused.
	rejected int
	broken   string    // The first guarantee that the event violated on its way.
	log      *[]string // For a story.
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

// crash leaves only storage.
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

// restore restores the snapshot, and excuses what the snapshot cannot have: secrets
// that were sent later, and later refusals of operators. Automatic attempts are not
// excused: see tally.refused.
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

// lands reports whether Finicity carries out a call that arrives late. The walk excludes
// late calls during a grace period that the engine does not know about: a call would be
// hours late at the very time when the company changes the secret outside the engine.
func (f *finicity) lands(old id, now time.Time) bool {
	return f.accepts(old, now) && !f.foreign(now)
}

func (f *finicity) foreign(now time.Time) bool {
	return slices.ContainsFunc(f.outgoing, func(o outgoing) bool { return o.foreign && now.Before(o.until) })
}

// land makes a call that was on its way arrive.
func (c *company) land(which int) {
	landing := c.onTheWay[which]
	c.onTheWay = append(slices.Clone(c.onTheWay[:which]), c.onTheWay[which+1:]...)
	if c.now.Before(landing.ends) && c.finicity.lands(landing.old, c.now) {
		c.finicity.change(landing, c.now)
	}
}

// mayArrive reports whether a call on its way may still be carried out: its old secret
// is right, or another call may make it so.
func (c *company) mayArrive(o change) bool {
	return c.now.Before(o.ends) && (c.finicity.lands(o.old, c.now) ||
		slices.ContainsFunc(c.onTheWay, func(p change) bool { return p.new == o.old && c.mayArrive(p) }))
}

// forget drops the calls that can have no effect.
func (c *company) forget() {
	for _, o := range c.onTheWay {
		if !c.mayArrive(o) {
			c.onTheWay = slices.DeleteFunc(slices.Clone(c.onTheWay), func(o change) bool { return !c.mayArrive(o) })
			return
		}
	}
}

// beginnings are the starting points of the walk: without and with a grace period, and
// at a lenient Finicity.
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
