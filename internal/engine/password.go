// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// Finicity's rules for a partner secret, from the description of Modify Partner
// Secret in its OpenAPI document, version 1.42.
const (
	secretLetters   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	secretDigits    = "0123456789"
	secretSigns     = "!@#$%&*_-+"
	secretAlphabet  = secretLetters + secretDigits + secretSigns
	minSecretLength = 12
	maxSecretLength = 255

	// generatedLength gives 246 bits out of 72 characters.
	generatedLength = 40

	// policySamples is how many secrets the engine generates to check a password policy,
	// and how often a rotation retries it.
	policySamples = 10
)

// CheckSecretRules returns an error that says which of Finicity's rules a new secret
// breaks. It never quotes the secret.
func CheckSecretRules(secret string) error {
	switch {
	case len(secret) < minSecretLength || len(secret) > maxSecretLength:
		return fmt.Errorf("it has %d characters, and Finicity accepts %d to %d", len(secret), minSecretLength, maxSecretLength)
	case strings.Trim(secret, secretAlphabet) != "":
		return errors.New("it has a character other than letters, digits and " + secretSigns)
	case !strings.ContainsAny(secret, secretLetters):
		return errors.New("it has no letter")
	case !strings.ContainsAny(secret, secretDigits):
		return errors.New("it has no digit")
	}
	return nil
}

// GenerateSecret generates a new secret that follows Finicity's rules.
func GenerateSecret() (string, error) {
	for {
		secret := make([]byte, generatedLength)
		for i := range secret {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(secretAlphabet))))
			if err != nil {
				return "", fmt.Errorf("reading random bytes: %w", err)
			}
			secret[i] = secretAlphabet[n.Int64()]
		}
		// One in 400 secrets has no digit. Starting over keeps the distribution even;
		// replacing a character would not.
		if CheckSecretRules(string(secret)) == nil {
			return string(secret), nil
		}
	}
}

// newSecret generates a secret that was never in effect here, with the password policy
// if there is one.
func (e *Engine) newSecret(ctx context.Context, st *State, hash hasher) (secret confidential.Text, err error) {
	if st.Settings.PasswordPolicy == "" {
		generated, err := GenerateSecret()
		return confidential.New(generated), err
	}
	for range policySamples {
		if secret, err = e.secretFromPolicy(ctx, st, hash); err == nil {
			return secret, nil
		}
	}
	return confidential.Text{}, err
}

// secretFromPolicy generates one secret. Its error names the policy, which Vault's own
// error does not.
func (e *Engine) secretFromPolicy(ctx context.Context, st *State, hash hasher) (confidential.Text, error) {
	policy := st.Settings.PasswordPolicy
	refuse := func(why string) error {
		return userErrorf("field \"password_policy\": %s. To show the policy, type vault read sys/policies/password/%s", why, policy)
	}
	made, err := e.host.System().GeneratePasswordFromPolicy(ctx, policy)
	if err != nil {
		return confidential.Text{}, refuse(fmt.Sprintf("the policy %q does not exist or failed", policy))
	}
	if err := CheckSecretRules(made); err != nil {
		return confidential.Text{}, refuse(fmt.Sprintf("Finicity would not accept a secret from the policy %q: %v", policy, err))
	}
	secret := confidential.New(made)
	if st.knows(secret, hash) {
		return confidential.Text{}, refuse(fmt.Sprintf("the policy %q generated a secret that it had generated before", policy))
	}
	return secret, nil
}

// knows reports whether the secret is in the list, or was replaced.
func (st *State) knows(secret confidential.Text, hash hasher) bool {
	return !st.rotatedAwayAt(secret, hash).IsZero() ||
		slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool { return s.Value.Equal(secret) })
}

// checkPolicy generates some secrets. If a policy follows Finicity's rules only by
// chance, or generates the same secret twice, a rotation would fail months later.
func (e *Engine) checkPolicy(ctx context.Context, st *State, hash hasher) error {
	sample := st.clone()
	for range policySamples {
		secret, err := e.secretFromPolicy(ctx, sample, hash)
		if err != nil {
			return err
		}
		sample.Secrets.Secrets = append(sample.Secrets.Secrets, secrets.Secret{Value: secret})
	}
	return nil
}
