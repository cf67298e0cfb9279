// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// credential is a partner's credential with everything that could turn out to be its secret. It is stored whole, as a
// part of the config entry, so that each transition below is one atomic write.
//
// Finicity holds one secret per partner, a change kills the old one at once, and the answer to a change can get lost.
// So a new secret is stored as Pending before it is sent, and leaves that place only when Finicity has shown which of
// the two it holds. Forgetting one of these too early loses the account for the company.
type credential struct {
	PartnerID string `json:"partner_id"`
	AppKey    string `json:"app_key"`
	// Current is the secret that Finicity accepted last, unless it is Untried.
	Current string `json:"current"`
	// Untried is set when an operator has brought the current secret, and Finicity was not asked yet.
	Untried bool `json:"untried,omitempty"`
	// Pending may have been sent, and may be the one that Finicity holds now.
	Pending *candidate `json:"pending,omitempty"`
	// Abandoned may come into force all the same, or may be in force after all. The latest comes first.
	Abandoned []candidate `json:"abandoned,omitempty"`
	// Previous were Current before, the latest first: webhooks that were signed with them may still arrive.
	Previous []outgoing `json:"previous,omitempty"`
	// LastRotation is when this engine last changed the secret. Zero when it never did.
	LastRotation time.Time `json:"last_rotation,omitzero"`
	// RotatedAway are keyed hashes of the secrets that this engine has replaced, the oldest first.
	RotatedAway []rotatedAway `json:"rotated_away,omitempty"`
}

type rotatedAway struct {
	Hash string    `json:"hash"`
	At   time.Time `json:"at"`
}

// candidate is a secret that may be in force at Finicity: sent by this engine, or replaced.
type candidate struct {
	Secret string `json:"secret"`
	// Since is when it took its place: stored as pending, or abandoned.
	Since time.Time `json:"since"`
	// Replaced is set when it was the current one, and another took its place without proof. Proven is set when it was
	// in force until then: it is the last to be dropped.
	Replaced bool `json:"replaced,omitempty"`
	Proven   bool `json:"proven,omitempty"`
	// Doubted is set when Finicity has refused the call that sent it, as far as can be believed. OldRefused is set when it
	// was the old secret that was refused: so it is when a first copy of the call was carried out.
	Doubted    bool `json:"doubted,omitempty"`
	OldRefused bool `json:"old_refused,omitempty"`
	// Asked is set when it was found out since which one is in force.
	Asked bool `json:"asked,omitempty"`
	// Timeout is how long the call that sends a pending secret may take, whatever is configured later.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Grace is set when the change leaves the old secret valid for 30 days too.
	Grace bool `json:"grace,omitempty"`
}

// outgoing is a secret that was in force until another one took its place.
type outgoing struct {
	Secret string `json:"secret"`
	// Until is when no webhook that was signed with it arrives any more.
	Until time.Time `json:"until"`
}

const (
	// abandonedFor is how long a candidate that came to nothing is kept: a call that was under way for a day is hard to
	// imagine. A change with a grace period that lands late shows only when the old secret ends, 30 days later.
	abandonedFor      = 24 * time.Hour
	abandonedForGrace = 32 * 24 * time.Hour
	abandonedMost     = 10

	// outgoingFor is how long a webhook that was signed with a secret may arrive after it was replaced: Finicity repeats one
	// for three days. With a grace period the secret is valid for longer.
	outgoingFor      = 4 * 24 * time.Hour
	outgoingForGrace = 30 * 24 * time.Hour
	outgoingMost     = 40

	// rotatedAwayMost bounds the entry: a hundred rotations are eight years of monthly ones.
	rotatedAwayMost = 100
)

// propose makes secret the pending one. There must be none. timeout is that of the call that is to send it.
func (c *credential) propose(secret string, grace bool, timeout time.Duration, now time.Time) {
	c.Pending = &candidate{Secret: secret, Since: now, Timeout: timeout, Grace: grace}
}

// promote takes note that Finicity holds the pending secret.
func (c *credential) promote(now time.Time, hash keyedHash) {
	pending := c.Pending
	c.Pending = nil
	c.rotateTo(pending, now, hash)
}

