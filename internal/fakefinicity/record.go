// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"slices"
	"time"
)

// maxLog bounds the request log; when it is full the older half goes. Counters are not affected.
const maxLog = 1 << 16

// Outcome is what the rules made of a call.
type Outcome string

// The outcomes. A call that was not applied has none.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomeRejected Outcome = "rejected" // 401 or 404; on the authentication path it counts towards the lock
	OutcomeRefused  Outcome = "refused"  // 400 or 429: nothing changed and nothing counted
	OutcomeLocked   Outcome = "locked"   // code 24302
)

// Request is an entry of the request log. It never holds a secret, a token or an app key.
type Request struct {
	Seq  int       `json:"seq"`  // from 1, in the order of arrival; ResetLog does not start it anew
	Time time.Time `json:"time"` // of arrival, UTC
	Call string    `json:"call"`
	// PartnerID is empty if the call names no partner that exists: a stray value may be a secret.
	PartnerID string `json:"partnerId"`
	// Status is that of the answer, or zero if there was none, or none yet.
	Status int `json:"status"`
	// Code is Finicity's code for the outcome, such as 10001, whether or not the answer arrived.
	Code    string  `json:"code,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Applied says that the rules were run on it. For KindSlow, KindLate, KindHoldBefore and a KindMisleading with Delay it
	// becomes true later.
	Applied   bool   `json:"applied"`
	Fault     Kind   `json:"fault,omitempty"`
	UserAgent string `json:"userAgent"`
}

// Counters are the totals of one partner.
type Counters struct {
	Authentications int  `json:"authentications"` // tokens issued
	Rejected        int  `json:"rejected"`        // wrong attempts, authenticate and modify_secret together
	TowardLock      int  `json:"towardLock"`      // those that count now; the fifth locks
	Locked          bool `json:"locked"`
	WhileLocked     int  `json:"whileLocked"` // attempts, right or wrong, answered with the lock after it
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

// ResetLog empties the request log. Counters stay.
func (s *Server) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Counters returns the totals of a partner, zero for one that does not exist.
func (s *Server) Counters(partnerID string) Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.partner(partnerID); p != nil {
		return p.counters
	}
	return Counters{}
}

// Lock locks a partner, as five wrong attempts do.
func (s *Server) Lock(partnerID string) {
	s.change(partnerID, func(p *partner) { p.counters.Locked = true })
}

// Unlock does what Finicity support does for a locked partner: it may try again, with a fresh count.
// Like all changes of a partner it panics if there is none of that ID.
func (s *Server) Unlock(partnerID string) {
	s.change(partnerID, func(p *partner) { p.counters.Locked, p.counters.TowardLock = false, 0 })
}

// SetSecret changes the secret as if by other hands: every earlier one is dead at once. It is not held to the secret
// rules.
func (s *Server) SetSecret(partnerID, secret string) {
	s.change(partnerID, func(p *partner) { s.cutOver(p, secret) })
}

// SetAppKey rotates the app key as the developer portal does: the old one is dead at once.
func (s *Server) SetAppKey(partnerID, appKey string) {
	s.change(partnerID, func(p *partner) { p.AppKey = appKey })
}

// SetTokenLifetime changes how long the tokens of later authentications are honoured, as for Config.TokenLifetime.
func (s *Server) SetTokenLifetime(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenLifetime = lifetime
}

// AcceptsSecret reports whether the secret is good now, the lock aside. Asking counts as nothing.
func (s *Server) AcceptsSecret(partnerID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	return p != nil && p.accepts(secret, s.now())
}

// HoldsSecret reports whether the secret is the partner's own, and not one that a grace period keeps alive. Asking counts
// as nothing.
func (s *Server) HoldsSecret(partnerID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	return p != nil && p.Secret == secret
}

// AcceptsToken reports whether the token is good now, together with the partner's app key. Asking counts as nothing.
func (s *Server) AcceptsToken(partnerID, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	issued := s.tokens[token]
	return issued.partner != nil && issued.partner.ID == partnerID && s.now().Before(issued.expires)
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

// begin logs the arrival of a call and finds its fault in one step, so that faults meet calls in the order of the log.
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

// answered notes the status just before it is sent: a client that has its answer finds it in the log.
func (s *Server) answered(entry *Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status = status
}
