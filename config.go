// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

const configKey = "config"

// config is the one entry with all that an operator has set and the credential. They are one entry because they belong
// together: a new base_url stored without its credential would send the old secret to the new host.
type config struct {
	BaseURL           string        `json:"base_url"`
	CACert            string        `json:"ca_cert,omitempty"`
	RequestTimeout    time.Duration `json:"request_timeout"`
	TokenLifetime     time.Duration `json:"token_lifetime"`
	SecretGracePeriod bool          `json:"secret_grace_period"`
	PasswordPolicy    string        `json:"password_policy,omitempty"`
	Schedule          schedule      `json:"schedule,omitzero"`
	Plan              plan          `json:"plan,omitzero"`
	Credential        credential    `json:"credential"`
}

// Bounds of the fields. The lifetime is Finicity's: a token is valid for two hours.
const (
	defaultRequestTimeout = 30 * time.Second
	minRequestTimeout     = time.Second
	maxRequestTimeout     = 2 * time.Minute
	defaultTokenLifetime  = 2 * time.Hour
	minTokenLifetime      = time.Minute
	maxTokenLifetime      = 2 * time.Hour

	maxIdentifier = 255 // characters of a partner ID, a secret (Finicity's rule) or an app key
	maxURL        = 2048
	maxCACert     = 256 << 10
)

// loadConfig returns nil when the mount is not configured.
func loadConfig(ctx context.Context, s logical.Storage) (*config, error) {
	entry, err := s.Get(ctx, configKey)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration from storage: %w", err)
	}
	if entry == nil {
		return nil, nil //nolint:nilnil // Not configured is an ordinary state, and each caller must decide on it.
	}
	cfg := new(config)
	if entry.DecodeJSON(cfg) != nil { // Its error may quote what it could not decode.
		return nil, errUndecodable
	}
	return cfg, nil
}

var errUndecodable = errors.New("the stored configuration cannot be decoded: restore it from a snapshot of Vault, or give it " +
	"up with a delete of config, with force=true")

// fingerprint tells one credential from another, and one place where it is sent from another.
func (cfg *config) fingerprint(hash keyedHash, secret string) string {
	return hash(cfg.BaseURL, cfg.Credential.PartnerID, cfg.Credential.AppKey, secret)
}

// recordKey is where the attempt record is: Finicity counts for a partner, and a success at another address, which may
// be another Finicity, must not make the engine forget what was refused at this one.
func (cfg *config) recordKey(hash keyedHash) string {
	return attemptsPrefix + hash(cfg.BaseURL, cfg.Credential.PartnerID)
}

// configChange is what a write changes beyond settings that concern this engine only.
type configChange struct {
	credential bool // something that only Finicity can say is right
	secret     bool // the partner secret was given, and is not the one stored
	loses      bool // what may be the only copy of a secret that is in force
}

// merge applies the fields that were given to a copy of the stored configuration, nil for none, and checks the result.
// Errors name the field, say what to do, and never quote a value.
func (cfg *config) merge(d *framework.FieldData, now time.Time, hash keyedHash) (*config, configChange, error) {
	next := &config{
		BaseURL:        finicityapi.DefaultBaseURL,
		RequestTimeout: defaultRequestTimeout,
		TokenLifetime:  defaultTokenLifetime,
	}
	if cfg != nil {
		*next = *cfg
	}
	given, err := next.apply(d)
	if err != nil {
		return nil, configChange{}, err
	}

	if cfg == nil {
		for _, name := range []string{"partner_id", "partner_secret", "app_key"} {
			if given[name] == "" {
				return nil, configChange{}, fmt.Errorf(
					"field %q is required: the first write needs partner_id, partner_secret and app_key", name)
			}
		}
		next.Credential.Current, next.Credential.Untried = given["partner_secret"], !verifies(d)
		next.Plan = plan{From: now}
		return next, configChange{credential: true, secret: true}, nil
	}

	old := cfg.Credential
	change := configChange{secret: given["partner_secret"] != "" && given["partner_secret"] != old.Current}
	partner := next.Credential.PartnerID != old.PartnerID
	moved := partner || next.BaseURL != cfg.BaseURL || next.CACert != cfg.CACert
	change.credential = moved || change.secret || next.Credential.AppKey != old.AppKey
	if moved && (given["partner_secret"] == "" || given["app_key"] == "") {
		// Otherwise whoever may write config, but does not know the secret, could have it sent to a host of theirs.
		return nil, configChange{}, errors.New("a new base_url, ca_cert or partner_id needs " +
			"partner_secret and app_key in the same write: the stored ones are not sent to another place. " +
			"After a rotation nobody knows the secret, so make a new one in the developer portal first")
	}
	if at, found := old.rotatedAwayAt(given["partner_secret"], hash); found && change.secret && !partner {
		advice := "leave the field out, and the one in force stays"
		if moved {
			advice = "at another place the one in force is needed, and to have one that you know, reset it in the Finicity " +
				"developer portal"
		}
		return nil, configChange{}, fmt.Errorf("field %q has a secret that this engine rotated away on %s: %s",
			"partner_secret", at.Format(time.RFC3339), advice)
	}
	if then, set := cfg.Schedule, next.Schedule; partner ||
		then.Period != set.Period || then.Cron != set.Cron || then.Disabled != set.Disabled {
		next.Plan = plan{From: now}
	}
	if change.credential {
		next.Plan.Refused = 0 // What was refused may have been the one before.
	}
	if moved {
		// That the secret is accepted elsewhere proves nothing: it may be another Finicity, or nobody's.
		known := !change.secret && !old.Untried && len(old.Abandoned) == 0
		change.loses = old.Pending != nil || old.ownSecrets() && (partner || !known)
		// No other secret goes along: whoever sends this one may not know them, and may own the other place.
		next.Credential = credential{
			PartnerID: next.Credential.PartnerID, AppKey: next.Credential.AppKey,
			Current: given["partner_secret"], Untried: !verifies(d),
		}
		if !partner {
			if change.secret {
				old.retire(now, false)
			}
			next.Credential.Previous = old.Previous
			next.Credential.LastRotation, next.Credential.RotatedAway = old.LastRotation, old.RotatedAway
		}
	} else if change.secret {
		next.Credential.replace(given["partner_secret"], verifies(d), now, hash)
	}
	return next, change, nil
}

