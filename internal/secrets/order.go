// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"cmp"
	"slices"
	"time"
)

// Current is the secret that changes start from: the last proven one. Without any
// proof, it is the last one brought, or else the last one sent. False for an empty
// list.
func (l *List) Current() (Secret, bool) {
	var current *Secret
	for i := range l.Secrets {
		if s := &l.Secrets[i]; s.Place == l.Place && (current == nil || cmp.Or(s.Proven.Compare(current.Proven),
			cmp.Compare(current.Origin, s.Origin), s.Added.Compare(current.Added)) >= 0) {
			current = s
		}
	}
	if current == nil {
		return Secret{}, false
	}
	return *current, true
}

// Succeeded is when Finicity last accepted a secret here. Zero when it never did.
func (l *List) Succeeded() time.Time {
	current, _ := l.Current()
	return current.Proven
}

// Next is the secret to authenticate with, false if none may be in effect here.
// The order:
//
//  1. the one that an operator has written since the last success;
//  2. those that no authentication and no refused change says anything about, the
//     newest first: with a grace period, the old secret works in any case, and does
//     not rule out a newer one;
//  3. the current one;
//  4. the others, the newest first;
//  5. those refused since the last success, the one refused longest ago first, so
//     that repeated attempts reach each of them.
func (l *List) Next() (Secret, bool) { return l.first(l.here()) }

// NextAutomatic is Next for an attempt that no operator requested.
//
// It leaves out displaced secrets. Finicity may refuse a new secret once by mistake,
// and each time a displaced one would cost an attempt. It also asks leaveOut about each
// secret that an operator has written and that is untried, and about each secret that
// was refused since the last success. It never leaves out the current secret.
func (l *List) NextAutomatic(leaveOut func(Secret) bool) (Secret, bool) {
	current, _ := l.Current()
	return l.first(slices.DeleteFunc(l.here(), func(s Secret) bool {
		untried := s.Origin == Brought && (l.ToTry(s) || s.untested())
		return l.displaced(s) || (untried || l.Refused(s)) && !s.Value.Equal(current.Value) && leaveOut(s)
	}))
}

func (l *List) first(here []Secret) (Secret, bool) {
	current, _ := l.Current()
	rank := func(s Secret) int {
		switch {
		case l.Refused(s):
			return 5
		case l.ToTry(s):
			return 1
		case s.untested():
			return 2
		case s.Value.Equal(current.Value):
			return 3
		default:
			return 4
		}
	}
	best, lowest := Secret{}, 0
	for _, s := range here {
		switch r := rank(s); {
		case lowest > 0 && r > lowest:
		case r == lowest && r == 5 && s.Refused.After(best.Refused):
		default:
			best, lowest = s, r
		}
	}
	return best, lowest > 0
}

// Wait is how long to wait before any attempt: a call that sends a secret may
// still be on its way, even if the process that made it is gone.
func (l *List) Wait(now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, s := range l.here() {
		wait = max(wait, s.CallEnds.Sub(now))
	}
	return wait
}

// MustProve reports whether an authentication must come before a change: a secret is
// unproven, or was refused since the last success, or an earlier change may have
// arrived late. With a wrong secret, Finicity would refuse the change. The proof also
// removes secrets that are too old.
func (l *List) MustProve() bool {
	return slices.ContainsFunc(l.here(), func(s Secret) bool {
		return s.Proven.IsZero() || l.Refused(s) || l.ToTry(s) || l.mayArrive(s, l.Succeeded())
	})
}

// MustWait reports whether another change must wait. It must while two secrets may be
// in effect besides the current one or instead of it: with a third, four attempts might
// miss the right one. From the time until on, a proof makes room for another secret.
func (l *List) MustWait() (until time.Time, wait bool) {
	var ends []time.Time
	current, _ := l.Current()
	for _, s := range l.here() {
		switch {
		case l.displaced(s) && !s.Refused.IsZero(): // Finicity has refused it.
		case s.Origin == Brought && !s.Superseded.IsZero(): // The fourth attempt is for it.
		case s.unconfirmed(), !s.Superseded.IsZero():
			ends = append(ends, l.ends(s))
		case !s.Value.Equal(current.Value) && current.Proven.Sub(s.Proven) < retentionGrace:
			// An older secret was accepted after this one. A grace period can explain that
			// until it ends. If it does, this one is in effect.
			ends = append(ends, s.Proven.Add(retentionGrace))
		case l.mayArrive(s, current.Proven):
			ends = append(ends, s.Added.Add(retention))
		}
	}
	if len(ends) < maxUnconfirmed {
		return time.Time{}, false
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends[len(ends)-maxUnconfirmed], true // Then only one of them is left.
}

// Pending is the newest sent secret that no authentication has been made with. If
// the change to it was refused, it is pending only until the next success of any
// secret. False when there is none.
func (l *List) Pending() (Secret, bool) {
	for _, s := range slices.Backward(l.here()) {
		open := s.Denied.IsZero() || s.Denied.After(l.Succeeded())
		if s.unconfirmed() && s.Refused.IsZero() && s.Superseded.IsZero() && open {
			return s, true
		}
	}
	return Secret{}, false
}

// Unresolved reports whether the secret in effect is unknown: a change is pending, or a
// secret was refused since the last success. The refusal of a brought secret does not
// count, unless the engine has sent a secret that may be in effect instead.
func (l *List) Unresolved() bool {
	if _, pending := l.Pending(); pending {
		return true
	}
	here := l.here()
	sent := slices.ContainsFunc(here, func(s Secret) bool { return s.unconfirmed() || l.displaced(s) })
	return slices.ContainsFunc(here, func(s Secret) bool { return l.Refused(s) && (s.Origin == Sent || sent) })
}

// OnlyCopy reports whether the engine may have the only copy of the secret in effect.
//
// That is so if the engine has sent a secret that no operator has written, to any
// address, and no newer secret of that address was proven. A newer proven secret from
// an operator is enough: operators then have a copy of a secret that works. But a
// change with a grace period may still be carried out after that, because Finicity
// accepts the secret before it during that period.
func (l *List) OnlyCopy() bool {
	return slices.ContainsFunc(l.Secrets, func(s Secret) bool {
		return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())
	})
}

