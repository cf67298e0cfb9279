// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// joined is a hasher with readable results.
func joined(parts ...string) string { return strings.Join(parts, "|") }

// proven returns a state whose secret Finicity has accepted.
func proven(secret string) *State {
	st := &State{
		PartnerID: "1", AppKey: confidential.New("key"), Settings: Settings{BaseURL: "https://a.example", TokenLifetime: time.Hour},
	}
	st.Secrets.Move(st.Settings.place())
	st.Secrets.Bring(confidential.New(secret), at("2026-01-01 00:00"))
	st.Secrets.Accept(confidential.New(secret), at("2026-01-01 00:01"))
	return st
}

func TestACopyOfTheStateSharesNothing(t *testing.T) {
	t.Parallel()
	st := proven("first")
	st.RotatedAway = []RotatedAway{{Hash: "a"}}
	st.Records = map[string]attempts.Record{"1": {Attempts: []attempts.Attempt{{Place: "a"}}}}
	st.Token = &StoredToken{Fingerprint: "a"}
	same := st.clone()
	next := st.clone()
	next.Secrets.Secrets[0].Place, next.RotatedAway[0].Hash, next.Token.Fingerprint = "b", "b", "b"
	next.Records["1"].Attempts[0].Place = "b"
	next.Records["2"] = attempts.Record{}
	next.PartnerID, next.Settings.BaseURL = "2", "b"
	if !reflect.DeepEqual(st, same) {
		t.Errorf("a change of the copy is one of the original: %+v", st)
	}
	if copied := (&State{}).clone(); !reflect.DeepEqual(copied, &State{}) {
		t.Errorf("a copy of nothing is %+v", copied)
	}
}

// A secret may be sent only to the host that it was written for, and only with the CA
// that was written with it.
func TestAPlaceIsAnAddressWithItsCA(t *testing.T) {
	t.Parallel()
	places := map[string]bool{}
	for _, s := range []Settings{
		{BaseURL: "https://a.example"},
		{BaseURL: "https://b.example"},
		{BaseURL: "https://a.example", CACert: "one"},
		{BaseURL: "https://a.example", CACert: "another"},
	} {
		places[s.place()] = true
	}
	if len(places) != 4 {
		t.Errorf("they are %v", places)
	}
	a, b := Settings{BaseURL: "a", RequestTimeout: 1, PasswordPolicy: "p"}, Settings{BaseURL: "a", SecretGracePeriod: true}
	if a.place() != b.place() {
		t.Error("another setting makes it another place")
	}
}

func TestAFingerprintDiffersWithEachPart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(st *State){
		"nothing": func(*State) {}, "partner": func(st *State) { st.PartnerID = "2" },
		"app key": func(st *State) { st.AppKey = confidential.New("other") },
		"address": func(st *State) { st.Settings.BaseURL = "https://b.example" },
		"CA":      func(st *State) { st.Settings.CACert = "one" },
	} {
		st := proven("first")
		change(st)
		for what, hash := range map[string]string{
			"credential": st.fingerprint(joined, confidential.New("first")), "token": st.tokenFingerprint(joined),
			"other secret": st.fingerprint(joined, confidential.New("second")),
		} {
			if other, found := seen[hash]; found {
				t.Errorf("%s with another %s has the fingerprint of %s", what, name, other)
			}
			seen[hash] = what + " with another " + name
		}
	}
}

func TestAStoredTokenIsServedForItsOwnCredentialOnly(t *testing.T) {
	t.Parallel()
	wall := at("2026-01-01 01:00")
	for name, change := range map[string]func(st *State){
		"partner": func(st *State) { st.PartnerID = "2" }, "app key": func(st *State) { st.AppKey = confidential.New("other") },
		"address": func(st *State) { st.Settings.BaseURL = "https://b.example" }, "CA": func(st *State) { st.Settings.CACert = "one" },
		"no token": func(st *State) { st.Token = nil },
	} {
		st := proven("first")
		st.Token = &StoredToken{confidential.New("token"), wall.Add(-time.Minute), st.tokenFingerprint(joined)}
		served := st.sharedToken(joined, wall)
		if served == nil || !served.Value.Equal(confidential.New("token")) || served.Lifetime != time.Hour ||
			served.Age(wall, time.Since(served.Started)).Round(time.Second) != time.Minute {
			t.Fatalf("the stored token is served as %+v", served)
		}
		change(st)
		if st.sharedToken(joined, wall) != nil {
			t.Errorf("another %s, and the token is served", name)
		}
	}
}

