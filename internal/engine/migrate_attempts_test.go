// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// hash is the keyed hash of version 1, as its README describes it.
func (m *migrated) hash(parts ...string) string {
	mac := hmac.New(sha256.New, m.Value("salt"))
	_, _ = mac.Write([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(mac.Sum(nil))
}

// fingerprints returns the fingerprints of the credential with each stored secret.
func (m *migrated) fingerprints() map[string]bool {
	all := map[string]bool{}
	for _, s := range m.state.Secrets.Secrets {
		all[m.hash(m.v1.BaseURL, m.v1.Credential.PartnerID, m.v1.Credential.AppKey, s.Value.Reveal())] = true
	}
	return all
}

// recordV1 is a record of attempts as version 1 stored it.
type recordV1 struct {
	Rejected    int       `json:"rejected"`
	Charged     int       `json:"charged"`
	RejectedAt  time.Time `json:"rejected_at"`
	Locked      bool      `json:"locked"`
	LastError   string    `json:"last_error"`
	LastErrorAt time.Time `json:"last_error_at"`
	Refused     []struct {
		Fingerprint string `json:"fingerprint"`
		Secret      bool   `json:"secret"`
	} `json:"refused"`
}

func (m *migrated) recordV1(t *testing.T) (r recordV1) {
	t.Helper()
	key := "attempts/" + m.hash(m.v1.BaseURL, m.v1.Credential.PartnerID)
	if raw, found := m.Entries[key]; found {
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestMigrationKeepsTheTokenOfAStoredSecret(t *testing.T) {
	t.Parallel()
	carried, dropped := 0, 0
	for _, g := range mounttest.Goldens(t, "testdata/v1") {
		if g.V1(t) == nil {
			continue
		}
		m := migrate(t, g, nil)
		var stored struct {
			Token       string    `json:"token"`
			IssueTime   time.Time `json:"issue_time"`
			Fingerprint string    `json:"fingerprint"`
		}
		if raw, found := g.Entries["token"]; found {
			if err := json.Unmarshal(raw, &stored); err != nil {
				t.Fatal(err)
			}
		}
		got := m.state.Token
		switch fits := m.fingerprints()[stored.Fingerprint]; {
		case fits != (got != nil):
			t.Errorf("%s: the token is carried over: %v, it belongs to a stored secret: %v", g.Name, got != nil, fits)
		case fits && (!got.Value.Equal(confidential.New(stored.Token)) || !got.Issued.Equal(stored.IssueTime)):
			t.Errorf("%s: it is another token", g.Name)
		case fits:
			carried++
		case stored.Token != "":
			dropped++
		}
	}
	t.Logf("%d tokens are carried over, %d are not", carried, dropped)
	if carried < 70 || dropped == 0 {
		t.Error("both must be among the files")
	}
}

// A token of another partner, app key or address must not be served.
func TestMigrationDropsATokenOfAnotherCredential(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "fresh")
	for name, change := range map[string]func(cfg map[string]any){
		"address": func(cfg map[string]any) { cfg["base_url"] = "https://finicity.example" },
		"app key": func(cfg map[string]any) { credentialIn(cfg)["app_key"] = mounttest.NewKey },
		"partner": func(cfg map[string]any) { credentialIn(cfg)["partner_id"] = mounttest.OtherID },
		"secret":  func(cfg map[string]any) { credentialIn(cfg)["current"] = mounttest.WrongSecret },
	} {
		m := migrate(t, g, func(s *mounttest.Storage) { rewrite(t, s, change) })
		if m.state.Token != nil {
			t.Errorf("the token of another %s is carried over", name)
		}
	}
	m := migrate(t, g, func(s *mounttest.Storage) { s.Plant("token", []byte("{")) })
	if m.state.Token != nil {
		t.Error("a damaged token is carried over")
	}
}

func credentialIn(cfg map[string]any) map[string]any {
	cred, _ := cfg["credential"].(map[string]any)
	return cred
}

// rewrite changes the stored configuration.
func rewrite(t *testing.T, s *mounttest.Storage, change func(cfg map[string]any)) {
	t.Helper()
	value, _ := s.Peek("config")
	cfg := map[string]any{}
	if err := json.Unmarshal(value, &cfg); err != nil {
		t.Fatal(err)
	}
	change(cfg)
	value, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Plant("config", value)
}

func TestMigrationCountsEveryAttempt(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		old, record := m.recordV1(t), m.state.RecordOf(m.state.PartnerID)
		if record.Rejected(m.now) != old.Rejected || record.Used(m.now) != old.Rejected+old.Charged {
			t.Errorf("%d refused of %d, want %d of %d",
				record.Rejected(m.now), record.Used(m.now), old.Rejected, old.Rejected+old.Charged)
		}
		if m.Name != "locked" && record.Used(m.now) < m.Finicity.TowardLock { // That was another program.
			t.Errorf("the engine counts %d, and Finicity %d", record.Used(m.now), m.Finicity.TowardLock)
		}
		if record.Failure != old.LastError || m.Name != "clock-set-back" && !record.Failed.Equal(old.LastErrorAt) {
			t.Errorf("the last error is another one: %q on %s", record.Failure, record.Failed)
		}
		for _, refused := range old.Refused {
			if record.RefusedBefore(refused.Fingerprint, m.now).IsZero() {
				t.Error("a refused credential is forgotten")
			}
		}
		seen := map[time.Time]bool{}
		for i, a := range record.Attempts {
			if seen[a.At] || i > 0 && a.At.Before(record.Attempts[i-1].At) {
				t.Error("two attempts have the same time, or they are not in order")
			}
			seen[a.At] = true
		}
	})
}

// The rules are those of version 1, except that only refusals of the stored credential
// hold or stop authentication.
func TestMigrationKeepsTheStateOfAttempts(t *testing.T) {
	t.Parallel()
	type want struct {
		state attempts.State
		left  int
	}
	wants := map[string]want{
		"fresh": {attempts.OK, 4}, "outage": {attempts.OK, 4}, "abandoned-asked-twice": {attempts.Held, 3},
		"held": {attempts.Held, 3}, "app-key-refused": {attempts.Held, 3}, "pardoned": {attempts.Held, 3},
		"held-by-write": {attempts.OK, 3}, "two-places": {attempts.OK, 4}, "two-partners": {attempts.OK, 4},
		"stopped": {attempts.Stopped, 2}, "stopped-blocked": {attempts.Stopped, 2}, "pending-stopped": {attempts.Stopped, 2},
		"four-spent": {attempts.Stopped, 0}, "four-guesses": {attempts.Stopped, 0},
		"locked": {attempts.Locked, 3}, "locked-by-force": {attempts.Locked, 0},
		"charged": {attempts.OK, 3}, "charged-and-refused": {attempts.Held, 2}, "charged-four": {attempts.Stopped, 0},
	}
	for name, want := range wants {
		m := migrate(t, v1Named(t, name), nil)
		record := m.state.RecordOf(m.state.PartnerID)
		facts := attempts.Facts{Succeeded: true}
		if state, left := record.State(facts, m.now), record.Left(m.now); state != want.state || left != want.left {
			t.Errorf("%s: %s with %d left, want %s with %d", name, state, left, want.state, want.left)
		}
		if want.state != attempts.Held {
			continue
		}
		if retry, due := record.Retry(facts, m.now), m.recordV1(t).RejectedAt.Add(5*time.Minute); !retry.Equal(due) {
			t.Errorf("%s: the next attempt is due on %s, want %s", name, retry, due)
		}
		// A process without a success stops after one refusal with a code. Version 1 did not
		// store whether this one had a code.
		if state := record.State(attempts.Facts{}, m.now); state != attempts.Stopped {
			t.Errorf("%s: without a success it is %s", name, state)
		}
	}
}

// Operators wrote these credentials, so their refusals must not stop the schedule.
func TestMigrationTakesRefusedWritesForAnOperators(t *testing.T) {
	t.Parallel()
	m := migrate(t, v1Named(t, "four-guesses"), nil)
	for _, a := range m.state.RecordOf(m.state.PartnerID).Attempts {
		if a.Subject != attempts.Written || a.Trigger != attempts.Operator {
			t.Errorf("an attempt is of trigger %d and subject %d", a.Trigger, a.Subject)
		}
	}
}

func TestADamagedRecordOfVersion1CountsAsFull(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "fresh")
	m := migrate(t, g, func(s *mounttest.Storage) {
		for key := range g.Entries {
			if strings.HasPrefix(key, "attempts/") {
				s.Plant(key, []byte(`{"rejected":"many"}`))
			}
		}
	})
	if left := m.state.RecordOf(m.state.PartnerID).Left(m.now); left != 0 {
		t.Errorf("%d attempts are left", left)
	}
}

