// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"slices"
	"time"
)

// What is kept beside the current secret, and in which order it is tried.

func (c *credential) setAside(aside candidate) {
	kept := slices.DeleteFunc(slices.Clone(c.Abandoned), func(a candidate) bool { return a.Secret == aside.Secret })
	c.keepAside(slices.Insert(kept, 0, aside), aside.Secret)
}

// keepAside bounds what is kept, without the one that came, if it was sent just now.
func (c *credential) keepAside(kept []candidate, came string) {
	for len(kept) > abandonedMost {
		i := leastNeeded(kept, came)
		kept = slices.Delete(kept, i, i+1)
	}
	c.Abandoned = kept
}

// leastNeeded is the one to be dropped: first what somebody has brought and so knows, then what Finicity has refused, then the
// least likely one, and at the very end what was in force.
func leastNeeded(kept []candidate, came string) int {
	oldest := func(dispensable func(a candidate) bool) (int, bool) {
		for i, a := range slices.Backward(kept) {
			if dispensable(a) && (a.Secret != came || a.known()) {
				return i, true
			}
		}
		return 0, false
	}
	if i, found := oldest(candidate.known); found {
		return i
	}
	if i, found := oldest(func(a candidate) bool { return !a.likely() && !a.Grace }); found {
		return i
	}
	// With a grace period the first that was refused is the likeliest: what it has done may be why those after it were.
	if i := slices.IndexFunc(kept, func(a candidate) bool { return !a.likely() && a.Secret != came }); i >= 0 {
		return i
	}
	if i, found := oldest(func(a candidate) bool { return !a.Proven }); found {
		return i
	}
	i, _ := oldest(func(candidate) bool { return true })
	return i
}

// known reports whether somebody has brought it and it was never in force, so that it is no loss.
func (a candidate) known() bool { return a.Replaced && !a.Proven }

// crowded reports whether another change of the secret could be one too many. By itself the engine keeps to what can be
// found again: four attempts are enough for the current secret and three others. A person may go on until the only copy of
// a secret could be pushed out. One place is for the current one, which an untried secret sets aside, and what Finicity has
// refused makes room for others.
func (c *credential) crowded(by who) bool {
	others := slices.DeleteFunc(slices.Clone(c.Abandoned), func(a candidate) bool { return a.Secret == c.Current })
	if by < person {
		return len(slices.DeleteFunc(others, candidate.known)) >= attemptsMost-1
	}
	return len(slices.DeleteFunc(others, func(a candidate) bool { return a.known() || !a.likely() })) >= abandonedMost-1
}

// likely reports whether it may well be in force: a doubted one hardly is, unless it was the old secret that was refused.
func (a candidate) likely() bool { return !a.Doubted || a.OldRefused }

func (a candidate) expired(now time.Time) bool {
	limit := abandonedFor
	if a.Grace {
		limit = abandonedForGrace
	}
	return now.Sub(a.Since) > limit
}

// candidates are the secrets that Finicity may hold, the likeliest first. While one is pending it comes first: with a
// grace period the current one works in both cases, and would prove nothing.
func (c *credential) candidates() []string {
	var secrets []string
	if c.Pending != nil {
		secrets = append(secrets, c.Pending.Secret)
	}
	secrets = append(secrets, c.Current)
	for _, a := range c.Abandoned {
		if a.Secret != c.Current {
			secrets = append(secrets, a.Secret)
		}
	}
	return secrets
}

// toTry is the candidate to authenticate with next: the first one that Finicity has not refused since the last success,
// or the first one of all when it has refused each of them. untried says that there is another one after it.
func (c *credential) toTry(refused func(secret string) bool) (secret string, untried bool) {
	left := slices.DeleteFunc(c.candidates(), refused)
	if len(left) == 0 {
		return c.candidates()[0], false
	}
	return left[0], len(left) > 1
}
