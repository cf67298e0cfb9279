// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"slices"
	"time"
)

// Retain adds what another copy of the list has and this one does not: secrets that
// the engine sent, and secrets from operators that were accepted after the last
// success here. Each comes after the one before it in the other copy, and before what
// only this copy has: the node that took over added that. Without a secret that both
// have, the copy with the later success is the newer one, or the other one if undated
// says that the times of this one are not known. A newer secret with a later proof
// supersedes an added one, and age removes it. Retain reports whether there was any.
func (l *List) Retain(other List, undated bool) (added bool) {
	succeeded, at := l.Succeeded(), 0
	if (undated || other.Succeeded().After(succeeded)) && !slices.ContainsFunc(other.Secrets, l.Has) {
		at = len(l.Secrets)
	}
	for _, s := range other.Secrets {
		if i := l.same(s); i >= 0 {
			at = i + 1
			continue
		}
		if s.Origin == Brought && !s.Proven.After(succeeded) {
			continue
		}
		for _, next := range l.Secrets[at:] {
			if next.Place == s.Place && next.Proven.After(s.Proven) && s.Superseded.IsZero() {
				// Its first proof is not known. It was added before that.
				s.Superseded = next.Added
				if next.Grace {
					s.GraceEnds = next.Added.Add(gracePeriod)
				}
			}
		}
		l.Secrets, added = slices.Insert(l.Secrets, at, s), true
		at++
	}
	l.forget(succeeded)
	return added
}

// Redate moves the times that another copy of the list does not have. They are those
// of a clock that is ahead of its clock, or behind.
func (l *List) Redate(other List, by time.Duration) {
	for i := range l.Secrets {
		s, known := &l.Secrets[i], Secret{}
		if j := other.same(*s); j >= 0 {
			known = other.Secrets[j]
		}
		for j, t := range s.times() {
			if !t.IsZero() && !t.Equal(*known.times()[j]) {
				*t = t.Add(by)
			}
		}
	}
}

func (s *Secret) times() []*time.Time {
	return []*time.Time{
		&s.Added, &s.Written, &s.CallEnds, &s.Acknowledged, &s.Denied, &s.Proven, &s.Refused, &s.Superseded, &s.GraceEnds,
	}
}
