// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Signers are the secrets that a webhook may be signed with: those that may be
// in effect, and the previous ones for as long as their webhooks may arrive.
// Only what Finicity accepted once or the engine has sent counts. Otherwise anyone
// with permission to write the configuration could forge webhooks.
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
