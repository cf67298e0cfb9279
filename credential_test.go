// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plainHash is a keyedHash whose results can be read.
func plainHash(parts ...string) string { return "hash of " + strings.Join(parts, ", ") }

// proposed is a credential with a change under way since noon.
func proposed(grace bool) *credential {
	c := &credential{PartnerID: partnerID, AppKey: appKey, Current: "old"}
	c.propose("new", grace, 30*time.Second, noon)
	return c
}

func TestAProposedSecretLeavesTheCurrentOneInForce(t *testing.T) {
	t.Parallel()
	c := proposed(true)
	want := &candidate{Secret: "new", Since: noon, Timeout: 30 * time.Second, Grace: true}
	if c.Current != "old" || !reflect.DeepEqual(c.Pending, want) {
		t.Error("the change is not noted next to the current secret")
	}
}

func TestAPromotedSecretMakesTheOldOnePrevious(t *testing.T) {
	t.Parallel()
	c := proposed(false)
	later := noon.Add(time.Minute)
	c.promote(later, plainHash)
	if c.Current != "new" || c.Pending != nil || !c.LastRotation.Equal(later) {
		t.Error("the new secret is not the current one")
	}
	if !reflect.DeepEqual(c.Previous, []outgoing{{Secret: "old", Until: later.Add(outgoingFor)}}) {
		t.Error("the old secret is not the previous one: webhooks signed with it would be refused")
	}
}

func TestAWithdrawnSecretLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := proposed(false)
	c.withdraw()
	if !reflect.DeepEqual(c, &credential{PartnerID: partnerID, AppKey: appKey, Current: "old"}) {
		t.Error("a change that can't come into force has left something behind")
	}
}

func TestAnAbandonedSecretIsKeptFirst(t *testing.T) {
	t.Parallel()
	c := proposed(true)
	c.Abandoned = []candidate{{Secret: "older", Since: noon.Add(-time.Hour)}}
	c.abandon(noon.Add(time.Hour))
	want := []candidate{
		{Secret: "new", Since: noon.Add(time.Hour), Timeout: 30 * time.Second, Grace: true},
		{Secret: "older", Since: noon.Add(-time.Hour)},
	}
	if c.Pending != nil || c.Current != "old" || !reflect.DeepEqual(c.Abandoned, want) {
		t.Error("the abandoned candidates are not the two, latest first")
	}
}

func TestAbandonedSecretsAreKeptForADayAndWithGraceForThirtyTwo(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		age   time.Duration
		grace bool
		kept  bool
	}{
		"a day":                      {day, false, true},
		"more than a day":            {day + time.Second, false, false},
		"a day, with grace":          {day + time.Second, true, true},
		"32 days, with grace":        {32 * day, true, true},
		"over 32 days, with grace":   {32*day + time.Second, true, false},
		"of a clock that was ahead":  {-time.Hour, false, true},
		"far ahead, and with grace":  {-90 * day, true, true},
		"30 days, the grace period":  {30 * day, true, true},
		"30 days, without the grace": {30 * day, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, proven := range []string{"old", "new"} {
				c := proposed(false)
				c.Abandoned = []candidate{{Secret: "older", Since: noon.Add(-test.age), Grace: test.grace}}
				c.accepted(proven, noon, plainHash)
				kept := slices.ContainsFunc(c.Abandoned, func(a candidate) bool { return a.Secret == "older" })
				if kept != test.kept {
					t.Errorf("kept: %v, want %v", kept, test.kept)
				}
				if again := c.accepted(proven, noon, plainHash); again {
					t.Error("there is something to forget each time")
				}
			}
		})
	}
}

