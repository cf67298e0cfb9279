// SPDX-License-Identifier: MPL-2.0

// Package token holds the access token that all readers of a mount share.
//
// A [Token] is never changed once it is shared, so a read of a fresh token in
// the [Cache] is one atomic load: it takes no lock, allocates nothing and does
// not wait for a refresh. Refreshes run one at a time, and all readers that need
// the result wait for the same refresh. [Backoff] spaces the calls to Finicity
// while Finicity is unavailable, however many readers there are.
//
// The life of a token with lifetime L:
//
//	0 ────────────── ¾ L ──────────────────── L − margin ─────────── L
//	  served as is        due for a refresh,              no longer
//	                      still served if it fails        served
//
// The package does not call Finicity or storage, and has no clock of its own.
package token

import (
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// Token is an access token with everything that a read returns.
type Token struct {
	Value     confidential.Text
	AppKey    confidential.Text
	PartnerID string
	// Lifetime is how long Finicity accepts the token.
	Lifetime time.Duration
	// Issued is the wall-clock time just before the request for the token was
	// sent: a slow answer must not make the token look younger than it is.
	Issued time.Time
	// Started is the same moment by the process clock, as [time.Now] returned it.
	// That clock cannot be set back.
	Started time.Time
}

// RefreshAge returns the age from which a read refreshes a token: three quarters of its
// lifetime, 90 minutes of two hours.
func RefreshAge(lifetime time.Duration) time.Duration { return lifetime / 4 * 3 }

// Margin returns how long before its expiry a token is no longer served: 1/24 of its
// lifetime, five minutes of two hours. A token must not expire while a request carries
// it to Finicity.
func Margin(lifetime time.Duration) time.Duration { return lifetime / 24 }

// MaxMinTTL returns the longest remaining lifetime that a reader may request, in whole
// seconds: three quarters of the token's lifetime less the margin, 85 minutes of two
// hours. Readers that request the maximum then cost one authentication every 30 minutes.
func MaxMinTTL(lifetime time.Duration) time.Duration {
	return (lifetime - Margin(lifetime) - lifetime/4).Truncate(time.Second)
}

// Age returns how old the token is at the wall-clock time now, with elapsed
// being the time since Started.
//
// The later clock wins, because each can be behind: the wall clock when it is
// set back, the process clock when the machine was suspended. A token from the
// future counts as expired.
func (t *Token) Age(now time.Time, elapsed time.Duration) time.Duration {
	byWall := now.Round(0).Sub(t.Issued)
	if byWall < 0 {
		return max(t.Lifetime, elapsed)
	}
	return max(byWall, elapsed)
}

// Remaining returns how much longer a token of this age may be served, in whole
// seconds, at least 0.
func (t *Token) Remaining(age time.Duration) time.Duration {
	return max(0, t.Lifetime-Margin(t.Lifetime)-age).Truncate(time.Second)
}

// Expires returns when the token is no longer served, the margin before
// Finicity stops accepting it.
func (t *Token) Expires() time.Time { return t.Issued.Add(t.Lifetime - Margin(t.Lifetime)) }

// Refreshes returns when the token is due for a refresh.
func (t *Token) Refreshes() time.Time { return t.Issued.Add(RefreshAge(t.Lifetime)) }
