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
type id int

const maxIDs = 26

func texts() (all [maxIDs]confidential.Text) {
	for i := range all {
		all[i] = confidential.New(string(rune('a' + i)))
	}
	return all
}

func (w *walker) text(i id) confidential.Text { return w.texts[i] }

func idOf(text confidential.Text) id { return id(text.Reveal()[0] - 'a') }

// outgoing is an earlier secret within its grace period.
type outgoing struct {
	secret id
	until  time.Time
}

// change is a call that has been sent and has not arrived yet, or a copy of one.
type change struct {
	old, new id
	grace    bool
	ends     time.Time // No call is on its way for longer.
}

// finicity is all that matters of Finicity.
type finicity struct {
	current  id
	outgoing []outgoing
}

func (f *finicity) accepts(secret id, now time.Time) bool {
	return secret == f.current ||
		slices.ContainsFunc(f.outgoing, func(o outgoing) bool { return o.secret == secret && now.Before(o.until) })
}

func (f *finicity) change(c change, now time.Time) (accepted bool) {
	if !f.accepts(c.old, now) {
		return false
	}
	if c.grace {
		f.outgoing = append(slices.Clone(f.outgoing), outgoing{f.current, now.Add(30 * 24 * time.Hour)})
	} else {
		f.outgoing = nil
	}
	f.current = c.new
	return true
}

// entry is what storage holds: one entry, written as a whole.
type entry struct {
	list   secrets.List
	record attempts.Record
}

func (e entry) clone() entry { return entry{e.list.Clone(), e.record.Clone()} }

// company is a state of everything: the engine, its storage, Finicity, what is
// on its way, and what people know.
type company struct {
	now      time.Time
	memory   entry // what the living process goes by
	stored   entry
	snapshot *entry
	// succeeded is whether the living process has had a success.
	succeeded bool
	finicity  finicity
	onTheWay  []change
	known     uint32 // the secrets that people have, as bits
	portal    id     // the secret that people hold to be right
	grace     bool
	secrets   int // made so far
	restores  int

	// row counts the refusals that the engine was told of, since the last success
	// of any kind. coded are the automatic ones among them with a code, of this
	// process.
	row, coded int
	// day are the times of all refusals the engine was told of without force.
	day []time.Time
	// gone is set when a restored snapshot is older than the secret in effect, which
	// then only the portal can replace.
	gone bool
}

func (c *company) clone() *company {
	next := *c
	next.memory, next.stored = c.memory.clone(), c.stored.clone()
	next.day = slices.Clone(c.day)
	return &next
}

func (c *company) knows(secret id) bool { return c.known&(1<<secret) != 0 }

func (c *company) fresh() id {
	c.secrets++
	return id(c.secrets - 1)
}

func (c *company) store() { c.stored = c.memory.clone() }

// restore brings the snapshot back. What it can't have is forgiven: a secret that
// was sent later, and refusals from later on.
func (c *company) restore() {
	c.restores++
	c.stored = c.snapshot.clone()
	c.crash()
	c.gone = !has(c.stored.list, c.finicity.current) && !c.knows(c.finicity.current)
	c.onTheWay = slices.DeleteFunc(slices.Clone(c.onTheWay), func(o change) bool { return !has(c.stored.list, o.new) })
	c.row, c.day = 0, nil
	for _, a := range c.stored.record.Attempts {
		if a.Outcome == attempts.Unanswered {
			continue
		}
		c.day = append(c.day, a.At)
		if a.Cleared.IsZero() {
			c.row++
		}
	}
}

// crash leaves nothing but storage.
func (c *company) crash() {
	c.memory = c.stored.clone()
	c.succeeded, c.coded = false, 0
}
