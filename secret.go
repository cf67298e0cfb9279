// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Finicity's rules for a partner secret, from the description of Modify Partner Secret in its OpenAPI document.
const (
	secretLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	secretDigits  = "0123456789"
	secretSigns   = "!@#$%&*_-+"
	secretShort   = 12
	secretLong    = 255

	secretAlphabet = secretLetters + secretDigits + secretSigns

	// generatedLength gives 246 bits out of 72 characters.
	generatedLength = 40
)

// checkSecretRules says which of Finicity's rules a new secret breaks, and not what the secret is.
func checkSecretRules(secret string) error {
	switch {
	case len(secret) < secretShort || len(secret) > secretLong:
		return fmt.Errorf("it has %d characters, and Finicity takes %d to %d", len(secret), secretShort, secretLong)
	case strings.Trim(secret, secretAlphabet) != "":
		return errors.New("it has a character other than letters, digits and " + secretSigns)
	case !strings.ContainsAny(secret, secretLetters):
		return errors.New("it has no letter")
	case !strings.ContainsAny(secret, secretDigits):
		return errors.New("it has no digit")
	}
	return nil
}

// generateSecret makes a new secret by Finicity's rules.
func generateSecret() (string, error) {
	for {
		secret := make([]byte, generatedLength)
		for i := range secret {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(secretAlphabet))))
			if err != nil {
				return "", fmt.Errorf("reading random bytes: %w", err)
			}
			secret[i] = secretAlphabet[n.Int64()]
		}
		// One in 400 has no digit. Drawing anew keeps the distribution even, mending would not.
		if checkSecretRules(string(secret)) == nil {
			return string(secret), nil
		}
	}
}