// Without proof it is the only copy of what may be in force.
func TestNoCandidateIsForgottenWithoutProof(t *testing.T) {
	t.Parallel()
	c := proposed(false)
	years := noon.Add(-3 * 365 * 24 * time.Hour)
	c.Abandoned = []candidate{{Secret: "older", Since: years}, {Secret: "oldest", Since: years, Replaced: true}}
	c.replace("brought", false, noon, plainHash)
	c.replace("another", false, noon, plainHash)
	want := []string{"another", "brought", "old", "new", "older", "oldest"}
	if got := c.candidates(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAtMostTenAbandonedSecretsAreKept(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "old"}
	for i := range 15 {
		now := noon.Add(time.Duration(i) * time.Minute)
		c.propose(strings.Repeat("x", i+1), false, time.Second, now)
		c.abandon(now)
	}
	if len(c.Abandoned) != 10 {
		t.Fatalf("%d are kept, want 10", len(c.Abandoned))
	}
	for i, a := range c.Abandoned {
		if want := 15 - i; len(a.Secret) != want {
			t.Errorf("place %d has the candidate of try %d, want that of try %d", i, len(a.Secret), want)
		}
	}
}

func TestReplaceForgetsNoSecretThatMayBeInForce(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	previous := []outgoing{{Secret: "old", Until: later.Add(outgoingFor)}}
	candidates := []candidate{{Secret: "new", Since: later, Timeout: time.Second}}
	aside := candidate{Secret: "old", Since: later, Replaced: true, Proven: true}
	for name, test := range map[string]struct {
		pending, proven bool
		secret          string
		want            credential
	}{
		"nothing pending": {false, true, "brought", credential{Current: "brought", Previous: previous}},
		"nothing pending, untried": {false, false, "brought", credential{
			Current: "brought", Untried: true, Previous: previous, Abandoned: []candidate{aside},
		}},
		"the same again":          {false, true, "old", credential{Current: "old"}},
		"the same again, untried": {false, false, "old", credential{Current: "old"}},
		"pending, and another one": {true, true, "brought", credential{
			Current: "brought", Previous: previous, Abandoned: candidates,
		}},
		"pending, and another one, untried": {true, false, "brought", credential{
			Current: "brought", Untried: true, Previous: previous, Abandoned: append([]candidate{aside}, candidates...),
		}},
		"pending, and this very one, untried": {true, false, "new", credential{
			Current: "new", Untried: true, Previous: previous, Abandoned: append([]candidate{aside}, candidates...),
		}},
		"pending, and this very one": {true, true, "new", credential{
			Current: "new", Previous: previous, LastRotation: later,
			RotatedAway: []rotatedAway{{Hash: "hash of old", At: later}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &credential{Current: "old"}
			if test.pending {
				c.propose("new", false, time.Second, noon)
			}
			c.replace(test.secret, test.proven, later, plainHash)
			if !reflect.DeepEqual(*c, test.want) {
				t.Errorf("got %+v, want %+v", *c, test.want)
			}
		})
	}
}

func TestSettlingWaitsForAsLongAsACallMayBeUnderWay(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second
	for name, test := range map[string]struct {
		after   time.Duration
		wait    time.Duration
		redated bool
	}{
		"at once":                 {0, timeout, false},
		"meanwhile":               {10 * time.Second, 20 * time.Second, false},
		"just before the end":     {timeout - 1, 1, false},
		"at the end":              {timeout, 0, false},
		"long after":              {72 * time.Hour, 0, false},
		"after the clock went":    {-time.Second, timeout, true},
		"after it went back days": {-72 * time.Hour, timeout, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := proposed(false)
			now := noon.Add(test.after)
			wait, redated := c.settleWait(now)
			if wait != test.wait || redated != test.redated {
				t.Errorf("wait %s, redated %v; want %s, %v", wait, redated, test.wait, test.redated)
			}
			if test.redated {
				if again, redated := c.settleWait(now.Add(timeout)); again != 0 || redated {
					t.Errorf("a call's length later it still waits %s (redated again: %v)", again, redated)
				}
			}
		})
	}
}

func TestACredentialSurvivesStorage(t *testing.T) {
	t.Parallel()
	full := proposed(true)
	full.RotatedAway = []rotatedAway{{Hash: "hash of before", At: noon}}
	full.Abandoned = []candidate{{Secret: "older", Since: noon, Grace: true}}
	full.Previous = []outgoing{{Secret: "before", Until: noon}}
	full.LastRotation = noon
	for _, c := range []*credential{full, {PartnerID: partnerID, AppKey: appKey, Current: "old"}} {
		encoded, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back credential
		if err := json.Unmarshal(encoded, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&back, c) {
			t.Errorf("came back different: %+v", back)
		}
	}
}

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
		"a blank":             {"abcdefghijk 1", "character other than"},
		"another sign":        {"abcdefghijk1?", "character other than"},
		"outside ASCII":       {"abcdefghijk1é", "character other than"},
		"a line break at end": {"abcdefghijk1\n", "character other than"},
		"digits only":         {"123456789012", "no letter"},
		"letters only":        {"abcdefghijkl", "no digit"},
		"signs and a letter":  {"!@#$%&*_-+!a", "no digit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkSecretRules(test.secret)
			switch {
			case (err == nil) != (test.breaks == ""):
				t.Errorf("got %v, want %q", err, test.breaks)
			case err != nil && !strings.Contains(err.Error(), test.breaks):
				t.Errorf("got %v, want %q", err, test.breaks)
			}
		})
	}
}

func TestGeneratedSecretsKeepTheRulesAndAreAllDifferent(t *testing.T) {
	t.Parallel()
	const many = 10_000
	seen := make(map[string]struct{}, many)
	used := map[rune]int{}
	for range many {
		secret, err := generateSecret()
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSecretRules(secret); err != nil {
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
	// Evenly drawn, each of the 72 characters comes up 5556 times, give or take 74 (one standard deviation).
	for _, c := range secretAlphabet {
		if n := used[c]; n < 5000 || n > 6100 {
			t.Errorf("%q comes up %d times in %d characters, so the draw is not even", c, n, many*generatedLength)
		}
	}
}
