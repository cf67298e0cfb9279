// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

const day = 24 * time.Hour

// migrated returns the state that the engine reads from a golden file of version 1.
type migrated struct {
	mounttest.Golden

	v1      *mounttest.V1 // nil when there is no configuration
	storage *mounttest.Storage
	engine  *engine.Engine
	state   *engine.State
	now     time.Time // by the engine's clock
}

// migrate reads a golden file, after a change to its entries.
func migrate(t *testing.T, g mounttest.Golden, change func(s *mounttest.Storage)) *migrated {
	t.Helper()
	m := &migrated{Golden: g, v1: g.V1(t), storage: mounttest.NewStorage()}
	for key := range g.Entries {
		m.storage.Plant(key, g.Value(key))
	}
	if change != nil {
		change(m.storage)
	}
	started := time.Now()
	m.engine = engine.NewReader(func() time.Time { return g.Now.Add(time.Since(started)) })
	var err error
	if m.state, err = m.engine.ReadState(t.Context(), m.storage); err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	m.now = m.engine.Clock()
	return m
}

// eachV1 runs a test for each golden file of version 1 that has a configuration.
func eachV1(t *testing.T, test func(t *testing.T, m *migrated)) {
	t.Helper()
	for _, g := range mounttest.Goldens(t, "testdata/v1") {
		if g.V1(t) == nil {
			continue
		}
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			test(t, migrate(t, g, nil))
		})
	}
}

// v1Named returns a golden file of version 1 by its name.
func v1Named(t *testing.T, name string) mounttest.Golden {
	t.Helper()
	all := mounttest.Goldens(t, "testdata/v1")
	i := slices.IndexFunc(all, func(g mounttest.Golden) bool { return g.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return all[i]
}

func (m *migrated) find(secret string) (found secrets.Secret, times int) {
	for _, s := range m.state.Secrets.Secrets {
		if s.Value.Equal(confidential.New(secret)) {
			found, times = s, times+1
		}
	}
	return found, times
}

func TestEveryGoldenFileOfVersion1IsRead(t *testing.T) {
	t.Parallel()
	all := mounttest.Goldens(t, "testdata/v1")
	if len(all) != 91 {
		t.Errorf("there are %d golden files, want 91: they are never removed", len(all))
	}
	for _, g := range all {
		m := migrate(t, g, nil)
		if m.state.Configured() != (m.v1 != nil) {
			t.Errorf("%s: configured is %v", g.Name, m.state.Configured())
		}
		if n := m.storage.Accesses(mounttest.Put("config"), mounttest.Del("token"), mounttest.Put("salt")); n > 0 {
			t.Errorf("%s: reading it has written %d times", g.Name, n)
		}
	}
}

func TestMigrationKeepsEverySecret(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		cred := m.v1.Credential
		for secret, sent := range m.v1.Candidates() {
			s, times := m.find(secret)
			switch {
			case times != 1:
				t.Errorf("a secret is there %d times, want once", times)
			case sent && s.Origin != secrets.Sent:
				t.Error("a secret that the engine has sent counts as brought, and could be removed")
			case !cred.LastRotation.IsZero() && !s.Proven.IsZero() && s.Origin != secrets.Sent:
				t.Error("a secret that was in effect after a rotation counts as brought, and a delete needs no force")
			case s.Place != m.state.Place():
				t.Error("a secret belongs to another place")
			case s.Added.IsZero():
				t.Error("a secret has no time of arrival")
			}
		}
		for _, s := range m.state.Secrets.Secrets { // The list must not have any other secret.
			known := slices.ContainsFunc(cred.Previous, func(p mounttest.PreviousV1) bool {
				return s.Value.Equal(confidential.New(p.Secret))
			})
			for secret := range m.v1.Candidates() {
				known = known || s.Value.Equal(confidential.New(secret))
			}
			if !known {
				t.Error("there is a secret that version 1 did not have")
			}
		}
		current, _ := m.find(cred.Current)
		if got, found := m.state.Secrets.Current(); !found || !cred.Untried && !got.Value.Equal(current.Value) {
			t.Error("another secret is the current one")
		}
		pending, found := m.state.Secrets.Pending()
		if cred.Pending != nil && m.Name != "pending-grace-held" && m.Name != "pending-stopped" &&
			(!found || !pending.Value.Equal(confidential.New(cred.Pending.Secret))) {
			t.Error("the pending secret is not pending")
		}
	})
}

