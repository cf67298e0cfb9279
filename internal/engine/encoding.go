// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/schedule"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// storedVersion is the version of the stored entry. Every version must read all older
// ones; testdata has an entry of each.
const storedVersion = 2

// The stored entry. Only here are secrets plain strings.
type (
	storedState struct {
		Version int `json:"version"`
		// Credential was an object in version 1. As a string, it makes a plugin of that
		// version refuse the entry instead of overwriting it.
		Credential   string                  `json:"credential"`
		Settings     storedSettings          `json:"settings,omitzero"`
		PartnerID    string                  `json:"partner_id,omitempty"`
		Since        time.Time               `json:"since,omitzero"`
		AppKey       string                  `json:"app_key,omitempty"`
		Secrets      []storedSecret          `json:"secrets,omitempty"`
		RotatedAway  []storedHash            `json:"rotated_away,omitempty"`
		LastRotation time.Time               `json:"last_rotation,omitzero"`
		Plan         schedule.Plan           `json:"plan,omitzero"`
		Guard        schedule.Guard          `json:"guard,omitzero"`
		Records      map[string]storedRecord `json:"records,omitempty"`
		Token        *storedToken            `json:"token,omitempty"`
		Copied       time.Time               `json:"copied,omitzero"`
		Clock        time.Time               `json:"clock"`
	}
	storedSettings struct {
		BaseURL           string        `json:"base_url"`
		CACert            string        `json:"ca_cert,omitempty"`
		RequestTimeout    time.Duration `json:"request_timeout"`
		TokenLifetime     time.Duration `json:"token_lifetime"`
		SecretGracePeriod bool          `json:"secret_grace_period,omitempty"`
		PasswordPolicy    string        `json:"password_policy,omitempty"`
		Schedule          Schedule      `json:"schedule,omitzero"`
	}
	storedSecret struct {
		Secret       string    `json:"secret"`
		Origin       string    `json:"origin"`
		Place        string    `json:"place"`
		Grace        bool      `json:"with_grace,omitempty"`
		Added        time.Time `json:"added"`
		Written      time.Time `json:"written,omitzero"`
		Settles      time.Time `json:"settles,omitzero"`
		Acknowledged time.Time `json:"acknowledged,omitzero"`
		Denied       time.Time `json:"denied,omitzero"`
		Proven       time.Time `json:"proven,omitzero"`
		Refused      time.Time `json:"refused,omitzero"`
		Superseded   time.Time `json:"superseded,omitzero"`
		GraceEnds    time.Time `json:"grace_ends,omitzero"`
		// EitherGrace is from the first builds of version 2, which did not distinguish a
		// secret that was sent with a grace period from one that a grace period keeps valid.
		EitherGrace bool `json:"grace,omitempty"`
	}
	storedHash struct {
		Hash string    `json:"hash"`
		At   time.Time `json:"at"`
	}
	storedRecord struct {
		Attempts  []storedAttempt `json:"attempts,omitempty"`
		Confirmed time.Time       `json:"confirmed,omitzero"`
		Forced    time.Time       `json:"forced,omitzero"`
		Locked    time.Time       `json:"locked,omitzero"`
		Failed    time.Time       `json:"failed,omitzero"`
		Failure   string          `json:"failure,omitempty"`
	}
	storedAttempt struct {
		At         time.Time `json:"at"`
		Trigger    string    `json:"trigger"`
		Subject    string    `json:"subject"`
		Place      string    `json:"place"`
		Outcome    string    `json:"outcome"`
		Answered   time.Time `json:"answered,omitzero"`
		Credential string    `json:"credential,omitempty"`
		Cleared    time.Time `json:"cleared,omitzero"`
		Passed     time.Time `json:"passed,omitzero"`
	}
	storedToken struct {
		Token       string    `json:"token"`
		IssueTime   time.Time `json:"issue_time"`
		Fingerprint string    `json:"fingerprint"`
	}
)

const credentialMark = "see secrets: this entry is of version 2 or later"

// names are the stored names of the values of a type, in the order of the values.
type names[T ~int] []string

func (n names[T]) store(v T) string { return n[v] }

