// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// doubtful is a credential with a pending secret and two that were abandoned before.
func doubtful() *credential {
	c := proposed(false)
	c.Abandoned = []candidate{{Secret: "late", Since: noon}, {Secret: "earlier", Since: noon.Add(-time.Hour)}}
	return c
}

func TestCandidatesAreThePendingTheCurrentAndTheAbandonedLatestFirst(t *testing.T) {
	t.Parallel()
	settled := &credential{Current: "old"}
	back := doubtful()
	back.Current = "late"
	for name, test := range map[string]struct {
		credential *credential
		want       []string
	}{
		"settled":              {settled, []string{"old"}},
		"pending":              {proposed(false), []string{"new", "old"}},
		"all of them":          {doubtful(), []string{"new", "old", "late", "earlier"}},
		"one is current again": {back, []string{"new", "late", "earlier"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.credential.candidates(); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTheFirstOneThatWasNotRefusedIsTried(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		refused []string
		want    string
		untried bool
	}{
		{nil, "new", true},
		{[]string{"old", "late"}, "new", true},
		{[]string{"new"}, "old", true},
		{[]string{"new", "old"}, "late", true},
		{[]string{"new", "old", "late"}, "earlier", false},
		{[]string{"new", "old", "earlier"}, "late", false},
		{[]string{"old", "late", "earlier"}, "new", false},
		{[]string{"new", "old", "late", "earlier"}, "new", false}, // It begins anew.
	} {
		c := doubtful()
		secret, untried := c.toTry(func(secret string) bool { return slices.Contains(test.refused, secret) })
		if secret != test.want || untried != test.untried {
			t.Errorf("after %v comes %s, another one after it: %v; want %s, %v",
				test.refused, secret, untried, test.want, test.untried)
		}
		if !reflect.DeepEqual(c, doubtful()) {
			t.Errorf("after %v: to ask has changed the credential", test.refused)
		}
	}
}

func TestAnAcceptedCandidateTakesItsPlaceAndNoOtherIsLost(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Minute)
	pending := candidate{Secret: "new", Since: later, Timeout: 30 * time.Second}
	late, earlier := candidate{Secret: "late", Since: noon}, candidate{Secret: "earlier", Since: noon.Add(-time.Hour)}
	away := []rotatedAway{{Hash: "hash of old", At: later}}
	previous := []outgoing{{Secret: "old", Until: later.Add(outgoingFor)}}
	for accepted, want := range map[string]credential{
		"new": {
			Current: "new", Abandoned: []candidate{late, earlier}, Previous: previous, LastRotation: later, RotatedAway: away,
		},
		"old": {Current: "old", Abandoned: []candidate{pending, late, earlier}},
		"late": {
			Current: "late", Abandoned: []candidate{pending, earlier}, Previous: previous, LastRotation: later, RotatedAway: away,
		},
		"earlier": {
			Current: "earlier", Abandoned: []candidate{pending, late}, Previous: previous, LastRotation: later, RotatedAway: away,
		},
	} {
		t.Run(accepted, func(t *testing.T) {
			t.Parallel()
			c := doubtful()
			want.PartnerID, want.AppKey = partnerID, appKey
			if !c.accepted(accepted, later, plainHash) {
				t.Error("it says that nothing has changed")
			}
			if !reflect.DeepEqual(*c, want) {
				t.Errorf("got %+v, want %+v", *c, want)
			}
			if settled := *c; c.accepted(accepted, later.Add(time.Hour), plainHash) || !reflect.DeepEqual(*c, settled) {
				t.Error("accepted once more, something changes")
			}
		})
	}
}

// What an operator stored untried is not in force, or not yet. No secret was rotated.
func TestAReplacedSecretThatIsAcceptedChangesPlacesWithTheCurrentOne(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "rotated", LastRotation: noon.Add(-time.Hour)}
	c.replace("brought", false, noon, plainHash)
	later := noon.Add(time.Minute)
	if !c.accepted("rotated", later, plainHash) {
		t.Error("it says that nothing has changed")
	}
	want := &credential{
		Current: "rotated", LastRotation: noon.Add(-time.Hour), Previous: []outgoing{
			{Secret: "brought", Until: later.Add(outgoingFor)}, {Secret: "rotated", Until: noon.Add(outgoingFor)},
		},
		Abandoned: []candidate{{Secret: "brought", Since: later, Replaced: true}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if _, found := c.rotatedAwayAt("brought", plainHash); found {
		t.Error("the one that was brought can't be written any more")
	}
}

// Verdicts are asked for until one is a yes. What Finicity holds must be the current secret then, whichever it is, and
// whatever was refused before.
func TestProofEndsWithTheSecretThatFinicityHolds(t *testing.T) {
	t.Parallel()
	all := doubtful().candidates()
	for _, holds := range all {
		for before := range 1 << len(all) {
			c := doubtful()
			refused := map[string]bool{}
			for i, secret := range all {
				refused[secret] = before>>i&1 == 1 && secret != holds
			}
			tries := 0
			for ; tries <= len(all); tries++ {
				secret, untried := c.toTry(func(secret string) bool { return refused[secret] })
				if secret == holds {
					c.accepted(secret, noon, plainHash)
					break
				}
				if !untried {
					t.Fatalf("it is told that none is left, and %s was not tried", holds)
				}
				refused[secret] = true
			}
			if c.Current != holds || c.Pending != nil || tries >= len(all) {
				t.Errorf("Finicity holds %s: after %d tries %s is current", holds, tries, c.Current)
			}
			left := append(c.candidates(), "")
			for _, o := range c.Previous {
				left = append(left, o.Secret)
			}
			for _, secret := range all {
				if !slices.Contains(left, secret) {
					t.Errorf("Finicity holds %s: %s is lost", holds, secret)
				}
			}
		}
	}
}

func TestWhichRefusalsCountAsOneOfTheSecret(t *testing.T) {
	t.Parallel()
	unsure := &finicityapi.Error{Class: finicityapi.Rejected, Status: 401, Code: "10021"}
	for name, test := range map[string]struct {
		failure               *finicityapi.Error
		plain, pendingOfGrace bool
	}{
		"sure": {refusal401(), true, true}, "unsure": {unsure, true, false}, "blocked": {refusal403(), false, false},
		"locked": {lockedOut(), false, false}, "down": {unavailable(), false, false},
	} {
		for _, grace := range []bool{false, true} {
			c := proposed(grace)
			c.Abandoned = []candidate{{Secret: "late", Since: noon, Grace: true}}
			for _, secret := range c.candidates() {
				want := test.plain
				if secret == "new" && grace {
					want = test.pendingOfGrace
				}
				if got := c.refusalCounts(secret, test.failure); got != want {
					t.Errorf("%s, of the %s one, grace %v: %v, want %v", name, secret, grace, got, want)
				}
			}
		}
	}
}

func TestTheHashesOfTheLastHundredSecretsAndOfTheFirstAreKept(t *testing.T) {
	t.Parallel()
	secret := func(i int) string { return fmt.Sprintf("secret %d", i) }
	c := &credential{Current: secret(0)}
	for i := range 250 {
		c.rotateTo(&candidate{Secret: secret(i + 1)}, noon.Add(time.Duration(i)*time.Hour), plainHash)
	}
	if len(c.RotatedAway) != 100 {
		t.Errorf("%d are kept", len(c.RotatedAway))
	}
	for i := range 251 {
		at, found := c.rotatedAwayAt(secret(i), plainHash)
		want := i == 0 || i > 150 && i < 250
		if found != want || found && !at.Equal(noon.Add(time.Duration(i)*time.Hour)) {
			t.Errorf("secret %d: known as rotated away: %v, on %s", i, found, at)
		}
	}
}

func TestASecretThatWasRotatedAwayTwiceHasItsLatestDateAndTheCurrentOneNone(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "a"}
	for i, secret := range []string{"b", "a", "c"} {
		c.rotateTo(&candidate{Secret: secret}, noon.Add(time.Duration(i)*time.Hour), plainHash)
	}
	if at, found := c.rotatedAwayAt("a", plainHash); !found || !at.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("got %s, found %v", at, found)
	}
	c.rotateTo(&candidate{Secret: "a"}, noon.Add(3*time.Hour), plainHash)
	if _, found := c.rotatedAwayAt("a", plainHash); found {
		t.Error("the current secret is known as rotated away")
	}
	if _, found := new(credential).rotatedAwayAt("", plainHash); found {
		t.Error("no secret at all is known as rotated away")
	}
}

// Nobody knows them but the engine, while each untried one was brought by somebody.
func TestUntriedSecretsPushOutNoSecretThatMayBeInForce(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "proven"}
	c.propose("sent", false, time.Second, noon)
	for i := range 3 * abandonedMost {
		c.replace(strings.Repeat("x", i+1), false, noon, plainHash)
	}
	for _, secret := range []string{"proven", "sent"} {
		if !slices.Contains(c.candidates(), secret) {
			t.Errorf("the one that was %s is gone", secret)
		}
	}
	if len(c.Abandoned) != abandonedMost {
		t.Errorf("%d candidates are kept", len(c.Abandoned))
	}
}

