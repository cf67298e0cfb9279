// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vault-plugin-secrets-finicity/internal/secrets"
)

// story tells a sequence: each event, its calls, and the state after it.
func (w *walker) story(f finding) string {
	var b strings.Builder
	c := *f.start
	fmt.Fprintf(&b, "%s\n  A mount is configured with the secret a (%s).\n%s", f.promise, c.beginning(), c.describe())
	for i, event := range f.events {
		var log []string
		c.log = &log
		w.happen(&c, event)
		fmt.Fprintf(&b, "  %d. %s\n", i+1, w.events[event].name)
		for _, line := range log {
			fmt.Fprintf(&b, "       > %s\n", line)
		}
		b.WriteString(c.describe())
	}
	return b.String()
}

// beginning says how the walk began.
func (c *company) beginning() string {
	lenient := ""
	if c.finicity.lenient {
		lenient = ", at a lenient Finicity"
	}
	return fmt.Sprintf("grace period: %v%s", c.grace, lenient)
}

// shortest returns one story for each guarantee, always the same for the same walk.
func shortest(all []finding) []finding {
	slices.SortFunc(all, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.promise, b.promise), cmp.Compare(len(a.events), len(b.events)),
			slices.Compare(a.events, b.events), cmp.Compare(a.start.beginning(), b.start.beginning()))
	})
	return slices.CompactFunc(all, func(a, b finding) bool { return a.promise == b.promise })
}

func (c *company) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "       Finicity: %s in effect", c.finicity.current)
	for _, o := range c.finicity.outgoing {
		if c.now.Before(o.until) {
			fmt.Fprintf(&b, ", %s accepted for %s more", o.secret, age(o.until.Sub(c.now)))
		}
	}
	for _, o := range c.onTheWay {
		fmt.Fprintf(&b, "; on its way: %s to %s", o.old, o.new)
	}
	record, facts := c.record(), c.facts()
	fmt.Fprintf(&b, "\n       attempts: %s, %d left", record.State(facts, c.now), record.Left(c.now))
	if retry := record.Retry(facts, c.now); retry.After(c.now) {
		fmt.Fprintf(&b, ", the next in %s", age(retry.Sub(c.now)))
	}
	fmt.Fprintf(&b, "\n       list at the address %q: %s\n", c.memory.list.Place, c.describeList(&c.memory.list))
	if c.stored != c.memory {
		fmt.Fprintf(&b, "       storage has another entry: %s; %d attempts left\n",
			c.describeList(&c.stored.list), c.stored.record.Left(c.now))
	}
	return b.String()
}

func (c *company) describeList(l *secrets.List) string {
	var all []string
	current, _ := l.Current()
	for _, s := range l.Secrets {
		words := []string{idOf(s.Value).String(), [...]string{"brought", "sent"}[s.Origin]}
		if s.Place != l.Place {
			words = append(words, "at "+s.Place)
		} else if s.Value.Equal(current.Value) {
			words = append(words, "current")
		}
		for _, what := range []struct {
			name string
			at   time.Time
		}{
			{"acknowledged", s.Acknowledged},
			{"denied", s.Denied},
			{"proven", s.Proven},
			{"refused", s.Refused},
			{"superseded", s.Superseded},
		} {
			if !what.at.IsZero() {
				words = append(words, what.name+" "+age(c.now.Sub(what.at))+" ago")
			}
		}
		if s.Grace {
			words = append(words, "sent with a grace period")
		}
		if !s.GraceEnds.IsZero() {
			words = append(words, "kept by a grace period")
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, " | ")
}

// age returns an age without the ticks.
func age(d time.Duration) string {
	if d < time.Second {
		return "0s"
	}
	if d > 2*day {
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
	return d.Round(time.Second).String()
}
