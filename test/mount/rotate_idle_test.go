// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The list of secrets is full, and the time of the old ones is over. On a mount that nobody reads from, nothing but the
// rotation itself makes room.
func TestALimitThatIsOverDoesNotStopAnIdleMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		value, _ := h.Storage.Peek("config")
		var entry map[string]any
		if err := json.Unmarshal(value, &entry); err != nil {
			t.Fatal(err)
		}
		stored, _ := entry["secrets"].([]any)
		current, _ := stored[0].(map[string]any)
		var old []any
		for i := range 99 {
			ended := h.Now().Add(-40*day + time.Duration(i)*time.Minute)
			old = append(old, map[string]any{
				"secret": h.Guess(i), "origin": "brought", "place": current["place"], "grace": true,
				"added": ended.Add(-2 * time.Minute), "proven": ended.Add(-time.Minute), "superseded": ended,
			})
		}
		entry["secrets"] = slices.Concat(old, stored)
		value, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		h.Storage.Plant("config", value)
		h.Restart()
		h.Rotate()
		h.Called(3, 1)
	})
}
