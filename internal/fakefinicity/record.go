// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"slices"
	"time"
)

// maxLog bounds the request log, in entries. When the log is full, its older half is
// removed. Counters are not affected.
const maxLog = 1 << 16

// Outcome is the result of a call under Finicity's rules.
type Outcome string

// The outcomes. A call that was not applied has none.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeRejected Outcome = "rejected" // 401 or 404; on the authentication path, it counts toward the lock
	OutcomeRefused  Outcome = "refused"  // 400 or 429: nothing changed and nothing counted
	OutcomeLocked   Outcome = "locked"   // code 24302
)

// Request is an entry of the request log. It never contains a secret, a token or an app
// key.
type Request struct {
	Seq  int       `json:"seq"`  // from 1, in the order of arrival; ResetLog does not reset it
	Time time.Time `json:"time"` // of arrival, UTC
	Call string    `json:"call"`
	// PartnerID is empty if the call does not name an existing partner: an unknown
	// value may be a secret.
	PartnerID string `json:"partnerId"`
	// Status is the HTTP status of the answer. It is 0 until the answer is sent, and if
	// there is none.
	Status int `json:"status"`
	// Code is Finicity's code for the outcome, such as 10001, even if the answer was
	// lost.
	Code    string  `json:"code,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Applied means that the call has taken effect. For KindSlow, KindLate,
	// KindHoldBefore and a KindMisleading with Delay, it becomes true later.
	Applied   bool   `json:"applied"`
	Fault     Kind   `json:"fault,omitempty"`
	UserAgent string `json:"userAgent"`
}

// Counters are the totals of one partner.
type Counters struct {
	Authentications int  `json:"authentications"` // tokens issued
	Rejected        int  `json:"rejected"`        // failed attempts of authenticate and modify_secret together
	TowardLock      int  `json:"towardLock"`      // failed attempts that count now; the fifth locks
	Locked          bool `json:"locked"`
	WhileLocked     int  `json:"whileLocked"` // attempts, right or wrong, that were answered with the lock
	SecretChanges   int  `json:"secretChanges"`
	APICalls        int  `json:"apiCalls"`   // customers calls that were accepted
	APIRefused      int  `json:"apiRefused"` // customers calls with the partner's app key and a bad token
}

// Requests returns a copy of the request log, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := make([]Request, len(s.log))
	for i, entry := range s.log {
		log[i] = *entry
	}
	return log
}

// ResetLog empties the request log. It does not reset the counters.
func (s *Server) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Counters returns the totals of a partner, all zero if the partner does not exist.
func (s *Server) Counters(partnerID string) Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.partner(partnerID); p != nil {
		return p.counters
	}
	return Counters{}
}

// Lock locks a partner, as five failed attempts do.
func (s *Server) Lock(partnerID string) {
	s.change(partnerID, func(p *partner) { p.counters.Locked = true })
}

// Unlock unlocks a partner and resets the count of failed attempts, as Finicity's
// support does. Like all changes of a partner, it panics if no partner has that ID.
func (s *Server) Unlock(partnerID string) {
	s.change(partnerID, func(p *partner) { p.counters.Locked, p.counters.TowardLock = false, 0 })
}

// SetSecret changes the secret as if outside the engine, for example in the portal.
// Every earlier secret stops working at once. The secret rules do not apply.
func (s *Server) SetSecret(partnerID, secret string) {
	s.change(partnerID, func(p *partner) { s.cutOver(p, secret) })
}

// SetAppKey rotates the app key as the developer portal does: the old app key stops
// working at once.
func (s *Server) SetAppKey(partnerID, appKey string) {
	s.change(partnerID, func(p *partner) { p.AppKey = appKey })
}

// SetTokenLifetime changes the lifetime of tokens that are issued from now on. See
// Config.TokenLifetime.
func (s *Server) SetTokenLifetime(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenLifetime = lifetime
}

// AcceptsSecret reports whether the secret works now, apart from a lock. It does not
// count as an attempt.
func (s *Server) AcceptsSecret(partnerID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	return p != nil && p.accepts(secret, s.now())
}

// HoldsSecret reports whether the secret is the partner's current one, not one that
// only works because of a grace period. It does not count as an attempt.
func (s *Server) HoldsSecret(partnerID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	return p != nil && p.Secret == secret
}

// AcceptsToken reports whether the token works now, together with the partner's app
// key. It does not count as a call.
func (s *Server) AcceptsToken(partnerID, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	issued := s.tokens[token]
	return issued.partner != nil && issued.partner.ID == partnerID && s.now().Before(issued.expires)
}

// ExpireTokens makes a token of the partner expire now, as if its lifetime were over.
// Without a token, it makes all tokens of the partner expire. It returns how many.
func (s *Server) ExpireTokens(partnerID, token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	expired, now := 0, s.now()
	for known, issued := range s.tokens {
		if issued.partner.ID == partnerID && (token == "" || known == token) && now.Before(issued.expires) {
			issued.expires = now
			s.tokens[known] = issued
			expired++
		}
	}
	return expired
}

func (s *Server) change(partnerID string, change func(*partner)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	if p == nil {
		panic("fakefinicity: there is no such partner")
	}
	change(p)
}

// begin logs the arrival of a call and takes its fault in one step, so that calls get
// faults in the order of the log.
func (s *Server) begin(c *call) (*Request, *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := &Request{Call: c.name, UserAgent: c.userAgent}
	if p := s.partner(c.partnerID); p != nil {
		entry.PartnerID = p.ID
	}
	f := s.takeFaultLocked(c.name)
	if f != nil {
		entry.Fault = f.Kind
	}
	s.recordLocked(entry)
	return entry, f
}

func (s *Server) record(entry *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recordLocked(entry)
}

func (s *Server) recordLocked(entry *Request) {
	s.seq++
	entry.Seq, entry.Time = s.seq, s.now().UTC()
	if len(s.log) == maxLog {
		s.log = slices.Delete(s.log, 0, maxLog/2)
	}
	s.log = append(s.log, entry)
}

// answered records the status just before the answer is sent, so that a client that has
// its answer finds the status in the log.
func (s *Server) answered(entry *Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status = status
}
