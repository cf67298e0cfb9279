// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		since := 0
		told := func(what string, want ...string) {
			t.Helper()
			heard := h.heard()
			if got := heard[since:]; !slices.Equal(got, want) {
				t.Errorf("%s tells %v, want %v", what, got, want)
			}
			since = len(heard)
		}
		h.configure(nil)
		told("the first write", "finicity/token-create", "finicity/config-write")
		h.token()
		told("a read")
		h.rotate()
		told("a rotation", "finicity/token-create", "finicity/root-rotate")
		h.succeeds(h.patch("config", fields{"rotation_period": "1h"}))
		told("a setting", "finicity/config-write")
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(time.Hour)
		h.tick()
		told("a scheduled rotation that is refused", "finicity/attempts-held", "finicity/root-rotate-fail")
		h.fails(h.write("config/verify", nil), 400, "10001")
		told("two more refusals", "finicity/attempts-stopped")
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		told("the right secret", "finicity/token-create", "finicity/config-write")
		h.succeeds(h.remove("config", nil))
		told("a delete", "finicity/config-delete")
	})
}

func TestAnEventSaysWhereToLookAndNamesNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate()
		want := map[string]any{
			"path": "config", "data_path": "config", "operation": "update", "modified": "true",
			"partner_id": partnerID, "last_vault_rotation": "2000-01-01T00:00:00Z",
		}
		last := h.ears.events[len(h.ears.events)-1]
		if last.kind != "finicity/root-rotate" || !reflect.DeepEqual(last.data, want) {
			t.Errorf("the event is %s %v", last.kind, last.data)
		}
		// Vault adds path and mount to an observation by itself.
		for _, name := range []string{"path", "data_path", "modified"} {
			delete(want, name)
		}
		if observed := h.ears.observations[len(h.ears.observations)-1]; !maps.Equal(observed.data, want) {
			t.Errorf("the observation is %v", observed.data)
		}
	})
}

// OpenBao answers so, and Vault without the feature.
func TestNothingFailsWhereNobodyListens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.ears.deaf = true
		h.configure(nil)
		h.rotate()
		h.succeeds(h.remove("config", nil))
		if n := len(h.heard()); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

// A subscriber must not be left with the failure.
func TestARotationThatIsFoundToHaveHappenedIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newUnsettled(t, true, nil)
		h.pass(time.Minute)
		h.tick()
		heard := h.heard()
		if last := heard[len(heard)-2:]; !slices.Equal(last, []string{"finicity/root-rotate", "finicity/token-create"}) {
			t.Errorf("the last ones are %v", last)
		}
	})
}

func TestALockIsToldAsAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		states()["locked"](h)
		last := h.ears.events[len(h.ears.events)-1]
		if last.kind != "finicity/attempts-stopped" || last.data["state"] != "locked" || last.data["data_path"] != "status" {
			t.Errorf("it is %s %v", last.kind, last.data)
		}
	})
}
