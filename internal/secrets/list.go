// SPDX-License-Identifier: MPL-2.0

// Package secrets decides which partner secret may be in effect at Finicity,
// and in which order to try them.
//
// The secret in effect is the one that the last change set. The change ends the
// secret before it at once, or after 30 days with a grace period: until then,
// Finicity accepts both. The answer to a change may be lost, late or duplicated, or
// come from a gateway that never reached Finicity. So no answer to a change proves
// which secret is in effect, and none removes a secret. There is one list, each
// secret has the times of what happened to it, and everything else follows from
// these times:
//
//   - The caller stores a new secret in the list before sending it. So even without
//     an answer, the secret in effect is in the list.
//   - The only proof is an authentication that Finicity accepts. Such an
//     authentication marks the secret as proven and the older ones as superseded.
//     It says nothing about newer ones: with a grace period, the old secret is
//     accepted too.
//   - The engine may have the only copy of a secret that it sent. Such a secret is
//     removed only when Finicity accepts another secret, and the sent one is so old
//     by then that its change would have taken effect. Removing it too early locks
//     the company out of its account.
//
// The package is pure: no storage, no network, no clock, and nothing but the
// standard library and the type of a confidential text. The caller supplies all
// times, and must not let them run backwards.
package secrets

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Origin says where a secret comes from.
type Origin int

const (
	// Brought by an operator, who has a copy. The zero value.
	Brought Origin = iota
	// Sent to Finicity by the engine, which may have the only copy.
	Sent
)

// Secret is a partner secret and the times of what happened to it. A zero time
// means that it has not happened.
type Secret struct {
	Value  confidential.Text
	Origin Origin
	// Place is the address that the secret may be sent to. Secrets of other places are
	// never tried here, and do not age.
	Place string
	// Grace is set when the engine asked for this secret with a grace period.
	// Finicity then accepts the secret before it for 30 more days.
	Grace bool

	Added time.Time
	// Written is when an operator last wrote the secret, zero once an operator writes
	// another one.
	Written time.Time
	// CallEnds is the latest time at which the engine's own call can still be running,
	// zero once the call was answered. Wait covers that time. A gateway may deliver the
	// call up to a day later, which MustProve and ends cover.
	CallEnds time.Time
	// Acknowledged is when a change to this secret was answered 204, and Denied
	// when it was refused. A gateway may give either answer without calling Finicity.
	Acknowledged time.Time
	Denied       time.Time
	// Proven is when Finicity last accepted the secret, and Refused when it last
	// refused it.
	Proven  time.Time
	Refused time.Time
	// Superseded is when a newer secret was proven. GraceEnds is the latest time at
	// which this secret still works, if the newer one was sent with a grace period.
	Superseded time.Time
	GraceEnds  time.Time
}

// List holds all known secrets, the oldest first. What comments call older and newer
// is the order in the list, not that of any time.
type List struct {
	Secrets []Secret
	// Place is where the partner is reached now.
	Place string
}

// Finicity's grace period, and how long the engine retains a secret. A call can arrive
// up to a day late; retention adds an hour. With a grace period, Finicity accepts the
// old secret for 30 days, so accepting it rules out a newer one only after that;
// retentionGrace adds two days.
const (
	gracePeriod    = 30 * 24 * time.Hour
	retention      = 25 * time.Hour
	retentionGrace = gracePeriod + 2*24*time.Hour
	// Finicity retries a webhook for three days. The fourth day is a margin.
	webhookRetention = 4 * 24 * time.Hour

	// maxUnconfirmed is how many sent secrets may be in effect besides the current
	// one. The engine has four attempts: for these two, for the current secret, and for
	// one that an operator brought.
	maxUnconfirmed = 2
	// maxSecrets is the length above which forget also removes secrets that have ended,
	// of any age. Only about one rotation an hour reaches it.
	maxSecrets = 100
)

// Clone returns a copy that may be changed without changing l.
func (l List) Clone() List {
	l.Secrets = slices.Clone(l.Secrets)
	return l
}

// Propose adds a secret that the engine is about to send. Store the list before
// the call. callEnds is the latest time at which the call can end.
func (l *List) Propose(value confidential.Text, grace bool, callEnds, now time.Time) {
	l.Secrets = append(l.Secrets, Secret{
		Value: value, Origin: Sent, Place: l.Place, Grace: grace, Added: now, CallEnds: callEnds,
	})
}

// NotSent removes a proposed secret, because no connection to Finicity was made. No
// other outcome of a call removes one of the engine's own secrets.
func (l *List) NotSent(value confidential.Text) { l.remove(value) }

// Bring notes that an operator wrote a secret, which is the next to try. It discards
// the other secrets from operators that Finicity never accepted, at any address:
// operators have copies.
//
// A secret that is in the list already keeps its position and its times. Finicity may
// accept an old secret because of a grace period, and that must not supersede a newer
// secret that only the engine may have.
func (l *List) Bring(value confidential.Text, now time.Time) {
	l.Secrets = slices.DeleteFunc(l.Secrets, func(s Secret) bool {
		return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)
	})
	if l.find(value) == nil {
		l.Secrets = append(l.Secrets, Secret{Value: value, Place: l.Place, Added: now})
	}
	for i := range l.Secrets {
		switch s := &l.Secrets[i]; {
		case !l.is(*s, value):
			s.Written = time.Time{}
		case !l.ToTry(*s):
			s.Written = now
		}
	}
}