// tries authenticates until Finicity accepts a secret, at most the given number of times.
func tries(l *secrets.List, now *time.Time, most int, certain bool, accepts func(confidential.Text) bool) (n int, ok bool) {
	for n = 1; n <= most; n++ {
		if wait := l.Wait(*now); wait > 0 {
			*now = now.Add(wait)
		}
		*now = now.Add(time.Second)
		s, found := l.Next()
		switch {
		case !found:
			return n, false
		case accepts(s.Value):
			l.Accept(s.Value, *now)
			return n, true
		default:
			l.Refuse(s.Value, certain, *now)
		}
	}
	return n, false
}

// The cases in which version 1 did not have the secret in effect, because it was
// changed in the developer portal.
func changedInThePortal() []string {
	return []string{"held", "stopped", "four-spent", "locked-by-force", "charged", "charged-and-refused", "charged-four"}
}

func TestMigrationFindsTheSecretInEffect(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		_, stored := m.v1.Candidates()[m.Finicity.Holds]
		if elsewhere := slices.Contains(changedInThePortal(), m.Name); stored == elsewhere {
			t.Fatalf("the secret in effect is stored: %v", stored)
		}
		if !stored {
			return
		}
		holds := confidential.New(m.Finicity.Holds)
		for _, certain := range []bool{true, false} {
			list, now := m.state.Secrets.Clone(), m.now
			n, found := tries(&list, &now, 4, certain, func(s confidential.Text) bool {
				return s.Equal(holds) || slices.Contains(m.Finicity.AlsoAccepts, s.Reveal())
			})
			if !found {
				t.Fatalf("four attempts do not find the secret in effect (certain refusals: %v)", certain)
			}
			t.Logf("attempt %d succeeds", n)
			// With a grace period, a success of the old secret proves nothing about the new one.
			now = now.Add(30 * day)
			if n, found = tries(&list, &now, 4, certain, holds.Equal); !found {
				t.Fatalf("four attempts do not find it after the grace period (certain refusals: %v)", certain)
			}
			t.Logf("attempt %d succeeds after the grace period", n)
		}
	})
}

// A change without an answer may take effect after Finicity has accepted the old secret
// again. Version 1 allowed a day for that, or 32 days with a grace period.
func TestMigrationStillExpectsAChangeThatArrivesLate(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		current := confidential.New(m.v1.Credential.Current)
		if m.v1.Credential.Untried {
			return // An operator brought a secret after the change, and ends it by that.
		}
		most := max(4, len(m.v1.Candidates()))
		for secret, sent := range m.v1.Candidates() {
			if !sent || secret == m.v1.Credential.Current {
				continue
			}
			list, now := m.state.Secrets.Clone(), m.now
			if _, found := tries(&list, &now, most, true, current.Equal); !found {
				t.Fatal("the current secret is not found")
			}
			now = now.Add(23 * time.Hour)
			if _, found := tries(&list, &now, most, true, confidential.New(secret).Equal); !found {
				t.Error("a change that arrives a day later is not found")
			}
		}
	})
}

func TestMigrationKeepsTheTimesOfWebhookSecrets(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		latest := map[string]time.Time{}
		for _, p := range slices.Backward(m.v1.Credential.Previous) {
			latest[p.Secret] = p.Until
		}
		for secret, until := range latest {
			signs := func(at time.Time) (current, previous bool) {
				is := func(s confidential.Text) bool { return s.Equal(confidential.New(secret)) }
				c, p := m.state.Secrets.Signers(at)
				return slices.ContainsFunc(c, is), slices.ContainsFunc(p, is)
			}
			current, previous := signs(until)
			_, after := signs(until.Add(time.Second))
			switch _, candidate := m.v1.Candidates()[secret]; {
			case m.Name == "clock-set-back":
				if _, within := signs(m.now.Add(4*day - time.Second)); !within {
					t.Error("a secret that was replaced in the future does not sign for four days")
				}
				if _, beyond := signs(m.now.Add(4*day + time.Second)); beyond {
					t.Error("a secret that was replaced in the future signs for more than four days")
				}
			case broughtV1(m.v1, secret):
				if current || previous {
					t.Error("a secret that was never proven signs webhooks")
				}
			case candidate && !current:
				t.Error("a secret that may be in effect does not sign webhooks")
			case !candidate && (!previous || current || after):
				t.Errorf("a previous secret signs until its time: %v, as current: %v, after that: %v", previous, current, after)
			}
		}
		for secret := range m.v1.Candidates() {
			s, _ := m.find(secret)
			current, _ := m.state.Secrets.Signers(m.now)
			signs := slices.ContainsFunc(current, s.Value.Equal)
			if unproven := s.Origin == secrets.Brought && s.Proven.IsZero(); signs == unproven {
				t.Errorf("a secret signs as current: %v, brought without proof: %v", signs, unproven)
			}
		}
	})
}

