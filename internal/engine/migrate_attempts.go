// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// recordV1 is the entry in which version 1 recorded the attempts of a partner at an
// address.
type recordV1 struct {
	Rejected    int       `json:"rejected"`
	Charged     int       `json:"charged"`
	RejectedAt  time.Time `json:"rejected_at"`
	Locked      bool      `json:"locked"`
	LastError   string    `json:"last_error"`
	LastErrorAt time.Time `json:"last_error_at"`
	Refused     []struct {
		Fingerprint string    `json:"fingerprint"`
		At          time.Time `json:"at"`
		Secret      bool      `json:"secret"` // A verdict on the secret itself.
	} `json:"refused"`
}

// readRecordV1 reads the record of st's partner at st's address. It is nil if there is
// none. The key does not include the CA.
func readRecordV1(ctx context.Context, s logical.Storage, hash hasher, st *State) (r *recordV1, key string, err error) {
	key = recordKeyV1(hash, st)
	entry, err := limited{s}.Get(ctx, key)
	if err != nil {
		return nil, "", fmt.Errorf("reading the attempts from storage: %w", err)
	}
	if entry == nil {
		return nil, "", nil
	}
	r = new(recordV1)
	if entry.DecodeJSON(r) != nil { // Assume that all attempts were used up.
		r = &recordV1{Charged: attempts.Limit, LastError: "the stored record of attempts cannot be decoded"}
	}
	// Forced attempts had no limit. A count above twice the limit has no further effect.
	r.Rejected, r.Charged = min(r.Rejected, 2*attempts.Limit), min(r.Charged, 2*attempts.Limit)
	return r, key, nil
}

func recordKeyV1(hash hasher, st *State) string {
	return attemptsPrefixV1 + hash(st.Settings.BaseURL, st.PartnerID)
}

// refusals marks the secrets that were refused since the last success.
func (m *migration) refusals(st *State, r *recordV1) {
	for _, refused := range r.Refused {
		for i := range st.Secrets.Secrets {
			s := &st.Secrets.Secrets[i]
			if refused.Secret && m.fingerprint(s.Value) == refused.Fingerprint {
				s.Refused = m.refused()
			}
		}
	}
}

// attempts converts the counts of version 1 to a record. stored reports whether a refused
// credential is a stored one. An operator has written the others.
func (r *recordV1) attempts(place string, now time.Time, stored func(fingerprint string) bool) attempts.Record {
	// The times of the attempts must differ, and must be before now.
	charged := now.Add(-time.Duration(r.Charged))
	last := charged.Add(-1)
	if !r.RejectedAt.IsZero() {
		last = earlier(r.RejectedAt, last)
	}
	record := attempts.Record{Failure: r.LastError, Failed: earlier(r.LastErrorAt, now)}
	if r.Locked {
		record.Locked = last
	}
	for i := range r.Rejected {
		a := attempts.Attempt{
			At: last.Add(-time.Duration(r.Rejected - i)), Place: place, Outcome: attempts.RefusedWithCode, Answered: last,
		}
		// The last refused credentials belong to the last refusals.
		if at := r.Rejected - 1 - i; at < len(r.Refused) {
			a.Credential = r.Refused[at].Fingerprint
			if !stored(a.Credential) {
				a.Subject, a.Trigger = attempts.Written, attempts.Operator
			}
		}
		record.Attempts = append(record.Attempts, a)
	}
	for i := range r.Charged {
		record.Attempts = append(record.Attempts, attempts.Attempt{
			At: charged.Add(time.Duration(i)), Place: place, Outcome: attempts.Unanswered,
		})
	}
	return record
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// openRecord makes room for the attempts of a partner at a new address, and imports what
// version 1 recorded of them.
func (e *Engine) openRecord(ctx context.Context, s logical.Storage, st, to *State, hash hasher) error {
	now, partner := e.clock.now(), to.PartnerID
	if err := st.makeRoom(partner, now); err != nil {
		return err
	}
	old, key, err := readRecordV1(ctx, s, hash, to)
	if err != nil {
		return err
	}
	known := st.PartnerID == partner && slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool {
		return s.Place == to.Settings.place()
	})
	if old != nil && !known { // Otherwise it was imported when the mount first used this address.
		st.Records[partner] = old.joined(st.record(partner), to.Settings.place(), now)
		st.imported = slices.Concat(st.imported, []string{key})
	}
	to.Records, to.imported = st.Records, st.imported
	return nil
}

// joined adds the attempts that version 1 recorded to a record. None of them is an
// attempt with the stored credential.
func (r *recordV1) joined(record attempts.Record, place string, now time.Time) attempts.Record {
	imported := r.attempts(place, now, func(string) bool { return false })
	record.Attempts = append(record.Attempts, imported.Attempts...)
	slices.SortStableFunc(record.Attempts, func(a, b attempts.Attempt) int { return a.At.Compare(b.At) })
	if imported.Locked.After(record.Locked) {
		record.Locked = imported.Locked
	}
	if imported.Failed.After(record.Failed) {
		record.Failed, record.Failure = imported.Failed, imported.Failure
	}
	return record
}
