// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// state is what a server keeps across a restart.
type state struct {
	Partners []partnerState `json:"partners"`
	Tokens   []tokenState   `json:"tokens"` // By time of issue.
}

type partnerState struct {
	ID       string        `json:"id"`
	Secret   string        `json:"secret"`
	AppKey   string        `json:"appKey"`
	Outgoing []secretState `json:"outgoing"`
	Counters Counters      `json:"counters"`
}

type secretState struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

type tokenState struct {
	Token     string    `json:"token"`
	PartnerID string    `json:"partnerId"`
	Expires   time.Time `json:"expires"`
}

// State returns the partners with their counters, secrets and tokens, for
// [Server.Restore] in another process. It contains secrets.
func (s *Server) State() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept state
	for _, p := range s.partners {
		saved := partnerState{ID: p.ID, Secret: p.Secret, AppKey: p.AppKey, Counters: p.counters}
		for _, o := range p.outgoing {
			saved.Outgoing = append(saved.Outgoing, secretState{o.secret, o.until})
		}
		kept.Partners = append(kept.Partners, saved)
	}
	for _, token := range s.tokenQueue {
		if issued := s.tokens[token]; issued.partner != nil { // It may have been invalidated with its secret.
			kept.Tokens = append(kept.Tokens, tokenState{token, issued.partner.ID, issued.expires})
		}
	}
	return encode(kept)
}

// Restore replaces the partners and the tokens with those of an earlier server. After an
// error, it has changed nothing.
func (s *Server) Restore(saved []byte) error {
	var kept state
	if err := json.Unmarshal(saved, &kept); err != nil {
		return fmt.Errorf("the state is unreadable: %w", err)
	}
	if len(kept.Partners) == 0 { // The mock server would refuse every call.
		return errors.New("the state has no partners")
	}
	partners, tokens := map[string]*partner{}, map[string]issuedToken{}
	var ordered []*partner
	for i, saved := range kept.Partners {
		switch {
		case strings.TrimSpace(saved.ID) == "":
			return fmt.Errorf("partner %d of the state has no ID", i+1)
		case partners[saved.ID] != nil:
			return fmt.Errorf("the state lists partner %s twice", saved.ID)
		}
		p := &partner{Partner: Partner{ID: saved.ID, Secret: saved.Secret, AppKey: saved.AppKey}, counters: saved.Counters}
		for _, o := range saved.Outgoing {
			p.outgoing = append(p.outgoing, outgoingSecret{o.Secret, o.Until})
		}
		ordered, partners[p.ID] = append(ordered, p), p
	}
	var queue []string
	for _, t := range kept.Tokens {
		if partners[t.PartnerID] == nil {
			return errors.New("the state has a token of a partner that it does not list")
		}
		queue, tokens[t.Token] = append(queue, t.Token), issuedToken{partners[t.PartnerID], t.Expires}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partners, s.tokens, s.tokenQueue = ordered, tokens, queue
	return nil
}