func TestARecordOfVersion1WithoutTimesKeepsItsLock(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "fresh")
	m := migrate(t, g, func(s *mounttest.Storage) {
		for key := range g.Entries {
			if strings.HasPrefix(key, "attempts/") {
				s.Plant(key, []byte(`{"rejected":2,"charged":3,"locked":true}`))
			}
		}
	})
	record := m.state.RecordOf(m.state.PartnerID)
	if state := record.State(attempts.Facts{Succeeded: true}, m.now); state != attempts.Locked {
		t.Errorf("it is %s", state)
	}
	if _, err := engine.EncodeState(m.state); err != nil {
		t.Errorf("it cannot be stored: %v", err)
	}
}

func TestADamagedEntryIsAnErrorThatQuotesNothing(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "{", "[]", `"aqJ5Ic4S"`, `{"version":"aqJ5Ic4S"}`, `{"version":null}`, `{"version":0}`, `{"version":-1}`,
		`{"credential":{"partner_id":7}}`, `{"credential":{"current":"aqJ5Ic4S"}}`, `{"version":2,"app_key":7}`,
		`{"version":2,"secrets":[{"secret":"aqJ5Ic4S","origin":"found"}]}`,
		`{"version":2,"records":{"1":{"attempts":[{"trigger":"aqJ5Ic4S","subject":"stored","outcome":"refused"}]}}}`,
	} {
		s := mounttest.NewStorage()
		s.Plant("config", []byte(value))
		_, err := engine.NewReader(time.Now).ReadState(t.Context(), s)
		if !errors.Is(err, engine.ErrUndecodable) || strings.Contains(err.Error(), "aqJ5Ic4S") {
			t.Errorf("%s: the error is %v", value, err)
		}
	}
}

