// SPDX-License-Identifier: MPL-2.0

package secrets

import (
	"slices"
	"time"
)

// Retain adds secrets that another copy of the list has and this copy does not: those
// that the engine sent, and those from operators that Finicity accepted after the last
// success here. It reports whether it added any.
//
// An added secret keeps its position after the one before it in the other copy. It is
// older than secrets that only this copy has, because the node that took over added
// those. If the copies share no secret, the copy with the later success is the newer
// one. undated means that the times of this copy are unknown; then the other copy is
// the newer one. A newer secret with a later proof supersedes an added one. Age removes
// the added one later.
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
				// The time of its first proof is unknown. It was added before that.
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

// Redate moves by the given duration the times that another copy of the list does not
// have. A clock that is ahead of or behind the other copy's clock wrote them.
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
