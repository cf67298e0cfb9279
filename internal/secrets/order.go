// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"cmp"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Current is the secret that changes start from: the last proven one. Without any
// proof, it is the last one brought, or else the last one sent. False for an empty
// list.
func (l *List) Current() (Secret, bool) {
	current, found := Secret{}, false
	for _, s := range l.Secrets {
		if s.Place == l.Place && (!found || cmp.Or(s.Proven.Compare(current.Proven),
			cmp.Compare(current.Origin, s.Origin), s.Added.Compare(current.Added)) >= 0) {
			current, found = s, true
		}
	}
	return current, found
}

// Pending is the newest secret that was sent and about which nothing is known.
func (l *List) Pending() (Secret, bool) {
	for _, s := range slices.Backward(l.here()) {
		if s.Origin == Sent && s.unasked() {
			return s, true
		}
	}
	return Secret{}, false
}

// Next is the secret to authenticate with, false if none may be in effect here.
// The order:
//
//  1. those about which nothing is known, the newest first: with a grace period,
//     the old secret works in any case, and proves nothing;
//  2. the current one;
//  3. the others that are not superseded, the newest first;
//  4. superseded ones that a late copy of a change may bring back: see mayReturn;
//  5. those refused since the last success, the one refused longest ago first, so
//     that repeated attempts reach each of them.
func (l *List) Next() (Secret, bool) {
	here := slices.DeleteFunc(l.here(), func(s Secret) bool { return !s.Superseded.IsZero() && !l.mayReturn(s) })
	if len(here) == 0 {
		return Secret{}, false
	}
	slices.Reverse(here)
	current, _ := l.Current()
	rank := func(s Secret) int {
		switch {
		case s.unasked():
			return 0
		case s.Value.Equal(current.Value):
			return 1
		case s.Superseded.IsZero():
			return 2
		default:
			return 3
		}
	}
	slices.SortStableFunc(here, func(a, b Secret) int {
		aRefused, bRefused := l.Refused(a), l.Refused(b)
		switch {
		case aRefused && bRefused:
			return a.Refused.Compare(b.Refused)
		case aRefused:
			return 1
		case bRefused:
			return -1
		default:
			return cmp.Compare(rank(a), rank(b))
		}
	})
	return here[0], true
}

// Wait is how long to wait before any attempt: a call that sends a secret may
// still be on its way, also when the process that made it is gone.
func (l *List) Wait(now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, s := range l.here() {
		if s.Origin == Sent && s.unasked() && s.Acknowledged.IsZero() {
			wait = max(wait, s.Settles.Sub(now))
		}
	}
	return wait
}

// Refused reports whether the secret was refused since the last success.
func (l *List) Refused(s Secret) bool { return s.Refused.After(l.Succeeded) }

// MustProve reports whether an authentication must come before a change. With a
// wrong secret, Finicity would refuse the change. An earlier change may have
// arrived late. The proof also removes secrets that are too old.
func (l *List) MustProve() bool {
	return slices.ContainsFunc(l.here(), func(s Secret) bool {
		return s.unasked() || l.Refused(s) || s.unconfirmed() || l.recent(s)
	})
}

// unconfirmed reports whether a secret was sent, and is without proof.
func (s Secret) unconfirmed() bool { return s.Origin == Sent && s.Proven.IsZero() }

// mayReturn reports whether a superseded secret may be in effect all the same. A
// late copy of its change may bring it back, if the secret before it still works on
// a grace period. No call is more than retention late, so a change after that rules
// it out.
func (l *List) mayReturn(s Secret) bool {
	if s.Origin != Sent || s.Superseded.IsZero() || !l.followsGrace(s) {
		return false
	}
	current, _ := l.Current()
	return current.Added.Sub(s.Added) < retention
}

// recent reports whether mayReturn would be true of a proven secret after a change
// now.
func (l *List) recent(s Secret) bool {
	return s.Origin == Sent && !s.Proven.IsZero() && l.Succeeded.Sub(s.Added) < retention && l.followsGrace(s)
}

// outlived reports whether an older secret was accepted after this one was proven.
// A grace period may explain that for as long as it lasts, and then this one is in
// effect.
func (l *List) outlived(s Secret) bool {
	return !s.Proven.IsZero() && s.Superseded.IsZero() && l.Succeeded.Sub(s.Proven) < retentionGrace
}

