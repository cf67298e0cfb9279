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

// State is everything that the engine stores, as one entry: a new base_url
// without its credential would send the old secret to a new host, and a charge
// without its secret would lose one of the two.
type State struct {
	Settings  Settings
	PartnerID string // empty when the mount is not configured
	// Since is when the mount was configured, by the engine's clock. A configuration that
	// was deleted has another one than the next.
	Since   time.Time
	AppKey  confidential.Text
	Secrets secrets.List
	// RotatedAway are keyed hashes of the secrets that the engine has replaced, the
	// oldest first.
	RotatedAway []RotatedAway
	// LastRotation is when the engine last changed the secret, by the wall clock.
	LastRotation time.Time
	Plan         schedule.Plan
	Guard        schedule.Guard
	// Records are the attempts by partner ID. They outlive the configuration.
	Records map[string]attempts.Record
	// Token is the shared token, so that a restart costs no authentication. Nil
	// when there is none.
	Token *StoredToken
	// Copied is when a process found, by the wall clock, that no engine had been alive for
	// hours: the data may be a restored snapshot's. Zero again once Finicity accepts a
	// secret.
	Copied time.Time
	// Clock is the engine's clock at the time of the write. It also identifies the
	// write: no two have the same.
	Clock time.Time

	// pausing is set when the restore guard has just found that no engine was alive,
	// and the pause is not stored yet.
	pausing bool
	// version1 identifies the entry of version 1 that this state was made from. Empty
	// when it was of version 2. imported are the records of version 1 that the state
	// has taken over: they are deleted once it is stored.
	version1 string
	imported []string
}

// Settings are what an operator sets besides the credential.
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

// StoredToken is the shared token with the fingerprint of the partner, the app
// key and the address it came from. It never outlives a change of these.
type StoredToken struct {
	Value       confidential.Text
	Issued      time.Time // by the wall clock
	Fingerprint string
}

const (
	// maxRotatedAway bounds the entry: a hundred rotations are eight years of
	// monthly ones.
	maxRotatedAway = 100
	// maxPartners bounds the records of a mount, that of the stored partner included.
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

// place identifies the address, for the secrets that may be sent to it and for
// the attempts made there.
func (s *Settings) place() string {
	if s.CACert == "" {
		return s.BaseURL
	}
	sum := sha256.Sum256([]byte(s.CACert))
	return s.BaseURL + " ca_cert=" + hex.EncodeToString(sum[:8])
}

// credential is what a call sends.
func (st *State) credential(secret confidential.Text) finicityapi.Credential {
	return finicityapi.Credential{
		PartnerID: st.PartnerID, PartnerSecret: secret, AppKey: st.AppKey,
	}
}

// fingerprint identifies a complete credential with its address.
func (st *State) fingerprint(hash hasher, secret confidential.Text) string {
	return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())
}

// tokenFingerprint identifies what a token came from.
func (st *State) tokenFingerprint(hash hasher) string {
	return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())
}

// sharedToken is the stored token as it is served. Nil when there is none for
// this partner, app key and address.
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

// rotatedAwayAt is when the engine replaced the secret. Zero when it did not, or
// when the secret may be in effect again.
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

// accept notes that Finicity accepted a secret, and reports whether that
// confirmed a rotation.
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
		// The first one stays: it is the secret that is in people's scripts.
		st.RotatedAway = slices.Delete(st.RotatedAway, 1, 1+over)
	}
	st.LastRotation = wall
	st.Plan.Rotated()
	return true
}

// record is the record of a partner, empty when there is none.
func (st *State) record(partner string) attempts.Record { return st.Records[partner].Clone() }

// recordAt is the record of a partner as it counts at an address.
func (st *State) recordAt(to *State) attempts.Record {
	return st.record(to.PartnerID).At(to.Settings.place())
}

// setRecord stores the record of a partner. It fails when there is no room.
func (st *State) setRecord(partner string, record attempts.Record, now time.Time) error {
	if err := st.makeRoom(partner, now); err != nil {
		return err
	}
	st.Records[partner] = record
	return nil
}

// makeRoom makes room for the record of a partner: records that are empty go, and
// then those without an attempt in the last day, the oldest first. It fails for one
// more partner within the day, whose attempts would be counted nowhere. There is
// always room for the stored partner.
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
		return UserError("this mount remembers failed attempts of 8 partners: use another mount for this partner, or try again in 24 hours")
	}
	st.Records = records
	return nil
}