// Acknowledge notes that the change to a secret was answered 204. That is not
// proof: authenticate next.
func (l *List) Acknowledge(value confidential.Text, now time.Time) {
	if s := l.find(value); s != nil {
		s.Acknowledged, s.CallEnds = now, time.Time{}
	}
}

// Deny notes that the change from old to value was refused, even if that was because
// of Finicity's rules for secrets. The new secret stays in the list: a gateway may
// send a call twice, so the first copy may have succeeded. oldRefused means that
// Finicity refused old as wrong.
func (l *List) Deny(value, old confidential.Text, oldRefused bool, now time.Time) {
	if s := l.find(value); s != nil {
		s.Denied, s.CallEnds = now, time.Time{}
	}
	if s := l.find(old); s != nil && oldRefused {
		s.Refused = now
	}
}

// Accept notes that Finicity accepted a secret, and removes secrets that are too old.
//
// It marks the older secrets of this place as superseded, and never a newer one if the
// engine has sent either of the two. If operators brought both, a newer one that was
// proven is superseded too: operators have copies.
func (l *List) Accept(value confidential.Text, now time.Time) {
	at := l.index(value)
	if at < 0 {
		return // Another node has changed the list in the meantime.
	}
	accepted := &l.Secrets[at]
	accepted.Proven, accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}
	for i := range l.Secrets {
		other := &l.Secrets[i]
		newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())
		if i == at || newer || other.Place != l.Place || !other.Superseded.IsZero() {
			continue
		}
		other.Superseded = now
		if accepted.Grace {
			other.GraceEnds = now.Add(gracePeriod)
		}
	}
	l.forget(now)
}

// Refuse notes that Finicity refused a secret. certain means that Finicity answered
// with code 10001, invalid credentials. Then Refuse removes a brought secret that was
// never proven, since the operator has a copy, unless it is the only candidate here.
func (l *List) Refuse(value confidential.Text, certain bool, now time.Time) {
	s := l.find(value)
	switch {
	case s == nil:
	case certain && s.Origin == Brought && s.Proven.IsZero() && len(l.here()) > 1:
		l.remove(value)
	default:
		s.Refused = now
	}
}

// Move makes place the one where the partner is reached. Secrets of other places
// stay in the list. They are not sent here, and are used again after a move back.
func (l *List) Move(place string) { l.Place = place }

// forget removes secrets that were too old to be in effect when Finicity accepted a
// secret. now must be the time of such a success. From a list that is too long, it also
// removes the oldest that have ended or that an operator brought to another address.
func (l *List) forget(now time.Time) {
	tooOld := func(s Secret) bool {
		ends := l.ends(s)
		return s.Place == l.Place && !ends.IsZero() && now.After(ends)
	}
	// tooOld reads the list, so this deletes from a copy.
	if slices.ContainsFunc(l.Secrets, tooOld) {
		l.Secrets = slices.DeleteFunc(slices.Clone(l.Secrets), tooOld)
	}
	for len(l.Secrets) > maxSecrets {
		spare := slices.IndexFunc(l.Secrets, func(s Secret) bool {
			return s.ended() || s.Origin == Brought && s.Place != l.Place
		})
		if spare < 0 {
			return
		}
		l.Secrets = slices.Delete(l.Secrets, spare, spare+1)
	}
}

// ends is when the secret becomes too old to be in effect or to sign webhooks. The age
// of a proven or displaced secret counts from when it was superseded, of any other from
// when it was added or written. Zero for a proven secret that is not superseded.
func (l *List) ends(s Secret) time.Time {
	switch {
	case l.displaced(s):
		return s.Superseded.Add(retentionGrace)
	case s.Proven.IsZero() && (s.graceful() || l.graceAfterCurrent()):
		return latest(s.Added, s.Written).Add(retentionGrace)
	case s.Proven.IsZero():
		return latest(s.Added, s.Written).Add(retention)
	case s.Superseded.IsZero():
		return time.Time{}
	case s.graceful():
		return s.Superseded.Add(retentionGrace)
	default:
		return s.Superseded.Add(webhookRetention)
	}
}

// graceful reports whether a grace period is involved: the secret works for longer,
// or an older one that is accepted does not rule it out yet.
func (s Secret) graceful() bool { return s.Grace || !s.GraceEnds.IsZero() }

// ended reports whether a newer secret was proven, and no grace period is involved.
func (s Secret) ended() bool { return !s.Superseded.IsZero() && !s.graceful() }

// Has reports whether the list has a secret with the same value and place.
func (l *List) Has(s Secret) bool { return l.same(s) >= 0 }

func (l *List) same(s Secret) int {
	return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) })
}

func (l *List) remove(value confidential.Text) {
	l.Secrets = slices.DeleteFunc(l.Secrets, func(s Secret) bool { return l.is(s, value) })
}

func (l *List) is(s Secret, value confidential.Text) bool {
	return s.Place == l.Place && s.Value.Equal(value)
}

func (l *List) index(value confidential.Text) int {
	return slices.IndexFunc(l.Secrets, func(s Secret) bool { return l.is(s, value) })
}

func (l *List) find(value confidential.Text) *Secret {
	if i := l.index(value); i >= 0 {
		return &l.Secrets[i]
	}
	return nil
}