// rotateTo makes the engine send a secret that Finicity then accepts.
func rotateTo(st *State, secret string, now time.Time) (rotated bool) {
	st.Secrets.Propose(confidential.New(secret), false, now, now)
	return st.accept(confidential.New(secret), joined, now.Add(1), now)
}

func TestARotationIsConfirmedByItsFirstSuccess(t *testing.T) {
	t.Parallel()
	st, now := proven("first"), at("2026-02-01 00:00")
	if st.accept(confidential.New("first"), joined, now, now) || !st.LastRotation.IsZero() {
		t.Error("a success with the old secret is a rotation")
	}
	st.Plan.Failures = 3
	if !rotateTo(st, "second", now.Add(time.Hour)) || !st.LastRotation.Equal(now.Add(time.Hour)) || st.Plan.Failures != 0 {
		t.Errorf("the rotation is not confirmed: %+v", st)
	}
	if st.accept(confidential.New("second"), joined, now.Add(2*time.Hour), now.Add(2*time.Hour)) {
		t.Error("each success is a rotation")
	}
	if at := st.rotatedAwayAt(confidential.New("first"), joined); !at.Equal(now.Add(time.Hour)) {
		t.Errorf("the first secret was replaced on %s", at)
	}
	if !st.rotatedAwayAt(confidential.New("second"), joined).IsZero() || !st.rotatedAwayAt(confidential.New("x"), joined).IsZero() {
		t.Error("a secret that was not replaced counts as replaced")
	}
}

// An operator wrote this secret, and there was no rotation.
func TestASecretThatAnOperatorBroughtIsNoRotation(t *testing.T) {
	t.Parallel()
	st, now := proven("first"), at("2026-02-01 00:00")
	st.Secrets.Bring(confidential.New("second"), now)
	if st.accept(confidential.New("second"), joined, now.Add(1), now) || len(st.RotatedAway) != 0 || !st.LastRotation.IsZero() {
		t.Errorf("it counts as a rotation: %+v", st)
	}
}

// A replaced secret that may be in effect again must be accepted in a write, or an
// operator could not restore access.
func TestASecretThatMightBeInEffectIsNotRefusedAsReplaced(t *testing.T) {
	t.Parallel()
	st, now := proven("first"), at("2026-02-01 00:00")
	rotateTo(st, "second", now)
	st.Secrets.Bring(confidential.New("first"), now.Add(time.Hour))
	if !st.rotatedAwayAt(confidential.New("first"), joined).IsZero() {
		t.Error("a secret that an operator brought back counts as replaced")
	}
	st.Secrets.Secrets = nil
	st.Secrets.Secrets = append(st.Secrets.Secrets, secrets.Secret{Value: confidential.New("first"), Place: "elsewhere"})
	if st.rotatedAwayAt(confidential.New("first"), joined).IsZero() {
		t.Error("a secret of another address hides that it was replaced")
	}
}

// An operator has stored a wrong secret unverified, before or after the change. The
// engine did not replace that secret, so it may be written once it is right.
func TestOnlyASecretThatWasInEffectCountsAsReplaced(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"before the change": true, "after the change": false} {
		st, now := proven("first"), at("2026-02-01 00:00")
		if before {
			st.Secrets.Bring(confidential.New("wrong"), now.Add(-time.Minute))
		}
		st.Secrets.Propose(confidential.New("sent"), false, now, now)
		if !before {
			st.Secrets.Bring(confidential.New("wrong"), now.Add(time.Minute))
		}
		if !st.accept(confidential.New("sent"), joined, now.Add(time.Hour), now.Add(time.Hour)) {
			t.Errorf("%s: the rotation is not confirmed", name)
		}
		if at := st.rotatedAwayAt(confidential.New("first"), joined); !at.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: the first secret was replaced on %s", name, at)
		}
		if len(st.RotatedAway) != 1 || !st.rotatedAwayAt(confidential.New("wrong"), joined).IsZero() {
			t.Errorf("%s: a secret that was never in effect counts as replaced", name)
		}
	}
}

