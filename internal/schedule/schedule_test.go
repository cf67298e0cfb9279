// SPDX-License-Identifier: MPL-2.0

package schedule

import (
	"testing"
	"time"
)

func TestTheNextRotationIsInUTCInEveryTimeZone(t *testing.T) {
	t.Parallel()
	newYork := time.FixedZone("UTC-5", -5*60*60)
	for name, test := range map[string]struct {
		spec  Spec
		after time.Time
		want  string
	}{
		"a period":                         {Spec{Period: 720 * time.Hour}, at("2026-01-01 10:30"), "2026-01-31 10:30"},
		"a minute":                         {Spec{Period: time.Minute}, at("2026-12-31 23:59"), "2027-01-01 00:00"},
		"once a month":                     {Spec{Next: daily(3, 0, firstOfMonth)}, at("2026-01-01 03:00"), "2026-02-01 03:00"},
		"a leap day":                       {Spec{Next: daily(0, 0, leapDay)}, at("2026-03-01 00:00"), "2028-02-29 00:00"},
		"a local time elsewhere":           {Spec{Next: daily(3, 0, everyDay)}, at("2026-06-01 04:00").In(newYork), "2026-06-02 03:00"},
		"an hour that New York skips":      {Spec{Next: daily(2, 30, everyDay)}, at("2026-03-08 00:00"), "2026-03-08 02:30"},
		"an hour that New York has twice":  {Spec{Next: daily(1, 30, everyDay)}, at("2026-11-01 01:30"), "2026-11-02 01:30"},
		"a Sunday":                         {Spec{Next: daily(4, 0, sunday)}, at("2026-11-22 05:00"), "2026-11-29 04:00"},
		"a period over a change of clocks": {Spec{Period: 24 * time.Hour}, at("2026-11-01 00:00"), "2026-11-02 00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.spec.next(test.after); !got.Equal(at(test.want)) {
				t.Errorf("next is %s, want %s", got, test.want)
			}
		})
	}
}

func TestNoScheduleAnnouncesNothing(t *testing.T) {
	t.Parallel()
	nightly := daily(3, 0, everyDay)
	for name, spec := range map[string]Spec{
		"none":              {},
		"a disabled period": {Period: time.Hour, Disabled: true},
		"a disabled cron":   {Next: nightly, Disabled: true},
		"no further time":   {Next: once(at("2025-12-31 03:00"))},
	} {
		p := Plan{From: at("2026-01-01 00:00")}
		if got := p.Announced(spec, time.Time{}); !got.IsZero() {
			t.Errorf("%s: it announces %s", name, got)
		}
		if due, missed := p.Due(spec, time.Time{}, at("2036-01-01 00:00")); due || missed {
			t.Errorf("%s: due %v, missed %v", name, due, missed)
		}
	}
}
