// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"crypto/sha256"
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

// Version 1 of the stored entry, which the engine only reads. It moved secrets between
// places: current, pending, abandoned (set aside) and previous (replaced).
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
		Replaced   bool          `json:"replaced"` // It was the current secret.
		Proven     bool          `json:"proven"`   // It was also in effect.
		Doubted    bool          `json:"doubted"`  // The change to it was refused.
		OldRefused bool          `json:"old_refused"`
		Timeout    time.Duration `json:"timeout"`
		Grace      bool          `json:"grace"`
	}
)

// migrate converts an entry of version 1, with its token and its record of attempts.
// Where version 1 did not store a fact, migrate assumes the worse case.
//
// It writes nothing, because not every node may write. The next write of the state
// stores the result, and Periodic makes one.
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
	m := migration{now: e.clock.now(), old: &old, hash: hash}
	st := m.state()
	st.version1 = identify(value)
	record, key, err := readRecordV1(ctx, s, hash, st)
	if err != nil {
		return nil, err
	}
	if record != nil {
		m.refusals(st, record)
		m.alive(record.RejectedAt, record.LastErrorAt)
		// Version 1 did not store which attempts were automatic, so assume that all were.
		stored := func(fingerprint string) bool { return m.known(st, fingerprint) }
		st.Records = map[string]attempts.Record{st.PartnerID: record.attempts(st.Settings.place(), m.now, stored)}
		st.imported = []string{key}
	}
	if st.Token, err = m.token(ctx, s, st); err != nil {
		return nil, err
	}
	st.Guard.Alive = earlier(m.lastAlive, wall)
	return st, nil
}

type migration struct {
	now  time.Time
	old  *stateV1
	hash hasher
	// lastAlive is the latest time in the old entry. Version 1 did not store when it was
	// alive, but the restore guard must cover copies of its data too.
	lastAlive time.Time
}

// alive records times, by the wall clock, at which an engine was running.
func (m *migration) alive(signs ...time.Time) {
	m.lastAlive = slices.MaxFunc(append(signs, m.lastAlive), time.Time.Compare)
}

// These are times just before now, in the order of their events.
func (m *migration) settled() time.Time { return m.now.Add(-20) } // asked and refused
func (m *migration) proven() time.Time  { return m.now.Add(-10) } // the last success
func (m *migration) refused() time.Time { return m.now.Add(-5) }  // refused since

// past returns a time of the wall clock, but no later than settled.
func (m *migration) past(t time.Time) time.Time {
	if t.After(m.settled()) {
		return m.settled()
	}
	return t
}

func (m *migration) state() *State {
	old := m.old
	m.alive(old.Credential.LastRotation, old.Plan.From, old.Plan.FailedAt)
	for _, a := range old.Credential.Abandoned {
		m.alive(a.Since)
	}
	if p := old.Credential.Pending; p != nil {
		m.alive(p.Since)
	}
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
	// In the order of arrival. Of duplicates, the last one counts.
	for _, s := range slices.Concat(m.previous(), m.replaced(), m.current()) {
		s.Place = list.Place
		list.Secrets = slices.DeleteFunc(list.Secrets, func(known secrets.Secret) bool { return known.Value.Equal(s.Value) })
		list.Secrets = append(list.Secrets, s)
	}
	return st
}

// current returns the current secret and those that were sent. An untried current
// secret arrived after these: version 1 verified it before it sent another one.
func (m *migration) current() (all []secrets.Secret) {
	cred := m.old.Credential
	current := secrets.Secret{
		Value: confidential.New(cred.Current), Origin: m.origin(), Grace: m.graceful(), Added: m.settled(), Proven: m.proven(),
	}
	if cred.Untried {
		current.Origin, current.Grace, current.Proven = secrets.Brought, false, time.Time{}
		for _, a := range cred.Abandoned {
			switch {
			case a.Secret != cred.Current:
			case a.Proven: // An operator has written it again.
				current.Origin, current.Proven = m.origin(), m.past(a.Since)
			case !a.Replaced:
				current.Origin = secrets.Sent
			}
		}
		return append(m.sent(), current)
	}
	return append([]secrets.Secret{current}, m.sent()...)
}

// origin returns the origin of a secret that was in effect. Version 1 did not store
// whether the engine had sent it. If in doubt, the engine had: then a delete needs force,
// but no secret is lost.
func (m *migration) origin() secrets.Origin {
	if m.old.Credential.LastRotation.IsZero() {
		return secrets.Brought
	}
	return secrets.Sent
}

// graceful reports whether the last rotation had a grace period: then the previous
// secret was stored for 30 days from that rotation.
func (m *migration) graceful() bool {
	last := m.old.Credential.LastRotation
	for _, p := range m.old.Credential.Previous {
		if !last.IsZero() && p.Until.Equal(last.Add(30*24*time.Hour)) {
			return true
		}
	}
	return false
}

