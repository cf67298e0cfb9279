// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// lockLimit is the number of failed attempts that lock a partner (OpenAPI document
	// 1.42, Create Access Token).
	lockLimit = 5

	// gracePeriod is how long the old secret still works after a change with
	// immediate=false (Finicity partner documentation).
	gracePeriod = 30 * 24 * time.Hour

	// tokenLength is the length of the token in the OpenAPI document's example.
	tokenLength = 20

	minSecretLength = 12
	maxSecretLength = 255
)

// partner is the state of one partner.
type partner struct {
	Partner
	outgoing []outgoingSecret
	counters Counters
}

// outgoingSecret is an earlier secret within its grace period.
type outgoingSecret struct {
	secret string
	until  time.Time
}

type issuedToken struct {
	partner *partner
	expires time.Time
}

// apply makes a call take effect. The rules apply to the state at that moment, not when
// the call was sent.
func (s *Server) apply(c *call, entry *Request) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applyLocked(c, entry)
}

func (s *Server) applyLocked(c *call, entry *Request) *answer {
	a := c.malformed
	if a == nil {
		now := s.now()
		switch known := s.knowsAppKey(c); {
		case !known && s.appKeyRateLimited:
			a = rateLimited()
		case c.name == CallAuthenticate:
			a = s.authenticate(c, now)
		case c.name == CallModifySecret:
			a = s.modifySecret(c, now)
		default:
			a = s.customers(c, entry, now)
		}
	}
	entry.Applied, entry.Outcome, entry.Code = true, a.outcome, a.code
	return a
}

func (s *Server) authenticate(c *call, now time.Time) *answer {
	p, refusal := s.identify(c, now)
	if refusal != nil {
		return refusal
	}
	s.succeed(p)
	p.counters.Authentications++
	return &answer{
		status:      http.StatusOK,
		contentType: jsonContentType,
		body: encode(struct {
			Token string `json:"token"`
		}{s.issueToken(p, now)}),
		outcome: OutcomeAccepted,
	}
}

func (s *Server) modifySecret(c *call, now time.Time) *answer {
	p, refusal := s.identify(c, now)
	if refusal != nil {
		return refusal
	}
	if !validSecret(c.newSecret) {
		return againstPolicy()
	}
	s.succeed(p)
	p.counters.SecretChanges++
	if c.grace {
		p.outgoing = append(p.outgoing, outgoingSecret{p.Secret, now.Add(gracePeriod)})
		p.Secret = c.newSecret
	} else {
		s.cutOver(p, c.newSecret)
	}
	return &answer{status: http.StatusNoContent, outcome: OutcomeAccepted}
}

func (s *Server) customers(c *call, entry *Request, now time.Time) *answer {
	owner := slices.IndexFunc(s.partners, func(p *partner) bool { return p.AppKey == c.appKey })
	if owner < 0 {
		return wrongAppKey(c.appKey)
	}
	p := s.partners[owner]
	issued := s.tokens[c.token]
	good := issued.partner != nil && issued.partner.AppKey == c.appKey && now.Before(issued.expires)
	if good {
		p = issued.partner
	}
	entry.PartnerID = p.ID
	if !good {
		p.counters.APIRefused++
		return wrongToken(c.token)
	}
	p.counters.APICalls++
	return &answer{
		status:      http.StatusOK,
		contentType: jsonContentType,
		body:        []byte(`{"found":0,"displaying":0,"moreAvailable":false,"customers":[]}`),
		outcome:     OutcomeAccepted,
	}
}

// knowsAppKey reports whether the app key belongs to the partner that the call names.
// If the call names no partner, the app key may belong to any.
func (s *Server) knowsAppKey(c *call) bool {
	p := s.partner(c.partnerID)
	if p != nil {
		return p.AppKey == c.appKey
	}
	return slices.ContainsFunc(s.partners, func(p *partner) bool { return p.AppKey == c.appKey })
}

// identify checks the app key, the lock and the secret of a call. A failed attempt
// counts for the partner whose ID is in the call, even if the secret is right and only
// the app key is wrong.
func (s *Server) identify(c *call, now time.Time) (*partner, *answer) {
	p := s.partner(c.partnerID)
	switch {
	case p == nil && !s.knowsAppKey(c):
		return nil, wrongAppKey(c.appKey)
	case p == nil:
		return nil, unknownPartner(c.name)
	case p.counters.Locked:
		p.counters.WhileLocked++
		return nil, partnerLocked()
	case p.AppKey != c.appKey:
		return nil, p.reject(wrongAppKey(c.appKey))
	case !p.accepts(c.secret, now):
		return nil, p.reject(invalidCredentials())
	}
	return p, nil
}

func (s *Server) partner(id string) *partner {
	for _, p := range s.partners {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// reject counts a failed attempt. The attempt that locks the partner is itself answered
// with the lock.
func (p *partner) reject(a *answer) *answer {
	p.counters.Rejected++
	p.counters.TowardLock++
	if p.counters.TowardLock < lockLimit {
		return a
	}
	p.counters.Locked = true
	return partnerLocked()
}

func (s *Server) succeed(p *partner) {
	if !s.successKeepsCount {
		p.counters.TowardLock = 0
	}
}

func (p *partner) accepts(secret string, now time.Time) bool {
	p.outgoing = slices.DeleteFunc(p.outgoing, func(o outgoingSecret) bool { return !now.Before(o.until) })
	return secret == p.Secret ||
		slices.ContainsFunc(p.outgoing, func(o outgoingSecret) bool { return o.secret == secret })
}

// cutOver makes secret the only valid one.
func (s *Server) cutOver(p *partner, secret string) {
	p.Secret, p.outgoing = secret, nil
	if s.tokensDieWithSecret {
		maps.DeleteFunc(s.tokens, func(_ string, t issuedToken) bool { return t.partner == p })
	}
}

// issueToken also removes the expired tokens at the head of the queue. So a long run
// keeps at most two hours of tokens, and issuing each takes the same time.
func (s *Server) issueToken(p *partner, now time.Time) string {
	dead := 0
	for dead < len(s.tokenQueue) && !now.Before(s.tokens[s.tokenQueue[dead]].expires) {
		delete(s.tokens, s.tokenQueue[dead])
		dead++
	}
	token := rand.Text()[:tokenLength]
	s.tokenQueue = append(s.tokenQueue[dead:], token)
	s.tokens[token] = issuedToken{p, now.Add(s.tokenLifetime)}
	return token
}

// validSecret checks a new secret against the rules (OpenAPI document 1.42, Modify
// Partner Secret).
func validSecret(secret string) bool {
	const (
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		digits  = "0123456789"
		others  = "!@#$%&*_-+"
	)
	return len(secret) >= minSecretLength && len(secret) <= maxSecretLength &&
		strings.ContainsAny(secret, letters) && strings.ContainsAny(secret, digits) &&
		strings.Trim(secret, letters+digits+others) == ""
}