// Each refused change may have been carried out by a gateway's first copy of it, the latest one most likely.
func TestTheLatestOfManyDoubtsIsKept(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "current", Abandoned: []candidate{{Secret: "abandoned", Since: noon}}}
	for i := range 3 * abandonedMost {
		c.propose(fmt.Sprintf("sent %d", i), false, time.Second, noon)
		c.doubt(false, noon)
	}
	want := []string{"current", "abandoned", "sent 29", "sent 28"}
	if got := c.candidates(); !slices.Equal(got[:4], want) || len(got) != abandonedMost+1 {
		t.Errorf("the candidates are %v", got)
	}
}

func TestASecretIsSetAsideOnce(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "a"}
	for _, secret := range []string{"b", "a", "b", "a"} {
		c.replace(secret, false, noon, plainHash)
	}
	if len(c.Abandoned) != 2 {
		t.Errorf("%d are kept", len(c.Abandoned))
	}
}

// Brought too soon, it comes into force later: it was never rotated away.
func TestAnUntriedSecretThatWasNotInForceMayComeIntoForce(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "old"}
	c.propose("sent", false, time.Second, noon)
	c.abandon(noon)
	c.replace("soon", false, noon, plainHash)
	c.accepted("sent", noon, plainHash)
	if _, away := c.rotatedAwayAt("soon", plainHash); away || c.Current != "sent" || !slices.Contains(c.candidates(), "soon") {
		t.Errorf("rotated away: %v, candidates %v", away, c.candidates())
	}
}