// followsGrace reports whether Finicity may still accept an older secret, because
// of a grace period.
func (l *List) followsGrace(s Secret) bool {
	for _, older := range l.Secrets {
		switch {
		case older.Place != s.Place:
		case older.Value.Equal(s.Value):
			return s.Grace
		case older.graceful():
			return true
		}
	}
	return false
}

// Full reports whether another change must wait: two sent secrets may be in effect
// besides the current one, and four attempts could miss a third. until is the time
// from which a proof makes room.
func (l *List) Full() (until time.Time, full bool) {
	var ends []time.Time
	outlived := l.currentMayBeOutlived()
	current, _ := l.Current()
	for _, s := range l.here() {
		switch {
		case s.unconfirmed():
			ends = append(ends, s.Added.Add(s.retention(outlived)))
		case l.mayReturn(s):
			ends = append(ends, s.Superseded.Add(s.retention(outlived)))
		case l.recent(s):
			ends = append(ends, s.Added.Add(retention))
		case !s.Value.Equal(current.Value) && l.outlived(s):
			ends = append(ends, s.Proven.Add(retentionGrace))
		}
	}
	if len(ends) >= maxUnconfirmed {
		slices.SortFunc(ends, time.Time.Compare)
		return ends[len(ends)-maxUnconfirmed], true // When all but one have ended.
	}
	return time.Time{}, false
}

// OnlyCopy reports whether the engine may have the only copy of the secret in
// effect: it has sent one, to any address, and no later one was proven there.
func (l *List) OnlyCopy() bool {
	return slices.ContainsFunc(l.Secrets, func(s Secret) bool {
		return s.Origin == Sent && s.Superseded.IsZero()
	})
}

// Unsettled reports whether the secret in effect is unknown: a change is open, or a
// secret was refused since the last success. What an operator brought is theirs to set right,
// as long as the engine has sent nothing that may be in effect instead.
func (l *List) Unsettled() bool {
	here := l.here()
	sent := slices.ContainsFunc(here, Secret.unconfirmed)
	return l.Open() || slices.ContainsFunc(here, func(s Secret) bool { return l.Refused(s) && (s.Origin == Sent || sent) })
}

// Open reports whether a change may have been carried out, and no authentication
// has been made since.
func (l *List) Open() bool {
	return slices.ContainsFunc(l.here(), func(s Secret) bool {
		return s.unconfirmed() && (s.unasked() || s.Denied.After(l.Succeeded))
	})
}

// Acknowledged is when a change was last answered 204. Not all of Finicity may
// know the new secret for some minutes after that.
func (l *List) Acknowledged() time.Time {
	last := time.Time{}
	for _, s := range l.here() {
		if s.Acknowledged.After(last) {
			last = s.Acknowledged
		}
	}
	return last
}

// Signers are the secrets that a webhook may be signed with: those that may be
// in effect, and the previous ones for as long as their webhooks may arrive.
// Only what Finicity accepted once or the engine has sent counts. A secret that
// an operator has merely written signs nothing, or whoever may write the
// configuration could forge webhooks.
//
// What an operator brought to another address counts only if it was last accepted
// before any secret arrived here. A later one may be of a host that accepts whatever
// it is sent, and an operator can move there and back.
func (l *List) Signers(now time.Time) (current, previous []confidential.Text) {
	arrived := l.arrived()
	for _, s := range slices.Backward(l.Secrets) {
		if s.Place != l.Place && s.Origin == Brought && !arrived.IsZero() && s.Proven.After(arrived) {
			continue
		}
		replaced := l.replaced(s)
		until := latest(replaced.Add(webhookRetention), s.GraceEnds)
		switch {
		case s.Origin == Brought && s.Proven.IsZero():
		case replaced.IsZero():
			current = append(current, s.Value)
		case !now.After(until):
			previous = append(previous, s.Value)
		}
	}
	return current, previous
}

// arrived is when the first secret arrived here that was sent or proven. Zero when
// there is none.
func (l *List) arrived() time.Time {
	for _, s := range l.Secrets {
		if s.Place == l.Place && (s.Origin == Sent || !s.Proven.IsZero()) {
			return s.Added
		}
	}
	return time.Time{}
}

// replaced is when a later secret was proven, zero when none was. After a move, it
// is when the secret arrived that took over at the other place.
func (l *List) replaced(s Secret) time.Time {
	if s.Place == l.Place || !s.Superseded.IsZero() {
		return s.Superseded
	}
	last := latest(s.Added, s.Proven)
	for _, other := range l.Secrets {
		if other.Place != s.Place && other.Proven.After(last) {
			return latest(last, other.Added)
		}
	}
	return time.Time{}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