// rotateTo makes current a secret that this engine has sent.
func (c *credential) rotateTo(sent *candidate, now time.Time, hash keyedHash) {
	if c.Untried { // It was not in force, and may come into force yet.
		for _, a := range c.Abandoned {
			if a.Proven { // What was in force until this one came.
				c.RotatedAway = append(c.RotatedAway, rotatedAway{Hash: hash(a.Secret), At: now})
			}
		}
		c.setAside(candidate{Secret: c.Current, Since: now, Replaced: true})
	} else {
		c.RotatedAway = append(c.RotatedAway, rotatedAway{Hash: hash(c.Current), At: now})
		c.retire(now, sent.Grace)
		// It may have been brought twice, and set aside in between. With a grace period it works on, and as a candidate it would
		// win against the one that stays.
		c.Abandoned = slices.DeleteFunc(slices.Clone(c.Abandoned), func(a candidate) bool { return a.Secret == c.Current })
	}
	if over := len(c.RotatedAway) - rotatedAwayMost; over > 0 {
		// Not the first one: that is the secret which stands in scripts.
		c.RotatedAway = slices.Delete(c.RotatedAway, 1, 1+over)
	}
	c.Abandoned = slices.Clone(c.Abandoned)
	for i := range c.Abandoned {
		c.Abandoned[i].Asked = false // The row of refusals has ended.
	}
	c.Current, c.Untried = sent.Secret, false
	c.LastRotation = now
}

// retire keeps the current secret, which is about to be replaced, for the webhooks that were signed with it.
func (c *credential) retire(now time.Time, grace bool) {
	until := now.Add(outgoingFor)
	if grace {
		until = now.Add(outgoingForGrace)
	}
	c.Previous = append([]outgoing{{Secret: c.Current, Until: until}}, c.Previous...)
	c.Previous = c.Previous[:min(len(c.Previous), outgoingMost)]
}

// rotatedAwayAt is when this engine replaced the secret. One that an operator has replaced may come back.
func (c *credential) rotatedAwayAt(secret string, hash keyedHash) (at time.Time, found bool) {
	if len(c.RotatedAway) == 0 || secret == c.Current {
		return time.Time{}, false
	}
	hashed := hash(secret)
	for _, r := range slices.Backward(c.RotatedAway) {
		if r.Hash == hashed {
			return r.At, true
		}
	}
	return time.Time{}, false
}

// withdraw takes note that the pending secret has definitely not come into force and can't any more.
func (c *credential) withdraw() { c.Pending = nil }

// abandon takes note that Finicity still holds the current secret. The change may be on its way all the same, so the
// candidate is kept aside.
func (c *credential) abandon(now time.Time) {
	aside := *c.Pending
	aside.Since = now
	c.Pending = nil
	c.setAside(aside)
}

// doubt takes note that Finicity has refused the pending secret, as far as can be believed: a gateway that got no answer
// may have sent the request twice, and then this is what the second one came to. It is the least likely candidate, unless it
// was the old secret that was refused.
func (c *credential) doubt(oldRefused bool, now time.Time) {
	aside := *c.Pending
	aside.Since, aside.Doubted = now, true
	// Once in a row: what is found out then is a success, and the refused changes would have no end.
	aside.OldRefused = oldRefused && !slices.ContainsFunc(c.Abandoned, func(a candidate) bool { return a.OldRefused || a.Asked })
	c.Pending = nil
	at := slices.IndexFunc(c.Abandoned, func(a candidate) bool { return a.Doubted })
	switch {
	case oldRefused:
		at = 0 // The likeliest of all.
	case at < 0:
		at = len(c.Abandoned)
	}
	c.keepAside(slices.Insert(slices.Clone(c.Abandoned), at, aside), aside.Secret)
}

// replace makes current a secret that an operator has brought. What was pending may still come into force, unless it
// is this very secret. proven means that Finicity has accepted the new one; otherwise the old one is kept aside, which
// after a rotation is the only copy of what may be the right one.
func (c *credential) replace(secret string, proven bool, now time.Time, hash keyedHash) {
	if secret == c.Current {
		return
	}
	if c.Pending != nil && c.Pending.Secret == secret && proven {
		c.promote(now, hash)
		return
	}
	if c.Pending != nil {
		c.abandon(now)
	}
	if !proven {
		c.setAside(candidate{Secret: c.Current, Since: now, Replaced: true, Proven: !c.Untried})
	}
	c.retire(now, false)
	c.Current, c.Untried = secret, !proven
}