func TestMigrationFailsWhenStorageCannotBeRead(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "held")
	for key := range g.Entries {
		s := mounttest.NewStorage()
		for key := range g.Entries {
			s.Plant(key, g.Value(key))
		}
		s.Fail(mounttest.Fault{On: mounttest.Get(key), Always: true})
		if _, err := engine.NewReader(time.Now).ReadState(t.Context(), s); !errors.Is(err, mounttest.ErrStorage) {
			t.Errorf("without %s the state is read, and something is lost: %v", key, err)
		}
	}
}

// The mount never had the only copy of a secret that an operator wrote.
func TestMigrationNeedsForceOnlyAfterARotation(t *testing.T) {
	t.Parallel()
	for name, only := range map[string]bool{
		"fresh": false, "untried-over-proven": false, "replaced-proven": false, "abandoned-plain": true, "pending": true,
		"rotated-once": true, "abandoned-replaced": true, "rotated-then-replaced": true,
	} {
		m := migrate(t, v1Named(t, name), nil)
		if got := m.state.Secrets.OnlyCopy(); got != only {
			t.Errorf("%s: the engine may have the only copy: %v", name, got)
		}
	}
}

// While the previous secret works, a duplicate of the last change may arrive late.
func TestMigrationKnowsThatARotationHadAGracePeriod(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]bool{
		"rotated-grace": true, "all-settings-rotated": true, "rotated-mixed": false, "rotated-once": false, "pending-grace": false,
		"fresh": false,
	} {
		m := migrate(t, v1Named(t, name), nil)
		if s, _ := m.find(m.v1.Credential.Current); s.Grace != grace {
			t.Errorf("%s: the current secret has a grace period: %v", name, s.Grace)
		}
	}
}

// An operator's secret that is stored twice becomes one secret, and keeps the time at
// which Finicity accepted it.
func TestMigrationKeepsTheProofOfASecretThatCameBack(t *testing.T) {
	t.Parallel()
	m := migrate(t, v1Named(t, "untried-back-and-forth"), nil)
	s, times := m.find(m.v1.Credential.Current)
	if times != 1 || s.Proven.IsZero() || s.Origin != secrets.Brought {
		t.Errorf("it is there %d times, proven on %s", times, s.Proven)
	}
}