// Acknowledged is when a change was last answered 204. For some minutes after that,
// parts of Finicity might not know the new secret.
func (l *List) Acknowledged() time.Time {
	last := time.Time{}
	for _, s := range l.here() {
		last = latest(last, s.Acknowledged)
	}
	return last
}

// Refused reports whether the secret was refused since the last success, and since an
// operator last wrote it.
func (l *List) Refused(s Secret) bool { return s.Refused.After(latest(l.Succeeded(), s.Written)) }

// ToTry reports whether an operator has written the secret since the last success,
// and no attempt has been made with it yet.
func (l *List) ToTry(s Secret) bool { return s.Written.After(latest(l.Succeeded(), s.Refused)) }

// Candidate reports whether another secret was proven last: this one may be in effect
// instead of it.
func (l *List) Candidate(s Secret) bool {
	current, _ := l.Current()
	return !current.Proven.IsZero() && !current.Value.Equal(s.Value)
}

// untested reports whether neither an authentication nor a refused change says
// anything about the secret. A 204 does not count.
func (s Secret) untested() bool {
	return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied.IsZero() && s.Superseded.IsZero()
}

// unconfirmed reports whether a secret was sent, and is without proof.
func (s Secret) unconfirmed() bool { return s.Origin == Sent && s.Proven.IsZero() }

// here are the secrets of this place that may be in effect.
func (l *List) here() []Secret {
	here := make([]Secret, 0, len(l.Secrets))
	for _, s := range l.Secrets {
		if s.Place == l.Place && l.mayBeInEffect(s) {
			here = append(here, s)
		}
	}
	return here
}

// mayBeInEffect reports whether the secret may be in effect: no newer secret was
// proven, or one of these holds nevertheless.
//
//   - An operator has written the secret and it is untried.
//   - It is displaced: the company may have changed the secret with a grace period that
//     the engine does not know about.
//   - A late copy of the change to it may have undone the change to the current secret,
//     because the copy was still on its way when the current secret was added.
func (l *List) mayBeInEffect(s Secret) bool {
	if s.Superseded.IsZero() || l.displaced(s) || l.ToTry(s) {
		return true
	}
	current, _ := l.Current()
	return l.mayArrive(s, current.Added)
}

// displaced reports whether the engine has sent the secret, and only secrets that
// operators brought have superseded it. The secret may still be in effect: an operator
// may bring an old secret, which works because of a grace period that the engine does
// not know about.
func (l *List) displaced(s Secret) bool {
	if s.Origin != Sent || s.Superseded.IsZero() {
		return false
	}
	for _, later := range slices.Backward(l.Secrets) {
		switch {
		case later.Place != s.Place:
		case later.Value.Equal(s.Value):
			return true
		case later.Origin == Sent && !later.Proven.IsZero():
			return false
		}
	}
	return false
}

// mayArrive reports whether a copy of the change to the secret may still have been
// on its way at that time, and may put the secret in effect. For that, an older secret
// must still work, because of a grace period. A call arrives after at most retention.
func (l *List) mayArrive(s Secret, at time.Time) bool {
	if s.Origin != Sent || at.Sub(s.Added) >= retention {
		return false
	}
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

// graceAfterCurrent reports whether a secret newer than the current one was sent with
// a grace period. Then Finicity may accept the current one only because of that
// period, and its proof does not rule out a newer secret until the period ends.
func (l *List) graceAfterCurrent() bool {
	current, _ := l.Current()
	for _, s := range slices.Backward(l.here()) {
		switch {
		case s.Value.Equal(current.Value):
			return false
		case s.Grace:
			return true
		}
	}
	return false
}