// ownSecrets reports whether one that nobody knows but this engine may be in force, or may come into force.
func (c *credential) ownSecrets() bool {
	return c.Pending != nil || !c.LastRotation.IsZero() ||
		slices.ContainsFunc(c.Abandoned, func(a candidate) bool { return !a.Replaced })
}

// unproven reports whether another stored secret than the current one may well be in force. To find out about the others
// before each change would make refused changes of no account, because that is a success.
func (c *credential) unproven() bool {
	return c.Pending != nil || c.Untried || slices.ContainsFunc(c.Abandoned, candidate.likely)
}

// unsettled reports whether a secret that nobody knows but this engine may be in force in the place of the current one.
// spent says that attempts were refused, or got no answer, since the last success.
func (c *credential) unsettled(spent bool) bool {
	return c.Pending != nil || c.ownSecrets() && (c.Untried || spent && len(c.Abandoned) > 0)
}

// settleWait is how long settling must still wait: a change sent by a process that died may be on its way for as long
// as one call may take. redated means that the pending secret's time lay in the future, because the clock was set
// back, and is now: to be stored, or the wait would begin anew each time.
func (c *credential) settleWait(now time.Time) (wait time.Duration, redated bool) {
	if now.Before(c.Pending.Since) {
		c.Pending.Since = now
		redated = true
	}
	return max(0, c.Pending.Timeout-now.Sub(c.Pending.Since)), redated
}

// accepted takes note that Finicity has accepted a candidate, and reports whether that changes anything.
func (c *credential) accepted(secret string, now time.Time, hash keyedHash) (changed bool) {
	if c.Pending != nil && secret == c.Pending.Secret {
		c.promote(now, hash)
		changed = true
	}
	if secret != c.Current { // Before anything else is set aside, which might push it out.
		c.restore(secret, now, hash)
		changed = true
	}
	if c.Pending != nil {
		c.abandon(now)
		changed = true
	}
	if c.Untried {
		c.Untried = false
		changed = true
	}
	for i, a := range c.Abandoned {
		if a.OldRefused { // Now it is known which one is in force.
			c.Abandoned = slices.Clone(c.Abandoned)
			c.Abandoned[i].OldRefused, c.Abandoned[i].Asked = false, true
			changed = true
		}
	}
	return c.forget(now) || changed
}

// signers are the secrets that a webhook may be signed with: each candidate may be in force, and so counts as the current
// one.
func (c *credential) signers(now time.Time) (current, previous []string) {
	for _, o := range c.Previous {
		if !now.After(o.Until) {
			previous = append(previous, o.Secret)
		}
	}
	return c.candidates(), previous
}

// restore takes note that one of the abandoned secrets is in force after all.
func (c *credential) restore(secret string, now time.Time, hash keyedHash) {
	i := slices.IndexFunc(c.Abandoned, func(a candidate) bool { return a.Secret == secret })
	found := c.Abandoned[i]
	c.Abandoned = slices.Delete(slices.Clone(c.Abandoned), i, i+1)
	if found.Replaced {
		// What took its place is not in force, at least not yet: nothing was rotated, and it may come back.
		c.replace(secret, false, now, hash)
		return
	}
	c.rotateTo(&found, now, hash)
}

// forget drops the candidates that would be in force by now, and the outgoing secrets whose webhooks have arrived, and
// reports whether there were any. Only to be called when another one has just been proven: by age alone, a mount that
// nobody reads would forget the one that is in force.
func (c *credential) forget(now time.Time) (changed bool) {
	kept := slices.DeleteFunc(slices.Clone(c.Abandoned), func(a candidate) bool { return a.expired(now) })
	still := slices.DeleteFunc(slices.Clone(c.Previous), func(o outgoing) bool { return now.After(o.Until) })
	changed = len(kept) < len(c.Abandoned) || len(still) < len(c.Previous)
	c.Abandoned, c.Previous = kept, still
	return changed
}

// refusalCounts reports whether a refusal proves that the secret is not in force. With a grace period Finicity must have
// said so in so many words: taken for that, a refusal of something else would let the current secret win, which works in
// both cases, and the one that stays would be forgotten before the other ends.
func (c *credential) refusalCounts(secret string, failure *finicityapi.Error) bool {
	refused, sure := failure.SecretRefused()
	if c.Pending != nil && c.Pending.Secret == secret && c.Pending.Grace {
		return sure
	}
	return refused
}
