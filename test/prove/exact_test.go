// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"encoding/binary"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// everything writes a complete state: two states with the same exact key differ only in
// the date.

func (e *encoder) everything() {
	c := e.c
	e.exactEntry(c.memory)
	e.exactEntry(c.stored)
	if c.snapshot != nil {
		e.exactEntry(c.snapshot.entry)
		e.exactTally(&c.snapshot.tally)
		e.byte(byte(c.snapshot.made))
		e.time(c.snapshot.at)
		e.flags(c.snapshot.copied)
	}
	e.flags(c.succeeded, c.copied, c.grace, c.snapshot != nil)
	e.flags(c.finicity.lenient)
	e.byte(byte(c.finicity.current))
	for _, o := range c.finicity.outgoing {
		e.byte(byte(o.secret))
		e.time(o.until)
		e.flags(o.foreign)
	}
	e.byte(end)
	for _, o := range c.onTheWay {
		e.out = append(e.out, byte(o.old), byte(o.new))
		e.flags(o.grace)
		e.time(o.ends)
	}
	e.byte(end)
	e.out = append(e.out, byte(c.made), byte(c.portal))
	for _, set := range []ids{c.known, c.earned, c.unsaved} {
		e.out = binary.LittleEndian.AppendUint32(e.out, uint32(set))
	}
	e.exactTally(&c.tally)
}

func (e *encoder) time(t time.Time) {
	age := int64(-1)
	if !t.IsZero() {
		age = int64(e.c.now.Sub(t))
	}
	e.out = binary.LittleEndian.AppendUint64(e.out, uint64(age)) //nolint:gosec // Any bytes will do.
}

func (e *encoder) exactEntry(m *entry) {
	e.out = append(e.out, m.list.Place...)
	for _, s := range m.list.Secrets {
		e.exactSecret(s)
	}
	e.byte(end)
	for _, a := range m.record.Attempts {
		e.exactAttempt(a)
	}
	e.byte(end)
	e.time(m.record.Confirmed)
	e.time(m.record.Forced)
	e.time(m.record.Locked)
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(m.rotatedAway))
}

func (e *encoder) exactSecret(s secrets.Secret) {
	e.out = append(append(e.out, s.Value.Reveal()...), s.Place...)
	e.small(time.Duration(s.Origin))
	e.flags(s.Grace)
	for _, t := range []time.Time{s.Added, s.Written, s.CallEnds, s.Acknowledged, s.Denied, s.Proven, s.Refused, s.Superseded, s.GraceEnds} {
		e.time(t)
	}
}

func (e *encoder) exactAttempt(a attempts.Attempt) {
	e.out = append(append(e.out, a.Place...), a.Credential...)
	for _, n := range []int{int(a.Trigger), int(a.Subject), int(a.Outcome)} {
		e.small(time.Duration(n))
	}
	for _, t := range []time.Time{a.At, a.Answered, a.Cleared, a.Passed} {
		e.time(t)
	}
}

func (e *encoder) exactTally(t *tally) {
	e.out = append(e.out, t.row[0], t.row[1], t.sinceSuccess, t.told.coded, t.stored.coded, t.told.stored, t.stored.stored)
	e.time(t.stored.until)
	for _, r := range t.lastDay {
		e.flags(r.automatic)
		e.time(r.at)
	}
	e.byte(end)
}
