// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// guess is one of many secrets that are nobody's.
func (h *harness) guess(i int) string {
	secret := fmt.Sprintf("%02dWqzT8!nL4vB_xK7p", i)
	h.words.add(secret)
	return secret
}

// recordKey is where the attempt record of a partner is.
func (h *harness) recordKey(baseURL, partner string) string {
	h.t.Helper()
	hash, err := h.b.keyedHash(h.t.Context(), h.storage)
	if err != nil {
		h.t.Fatal(err)
	}
	return attemptsPrefix + hash(baseURL, partner)
}

// ownKey is that of the partner that most tests are about.
func (h *harness) ownKey() string {
	h.t.Helper()
	return h.recordKey("http://127.0.0.1", partnerID)
}

// record is the attempt record in storage.
func (h *harness) record() attempts {
	h.t.Helper()
	var a attempts
	if value, found := h.storage.peek(h.ownKey()); found {
		if err := json.Unmarshal(value, &a); err != nil {
			h.t.Fatal(err)
		}
	}
	return a
}

// plantRecord puts a record into storage, as another process would have left it.
func (h *harness) plantRecord(a attempts) {
	h.t.Helper()
	value, err := json.Marshal(a)
	if err != nil {
		h.t.Fatal(err)
	}
	h.storage.plant(h.ownKey(), value)
	h.b.InvalidateKey(h.t.Context(), h.ownKey())
}

// spent checks what the stored record counts.
func (h *harness) spent(rejected, charged int) {
	h.t.Helper()
	if a := h.record(); a.Rejected != rejected || a.Charged != charged {
		h.t.Errorf("the record counts %d rejected and %d without an answer, want %d and %d",
			a.Rejected, a.Charged, rejected, charged)
	}
}

// wrongly checks how many wrong attempts Finicity has counted in all, and that it has not locked the partner.
func (h *harness) wrongly(attempts int) {
	h.t.Helper()
	c := h.fake.Counters(partnerID)
	if c.Rejected != attempts || c.Locked || c.WhileLocked > 0 {
		h.t.Errorf("Finicity counts %d wrong attempts, want %d (locked: %v, attempts since: %d)",
			c.Rejected, attempts, c.Locked, c.WhileLocked)
	}
}

// guesses has so many wrong secrets written to config, each of which Finicity refuses.
func (h *harness) guesses(n int) {
	h.t.Helper()
	for i := range n {
		h.fails(h.write("config", fields{"partner_secret": h.guess(i)}), 400, "nothing was stored", "10001")
	}
}

// newRefused is a configured harness without a usable token, whose secret has been changed by other hands.
func newRefused(t *testing.T) *harness {
	t.Helper()
	h := newConfigured(t, nil)
	h.fake.SetSecret(partnerID, wrongSecret)
	h.pass(2 * time.Hour)
	return h
}

// answering makes Finicity answer so many calls with this status and body, without looking at them.
func (h *harness) answering(status int, body string, count int) {
	h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body, Count: count})
}
