// SPDX-License-Identifier: MPL-2.0

package token

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

var noon = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

func TestTheLifeOfATokenScalesWithItsLifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lifetime, refresh, margin, minTTL time.Duration }{
		{2 * time.Hour, 90 * time.Minute, 5 * time.Minute, 85 * time.Minute},
		{10 * time.Minute, 450 * time.Second, 25 * time.Second, 425 * time.Second},
		{time.Minute, 45 * time.Second, 2500 * time.Millisecond, 42 * time.Second},
		{0, 0, 0, 0},
	} {
		if got := RefreshAge(test.lifetime); got != test.refresh {
			t.Errorf("a token of %s is refreshed after %s, want %s", test.lifetime, got, test.refresh)
		}
		if got := Margin(test.lifetime); got != test.margin {
			t.Errorf("a token of %s has a margin of %s, want %s", test.lifetime, got, test.margin)
		}
		if got := MaxMinTTL(test.lifetime); got != test.minTTL {
			t.Errorf("of a token of %s, %s may be asked for, want %s", test.lifetime, got, test.minTTL)
		}
		token := &Token{Lifetime: test.lifetime, Issued: noon}
		if got, want := token.Refreshes(), noon.Add(test.refresh); !got.Equal(want) {
			t.Errorf("a token of %s is refreshed at %s, want %s", test.lifetime, got, want)
		}
		if got, want := token.Expires(), noon.Add(test.lifetime-test.margin); !got.Equal(want) {
			t.Errorf("a token of %s expires at %s, want %s", test.lifetime, got, want)
		}
	}
}

func TestTheAgeOfATokenIsThatOfTheLaterClock(t *testing.T) {
	t.Parallel()
	token := &Token{Lifetime: 2 * time.Hour, Issued: noon}
	for name, test := range map[string]struct{ byWall, elapsed, want time.Duration }{
		"both agree":                            {time.Hour, time.Hour, time.Hour},
		"the machine was suspended":             {time.Hour, time.Minute, time.Hour},
		"the clock was set back a bit":          {time.Minute, time.Hour, time.Hour},
		"it was set back before the issue":      {-1, time.Minute, 2 * time.Hour},
		"far back, after hardly any time":       {-24 * time.Hour, 0, 2 * time.Hour},
		"it was set back, after a long time":    {-24 * time.Hour, 3 * time.Hour, 3 * time.Hour},
		"it was set ahead":                      {24 * time.Hour, time.Minute, 24 * time.Hour},
		"just issued":                           {0, 0, 0},
		"just issued, and the clock stepped":    {1, 0, 1},
		"read by a process that has no Started": {time.Minute, 1 << 62, 1 << 62},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := token.Age(noon.Add(test.byWall), test.elapsed); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestRemainingTimeIsInWholeSecondsAndNeverNegative(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lifetime, age, want time.Duration }{
		{2 * time.Hour, 0, 115 * time.Minute},
		{2 * time.Hour, 1, 115*time.Minute - time.Second},
		{2 * time.Hour, time.Hour, 55 * time.Minute},
		{2 * time.Hour, 115*time.Minute - time.Second, time.Second},
		{2 * time.Hour, 115*time.Minute - time.Second + 1, 0},
		{2 * time.Hour, 115 * time.Minute, 0},
		{2 * time.Hour, 24 * time.Hour, 0},
		{time.Minute, 0, 57 * time.Second}, // Of 57.5 seconds.
		{10 * time.Minute, 0, 575 * time.Second},
		{0, 0, 0},
	} {
		token := &Token{Lifetime: test.lifetime, Issued: noon}
		if got := token.Remaining(test.age); got != test.want {
			t.Errorf("a token of %s, %s old, has %s remaining, want %s", test.lifetime, test.age, got, test.want)
		}
	}
}

func TestATokenDoesNotPrintItsSecrets(t *testing.T) {
	t.Parallel()
	token := Token{Value: confidential.New("RhPzFLk9qx"), AppKey: confidential.New("d41d8cd98f"), PartnerID: "2445581"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{token, &token} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "RhPzFLk9qx") || strings.Contains(text, "d41d8cd98f") {
				t.Errorf("%s shows a secret", verb)
			}
		}
	}
}
