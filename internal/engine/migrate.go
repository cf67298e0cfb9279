// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/schedule"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// Version 1 of the stored form, which is only read. It moved secrets between
// places: a current one, a pending one, those set aside and those replaced.
const (
	tokenKeyV1       = "token"
	attemptsPrefixV1 = "attempts/"
)

type (
	stateV1 struct {
		BaseURL           string        `json:"base_url"`
		CACert            string        `json:"ca_cert"`
		RequestTimeout    time.Duration `json:"request_timeout"`
		TokenLifetime     time.Duration `json:"token_lifetime"`
		SecretGracePeriod bool          `json:"secret_grace_period"`
		PasswordPolicy    string        `json:"password_policy"`
		Schedule          Schedule      `json:"schedule"`
		Plan              schedule.Plan `json:"plan"`
		Credential        struct {
			PartnerID string        `json:"partner_id"`
			AppKey    string        `json:"app_key"`
			Current   string        `json:"current"`
			Untried   bool          `json:"untried"`
			Pending   *candidateV1  `json:"pending"`
			Abandoned []candidateV1 `json:"abandoned"` // The latest first.
			Previous  []struct {    // The latest first.
				Secret string    `json:"secret"`
				Until  time.Time `json:"until"`
			} `json:"previous"`
			LastRotation time.Time    `json:"last_rotation"`
			RotatedAway  []storedHash `json:"rotated_away"`
		} `json:"credential"`
	}
	candidateV1 struct {
		Secret     string        `json:"secret"`
		Since      time.Time     `json:"since"`
		Replaced   bool          `json:"replaced"` // It was the current one.
		Proven     bool          `json:"proven"`   // And in effect.
		Doubted    bool          `json:"doubted"`  // The change to it was refused.
		OldRefused bool          `json:"old_refused"`
		Timeout    time.Duration `json:"timeout"`
		Grace      bool          `json:"grace"`
	}
	recordV1 struct {
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
)

// migrate carries an entry of version 1 over, with its token and its record of
// attempts. Where version 1 did not store a fact, the cautious reading counts.
// Nothing is written here; the next write of the state has it all.
func (e *Engine) migrate(ctx context.Context, s logical.Storage, value []byte) (*State, error) {
	var old stateV1
	if json.Unmarshal(value, &old) != nil || old.Credential.PartnerID == "" {
		return nil, ErrUndecodable
	}
	hash, err := e.hasher(ctx, s)
	if err != nil {
		return nil, err
	}
	wall := e.now()
	e.clock.resume(wall, wall)
	m := migration{now: e.clock.now(), old: &old, hash: hash}
	st := m.state()
	record, found, err := m.readRecord(ctx, s, old.BaseURL)
	if err != nil {
		return nil, err
	}
	if found {
		m.refusals(st, record)
		st.Records = map[string]attempts.Record{st.PartnerID: m.record(st, record)}
	}
	if st.Token, err = m.token(ctx, s, st); err != nil {
		return nil, err
	}
	st.Guard = schedule.Guard{Alive: wall}
	return st, nil
}

type migration struct {
	now  time.Time
	old  *stateV1
	hash hasher
}

// The order of what happened, right before now.
func (m *migration) settled() time.Time { return m.now.Add(-20) } // asked and refused
func (m *migration) proven() time.Time  { return m.now.Add(-10) } // the last success
func (m *migration) refused() time.Time { return m.now.Add(-5) }  // refused since

// past is a time by the wall clock, at the latest before anything else.
func (m *migration) past(t time.Time) time.Time {
	if t.After(m.settled()) {
		return m.settled()
	}
	return t
}

func (m *migration) state() *State {
	old := m.old
	st := &State{
		Settings: Settings{
			BaseURL: old.BaseURL, CACert: old.CACert, RequestTimeout: old.RequestTimeout, TokenLifetime: old.TokenLifetime,
			SecretGracePeriod: old.SecretGracePeriod, PasswordPolicy: old.PasswordPolicy, Schedule: old.Schedule,
		},
		PartnerID: old.Credential.PartnerID, AppKey: confidential.New(old.Credential.AppKey),
		LastRotation: old.Credential.LastRotation, Plan: old.Plan,
	}
	for _, r := range old.Credential.RotatedAway {
		st.RotatedAway = append(st.RotatedAway, RotatedAway(r))
	}
	list := &st.Secrets
	list.Move(st.Settings.place())
	add := func(s secrets.Secret) {
		if s.Value.IsZero() || slices.ContainsFunc(list.Secrets, func(known secrets.Secret) bool { return known.Value.Equal(s.Value) }) {
			return
		}
		s.Place = list.Place
		list.Secrets = append(list.Secrets, s)
	}
	m.addCurrent(add)
	m.addPending(add)
	m.addAbandoned(add)
	m.addPrevious(add)
	slices.SortStableFunc(list.Secrets, func(a, b secrets.Secret) int { return a.Added.Compare(b.Added) })
	if !old.Credential.Untried {
		list.Succeeded = m.proven()
	}
	return st
}

func (m *migration) addCurrent(add func(secrets.Secret)) {
	cred := m.old.Credential
	current := secrets.Secret{Value: confidential.New(cred.Current), Added: m.past(m.proven())}
	if !cred.Untried {
		current.Proven = m.proven()
		if !cred.LastRotation.IsZero() { // Or an operator has replaced it since. Better force than a loss.
			current.Origin = secrets.Sent
		}
	}
	// The secret of a change whose old secret was refused is the likely one.
	if slices.ContainsFunc(cred.Abandoned, func(a candidateV1) bool { return a.OldRefused }) {
		current.Refused = m.refused()
	}
	add(current)
}

func (m *migration) addPending(add func(secrets.Secret)) {
	if p := m.old.Credential.Pending; p != nil {
		since := m.past(p.Since)
		add(secrets.Secret{
			Value: confidential.New(p.Secret), Origin: secrets.Sent, Grace: p.Grace, Added: m.now,
			Settles: since.Add(p.Timeout),
		})
	}
}

func (m *migration) addAbandoned(add func(secrets.Secret)) {
	for _, a := range m.old.Credential.Abandoned {
		since := m.past(a.Since)
		s := secrets.Secret{Value: confidential.New(a.Secret), Grace: a.Grace, Added: since}
		switch {
		case a.Replaced && a.Proven:
			s.Origin, s.Proven = secrets.Sent, since
		case a.Replaced:
			continue // Brought, never proven and replaced: an operator has it.
		case a.Doubted:
			s.Origin, s.Denied = secrets.Sent, since
		default:
			s.Origin, s.Refused = secrets.Sent, since
		}
		add(s)
	}
}

func (m *migration) addPrevious(add func(secrets.Secret)) {
	const days = 24 * time.Hour
	for _, p := range m.old.Credential.Previous {
		s := secrets.Secret{Value: confidential.New(p.Secret), Origin: secrets.Sent, Superseded: p.Until.Add(-4 * days)}
		if m.old.SecretGracePeriod || s.Superseded.After(m.now) {
			s.Grace, s.Superseded = true, p.Until.Add(-30*days)
		}
		s.Superseded = m.past(s.Superseded)
		s.Proven = s.Superseded.Add(-1)
		s.Added = s.Proven.Add(-1)
		add(s)
	}
}

// readRecord reads the record of the partner at an address.
func (m *migration) readRecord(ctx context.Context, s logical.Storage, baseURL string) (r recordV1, found bool, err error) {
	return readRecordV1(ctx, s, attemptsPrefixV1+m.hash(baseURL, m.old.Credential.PartnerID))
}

func readRecordV1(ctx context.Context, s logical.Storage, key string) (r recordV1, found bool, err error) {
	entry, err := s.Get(ctx, key)
	if err != nil {
		return r, false, fmt.Errorf("reading the attempts from storage: %w", err)
	}
	if entry == nil {
		return r, false, nil
	}
	if entry.DecodeJSON(&r) != nil { // It may have been full.
		r = recordV1{Charged: 4, LastError: "the stored record of attempts cannot be decoded"}
	}
	return r, true, nil
}

// refusals notes which secrets were refused since the last success.
func (m *migration) refusals(st *State, r recordV1) {
	for _, refused := range r.Refused {
		for i := range st.Secrets.Secrets {
			s := &st.Secrets.Secrets[i]
			if refused.Secret && m.fingerprint(s.Value) == refused.Fingerprint {
				s.Refused = m.refused()
			}
		}
	}
}

// fingerprint is that of version 1, which left out the CA.
func (m *migration) fingerprint(secret confidential.Text) string {
	cred := m.old.Credential
	return m.hash(m.old.BaseURL, cred.PartnerID, cred.AppKey, secret.Reveal())
}

// known reports whether the fingerprint is that of the credential with one of the
// stored secrets.
func (m *migration) known(st *State, fingerprint string) bool {
	return slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool { return m.fingerprint(s.Value) == fingerprint })
}

