// SPDX-License-Identifier: MPL-2.0

package vso

import (
	"testing"
	"time"
)

func TestTheOperatorTakesNumbersAndRFC3339(t *testing.T) {
	t.Parallel()
	const database = `{"lease_duration": 0, "data": {"last_vault_rotation": "2026-05-01T10:00:00.123456789Z",
		"rotation_period": 86400, "ttl": 3599, "username": "app"}}`
	r, err := Of([]byte(database))
	if want := (Rotation{Last: 1777629600, Period: 86400, TTL: 3599}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	if wait := r.Wait(0); !r.ReadsAgain() || wait != 3599500*time.Millisecond {
		t.Errorf("reads again: %t, after %s", r.ReadsAgain(), wait)
	}
	for what, response := range map[string]string{
		"a number in quotes":     `{"data": {"rotation_period": "5400"}}`,
		"a duration":             `{"data": {"ttl": "1h30m"}}`,
		"a fraction":             `{"data": {"ttl": 0.5}}`,
		"a time without RFC3339": `{"data": {"last_vault_rotation": "2026-05-01 10:00:00"}}`,
		"a time as a number":     `{"data": {"last_vault_rotation": 1777629600}}`,
		"a renewable lease":      `{"renewable": true, "data": {}}`,
		"no JSON":                `ttl 5400`,
	} {
		if r, err := Of([]byte(response)); err == nil {
			t.Errorf("%s is taken for %+v", what, r)
		}
	}
}

func TestTheOperatorReadsOnceWithoutARotation(t *testing.T) {
	t.Parallel()
	for _, response := range []string{
		`{"data": {"ttl": 5400}}`,
		`{"data": {"ttl": 5400, "rotation_period": 5400}}`,
		`{"data": {"ttl": 5400, "last_vault_rotation": "2026-05-01T10:00:00Z"}}`,
		`{"data": {"ttl": 5400, "last_vault_rotation": "2026-05-01T10:00:00Z", "rotation_period": 0}}`,
	} {
		if r, err := Of([]byte(response)); err != nil || r.ReadsAgain() {
			t.Errorf("%s: it reads again, or %v", response, err)
		}
	}
}
