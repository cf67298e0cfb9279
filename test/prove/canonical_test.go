// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// key identifies a state without the details that no rule and no guarantee can
// distinguish. Secrets are named by their first appearance, the addresses are this one
// and the other one, and times count only as far as a rule still uses them. Two states
// with the same key have the same future; soundness_test.go checks that.
type key [2]uint64

// encoder writes the canonical form of a company. Each goroutine has its own.
type encoder struct {
	exact bool // Leave out nothing.
	seeds [2]maphash.Seed
	out   []byte
	c     *company
	names [maxIDs]byte
	named byte
	marks []uint16    // Of one record.
	ways  map[key]way // Results that find already has.
}

const end = 0xff

func (e *encoder) reset(c *company) {
	e.out, e.c, e.names, e.named = e.out[:0], c, [maxIDs]byte{}, 0
	e.names[wrongSecret] = end - 1
}

func (e *encoder) key() key {
	return key{maphash.Bytes(e.seeds[0], e.out), maphash.Bytes(e.seeds[1], e.out)}
}

// state returns the key of a state.
func (e *encoder) state(c *company) key {
	e.reset(c)
	if e.exact {
		e.everything()
		return e.key()
	}
	e.entry(c.memory)
	e.entryUnless(c.stored, c.memory)
	if c.snapshot != nil {
		e.entryUnless(c.snapshot.entry, c.stored)
		e.tally(&c.snapshot.tally)
	}
	e.upstream()
	e.flags(c.succeeded, c.copied, c.grace, c.snapshot != nil, c.snapshot != nil && c.snapshot.isOld(c.now))
	e.name(c.portal)
	e.name(firstSecret)
	e.tally(&c.tally)
	return e.key()
}

// search returns the key of the part of a state that determines how the secret in
// effect is found from an entry.
func (e *encoder) search(c *company, from *entry) key {
	e.reset(c)
	e.byte(e.place(from.list.Place))
	for place := range byte(places) {
		e.secrets(&from.list, place, time.Time{})
		e.byte(end)
	}
	e.upstream()
	return e.key()
}

func (e *encoder) byte(b byte) { e.out = append(e.out, b) }

func (e *encoder) small(n time.Duration) { e.byte(byte(n)) } //nolint:gosec // Less than 256.

func flags(all ...bool) (b byte) {
	for i, set := range all {
		if set {
			b |= 1 << i
		}
	}
	return b
}

func (e *encoder) flags(all ...bool) { e.byte(flags(all...)) }

// name writes the name of a secret, and the first time also what operators, storage and
// the engine know about it.
func (e *encoder) name(i id) {
	if e.names[i] == 0 {
		e.named++
		e.names[i] = e.named
		later := e.c.snapshot != nil && i >= e.c.snapshot.made
		e.flags(i == e.c.portal, i == firstSecret, e.c.known.has(i), e.c.unsaved.has(i), later, e.c.earned.has(i))
	}
	e.byte(e.names[i])
}

// place returns 0 for the address in use and 1 for the other.
func (e *encoder) place(name string) byte {
	if name == e.c.memory.list.Place {
		return 0
	}
	return 1
}

func (e *encoder) entry(m *entry) {
	e.marks = e.marks[:0]
	var rows [places]int
	var lasts [places]*attempts.Attempt
	toTry := ""
	for i := range m.list.Secrets {
		if s := &m.list.Secrets[i]; s.Written.After(later(s.Refused, s.Proven)) {
			toTry = fingerprint(placeOf(s.Place), idOf(s.Value))
		}
	}
	for i := range m.record.Attempts {
		a := &m.record.Attempts[i]
		e.mark(a, m.record.Confirmed, toTry)
		for place := range lasts {
			if e.holds(a, byte(place)) {
				rows[place], lasts[place] = rows[place]+1, a
			}
		}
	}
	slices.Sort(e.marks) // Their order matters only for which one is the last.
	for _, mark := range e.marks {
		e.out = binary.LittleEndian.AppendUint16(e.out, mark)
	}
	e.out = append(e.out, end, end)
	e.byte(e.place(m.list.Place))
	for place, last := range lasts {
		refused := time.Time{}
		if last != nil {
			refused = last.Answered
			e.minutes(refused, []time.Duration{0, 1, 5}[min(rows[place], 2)])
		}
		e.secrets(&m.list, byte(place), refused)
		e.byte(end)
	}
	e.flags(m.rotatedAway.has(e.c.portal), m.rotatedAway.has(firstSecret))
	e.byte(end)
}

