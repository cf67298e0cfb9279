// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// event is one thing that happens in the company. possible leaves out what would
// change nothing.
type event struct {
	name     string
	possible func(c *company) bool
	do       func(w *walker, c *company)
}

const wrongSecret id = maxIDs - 1 // Nobody's.

// events are all that the walk draws.
func events() []event {
	always := func(*company) bool { return true }
	var all []event
	add := func(name string, possible func(*company) bool, do func(*walker, *company)) {
		all = append(all, event{name, possible, do})
	}

	for _, r := range []reply{
		honest, lost, forbidden, codeless, crashBefore, crashAfter, unstored,
	} {
		add(fmt.Sprintf("a read refreshes the token (%s)", r), always, func(w *walker, c *company) {
			w.prove(c, attempts.Automatic, r)
		})
	}
	for _, r := range []reply{
		honest, lost, dropped, notSent, forbidden, codeless, crashBefore, crashAfter, unstored, acknowledged, deniedDone,
		policyDone, refusedDone, late, twice,
	} {
		add(fmt.Sprintf("rotate-root (%s)", r), func(c *company) bool { return c.secrets < maxIDs-2 }, func(w *walker, c *company) {
			w.rotate(c, r)
		})
	}
	add("config/verify", always, func(w *walker, c *company) { w.prove(c, attempts.Operator, honest) })
	add("config/verify force=true", func(c *company) bool { return c.memory.record.Left(c.now) == 0 },
		func(w *walker, c *company) { w.prove(c, attempts.Forced, honest) })

	add("an operator writes the portal's secret", always, func(w *walker, c *company) { w.write(c, c.portal, false) })
	add("an operator writes a wrong secret", always, func(w *walker, c *company) { w.write(c, wrongSecret, false) })
	add("an operator stores the portal's secret untried", always, func(w *walker, c *company) { w.write(c, c.portal, true) })
	add("an operator stores a wrong secret untried", always, func(w *walker, c *company) { w.write(c, wrongSecret, true) })
	add("the portal: a new secret", func(c *company) bool { return c.secrets < maxIDs-2 }, func(_ *walker, c *company) {
		c.portal = c.fresh()
		c.known |= 1 << c.portal
		c.finicity, c.gone = finicity{current: c.portal}, false
	})

	add("the grace period is switched", always, func(_ *walker, c *company) { c.grace = !c.grace })
	add("a call that was on its way arrives", func(c *company) bool { return len(c.onTheWay) > 0 },
		func(_ *walker, c *company) { c.land() })
	add("the process restarts", always, func(_ *walker, c *company) { c.crash() })
	add("a snapshot is taken", always, func(_ *walker, c *company) {
		taken := c.stored.clone()
		c.snapshot = &taken
	})
	add("the snapshot is restored", func(c *company) bool { return c.snapshot != nil }, func(_ *walker, c *company) {
		c.restore()
	})
	for _, d := range []time.Duration{6 * time.Minute, 31 * time.Minute, 26 * time.Hour, 31 * 24 * time.Hour} {
		add("time passes: "+d.String(), always, func(_ *walker, c *company) { c.pass(d) })
	}
	return all
}
