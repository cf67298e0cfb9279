// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"fmt"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Guess returns one of many wrong secrets.
func (h *Harness) Guess(i int) string {
	secret := fmt.Sprintf("%02dWqzT8!nL4vB_xK7p", i)
	h.Leaks.Add(secret)
	return secret
}

// Record returns the stored record of the partner that most tests use.
func (h *Harness) Record() attempts.Record {
	h.T.Helper()
	st := h.Stored()
	if st == nil {
		return attempts.Record{}
	}
	return st.Records[PartnerID]
}

// Spent checks how many attempts the stored record counts as refused, and how many as
// unanswered. It also counts attempts that a success has cleared.
func (h *Harness) Spent(rejected, unanswered int) {
	h.T.Helper()
	gotRejected, gotUnanswered := 0, 0
	for _, a := range h.Record().Attempts {
		if a.Outcome == attempts.Unanswered {
			gotUnanswered++
		} else {
			gotRejected++
		}
	}
	if gotRejected != rejected || gotUnanswered != unanswered {
		h.T.Errorf("the record counts %d rejected and %d without an answer, want %d and %d",
			gotRejected, gotUnanswered, rejected, unanswered)
	}
}

// Wrongly checks how many failed attempts Finicity has counted in total, and that
// Finicity has not locked the partner.
func (h *Harness) Wrongly(times int) {
	h.T.Helper()
	c := h.Fake.Counters(PartnerID)
	if c.Rejected != times || c.Locked || c.WhileLocked > 0 {
		h.T.Errorf("Finicity counts %d wrong attempts, want %d (locked: %v, attempts since: %d)",
			c.Rejected, times, c.Locked, c.WhileLocked)
	}
}

// Guesses writes n wrong secrets to config, each of which Finicity refuses.
func (h *Harness) Guesses(n int) {
	h.T.Helper()
	for i := range n {
		h.Fails(h.Write("config", Fields{"partner_secret": h.Guess(i)}), 400, "nothing was stored", "10001")
	}
}

// NewRefused returns a configured harness without a usable token, whose secret was
// changed outside the engine.
func NewRefused(t *testing.T) *Harness {
	t.Helper()
	h := NewConfigured(t, nil)
	h.Fake.SetSecret(PartnerID, WrongSecret)
	h.Pass(2 * time.Hour)
	return h
}

// Answering makes Finicity answer the next n calls with this status and body, without
// reading them.
func (h *Harness) Answering(status int, body string, count int) {
	h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body, Count: count})
}
