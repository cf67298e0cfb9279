// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/schedule"
	"vault-plugin-secrets-finicity/internal/secrets"
	"vault-plugin-secrets-finicity/internal/token"
)

// State is everything that the engine stores. It is one entry, so that no crash can store
// only a part: a new base_url without its credential would send the old secret to a new
// host, and a charge without its secret could lose the secret.
type State struct {
	Settings  Settings
	PartnerID string // empty if the mount is not configured
	// Since is when the mount was configured, by the engine's clock. It distinguishes a
	// configuration from one that was deleted before it.
	Since   time.Time
	AppKey  confidential.Text
	Secrets secrets.List
	// RotatedAway has keyed hashes of the secrets that the engine has replaced, the oldest
	// first.
	RotatedAway []RotatedAway
	// LastRotation is when the engine last changed the secret, by the wall clock.
	LastRotation time.Time
	Plan         schedule.Plan
	Guard        schedule.Guard
	// Records has the attempts by partner ID. They outlive the configuration.
	Records map[string]attempts.Record
	// Token is the shared token, or nil. It is stored so that a restart costs no
	// authentication.
	Token *StoredToken
	// Copied is when a process found, by the wall clock, that no engine had been running for
	// hours: the data may be that of a restored snapshot. It is zero again after a success.
	Copied time.Time
	// Clock is the time of the write by the engine's clock. It also identifies the write,
	// because the clock never returns the same time twice.
	Clock time.Time

	// pausing means that the restore guard has just paused the schedule, and the pause is
	// not stored yet.
	pausing bool
	// version1 identifies the entry of version 1 that this state was converted from. It is
	// empty if the entry was of version 2. imported has the keys of the records of version 1
	// that the state includes: they are deleted after the state is stored.
	version1 string
	imported []string
}

// Settings are the configuration besides the credential.
type Settings struct {
	BaseURL           string
	CACert            string
	RequestTimeout    time.Duration
	TokenLifetime     time.Duration
	SecretGracePeriod bool
	PasswordPolicy    string
	Schedule          Schedule
}

// RotatedAway is the hash of a secret that the engine has replaced.
type RotatedAway struct {
	Hash string
	At   time.Time // by the wall clock
}

// StoredToken is the shared token with the fingerprint of its partner, app key and
// address. A token is not used after one of these changes.
type StoredToken struct {
	Value       confidential.Text
	Issued      time.Time // by the wall clock
	Fingerprint string
}

const (
	// maxRotatedAway bounds the size of the entry. A hundred monthly rotations take eight
	// years.
	maxRotatedAway = 100
	// maxPartners bounds the number of records, including that of the stored partner.
	maxPartners = 8
)

// Configured reports whether the mount has a credential.
func (st *State) Configured() bool { return st.PartnerID != "" }

func (st *State) clone() *State {
	next := *st
	next.Secrets = st.Secrets.Clone()
	next.RotatedAway = slices.Clone(st.RotatedAway)
	next.Records = maps.Clone(st.Records)
	for partner, record := range next.Records {
		next.Records[partner] = record.Clone()
	}
	if st.Token != nil {
		stored := *st.Token
		next.Token = &stored
	}
	return &next
}

// place identifies the address. Secrets may be sent only to their own place, and attempts
// are recorded with theirs.
func (s *Settings) place() string {
	if s.CACert == "" {
		return s.BaseURL
	}
	sum := sha256.Sum256([]byte(s.CACert))
	return s.BaseURL + " ca_cert=" + hex.EncodeToString(sum[:8])
}

// credential returns the credential that a call sends.
func (st *State) credential(secret confidential.Text) finicityapi.Credential {
	return finicityapi.Credential{
		PartnerID: st.PartnerID, PartnerSecret: secret, AppKey: st.AppKey,
	}
}

// fingerprint returns a hash that identifies a complete credential and its address.
func (st *State) fingerprint(hash hasher, secret confidential.Text) string {
	return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())
}

// tokenFingerprint returns a hash that identifies the partner, app key and address of a
// token.
func (st *State) tokenFingerprint(hash hasher) string {
	return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())
}

