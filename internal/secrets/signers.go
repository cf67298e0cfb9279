// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Signers are the secrets that a webhook may be signed with: those that no newer
// secret has replaced, and previous ones for as long as their webhooks may arrive.
// A secret counts only if Finicity has accepted it at least once or the engine has
// sent it. Otherwise anyone with permission to write the configuration could forge
// webhooks.
//
// A secret that an operator brought to another address counts only if it was last
// accepted before the first secret of this address was added. Otherwise an operator
// could move to a host that accepts any secret, and back. Age removes the first secret
// of this address four or more days after the next one was added. By then, the secret
// of the other address is too old as well.
func (l *List) Signers(now time.Time) (current, previous []confidential.Text) {
	arrived := l.arrived()
	for _, s := range slices.Backward(l.Secrets) {
		if s.Place != l.Place && s.Origin == Brought && !arrived.IsZero() && s.Proven.After(arrived) {
			continue
		}
		replaced := l.replaced(s)
		switch {
		case s.Origin == Brought && s.Proven.IsZero():
		case replaced.IsZero():
			current = append(current, s.Value)
		case !now.After(latest(replaced.Add(webhookRetention), s.GraceEnds)):
			previous = append(previous, s.Value)
		}
	}
	return current, previous
}

// arrived is when the first secret of this place was added that was sent or proven.
// Zero when there is none.
func (l *List) arrived() time.Time {
	for _, s := range l.Secrets {
		if s.Place == l.Place && (s.Origin == Sent || !s.Proven.IsZero()) {
			return s.Added
		}
	}
	return time.Time{}
}

// replaced is when a newer secret was proven, zero when none was. A secret of another
// place is replaced when the first secret that was accepted after it, elsewhere, was
// added; or at its own last proof, if that is later.
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
