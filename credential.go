// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
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
	// Current is the secret that Finicity accepted last.
	Current string `json:"current"`
	// Pending may have been sent, and may be the one that Finicity holds now.
	Pending *candidate `json:"pending,omitempty"`
	// Abandoned were sent, and were not in force when that was last looked at. The latest comes first.
	Abandoned []candidate `json:"abandoned,omitempty"`
	// Previous was Current before: webhooks that were signed with it may still arrive.
	Previous *outgoing `json:"previous,omitempty"`
	// LastRotation is when this engine last changed the secret. Zero when it never did.
	LastRotation time.Time `json:"last_rotation,omitzero"`
}

// candidate is a secret that may be in force at Finicity.
type candidate struct {
	Secret string `json:"secret"`
	// Since is when it took its place: stored as pending, or abandoned.
	Since time.Time `json:"since"`
	// Timeout is how long the call that sends a pending secret may take, whatever is configured later.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Grace is set when the change leaves the old secret valid for 30 days too.
	Grace bool `json:"grace,omitempty"`
	// Refused is set on a pending secret that Finicity has refused while it is not settled yet, so that an interrupted
	// settling goes on with the current one and does not spend a second attempt on this one.
	Refused bool `json:"refused,omitempty"`
}

// outgoing is a secret that was in force until Since.
type outgoing struct {
	Secret string    `json:"secret"`
	Since  time.Time `json:"since"`
}

const (
	// abandonedFor is how long a candidate that came to nothing is kept: a call that was under way for a day is hard to
	// imagine. A change with a grace period that lands late shows only when the old secret ends, 30 days later.
	abandonedFor      = 24 * time.Hour
	abandonedForGrace = 32 * 24 * time.Hour
	abandonedMost     = 10
)

// propose makes secret the pending one. There must be none. timeout is that of the call that is to send it.
func (c *credential) propose(secret string, grace bool, timeout time.Duration, now time.Time) {
	c.Pending = &candidate{Secret: secret, Since: now, Timeout: timeout, Grace: grace}
}

// promote takes note that Finicity holds the pending secret.
func (c *credential) promote(now time.Time) {
	c.Previous = &outgoing{Secret: c.Current, Since: now}
	c.Current = c.Pending.Secret
	c.Pending = nil
	c.LastRotation = now
}

// withdraw takes note that the pending secret has definitely not come into force and can't any more.
func (c *credential) withdraw() { c.Pending = nil }

// abandon takes note that Finicity still holds the current secret. The change may be on its way all the same, so the
// candidate is kept aside.
func (c *credential) abandon(now time.Time) {
	kept := []candidate{{Secret: c.Pending.Secret, Grace: c.Pending.Grace, Since: now}}
	for _, a := range c.Abandoned {
		limit := abandonedFor
		if a.Grace {
			limit = abandonedForGrace
		}
		if now.Sub(a.Since) <= limit && len(kept) < abandonedMost {
			kept = append(kept, a)
		}
	}
	c.Abandoned, c.Pending = kept, nil
}

// replace makes current a secret that an operator has brought. What was pending may still come into force, unless it
// is this very secret.
func (c *credential) replace(secret string, now time.Time) {
	switch {
	case c.Pending != nil && c.Pending.Secret == secret:
		c.promote(now)
		return
	case c.Pending != nil:
		c.abandon(now)
	}
	if c.Current != secret {
		c.Previous = &outgoing{Secret: c.Current, Since: now}
		c.Current = secret
	}
}

// rotatedAway reports whether secret was in force until this engine changed it. One that an operator has replaced may
// come back.
func (c *credential) rotatedAway(secret string) bool {
	return c.Previous != nil && c.Previous.Secret == secret && c.Previous.Since.Equal(c.LastRotation)
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

// toSettle is the secret to authenticate with next while one is pending. The pending one comes first: with a grace
// period the current one works in both cases, and would prove nothing.
func (c *credential) toSettle() string {
	if c.Pending.Refused {
		return c.Current
	}
	return c.Pending.Secret
}

// settle takes Finicity's verdict on toSettle. Afterwards nothing is pending, or toSettle has the next one to try.
//
// With a grace period a refusal must be one of the secret itself: taken for one, a refusal of the app key would let the
// current secret win, which works in both cases, and the one that stays would be forgotten before the other ends.
func (c *credential) settle(accepted bool, now time.Time) {
	switch {
	case accepted && c.Pending.Refused:
		c.abandon(now)
	case accepted:
		c.promote(now)
	default:
		c.Pending.Refused = !c.Pending.Refused
	}
}

// Finicity's rules for a partner secret, from the description of Modify Partner Secret in its OpenAPI document.
const (
	secretLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	secretDigits  = "0123456789"
	secretSigns   = "!@#$%&*_-+"
	secretShort   = 12
	secretLong    = 255

	secretAlphabet = secretLetters + secretDigits + secretSigns

	// generatedLength gives 246 bits out of 72 characters.
	generatedLength = 40
)

// checkSecretRules says which of Finicity's rules a new secret breaks, and not what the secret is.
func checkSecretRules(secret string) error {
	switch {
	case len(secret) < secretShort || len(secret) > secretLong:
		return fmt.Errorf("it has %d characters, and Finicity takes %d to %d", len(secret), secretShort, secretLong)
	case strings.Trim(secret, secretAlphabet) != "":
		return errors.New("it has a character other than letters, digits and " + secretSigns)
	case !strings.ContainsAny(secret, secretLetters):
		return errors.New("it has no letter")
	case !strings.ContainsAny(secret, secretDigits):
		return errors.New("it has no digit")
	}
	return nil
}

// generateSecret makes a new secret by Finicity's rules.
func generateSecret() (string, error) {
	for {
		secret := make([]byte, generatedLength)
		for i := range secret {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(secretAlphabet))))
			if err != nil {
				return "", fmt.Errorf("reading random bytes: %w", err)
			}
			secret[i] = secretAlphabet[n.Int64()]
		}
		// One in 400 has no digit. Drawing anew keeps the distribution even, mending would not.
		if checkSecretRules(string(secret)) == nil {
			return string(secret), nil
		}
	}
}
