// SPDX-License-Identifier: MPL-2.0

package schedule

import (
	"testing"
	"time"
)

// The rotation may be late by at most its own period, and must not be early.
func TestAClockThatWasSetBackMovesARotationOnce(t *testing.T) {
	t.Parallel()
	spec := Spec{Period: 24 * time.Hour}
	now := at("2026-01-01 00:00")
	p, last := Plan{From: now.Add(8760 * time.Hour), FailedAt: now.Add(time.Hour), Failures: 9}, now.Add(8000*time.Hour)
	if !p.Redate(spec, &last, now) || p.Redate(spec, &last, now.Add(time.Minute)) {
		t.Fatal("the plan is not redated exactly once")
	}
	if next := p.Announced(spec, last); !next.Equal(now.Add(24 * time.Hour)) {
		t.Errorf("next is %s", next)
	}
	if retry := p.Retry(last); retry.After(now.Add(maxRetryWait)) {
		t.Errorf("the rotation is not retried before %s", retry)
	}
}

func TestAStopOutlivesAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]Spec{"cron": {Next: hourly}, "period": {Period: time.Hour}} {
		last := at("2026-01-01 12:00")
		p := Plan{From: at("2026-01-01 00:00"), FailedAt: at("2026-01-01 13:07"), Failures: 2, Refused: 2, Error: "it failed"}
		p.Redate(spec, &last, at("2026-01-01 11:30"))
		if !p.Stopped(last) || p.LastError(last) == "" {
			t.Errorf("%s: the stop is lost", name)
		}
	}
}

func TestRedatingKeepsAScheduledTimeFromComingTwice(t *testing.T) {
	t.Parallel()
	now := at("2026-01-02 03:00")
	for name, test := range map[string]struct {
		spec    Spec
		ahead   time.Duration
		changed bool
		next    string
	}{
		"cron, an hour":             {Spec{Next: daily(3, 30, everyDay)}, time.Hour, false, "2026-01-03 03:30"},
		"cron, a day":               {Spec{Next: daily(3, 30, everyDay)}, 24 * time.Hour, false, "2026-01-03 03:30"},
		"cron, more than a day":     {Spec{Next: daily(3, 30, everyDay)}, 24*time.Hour + 1, true, "2026-01-02 03:30"},
		"a period, a nanosecond":    {Spec{Period: 24 * time.Hour}, 1, true, "2026-01-03 03:00"},
		"a period, not ahead":       {Spec{Period: 24 * time.Hour}, 0, false, "2026-01-03 03:00"},
		"a period, a month":         {Spec{Period: 24 * time.Hour}, 720 * time.Hour, true, "2026-01-03 03:00"},
		"no schedule, a nanosecond": {Spec{}, 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, last := Plan{From: now.Add(-time.Hour)}, now.Add(test.ahead)
			if changed := p.Redate(test.spec, &last, now); changed != test.changed {
				t.Errorf("changed: %v", changed)
			}
			want := time.Time{}
			if test.next != "" {
				want = at(test.next)
			}
			if got := p.Announced(test.spec, last); !got.Equal(want) {
				t.Errorf("next is %s, want %s", got, want)
			}
		})
	}
}

func TestRedatingMakesNoFailureOutOfHistory(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 00:00")
	for name, spec := range map[string]Spec{"cron": {Next: hourly}, "period": {Period: time.Hour}} {
		for _, gap := range []time.Duration{0, 1, time.Hour, 72 * time.Hour} {
			last := now.Add(48 * time.Hour)
			p := Plan{FailedAt: last.Add(-gap), Failures: 2, Refused: 2, Error: "it failed"}
			p.Redate(spec, &last, now)
			if p.Stopped(last) || p.LastError(last) != "" {
				t.Errorf("%s, %s before the rotation: it counts again", name, gap)
			}
		}
	}
}

// A call takes up to two minutes, and the clock may be corrected in the meantime. Two
// refusals must still stop the schedule.
func TestAFailureCountsIfTheClockIsSetBackDuringTheCall(t *testing.T) {
	t.Parallel()
	last := at("2026-01-01 12:00")
	p := Plan{From: at("2026-01-01 00:00")}
	for range maxRefused {
		p.Failed(Refused, "HTTP 403", last, at("2026-01-01 11:59"))
	}
	if !p.Stopped(last) || p.LastError(last) == "" || !p.Retry(last).After(last) {
		t.Errorf("the plan is %+v", p)
	}
}
