// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// way is the cost of finding the secret in effect.
type way struct {
	wrong int
	found bool
}

// find checks whether four attempts find the secret in effect, according to an entry:
// now, after calls on their way have arrived, and after grace periods have ended. It
// does not check how many attempts are left.
func (w *walker) find(e *encoder, c *company, from *entry) (wrong int, found bool) {
	k := e.search(c, from)
	if known, ok := e.ways[k]; ok {
		return known.wrong, known.found
	}
	found = true
	for _, landing := range landings(len(c.onTheWay)) {
		for _, ends := range []bool{false, true} {
			n, ok := w.search(c, from, landing, ends)
			wrong, found = max(wrong, n), found && ok
		}
	}
	if e.ways != nil {
		e.ways[k] = way{wrong, found}
	}
	return wrong, found
}

// landings are the sets of calls that arrive: none, the first, the last, all.
func landings(n int) [][]int {
	switch n {
	case 0:
		return [][]int{{}}
	case 1:
		return [][]int{{}, {0}}
	default:
		return [][]int{{}, {0}, {n - 1}, slices.Repeat([]int{0}, n)}
	}
}

func (w *walker) search(from *company, entry *entry, landing []int, ends bool) (wrong int, found bool) {
	c := *from
	for _, which := range landing {
		c.land(which)
	}
	c.pass(requestTimeout)
	list := entry.list.Clone()
	if wrong, found = w.four(&c, &list); !ends || !found {
		return wrong, found
	}
	if len(c.finicity.outgoing) == 0 {
		return wrong, true
	}
	c.pass(30*day + time.Hour)
	more, found := w.four(&c, &list)
	return max(wrong, more), found
}

// four makes up to four attempts. It uses an operator's copy of the secret in effect
// only if the list does not have the secret, or the secret there has ended. If the
// secret was sent to the other address, an operator moves back there.
func (w *walker) four(c *company, list *secrets.List) (wrong int, found bool) {
	inEffect, here := c.finicity.current, list.Clone()
	if c.unsaved.has(inEffect) && !has(list, inEffect) || c.known.has(inEffect) && !mayTry(list, inEffect) {
		return 0, true
	}
	if wrong, found = w.tries(c, &here); found || mayTry(list, inEffect) {
		*list = here
		return wrong, found
	}
	list.Move(placeName(1 - placeOf(list.Place)))
	return w.tries(c, list)
}

func (w *walker) tries(c *company, list *secrets.List) (wrong int, found bool) {
	for range 4 {
		next, some := list.Next()
		if !some {
			return wrong, false
		}
		c.pass(tick)
		if c.finicity.accepts(idOf(next.Value), c.now) {
			list.Accept(next.Value, c.now)
			return wrong, true
		}
		list.Refuse(next.Value, true, c.now)
		wrong++
	}
	return wrong, false
}

// mayTry reports whether the list has the secret at a place where it can be tried.
func mayTry(list *secrets.List, secret id) bool {
	return slices.ContainsFunc(list.Secrets, func(s secrets.Secret) bool {
		return idOf(s.Value) == secret && s.Place == list.Place && (s.Superseded.IsZero() || s.Grace || !s.GraceEnds.IsZero())
	})
}
