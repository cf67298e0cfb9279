// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// key is a state without what no rule can tell apart: secrets are named by where
// they first appear, a time counts only as far as a rule still asks for it, and
// an ended secret that Finicity can't hold any more is left out. Two states with
// the same key have the same future.
type key [2]uint64

type encoder struct {
	out   []byte
	c     *company
	names [maxIDs]byte
	named byte
}

func (e *encoder) byte(b byte) { e.out = append(e.out, b) }

func (e *encoder) bool(b bool) {
	if b {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) id(i id) {
	if e.names[i] == 0 {
		e.named++
		e.names[i] = e.named
	}
	e.byte(e.names[i])
}

// age of a time in minutes. The walk passes minutes at least, so the seconds in
// between never decide anything. Beyond the limit all ages are the same.
func (e *encoder) age(t time.Time, limit time.Duration) {
	age := uint16(0xffff)
	if !t.IsZero() {
		age = uint16(min(max(e.c.now.Sub(t), 0), limit+time.Minute) / time.Minute) //nolint:gosec // At most 47 000.
	}
	e.out = binary.LittleEndian.AppendUint16(e.out, age)
}

const (
	day            = 24 * time.Hour
	longestHold    = 30 * time.Minute
	longestKept    = 32 * day
	acknowledgedIs = 10 * time.Minute
)

func (e *encoder) list(l secrets.List) {
	current, _ := l.Current()
	var refused []time.Time
	for _, s := range l.Secrets {
		if s.Refused.After(l.Succeeded) {
			refused = append(refused, s.Refused)
		}
	}
	slices.SortFunc(refused, time.Time.Compare)
	for _, s := range l.Secrets {
		if ended := !s.Superseded.IsZero() && !s.Grace; ended && e.over(idOf(s.Value)) {
			continue
		}
		e.id(idOf(s.Value))
		e.byte(byte(s.Origin))
		e.bool(s.Grace)
		e.bool(s.Value.Equal(current.Value))
		e.bool(s.Proven.IsZero())
		e.bool(s.Refused.IsZero())
		e.byte(byte(slices.IndexFunc(refused, s.Refused.Equal)))
		e.bool(s.Denied.IsZero())
		e.bool(s.Denied.After(l.Succeeded))
		e.bool(e.c.now.Before(s.Settles))
		e.bool(s.Acknowledged.IsZero())
		if s.Proven.IsZero() {
			e.age(s.Added, longestKept)
		} else {
			e.age(s.Superseded, longestKept)
		}
	}
	e.age(l.Acknowledged(), acknowledgedIs)
	e.byte(0xfe)
}

// over reports whether nothing can bring the secret up again.
func (e *encoder) over(secret id) bool {
	c := e.c
	return secret != c.portal && !c.finicity.accepts(secret, c.now) &&
		!slices.ContainsFunc(c.onTheWay, func(o change) bool { return o.old == secret || o.new == secret })
}

func (e *encoder) record(r attempts.Record) {
	for i, a := range r.Attempts {
		if !a.Cleared.IsZero() && e.c.now.Sub(a.At) > day {
			continue
		}
		e.bool(a.Trigger <= attempts.FollowUp)
		e.byte(byte(a.Subject))
		e.byte(byte(a.Outcome))
		e.bool(a.Cleared.IsZero())
		e.bool(a.At.After(r.Confirmed))
		e.age(a.At, day)
		if i == len(r.Attempts)-1 {
			e.age(a.Answered, longestHold)
		}
		if a.Credential == fingerprint(e.c.portal) || a.Credential == fingerprint(wrongSecret) {
			e.byte(a.Credential[0]) // Nobody writes another one.
		}
	}
	e.byte(0xfe)
}

func (e *encoder) entry(what entry) {
	e.list(what.list)
	e.record(what.record)
}

func (e *encoder) company() {
	c := e.c
	e.entry(c.memory)
	e.entry(c.stored)
	e.bool(c.snapshot != nil)
	if c.snapshot != nil {
		e.entry(*c.snapshot)
	}
	e.bool(c.succeeded)
	e.bool(c.grace)
	e.bool(c.gone)
	e.id(c.finicity.current)
	e.bool(c.knows(c.finicity.current))
	e.id(c.portal)
	for _, o := range c.finicity.outgoing {
		if c.now.Before(o.until) {
			e.id(o.secret)
			e.age(o.until.Add(-30*day), 30*day)
		}
	}
	e.byte(0xfe)
	for _, o := range c.onTheWay {
		if c.now.Before(o.ends) {
			e.id(o.old)
			e.id(o.new)
			e.bool(o.grace)
			e.age(o.ends.Add(-day), day)
		}
	}
	e.byte(0xfe)
	e.byte(byte(c.row))
	e.byte(byte(c.coded))
	for _, t := range c.day {
		if c.now.Sub(t) < day {
			e.age(t, day)
		}
	}
}

func keyOf(seeds [2]maphash.Seed, c *company) key {
	e := &encoder{c: c, out: make([]byte, 0, 256)}
	e.company()
	return key{maphash.Bytes(seeds[0], e.out), maphash.Bytes(seeds[1], e.out)}
}