// record makes attempts of the counts of version 1. Which of them were automatic
// was not stored, so all were.
func (m *migration) record(st *State, old recordV1) attempts.Record {
	stored := func(fingerprint string) bool { return m.known(st, fingerprint) }
	return importRecord(old, st.Settings.place(), m.now, stored)
}

func importRecord(old recordV1, place string, now time.Time, stored func(fingerprint string) bool) attempts.Record {
	record := attempts.Record{Failure: old.LastError, Failed: earlier(old.LastErrorAt, now)}
	last := earlier(old.RejectedAt, now.Add(-1))
	if old.Locked {
		record.Locked = last
	}
	for i := range old.Rejected {
		a := attempts.Attempt{
			At: last.Add(-time.Duration(old.Rejected - i)), Place: place, Outcome: attempts.RefusedWithCode, Answered: last,
		}
		// The latest refused credentials belong to the latest refusals.
		if at := old.Rejected - 1 - i; at < len(old.Refused) {
			a.Credential = old.Refused[at].Fingerprint
			if !stored(a.Credential) {
				a.Subject = attempts.Written
			}
		}
		record.Attempts = append(record.Attempts, a)
	}
	for i := range old.Charged {
		record.Attempts = append(record.Attempts, attempts.Attempt{
			At: now.Add(-time.Duration(old.Charged - i)), Place: place, Outcome: attempts.Unanswered,
		})
	}
	return record
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

func (m *migration) token(ctx context.Context, s logical.Storage, st *State) (*StoredToken, error) {
	entry, err := s.Get(ctx, tokenKeyV1)
	if err != nil {
		return nil, fmt.Errorf("reading the token from storage: %w", err)
	}
	var stored storedToken
	if entry == nil || entry.DecodeJSON(&stored) != nil || !m.known(st, stored.Fingerprint) {
		return nil, nil //nolint:nilnil // A token that can't be read is as good as none.
	}
	return &StoredToken{confidential.New(stored.Token), stored.IssueTime, st.tokenFingerprint(m.hash)}, nil
}

// forgetVersion1 deletes the token of version 1 once the state is stored. What
// can't be deleted is tried again by the next process.
func (e *Engine) forgetVersion1(ctx context.Context, s logical.Storage) {
	e.mu.Lock()
	done := e.version1Forgotten
	e.version1Forgotten = true
	e.mu.Unlock()
	if done {
		return
	}
	if err := s.Delete(ctx, tokenKeyV1); err != nil {
		e.host.Logger().Warn("the token of an earlier version of the plugin cannot be deleted from storage", "error", err)
	}
}

// importAttempts takes over what version 1 recorded of a partner at an address
// that is written now for the first time.
func (e *Engine) importAttempts(ctx context.Context, s logical.Storage, st *State, hash hasher) error {
	if _, known := st.Records[st.PartnerID]; known {
		return nil
	}
	old, found, err := readRecordV1(ctx, s, attemptsPrefixV1+hash(st.Settings.BaseURL, st.PartnerID))
	if err != nil || !found {
		return err
	}
	record := importRecord(old, st.Settings.place(), e.clock.now(), func(string) bool { return false })
	return st.setRecord(st.PartnerID, record, e.clock.now())
}