func (n names[T]) read(name string) (T, error) {
	for i, known := range n {
		if name == known {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("unknown name %q", name)
}

func originNames() names[secrets.Origin] { return names[secrets.Origin]{"brought", "sent"} }

func triggerNames() names[attempts.Trigger] {
	return names[attempts.Trigger]{"automatic", "operator", "forced"}
}

func subjectNames() names[attempts.Subject] {
	return names[attempts.Subject]{"stored", "candidate", "written"}
}

func outcomeNames() names[attempts.Outcome] {
	return names[attempts.Outcome]{"unanswered", "refused", "refused_with_code"}
}

func encode(st *State) ([]byte, error) {
	out := storedState{
		Version: storedVersion, Credential: credentialMark,
		PartnerID: st.PartnerID, Since: st.Since, AppKey: st.AppKey.Reveal(),
		LastRotation: st.LastRotation, Plan: st.Plan, Guard: st.Guard, Copied: st.Copied, Clock: st.Clock,
	}
	if st.Configured() {
		out.Settings = storedSettings(st.Settings)
	}
	for _, s := range st.Secrets.Secrets {
		out.Secrets = append(out.Secrets, storedSecret{
			Secret: s.Value.Reveal(), Origin: originNames().store(s.Origin), Place: s.Place, Grace: s.Grace,
			Added: s.Added, Written: s.Written, Settles: s.CallEnds, Acknowledged: s.Acknowledged, Denied: s.Denied,
			Proven: s.Proven, Refused: s.Refused, Superseded: s.Superseded, GraceEnds: s.GraceEnds,
		})
	}
	for _, r := range st.RotatedAway {
		out.RotatedAway = append(out.RotatedAway, storedHash(r))
	}
	for partner, record := range st.Records {
		stored := storedRecord{
			Confirmed: record.Confirmed, Forced: record.Forced, Locked: record.Locked, Failed: record.Failed, Failure: record.Failure,
		}
		for _, a := range record.Attempts {
			stored.Attempts = append(stored.Attempts, storedAttempt{
				At: a.At, Trigger: triggerNames().store(a.Trigger), Subject: subjectNames().store(a.Subject), Place: a.Place,
				Outcome: outcomeNames().store(a.Outcome), Answered: a.Answered, Credential: a.Credential, Cleared: a.Cleared,
				Passed: a.Passed,
			})
		}
		if out.Records == nil {
			out.Records = map[string]storedRecord{}
		}
		out.Records[partner] = stored
	}
	if st.Token != nil {
		out.Token = &storedToken{st.Token.Value.Reveal(), st.Token.Issued, st.Token.Fingerprint}
	}
	return json.Marshal(out)
}

// Decode reads an entry of the current version. Its error never quotes the entry.
func Decode(value []byte) (*State, error) {
	var in storedState
	if json.Unmarshal(value, &in) != nil {
		return nil, ErrUndecodable
	}
	st := &State{
		Settings: Settings(in.Settings), PartnerID: in.PartnerID, Since: in.Since, AppKey: confidential.New(in.AppKey),
		LastRotation: in.LastRotation, Plan: in.Plan, Guard: in.Guard, Copied: in.Copied, Clock: in.Clock,
	}
	st.Secrets = secrets.List{Place: st.Settings.place()}
	for _, s := range in.Secrets {
		origin, err := originNames().read(s.Origin)
		if err != nil {
			return nil, ErrUndecodable
		}
		if s.EitherGrace {
			s.Grace = true
			if !s.Superseded.IsZero() {
				s.GraceEnds = s.Superseded.Add(30 * 24 * time.Hour)
			}
		}
		st.Secrets.Secrets = append(st.Secrets.Secrets, secrets.Secret{
			Value: confidential.New(s.Secret), Origin: origin, Place: s.Place, Grace: s.Grace,
			Added: s.Added, Written: s.Written, CallEnds: s.Settles, Acknowledged: s.Acknowledged, Denied: s.Denied,
			Proven: s.Proven, Refused: s.Refused, Superseded: s.Superseded, GraceEnds: s.GraceEnds,
		})
	}
	for _, r := range in.RotatedAway {
		st.RotatedAway = append(st.RotatedAway, RotatedAway(r))
	}
	for partner, stored := range in.Records {
		record := attempts.Record{
			Confirmed: stored.Confirmed, Forced: stored.Forced, Locked: stored.Locked, Failed: stored.Failed, Failure: stored.Failure,
		}
		for _, a := range stored.Attempts {
			if a.Trigger == "follow_up" { // From the first builds of version 2.
				a.Trigger = "automatic"
			}
			trigger, err1 := triggerNames().read(a.Trigger)
			subject, err2 := subjectNames().read(a.Subject)
			outcome, err3 := outcomeNames().read(a.Outcome)
			if err1 != nil || err2 != nil || err3 != nil {
				return nil, ErrUndecodable
			}
			record.Attempts = append(record.Attempts, attempts.Attempt{
				At: a.At, Trigger: trigger, Subject: subject, Place: a.Place,
				Outcome: outcome, Answered: a.Answered, Credential: a.Credential, Cleared: a.Cleared, Passed: a.Passed,
			})
		}
		if st.Records == nil {
			st.Records = map[string]attempts.Record{}
		}
		st.Records[partner] = record
	}
	if in.Token != nil {
		st.Token = &StoredToken{confidential.New(in.Token.Token), in.Token.IssueTime, in.Token.Fingerprint}
	}
	return st, nil
}