// broughtV1 reports whether an operator wrote a secret and replaced it before Finicity
// accepted it.
func broughtV1(v *mounttest.V1, secret string) bool {
	return slices.ContainsFunc(v.Credential.Abandoned, func(a mounttest.CandidateV1) bool {
		return a.Secret == secret && a.Replaced && !a.Proven
	})
}

func TestMigrationKeepsTheSettings(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		got := m.state.Settings
		got.Schedule = engine.Schedule{}
		want := engine.Settings{
			BaseURL: m.v1.BaseURL, CACert: m.v1.CACert, RequestTimeout: m.v1.RequestTimeout, TokenLifetime: m.v1.TokenLifetime,
			SecretGracePeriod: m.v1.SecretGracePeriod, PasswordPolicy: m.v1.PasswordPolicy,
		}
		if got != want {
			t.Errorf("the settings are %+v, want %+v", got, want)
		}
		cred := m.v1.Credential
		if m.state.PartnerID != cred.PartnerID || !m.state.AppKey.Equal(confidential.New(cred.AppKey)) {
			t.Error("the partner or the app key is another one")
		}
		same(t, "schedule", m.state.Settings.Schedule, m.v1.Schedule)
		same(t, "plan", m.state.Plan, m.v1.Plan)
		if !m.state.LastRotation.Equal(cred.LastRotation) {
			t.Errorf("the last rotation was on %s, want %s", m.state.LastRotation, cred.LastRotation)
		}
		hashes := []map[string]any{}
		for _, r := range m.state.RotatedAway {
			hashes = append(hashes, map[string]any{"hash": r.Hash, "at": r.At})
		}
		same(t, "list of hashes", hashes, cred.RotatedAway)
	})
}

// same compares a value with the JSON that version 1 stored.
func same(t *testing.T, what string, got any, want json.RawMessage) {
	t.Helper()
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(encoded, &a) != nil || want != nil && json.Unmarshal(want, &b) != nil {
		t.Fatalf("the %s is no JSON", what)
	}
	if want == nil && (fmt.Sprint(a) == "map[]" || fmt.Sprint(a) == "[]") {
		return
	}
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("the %s is %v, want %v", what, a, b)
	}
}

func TestMigrationPutsNoTimeInTheFuture(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		times := map[string]time.Time{}
		for i, s := range m.state.Secrets.Secrets {
			for name, at := range map[string]time.Time{
				"added": s.Added, "acknowledged": s.Acknowledged, "denied": s.Denied, "proven": s.Proven,
				"refused": s.Refused, "superseded": s.Superseded,
			} {
				times[fmt.Sprintf("secret %d, %s", i, name)] = at
			}
			if s.CallEnds.After(m.now.Add(m.v1.RequestTimeout)) && m.Name != "pending-timeout-changed" {
				t.Errorf("secret %d is waited for until %s", i, s.CallEnds)
			}
		}
		for partner, record := range m.state.Records {
			times[partner+" locked"], times[partner+" failed"] = record.Locked, record.Failed
			for i, a := range record.Attempts {
				times[fmt.Sprintf("%s, attempt %d", partner, i)] = a.At
				times[fmt.Sprintf("%s, answer %d", partner, i)] = a.Answered
			}
		}
		for what, at := range times {
			if at.After(m.now) {
				t.Errorf("%s: %s is after %s", what, at, m.now)
			}
		}
	})
}

// The wall clock is ahead during one read, before the state is stored again. That must
// not make anything look old.
func TestMigrationIgnoresAWallClockThatJumps(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "abandoned-grace-landed")
	m := migrate(t, g, nil)
	wall := m.Now
	e := engine.NewReader(func() time.Time { return wall })
	for _, ahead := range []time.Duration{0, 400 * day, 0} {
		wall = m.Now.Add(ahead)
		st, err := e.ReadState(t.Context(), m.storage)
		if err != nil {
			t.Fatal(err)
		}
		now, current := e.Clock(), confidential.New(m.v1.Credential.Current)
		st.Secrets.Accept(current, now)
		if _, found := tries(&st.Secrets, &now, 4, true, confidential.New(m.Finicity.Holds).Equal); !found {
			t.Error("a secret that the engine has sent is forgotten")
		}
	}
}
