// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Version 1 did not store when it was alive, but it stored the times of its actions.
func TestMigrationTakesTheNewestSignOfLife(t *testing.T) {
	t.Parallel()
	g := v1Named(t, "schedule-period-rotated")
	rotated, later := g.V1(t).Credential.LastRotation, g.Now.Add(-time.Millisecond)
	stamped := func(format string, at time.Time) []byte { return fmt.Appendf(nil, format, at.Format(time.RFC3339Nano)) }
	token := func(at time.Time) func(s *mounttest.Storage) {
		return func(s *mounttest.Storage) {
			s.Plant("token", stamped(`{"issue_time":%q,"fingerprint":"of another one"}`, at))
		}
	}
	record := func(format string) func(s *mounttest.Storage) {
		return func(s *mounttest.Storage) {
			for key := range g.Entries {
				if strings.HasPrefix(key, "attempts/") {
					s.Plant(key, stamped(format, later))
				}
			}
		}
	}
	config := func(before, format string) func(s *mounttest.Storage) {
		return func(s *mounttest.Storage) {
			s.Plant("config", bytes.Replace(g.Value("config"), []byte(before), stamped(format, later), 1))
		}
	}
	for name, test := range map[string]struct {
		change func(s *mounttest.Storage)
		alive  time.Time
	}{
		"a rotation":        {func(s *mounttest.Storage) { s.Plant("token", []byte("{")) }, rotated},
		"an older token":    {token(rotated.Add(-time.Hour)), rotated},
		"a token":           {token(later), later},
		"a refusal":         {record(`{"rejected":1,"rejected_at":%q}`), later},
		"an outage":         {record(`{"last_error_at":%q}`), later},
		"a change":          {config(`"credential":{`, `"credential":{"pending":{"secret":"s","since":%q},`), later},
		"an earlier change": {config(`"credential":{`, `"credential":{"abandoned":[{"secret":"s","since":%q}],`), later},
		"a failed rotation": {config(`"plan":{`, `"plan":{"failed_at":%q,`), later},
		"a new schedule":    {config(`"from":"2026-03-02T09:14:07.320304978Z"`, `"from":%q`), later},
	} {
		if m := migrate(t, g, test.change); !m.state.Guard.Alive.Equal(test.alive) {
			t.Errorf("%s: it was alive at %s, want %s", name, m.state.Guard.Alive, test.alive)
		}
	}
	// The clock was set back, and without a schedule there is no check that would notice.
	if g = v1Named(t, "fresh"); migrate(t, g, nil).state.Settings.Schedule != (engine.Schedule{}) {
		t.Fatal("there is a schedule")
	}
	m := migrate(t, g, token(g.Now.Add(time.Hour)))
	if late := m.state.Guard.Alive.Sub(g.Now); late < 0 || late > time.Minute {
		t.Errorf("it was alive at %s, and it is %s", m.state.Guard.Alive, g.Now)
	}
}
