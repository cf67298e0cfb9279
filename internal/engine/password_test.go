// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/engine"
)

func TestSecretRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret string
		breaks string
	}{
		"empty":               {"", "0 characters"},
		"eleven":              {"abcdefghij1", "11 characters"},
		"twelve":              {"abcdefghijk1", ""},
		"255":                 {strings.Repeat("a", 254) + "1", ""},
		"256":                 {strings.Repeat("a", 255) + "1", "256 characters"},
		"every sign":          {"abcdef1!@#$%&*_-+", ""},
		"a space":             {"abcdefghijk 1", "character other than"},
		"another sign":        {"abcdefghijk1?", "character other than"},
		"outside ASCII":       {"abcdefghijk1é", "character other than"},
		"a line break at end": {"abcdefghijk1\n", "character other than"},
		"digits only":         {"123456789012", "no letter"},
		"letters only":        {"abcdefghijkl", "no digit"},
		"signs and a letter":  {"!@#$%&*_-+!a", "no digit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := engine.CheckSecretRules(test.secret)
			switch {
			case (err == nil) != (test.breaks == ""):
				t.Errorf("got %v, want %q", err, test.breaks)
			case err != nil && !strings.Contains(err.Error(), test.breaks):
				t.Errorf("got %v, want %q", err, test.breaks)
			}
		})
	}
}

// The error about a policy is shown to every user who may write the configuration.
func TestTheErrorOfASecretDoesNotQuoteIt(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"Zk3mW9eYt1", "Zk3mW9eYt1LqNd7sH?", "ZkEmWxeYtyLqNzdwsH", "3456789012345"} {
		if err := engine.CheckSecretRules(secret); err == nil || strings.Contains(err.Error(), secret[:6]) {
			t.Errorf("got %v", err)
		}
	}
}

func TestGeneratedSecretsKeepTheRulesAndAreAllDifferent(t *testing.T) {
	t.Parallel()
	const many, length, alphabet = 10_000, 40, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%&*_-+"
	seen := make(map[string]struct{}, many)
	used := map[rune]int{}
	for range many {
		secret, err := engine.GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.CheckSecretRules(secret); err != nil || len(secret) != length {
			t.Fatalf("a generated secret breaks the rules: %v", err)
		}
		seen[secret] = struct{}{}
		for _, c := range secret {
			used[c]++
		}
	}
	if len(seen) != many {
		t.Errorf("%d of %d are different", len(seen), many)
	}
	// Each of the 72 characters should occur 5556 times, with a standard deviation of 74.
	for _, c := range alphabet {
		if n := used[c]; n < 5000 || n > 6100 {
			t.Errorf("%q comes up %d times in %d characters, so the draw is not even", c, n, many*length)
		}
	}
}
