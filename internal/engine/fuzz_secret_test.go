// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"crypto/rand"
	"io"
	"regexp"
	"strings"
	"testing"
)

// Finicity's rules for a secret as its OpenAPI document states them, independent of
// CheckSecretRules.
var (
	ruledSecret = regexp.MustCompile(`\A[a-zA-Z0-9!@#$%&*_+-]{12,255}\z`)
	ruledLetter = regexp.MustCompile(`[a-zA-Z]`)
	ruledDigit  = regexp.MustCompile(`[0-9]`)
	ruleBroken  = regexp.MustCompile(`\Ait has (no letter|no digit|a character other than letters, digits and !@#\$%&\*_-\+|` +
		`[0-9]+ characters, and Finicity accepts 12 to 255)\z`)
)

func keepsTheRules(secret string) bool {
	return ruledSecret.MatchString(secret) && ruledLetter.MatchString(secret) && ruledDigit.MatchString(secret)
}

func FuzzTheRulesForSecretsAreFinicitys(f *testing.F) {
	for _, secret := range []string{
		"", "aqJ5Ic4S&Vx2+gDQ6oR4", "OrU7tj!A3tI@pC#b85xV", "abcdefghij1", "abcdefghijk1", "123456789012", "abcdefghijkl", "!@#$%&*_-+a1", "abcdefghijk1\n",
		"abcdefghijk 1", "abcdefghijk1é", "abcdefghijk\xff1", strings.Repeat("a", 254) + "1", strings.Repeat("a", 255) + "1",
	} {
		f.Add(secret)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		err := CheckSecretRules(secret)
		if (err == nil) != keepsTheRules(secret) {
			t.Errorf("%d characters: the rules are kept: %v, and the check says %v", len(secret), err != nil, err)
		}
		if err != nil && !ruleBroken.MatchString(err.Error()) {
			t.Error("the error says more than which rule is broken")
		}
	})
}

// The fuzzer chooses the first random bytes, and Finicity must accept the secret for any
// of them. With the random bytes of the system, no two secrets are the same.
func FuzzGeneratedSecretsKeepTheRulesAndNeverRepeat(f *testing.F) {
	for _, dice := range []string{"", "\x00", strings.Repeat("\x00", 40), strings.Repeat("\x34", 40), strings.Repeat("\xff", 100), strings.Repeat("\x3e", 80)} {
		f.Add([]byte(dice))
	}
	const most = 1 << 18 // The number of secrets to remember, which bounds the memory.
	seen := make(map[string]struct{})
	f.Fuzz(func(t *testing.T, dice []byte) {
		system := rand.Reader
		defer func() { rand.Reader = system }()
		rand.Reader = io.MultiReader(strings.NewReader(string(dice)), system)
		thrown, err := GenerateSecret()
		if err != nil || !keepsTheRules(thrown) || len(thrown) != generatedLength {
			t.Errorf("dice of %d bytes make a secret that breaks the rules, or the error %v", len(dice), err)
		}

		rand.Reader = io.LimitReader(strings.NewReader(string(dice)), 39) // Too few for a secret.
		if secret, err := GenerateSecret(); err == nil || secret != "" {
			t.Error("a secret is made of fewer random bytes than it has characters")
		}

		rand.Reader = system
		drawn, err := GenerateSecret()
		if err != nil || !keepsTheRules(drawn) {
			t.Errorf("a generated secret breaks the rules, or the error is %v", err)
		}
		if _, again := seen[drawn]; again {
			t.Error("a generated secret is one that was there before")
		}
		if len(seen) < most {
			seen[drawn] = struct{}{}
		}
	})
}
