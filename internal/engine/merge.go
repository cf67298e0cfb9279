// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"slices"
	"strings"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/schedule"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// change says what a write changes besides settings that only the engine uses.
type change struct {
	credential bool              // something that must be verified with Finicity
	secret     confidential.Text // the given secret, empty if it is the stored one
	appKey     bool
	moved      bool // the partner or the address
	partner    bool
}

// merge applies the given fields to a copy of the state, and checks the result.
// Errors name the field, say what to do, and never quote a value.
func (e *Engine) merge(st *State, w Write, hash hasher) (*State, change, error) {
	next := st.clone()
	if !st.Configured() {
		next.Settings = defaultSettings()
	}
	if err := next.apply(w); err != nil {
		return nil, change{}, err
	}
	secret, now := confidential.Text{}, e.now()
	if w.PartnerSecret != nil {
		secret = *w.PartnerSecret
	}
	next.Secrets.Move(next.Settings.place())
	if !st.Configured() {
		for name, given := range map[string]bool{
			"partner_id": w.PartnerID != nil, "partner_secret": w.PartnerSecret != nil, "app_key": w.AppKey != nil,
		} {
			if !given {
				return nil, change{}, userErrorf("field %q is required: the first write needs partner_id, partner_secret and app_key", name)
			}
		}
		next.Since, next.Plan, next.Guard = e.clock.now(), schedule.Plan{From: now}, schedule.Guard{Alive: now}
		return next, change{credential: true, secret: secret, moved: true, partner: true}, nil
	}

	c := change{
		partner: next.PartnerID != st.PartnerID,
		appKey:  !next.AppKey.Equal(st.AppKey),
	}
	c.moved = c.partner || next.Settings.place() != st.Settings.place()
	// Writing the current secret again changes nothing, unless it replaces an unverified
	// one, or comes with a new app key: then the write must verify exactly this secret.
	if current, _ := st.Secrets.Current(); c.moved || c.appKey || !secret.Equal(current.Value) || st.hasUntriedBeside(current.Value) {
		c.secret = secret
	}
	c.credential = c.moved || c.appKey || !c.secret.IsZero()
	_, pending := st.Secrets.Pending()
	switch at := st.rotatedAwayAt(secret, hash); {
	case c.partner && st.Secrets.OnlyCopy():
		return nil, change{}, &OnlyCopy{Unresolved: st.Secrets.Unresolved(), Standing: e.standing(st, st)}
	case c.moved && w.Verify && pending:
		return nil, change{}, &MovePending{Standing: e.standing(st, st)}
	case c.moved && (secret.IsZero() || w.AppKey == nil):
		// Otherwise a user who may write config, but does not know the secret, could have
		// the engine send it to a host of their own.
		return nil, change{}, e.incomplete(st, next, w)
	case !secret.IsZero() && !c.partner && !at.IsZero():
		advice := "leave the field out to keep the current secret. If Finicity accepts this secret again, first delete the configuration " +
			"with force=true, then write it again"
		if c.moved {
			advice = "a new address needs the secret in effect. If you do not have it, first create a new one in the Finicity " +
				"developer portal, or ask Mastercard support for one"
		}
		return nil, change{}, userErrorf("field %q has a secret that was replaced by a rotation on %s: %s",
			"partner_secret", at.Format(time.RFC3339), advice)
	}
	if c.partner {
		next.Secrets = secrets.List{Place: next.Settings.place()}
		next.RotatedAway, next.LastRotation = nil, time.Time{}
	}
	if then, set := st.Settings.Schedule, next.Settings.Schedule; c.partner ||
		then.Period != set.Period || then.Cron != set.Cron || then.Disabled != set.Disabled {
		next.Plan = schedule.Plan{From: now}
	}
	if w.setsSchedule() {
		next.Guard.Resume(now)
		next.pausing = false
	}
	if c.credential {
		next.Plan.CredentialReplaced()
	}
	return next, c, nil
}

