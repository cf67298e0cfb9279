// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"fmt"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// check returns the first promise that the state breaks, and how many wrong
// attempts the way back takes.
func (w *walker) check(before, c *company) (broken string, wrong int) {
	switch {
	case !c.retained():
		return "the secret in effect is in no list, and nobody has it", 0
	case c.dropped(before) != "":
		return c.dropped(before), 0
	case c.forges():
		return "a secret that was never proven or sent signs webhooks", 0
	case c.row > 4:
		return fmt.Sprintf("refusal %d in a row without force", c.row), 0
	case c.coded > 1 && !c.succeeded:
		return "a process without a success goes on after a refusal with a code", 0
	case c.coded > 2:
		return fmt.Sprintf("automatic refusal %d in a row with a code", c.coded), 0
	case c.inDay() > 4:
		return fmt.Sprintf("%d refusals in a day without force", c.inDay()), 0
	}
	// Now, with the call that is on its way landed, and when grace periods have ended.
	for _, lands := range []bool{false, true} {
		for _, ends := range []bool{false, true} {
			n, found := w.recover(c, lands, ends)
			if !found {
				return fmt.Sprintf("four attempts do not find the secret in effect (lands: %v, grace ends: %v)", lands, ends), 0
			}
			wrong = max(wrong, n)
		}
	}
	return "", wrong
}

// retained: the secret in effect is in storage and in memory, or a person has it.
// After a restore the engine can't have what it sent later.
func (c *company) retained() bool {
	if c.excused() {
		return true
	}
	return has(c.stored.list, c.finicity.current) && has(c.memory.list, c.finicity.current)
}

func has(l secrets.List, secret id) bool {
	return slices.ContainsFunc(l.Secrets, func(s secrets.Secret) bool { return idOf(s.Value) == secret })
}

// dropped: nothing but age removes a secret that was sent or proven.
func (c *company) dropped(before *company) string {
	if c.snapshot != nil && c.restores > before.restores {
		return ""
	}
	for _, s := range before.memory.list.Secrets {
		if s.Origin == secrets.Brought && s.Proven.IsZero() || has(c.memory.list, idOf(s.Value)) {
			continue
		}
		age := c.now.Sub(s.Added)
		if s.Proven.After(s.Added) {
			age = c.now.Sub(s.Superseded)
		}
		if age <= 25*time.Hour || s.Superseded.IsZero() && !s.Proven.IsZero() {
			return "a secret that was sent or proven is removed before its time"
		}
	}
	return ""
}

func (c *company) forges() bool {
	current, previous := c.memory.list.Signers(c.now)
	for _, signer := range append(current, previous...) {
		if idOf(signer) == wrongSecret {
			return true
		}
	}
	return false
}

func (c *company) inDay() (n int) {
	for _, at := range c.day {
		if c.now.Sub(at) < 24*time.Hour {
			n++
		}
	}
	return n
}

// recover asks whether four attempts find a secret that Finicity accepts. No
// record limits them: how many are left is another question.
func (w *walker) recover(from *company, lands, ends bool) (wrong int, found bool) {
	c := from.clone()
	if lands {
		for len(c.onTheWay) > 0 {
			c.land()
		}
	}
	c.onTheWay = nil
	c.pass(requestTimeout)
	if ends {
		if _, found := w.search(c); !found {
			return 0, c.excused()
		}
		c.pass(30*24*time.Hour + time.Hour)
	}
	if wrong, found = w.search(c); !found {
		return 0, c.excused()
	}
	return wrong, true
}

// excused: a person has the secret in effect, or the snapshot is from before it.
func (c *company) excused() bool { return c.knows(c.finicity.current) || c.gone }

func (w *walker) search(c *company) (wrong int, found bool) {
	for range 4 {
		s, any := c.memory.list.Next()
		if !any {
			return wrong, false
		}
		c.memory.record = attempts.Record{}
		if accepted, _ := w.authenticate(c, idOf(s.Value), attempts.Forced, attempts.Stored, honest, nil); accepted {
			return wrong, true
		}
		wrong++
	}
	return wrong, false
}
