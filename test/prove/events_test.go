// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// event is one event in the company. possible leaves out events that cannot happen, or
// that would change nothing.
type event struct {
	name     string
	possible func(c *company) bool
	do       func(w *walker, c *company)
}

func always(*company) bool { return true }

// strict is false at a lenient Finicity. Then no operator moves the mount or restores a
// snapshot, and no program changes the secret outside the engine with a grace period:
// the list of another address or of an older snapshot does not say which grace periods
// run, and neither does the current one after such a change.
func strict(c *company) bool { return !c.finicity.lenient }

// mayMake is false if there are no more names for secrets.
func mayMake(c *company) bool { return c.made < wrongSecret }

// atLimit reports whether an attempt needs force.
func atLimit(c *company) bool {
	record := c.record()
	return record.Left(c.now) == 0
}

// events are all events of the walk. Changes of the machines' clocks are not among
// them, because the engine has its own clock, which only runs forward.
func events() []event {
	var all []event
	add := func(name string, possible func(*company) bool, do func(*walker, *company)) {
		all = append(all, event{name, possible, do})
	}
	for _, r := range authentications() {
		add("a read refreshes the token: "+r.name, always, func(w *walker, c *company) {
			w.prove(c, attempts.Automatic, r)
		})
	}
	for _, r := range changes() {
		add("rotate-root: "+r.name, mayMake, func(w *walker, c *company) { w.rotate(c, r) })
	}
	add("config/verify", always, func(w *walker, c *company) { w.prove(c, attempts.Operator, honest()) })
	add("config/verify force=true", atLimit,
		func(w *walker, c *company) { w.prove(c, attempts.Forced, honest()) })
	all = append(all, writes()...)
	add("the portal makes a new secret", mayMake, func(_ *walker, c *company) {
		c.portal = c.fresh()
		c.known.add(c.portal)
		c.finicity = finicity{current: c.portal, lenient: c.finicity.lenient}
	})

	add("the company changes the secret with a grace period", func(c *company) bool { return mayMake(c) && strict(c) && len(c.onTheWay) == 0 }, func(_ *walker, c *company) {
		c.finicity.outgoing = append(slices.Clip(c.finicity.outgoing), outgoing{c.finicity.current, c.now.Add(30 * day), true})
		c.portal = c.fresh()
		c.known.add(c.portal)
		c.finicity.current = c.portal
	})
	add("the grace period is switched on or off", always, func(_ *walker, c *company) { c.grace = !c.grace })
	add("the oldest call on its way arrives", func(c *company) bool { return len(c.onTheWay) > 0 },
		func(_ *walker, c *company) { c.land(0) })
	add("the newest call on its way arrives", func(c *company) bool { return len(c.onTheWay) > 1 },
		func(_ *walker, c *company) { c.land(len(c.onTheWay) - 1) })
	add("another process takes over", always, func(_ *walker, c *company) { c.crash() })
	add("a snapshot is taken", strict, func(_ *walker, c *company) { c.take() })
	add("the snapshot is restored", func(c *company) bool { return c.snapshot != nil },
		func(_ *walker, c *company) { c.restore() })
	for _, d := range steps() {
		add(d.String()+" pass", always, func(_ *walker, c *company) { c.pass(d) })
	}
	return all
}

// steps are the times that pass: past each limit of the rules, alone or a few of them
// together. The key of a state relies on these being all.
func steps() []time.Duration {
	return []time.Duration{6 * time.Minute, 31 * time.Minute, 26 * time.Hour, 31 * day}
}

// writes are an operator's writes of the configuration.
func writes() (all []event) {
	add := func(name string, secret func(*company) id, moves, untried bool, r reply) {
		place := func(c *company) int {
			here := placeOf(c.memory.list.Place)
			if moves {
				return 1 - here
			}
			return here
		}
		all = append(all, event{
			name,
			func(c *company) bool {
				return c.mayWrite(secret(c), place(c)) && (!moves || strict(c))
			},
			func(w *walker, c *company) { w.write(c, secret(c), place(c), untried, r) },
		})
	}
	right := func(c *company) id { return c.portal }
	first := func(*company) id { return firstSecret }
	wrong := func(*company) id { return wrongSecret }
	died := reply{"the process dies before the answer is stored", arrives, died}
	unstored := reply{"storage does not take it", arrives, notStored}

	add("an operator writes the portal's secret", right, false, false, honest())
	add("an operator writes the portal's secret: no answer", right, false, false, reply{"no answer", arrives, silence})
	add("an operator writes the portal's secret: the process dies", right, false, false, died)
	add("an operator writes the portal's secret: the outcome is not stored", right, false, false, unstored)
	add("an operator writes the first secret again", first, false, false, honest())
	add("an operator writes a wrong secret", wrong, false, false, honest())
	add("an operator writes a wrong secret: the process dies", wrong, false, false, died)
	add("an operator stores the portal's secret untried", right, false, true, honest())
	add("an operator stores a wrong secret untried", wrong, false, true, honest())
	add("an operator writes the portal's secret and the other address", right, true, false, honest())
	add("an operator stores the portal's secret and the other address untried", right, true, true, honest())
	return all
}
