// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/schedule"
)

// The node may be in any time zone. With daylight saving time, an hour of the night is
// skipped or repeated, and a rotation in that hour would be too.
func TestACronExpressionIsInUTCInEveryTimeZone(t *testing.T) {
	t.Parallel()
	newYork := time.FixedZone("UTC-5", -5*60*60)
	for name, test := range map[string]struct {
		schedule Schedule
		after    time.Time
		want     string
	}{
		"a period":                         {Schedule{Period: 720 * time.Hour}, at("2026-01-01 10:30"), "2026-01-31 10:30"},
		"a minute":                         {Schedule{Period: time.Minute}, at("2026-12-31 23:59"), "2027-01-01 00:00"},
		"once a month":                     {Schedule{Cron: "0 3 1 * *"}, at("2026-01-01 03:00"), "2026-02-01 03:00"},
		"a leap day":                       {Schedule{Cron: "0 0 29 2 *"}, at("2026-03-01 00:00"), "2028-02-29 00:00"},
		"a local time elsewhere":           {Schedule{Cron: "0 3 * * *"}, at("2026-06-01 04:00").In(newYork), "2026-06-02 03:00"},
		"an hour that New York skips":      {Schedule{Cron: "30 2 * * *"}, at("2026-03-08 00:00"), "2026-03-08 02:30"},
		"an hour that New York has twice":  {Schedule{Cron: "30 1 * * *"}, at("2026-11-01 01:30"), "2026-11-02 01:30"},
		"a Sunday":                         {Schedule{Cron: "0 4 * * 0"}, at("2026-11-22 05:00"), "2026-11-29 04:00"},
		"a period over a change of clocks": {Schedule{Period: 24 * time.Hour}, at("2026-11-01 00:00"), "2026-11-02 00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := test.schedule.check(); err != nil {
				t.Fatal(err)
			}
			plan := schedule.Plan{From: test.after}
			if got := plan.Announced(test.schedule.spec(), time.Time{}); !got.Equal(at(test.want)) {
				t.Errorf("next is %s, want %s", got, test.want)
			}
		})
	}
}