// hasUntriedBeside reports whether another secret is stored that an operator wrote and
// that was never verified.
func (st *State) hasUntriedBeside(secret confidential.Text) bool {
	return slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool {
		return (s.Origin == secrets.Brought && s.Proven.IsZero() || st.Secrets.ToTry(s)) && !s.Value.Equal(secret)
	})
}

// setsSchedule reports whether the write has a field of the schedule, which ends a pause.
func (w Write) setsSchedule() bool {
	return w.RotationPeriod != nil || w.RotationSchedule != nil || w.RotationWindow != nil || w.DisableRotation != nil
}

// apply checks and sets each given field. It only checks the secret.
func (st *State) apply(w Write) error {
	if w.PartnerID != nil {
		if err := checkIdentifier("partner_id", *w.PartnerID); err != nil {
			return err
		}
		st.PartnerID = *w.PartnerID
	}
	if w.PartnerSecret != nil {
		if err := checkIdentifier("partner_secret", w.PartnerSecret.Reveal()); err != nil {
			return err
		}
	}
	if w.AppKey != nil {
		if err := checkIdentifier("app_key", w.AppKey.Reveal()); err != nil {
			return err
		}
		st.AppKey = *w.AppKey
	}
	set := &st.Settings
	if err := set.setAddress(w.BaseURL, w.CACert); err != nil {
		return err
	}
	if w.RequestTimeout != nil {
		if set.RequestTimeout = *w.RequestTimeout; set.RequestTimeout < minRequestTimeout || set.RequestTimeout > maxRequestTimeout {
			return userErrorf("field %q must be between 1s and 2m", "request_timeout")
		}
	}
	if w.TokenLifetime != nil {
		if set.TokenLifetime = *w.TokenLifetime; set.TokenLifetime < minTokenLifetime || set.TokenLifetime > maxTokenLifetime {
			return userErrorf("field %q must be between 1m and 2h: Finicity accepts a token for two hours", "token_lifetime")
		}
	}
	if w.SecretGracePeriod != nil {
		set.SecretGracePeriod = *w.SecretGracePeriod
	}
	if w.PasswordPolicy != nil {
		if set.PasswordPolicy = *w.PasswordPolicy; set.PasswordPolicy != "" {
			if err := checkPolicyName(set.PasswordPolicy); err != nil {
				return err
			}
		}
	}
	set.Schedule.apply(w)
	return set.Schedule.check()
}

// defaultSettings returns the settings before a first write.
func defaultSettings() Settings {
	return Settings{
		BaseURL: finicityapi.DefaultBaseURL, RequestTimeout: DefaultRequestTimeout, TokenLifetime: DefaultTokenLifetime,
	}
}

// setAddress checks and sets the given parts of the address.
func (s *Settings) setAddress(baseURL, caCert *string) (err error) {
	if baseURL != nil {
		if s.BaseURL, err = checkBaseURL(*baseURL); err != nil {
			return err
		}
	}
	if caCert != nil {
		s.CACert = strings.TrimSpace(*caCert)
		return checkCACert(s.CACert)
	}
	return nil
}

// apply sets the given fields. A period replaces a cron expression, and the reverse. If
// both are given, it sets both, and check refuses them.
func (s *Schedule) apply(w Write) {
	given := func(d *time.Duration) time.Duration {
		if d == nil {
			return 0
		}
		return *d
	}
	cron := ""
	if w.RotationSchedule != nil {
		cron = *w.RotationSchedule
	}
	if w.RotationPeriod != nil || cron != "" {
		s.Period = given(w.RotationPeriod)
	}
	if w.RotationSchedule != nil || given(w.RotationPeriod) != 0 {
		s.Cron = cron
	}
	if w.RotationWindow != nil || s.Cron == "" {
		s.Window = given(w.RotationWindow)
	}
	if w.DisableRotation != nil {
		s.Disabled = *w.DisableRotation
	}
}