func TestASecretThatWasReplacedTwiceHasItsLastDate(t *testing.T) {
	t.Parallel()
	st, now := proven("first"), at("2026-02-01 00:00")
	rotateTo(st, "second", now)
	st.Secrets.Bring(confidential.New("first"), now.Add(time.Hour))
	if st.accept(confidential.New("first"), joined, now.Add(2*time.Hour), now.Add(2*time.Hour)) {
		t.Error("what an operator brought back is a rotation")
	}
	if at := st.rotatedAwayAt(confidential.New("first"), joined); !at.IsZero() {
		t.Errorf("the current secret was replaced on %s", at)
	}
	rotateTo(st, "third", now.Add(3*time.Hour))
	if at := st.rotatedAwayAt(confidential.New("first"), joined); !at.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("the first secret was replaced on %s", at)
	}
	if at := new(State).rotatedAwayAt(confidential.New(""), joined); !at.IsZero() {
		t.Errorf("no secret at all was replaced on %s", at)
	}
}

// The first secret is the one that scripts are most likely to have.
func TestTheHashesOfReplacedSecretsAreBounded(t *testing.T) {
	t.Parallel()
	st, now := proven("first"), at("2026-02-01 00:00")
	for i := range 150 {
		now = now.Add(30 * 24 * time.Hour)
		rotateTo(st, fmt.Sprintf("secret %d", i), now)
	}
	if len(st.RotatedAway) != maxRotatedAway {
		t.Errorf("%d hashes are kept", len(st.RotatedAway))
	}
	if st.RotatedAway[0].Hash != "first" || st.RotatedAway[maxRotatedAway-1].Hash != "secret 148" {
		t.Errorf("the first is %s, the last is %s", st.RotatedAway[0].Hash, st.RotatedAway[maxRotatedAway-1].Hash)
	}
}

func TestReadingARecordChangesNothing(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 00:00")
	st := &State{Records: map[string]attempts.Record{"1": {Attempts: []attempts.Attempt{{At: now, Place: "a"}}}}}
	read := st.record("1")
	read.Attempts[0].Place = "b"
	read.Settle(now, attempts.Answer{Success: true}, now)
	if got := st.Records["1"].Attempts; len(got) != 1 || got[0].Place != "a" {
		t.Errorf("the record is %+v", got)
	}
	if empty := st.record("2"); len(empty.Attempts) != 0 {
		t.Errorf("an unknown partner has %+v", empty)
	}
}

// Finicity may still accept an older secret than the one in effect. If the secrets were
// in the wrong order, that would supersede the one in effect, which the new active node
// has sent. The times come from two clocks.
func TestASecretThatAnotherNodeSentIsRetainedInOrder(t *testing.T) {
	t.Parallel()
	here, there := proven("first"), proven("first")
	there.Secrets.Propose(confidential.New("second"), true, at("2026-01-02 00:01"), at("2026-01-02 00:00"))
	there.Secrets.Propose(confidential.New("third"), true, at("2026-01-04 00:01"), at("2026-01-04 00:00"))
	here.Secrets.Propose(confidential.New("fourth"), true, at("2026-01-03 00:01"), at("2026-01-03 00:00"))
	if !here.retain(there) || here.retain(there) {
		t.Error("it is not retained, or twice")
	}
	order := []string{}
	for _, s := range here.Secrets.Secrets {
		order = append(order, s.Value.Reveal())
	}
	if fmt.Sprint(order) != "[first second third fourth]" {
		t.Errorf("the order is %v", order)
	}
}