// The accepted one must not be pushed out by what is set aside on the way.
func TestAnAcceptedSecretIsFoundHoweverManyAreKept(t *testing.T) {
	t.Parallel()
	for i := range abandonedMost {
		for _, replaced := range []bool{false, true} {
			c := &credential{Current: "current"}
			for n := range abandonedMost {
				c.Abandoned = append(c.Abandoned, candidate{Secret: fmt.Sprint(n), Since: noon, Replaced: replaced, Doubted: !replaced})
			}
			c.propose("pending", false, time.Second, noon)
			c.accepted(fmt.Sprint(i), noon, plainHash)
			if c.Current != fmt.Sprint(i) || c.Pending != nil || len(c.Abandoned) > abandonedMost {
				t.Errorf("candidate %d, replaced %v: the current one is %s", i, replaced, c.Current)
			}
		}
	}
}

func TestWhatWasInForceBeforeAnUntriedSecretCountsAsRotatedAway(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "first"}
	c.propose("sent", false, time.Second, noon)
	c.replace("wrong", false, noon, plainHash)
	c.accepted("sent", noon, plainHash)
	if _, away := c.rotatedAwayAt("first", plainHash); !away {
		t.Error("the first secret would be sent again")
	}
	if _, away := c.rotatedAwayAt("wrong", plainHash); away {
		t.Error("the wrong one was never in force")
	}
}

// Ten others are kept already, and it may be the only copy.
func TestASecretThatWasJustSentIsNeverPushedOut(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "current"}
	for i := range 2 * abandonedMost {
		c.propose(fmt.Sprint(i), false, time.Second, noon)
		c.abandon(noon)
	}
	c.propose("sent", false, time.Second, noon)
	c.doubt(true, noon)
	if got := c.candidates(); got[1] != "sent" {
		t.Errorf("the candidates are %v", got)
	}
}