// entryUnless writes an entry, or only that it equals another one.
func (e *encoder) entryUnless(m, other *entry) {
	start := len(e.out)
	if m != other {
		e.entry(other)
		middle := len(e.out)
		if e.entry(m); !bytes.Equal(e.out[start:middle], e.out[middle:]) {
			e.out = append(e.out[:start], e.out[middle:]...)
			e.byte(2)
			return
		}
	}
	e.out = append(e.out[:start], 1)
}

// secrets writes the secrets of an address. refused is the time of the last refusal
// that holds automatic attempts back there.
func (e *encoder) secrets(l *secrets.List, place byte, refused time.Time) {
	// The last proof at the address, from which changes start, and the refusals after
	// it, in their order.
	last, previous := time.Time{}, time.Time{}
	for i := range l.Secrets {
		if s := &l.Secrets[i]; e.place(s.Place) == place && s.Proven.After(last) {
			last = s.Proven
		}
	}
	graceful := false // This secret, or one before it.
	lastSent := -1    // The last one that is proven.
	for i := range l.Secrets {
		if s := &l.Secrets[i]; e.place(s.Place) == place && s.Origin == secrets.Sent && !s.Proven.IsZero() {
			lastSent = i
		}
	}
	for i := range l.Secrets {
		s := &l.Secrets[i]
		if e.place(s.Place) != place {
			continue
		}
		graceful = graceful || s.Grace || !s.GraceEnds.IsZero()
		displaced := s.Origin == secrets.Sent && !s.Superseded.IsZero() && i >= lastSent
		ended := !s.Superseded.IsZero() && !displaced && (!graceful || s.Origin != secrets.Sent) && !s.Grace && s.GraceEnds.IsZero()
		if ended && !s.Written.After(later(last, s.Refused)) && e.over(idOf(s.Value)) {
			continue
		}
		proven := !s.Proven.IsZero()
		e.name(idOf(s.Value))
		waits := e.c.now.Before(s.CallEnds)
		e.flags(s.Origin == secrets.Sent, s.Grace, proven, proven && s.Proven.Equal(last),
			!proven && !s.Refused.IsZero(), !proven && !s.Denied.IsZero(), s.Denied.After(last), waits)
		e.flags(!s.GraceEnds.IsZero(), s.Written.After(later(last, s.Refused)))
		rank := byte(0)
		if s.Refused.After(later(last, s.Written)) {
			rank = 1
			for j := range l.Secrets {
				if o := &l.Secrets[j]; e.place(o.Place) == place && o.Refused.After(later(last, o.Written)) && o.Refused.Before(s.Refused) {
					rank++
				}
			}
		}
		e.byte(rank)
		e.minutes(s.Acknowledged, 2)
		e.flags(!s.Superseded.IsZero(), !s.Acknowledged.IsZero() && !refused.IsZero() && refused.Sub(s.Acknowledged) < 10*time.Minute)
		// The secrets that a late copy of a call can restore.
		e.flags(!previous.IsZero() && s.Added.Sub(previous) < 25*time.Hour)
		if s.Origin == secrets.Sent && !ended {
			e.flags(e.c.now.Sub(s.Added) < 25*time.Hour, last.Sub(s.Added) < 25*time.Hour)
			previous = s.Added
		}
		if displaced {
			e.months(s.Superseded)
		}
		switch {
		case !proven:
			e.months(later(s.Added, s.Written))
		case ended:
			e.days(s.Superseded)
		case !s.Superseded.IsZero() && !displaced:
			e.months(s.Superseded)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// months distinguishes the ages that the limits of a day and of 30 and 32 days
// distinguish, now and after more steps.
func (e *encoder) months(since time.Time) {
	age := e.c.now.Sub(since)
	months, rest := age/(31*day), age%(31*day)
	e.small(min(months*2+min(rest/(26*time.Hour), 1), 3))
}

// days does so for the limit of four days.
func (e *encoder) days(since time.Time) {
	e.small(min(e.c.now.Sub(since)/(26*time.Hour), 4))
}

// minutes does so for limits of minutes. After most of them, the exact time makes no
// difference.
func (e *encoder) minutes(since time.Time, most time.Duration) {
	if since.IsZero() {
		e.small(most)
		return
	}
	e.small(min(e.c.now.Sub(since)/(6*time.Minute), most))
}

// over reports whether nothing can make an ended secret relevant again.
func (e *encoder) over(secret id) bool {
	c := e.c
	return secret != c.portal && secret != firstSecret && !c.finicity.accepts(secret, c.now) &&
		!slices.ContainsFunc(c.onTheWay, func(o change) bool { return o.old == secret || o.new == secret })
}

// mark adds an attempt that counts to the marks.
func (e *encoder) mark(a *attempts.Attempt, confirmed time.Time, toTry string) {
	inDay, isOpen, isRefused := e.c.now.Sub(a.At) <= day, a.Cleared.IsZero(), a.Outcome != attempts.Unanswered
	if !inDay && !isOpen {
		return
	}
	ofApps := a.Trigger == attempts.Automatic && a.At.After(confirmed)
	credential := uint16(0) // Whether an operator may write it again, or the engine try it.
	switch place := placeOf(a.Place); a.Credential {
	case fingerprint(place, wrongSecret):
		credential = 1
	case fingerprint(place, e.c.portal):
		credential = 2
	case fingerprint(place, firstSecret):
		credential = 3
	case toTry:
		credential = 4
	}
	elsewhere := e.place(a.Place) != 0 && (isOpen || credential != 0)
	holds := isOpen && isRefused && a.Subject != attempts.Written
	candidate := uint16(flags(holds && a.Subject == attempts.Candidate))
	e.marks = append(e.marks, credential<<9|candidate<<8|uint16(flags(inDay, isOpen, holds, holds && a.Outcome == attempts.RefusedWithCode,
		ofApps, ofApps && isRefused, elsewhere, isOpen && !a.Passed.IsZero())))
}

// holds reports whether an attempt holds automatic ones back at an address.
func (e *encoder) holds(a *attempts.Attempt, place byte) bool {
	isOpen := a.Cleared.IsZero() && (a.Passed.IsZero() || e.place(a.Place) == place)
	return isOpen && a.Outcome != attempts.Unanswered && a.Subject != attempts.Written
}

func (e *encoder) upstream() {
	c := e.c
	for _, o := range c.onTheWay {
		e.name(o.old)
		e.name(o.new)
		e.flags(o.grace)
	}
	e.byte(end)
	e.flags(c.finicity.lenient, c.finicity.foreign(c.now))
	e.name(c.finicity.current)
	for _, o := range c.finicity.outgoing {
		if c.now.Before(o.until) && (e.names[o.secret] != 0 || o.secret == c.portal || o.secret == firstSecret) {
			e.name(o.secret)
		}
	}
	e.byte(end)
}

func (e *encoder) tally(t *tally) {
	here := placeOf(e.c.memory.list.Place)
	all, ofApps, untold := byte(0), byte(0), byte(0)
	for _, r := range t.lastDay {
		if e.c.now.Sub(r.at) < day {
			all++
			ofApps += flags(r.automatic)
			untold += flags(r.automatic && r.at.After(t.stored.until))
		}
	}
	e.out = append(e.out, t.row[here], t.row[1-here], t.sinceSuccess, t.told.coded, t.stored.coded, t.told.stored, t.stored.stored, all, ofApps, untold)
}