// sent returns the secrets of unconfirmed changes, dated now: if the wall clock is
// ahead, they must not look old, because age removes secrets.
func (m *migration) sent() (all []secrets.Secret) {
	cred := m.old.Credential
	last := []secrets.Secret{}
	for _, a := range slices.Backward(cred.Abandoned) {
		since := m.past(a.Since)
		s := secrets.Secret{Value: confidential.New(a.Secret), Origin: secrets.Sent, Grace: a.Grace, Added: m.now}
		switch {
		case a.Replaced || a.Secret == cred.Current:
			continue
		case a.OldRefused: // Possibly because this one is in effect.
			s.Denied = m.refused()
			last = append(last, s)
			continue
		case a.Doubted:
			s.Denied = since
		case cred.Untried && m.replacedAt(a.Since): // It was pending until an operator wrote another one.
			s.CallEnds = since.Add(a.Timeout)
		default:
			s.Refused = since
		}
		all = append(all, s)
	}
	all = append(all, last...)
	if p := cred.Pending; p != nil {
		all = append(all, secrets.Secret{
			Value: confidential.New(p.Secret), Origin: secrets.Sent, Grace: p.Grace, Added: m.now,
			CallEnds: m.past(p.Since).Add(p.Timeout),
		})
	}
	return all
}

// replacedAt reports whether an operator stored an unverified secret at that time.
func (m *migration) replacedAt(t time.Time) bool {
	return slices.ContainsFunc(m.old.Credential.Abandoned, func(a candidateV1) bool { return a.Replaced && a.Since.Equal(t) })
}

// replaced returns the secrets that were in effect until an operator stored an
// unverified one. It omits those that were never in effect: the operator has them.
func (m *migration) replaced() (all []secrets.Secret) {
	for _, a := range slices.Backward(m.old.Credential.Abandoned) {
		if since := m.past(a.Since); a.Replaced && a.Proven {
			all = append(all, secrets.Secret{
				Value: confidential.New(a.Secret), Origin: m.origin(), Grace: m.graceful(), Added: since, Proven: since,
			})
		}
	}
	return all
}

// previous returns the secrets that webhooks may still be signed with.
func (m *migration) previous() (all []secrets.Secret) {
	const day = 24 * time.Hour
	brought := map[string]bool{} // written by an operator and never in effect, so they sign nothing
	for _, a := range m.old.Credential.Abandoned {
		brought[a.Secret] = a.Replaced && !a.Proven
	}
	for _, p := range m.old.Credential.Previous { // The latest first.
		if brought[p.Secret] {
			delete(brought, p.Secret) // An older copy of it may have been in effect.
			continue
		}
		s := secrets.Secret{Value: confidential.New(p.Secret), Origin: secrets.Sent, Superseded: p.Until.Add(-4 * day)}
		graceful := p.Until.Add(-30 * day)
		if m.old.SecretGracePeriod || s.Superseded.After(m.now) && !graceful.After(m.now) {
			s.Grace, s.Superseded = true, m.past(graceful) // Assume that it was also sent with a grace period.
			s.GraceEnds = s.Superseded.Add(30 * day)
		}
		s.Superseded = m.past(s.Superseded)
		s.Proven = s.Superseded.Add(-1)
		s.Added = s.Proven.Add(-1)
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b secrets.Secret) int { return a.Superseded.Compare(b.Superseded) })
	return all
}

// fingerprint returns the fingerprint of version 1, which did not include the CA.
func (m *migration) fingerprint(secret confidential.Text) string {
	cred := m.old.Credential
	return m.hash(m.old.BaseURL, cred.PartnerID, cred.AppKey, secret.Reveal())
}

// known reports whether the fingerprint belongs to the credential with one of the stored
// secrets.
func (m *migration) known(st *State, fingerprint string) bool {
	return slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool { return m.fingerprint(s.Value) == fingerprint })
}

func (m *migration) token(ctx context.Context, s logical.Storage, st *State) (*StoredToken, error) {
	entry, err := limited{s}.Get(ctx, tokenKeyV1)
	if err != nil {
		return nil, fmt.Errorf("reading the token from storage: %w", err)
	}
	var stored storedToken
	if entry == nil || entry.DecodeJSON(&stored) != nil {
		return nil, nil //nolint:nilnil,nilerr // The engine can get another token.
	}
	m.alive(stored.IssueTime)
	if !m.known(st, stored.Fingerprint) {
		return nil, nil //nolint:nilnil // It belongs to another credential.
	}
	return &StoredToken{confidential.New(stored.Token), stored.IssueTime, st.tokenFingerprint(m.hash)}, nil
}

// forgetVersion1 deletes the entries of version 1 that the stored state has imported.
// These are the records that it names, because a delete or a move could import them
// again, and with the first write of a process the token and the record of the current
// address. If a deletion fails, the next write tries again.
func (e *Engine) forgetVersion1(ctx context.Context, s logical.Storage, st *State) {
	keys, replaced := st.imported, st.version1 != ""
	st.version1, st.imported = "", nil
	if replaced || !e.version1Forgotten {
		keys = slices.Concat(keys, []string{tokenKeyV1})
		if hash, err := e.hasher(ctx, s); err == nil && st.Configured() {
			keys = append(keys, recordKeyV1(hash, st))
		}
	}
	e.version1Forgotten = true
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			e.version1Forgotten = false
			e.host.Logger().Warn("deleting an entry of an earlier version of the plugin from storage failed", "key", key,
				"error", err)
		}
	}
}

// identify returns a hash that distinguishes entries of version 1.
func identify(value []byte) string {
	sum := sha256.Sum256(value)
	return string(sum[:])
}

// isVersion1 reports whether version 1 wrote an entry without a version. Otherwise the
// entry is damaged.
func isVersion1(value []byte) bool {
	var old stateV1
	return json.Unmarshal(value, &old) == nil && old.Credential.PartnerID != ""
}