// sharedToken returns the stored token in the form in which it is served. It is nil if
// there is none for this partner, app key and address.
func (st *State) sharedToken(hash hasher, wall time.Time) *token.Token {
	if st.Token == nil || st.Token.Fingerprint != st.tokenFingerprint(hash) {
		return nil
	}
	return &token.Token{
		Value:     st.Token.Value,
		AppKey:    st.AppKey,
		PartnerID: st.PartnerID,
		Lifetime:  st.Settings.TokenLifetime,
		Issued:    st.Token.Issued,
		Started:   time.Now().Add(-wall.Sub(st.Token.Issued)),
	}
}

// rotatedAwayAt returns when the engine replaced the secret. It is zero if the engine did
// not replace it, or if it may be in effect again.
func (st *State) rotatedAwayAt(secret confidential.Text, hash hasher) time.Time {
	if slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool {
		return s.Place == st.Secrets.Place && s.Value.Equal(secret) && !s.Superseded.After(s.Written)
	}) {
		return time.Time{}
	}
	hashed := hash(secret.Reveal())
	for _, r := range slices.Backward(st.RotatedAway) {
		if r.Hash == hashed {
			return r.At
		}
	}
	return time.Time{}
}

// accept records that Finicity accepted a secret, and reports whether that confirmed a
// rotation.
func (st *State) accept(secret confidential.Text, hash hasher, now, wall time.Time) (rotated bool) {
	before := st.Secrets.Clone()
	st.Secrets.Accept(secret, now)
	st.Copied = time.Time{}
	for i, s := range before.Secrets {
		if s.Value.Equal(secret) && s.Place == st.Secrets.Place {
			rotated = s.Origin == secrets.Sent && s.Proven.IsZero()
			before.Secrets = before.Secrets[:i]
			break
		}
	}
	if !rotated {
		return false
	}
	for _, s := range before.Secrets {
		if s.Superseded.IsZero() && !s.Proven.IsZero() && s.Place == st.Secrets.Place {
			st.RotatedAway = append(st.RotatedAway, RotatedAway{Hash: hash(s.Value.Reveal()), At: wall})
		}
	}
	if over := len(st.RotatedAway) - maxRotatedAway; over > 0 {
		// Keep the first one: it is the secret that scripts are most likely to have.
		st.RotatedAway = slices.Delete(st.RotatedAway, 1, 1+over)
	}
	st.LastRotation = wall
	st.Plan.Rotated()
	return true
}

// record returns the record of a partner. It is empty if there is none.
func (st *State) record(partner string) attempts.Record { return st.Records[partner].Clone() }

// recordAt returns the record of a partner as it counts at an address.
func (st *State) recordAt(to *State) attempts.Record {
	return st.record(to.PartnerID).At(to.Settings.place())
}

// setRecord sets the record of a partner. It fails if there is no room.
func (st *State) setRecord(partner string, record attempts.Record, now time.Time) error {
	if err := st.makeRoom(partner, now); err != nil {
		return err
	}
	st.Records[partner] = record
	return nil
}

// makeRoom makes room for the record of a partner. It removes empty records, and then
// those without an attempt in the last 24 hours, the oldest first. If there is still no
// room, it fails, because the attempts could not be counted. There is always room for the
// stored partner.
func (st *State) makeRoom(partner string, now time.Time) error {
	records := map[string]attempts.Record{}
	maps.Copy(records, st.Records)
	maps.DeleteFunc(records, func(other string, r attempts.Record) bool { return other != partner && r.Empty(now) })
	room, others := maxPartners-1, []string{}
	if st.Configured() && partner != st.PartnerID {
		room--
	}
	for other := range records {
		if other != partner && other != st.PartnerID {
			others = append(others, other)
		}
	}
	slices.SortFunc(others, func(a, b string) int { return records[a].Last().Compare(records[b].Last()) })
	for len(others) > room && !records[others[0]].Recent(now) {
		delete(records, others[0])
		others = others[1:]
	}
	if _, known := records[partner]; len(others) > room && !known && partner != st.PartnerID {
		return UserError("this mount already counts failed attempts of 8 partners: use another mount for this partner, or try again in 24 hours")
	}
	st.Records = records
	return nil
}