// verifies reports whether a write wants its credential tried before it is stored.
func verifies(d *framework.FieldData) bool {
	verify, given := fieldValue[bool](d, "verify_connection")
	return verify || !given
}

// apply sets and checks each field that was given, but for the secret: that one is for the rules of credential. It
// returns the texts that were given.
func (cfg *config) apply(d *framework.FieldData) (given map[string]string, err error) {
	given = map[string]string{}
	for _, name := range []string{"partner_id", "partner_secret", "app_key"} {
		if value, ok := fieldValue[string](d, name); ok {
			given[name] = value
			if err := checkIdentifier(name, value); err != nil {
				return nil, err
			}
		}
	}
	if value, ok := given["partner_id"]; ok {
		cfg.Credential.PartnerID = value
	}
	if value, ok := given["app_key"]; ok {
		cfg.Credential.AppKey = value
	}
	if value, ok := fieldValue[string](d, "base_url"); ok {
		if cfg.BaseURL, err = checkBaseURL(value); err != nil {
			return nil, err
		}
	}
	if value, ok := fieldValue[string](d, "ca_cert"); ok {
		cfg.CACert = strings.TrimSpace(value)
		if err := checkCACert(cfg.CACert); err != nil {
			return nil, err
		}
	}
	if value, ok := seconds(d, "request_timeout"); ok {
		cfg.RequestTimeout = value
		if value < minRequestTimeout || value > maxRequestTimeout {
			return nil, fmt.Errorf("field %q must be between 1s and 2m", "request_timeout")
		}
	}
	if value, ok := seconds(d, "token_lifetime"); ok {
		cfg.TokenLifetime = value
		if value < minTokenLifetime || value > maxTokenLifetime {
			return nil, fmt.Errorf("field %q must be between 1m and 2h: Finicity honours a token for two hours",
				"token_lifetime")
		}
	}
	if value, ok := fieldValue[bool](d, "secret_grace_period"); ok {
		cfg.SecretGracePeriod = value
	}
	if value, ok := fieldValue[string](d, "password_policy"); ok {
		cfg.PasswordPolicy = value
		if value != "" {
			if err := checkPolicyName(value); err != nil {
				return nil, err
			}
		}
	}
	cfg.Schedule.apply(d)
	return given, cfg.Schedule.check()
}

// apply sets the fields that were given. One kind of schedule replaces the other, unless both are given: then they
// contradict each other, which check finds.
func (s *schedule) apply(d *framework.FieldData) {
	period, givenPeriod := seconds(d, "rotation_period")
	cron, givenCron := fieldValue[string](d, "rotation_schedule")
	window, givenWindow := seconds(d, "rotation_window")
	if givenPeriod || cron != "" {
		s.Period = period
	}
	if givenCron || period != 0 {
		s.Cron = cron
	}
	if givenWindow || s.Cron == "" {
		s.Window = window
	}
	if disabled, given := fieldValue[bool](d, "disable_automated_rotation"); given {
		s.Disabled = disabled
	}
}
