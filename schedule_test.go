// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"errors"
	"testing"
	"time"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheNextRotationIsInUTCWhateverTheClockShows(t *testing.T) {
	t.Parallel()
	newYork := time.FixedZone("UTC-5", -5*60*60)
	for name, test := range map[string]struct {
		schedule schedule
		after    time.Time
		want     string
	}{
		"a period":                         {schedule{Period: 720 * time.Hour}, at("2026-01-01 10:30"), "2026-01-31 10:30"},
		"a minute":                         {schedule{Period: time.Minute}, at("2026-12-31 23:59"), "2027-01-01 00:00"},
		"once a month":                     {schedule{Cron: "0 3 1 * *"}, at("2026-01-01 03:00"), "2026-02-01 03:00"},
		"a leap day":                       {schedule{Cron: "0 0 29 2 *"}, at("2026-03-01 00:00"), "2028-02-29 00:00"},
		"a wall clock elsewhere":           {schedule{Cron: "0 3 * * *"}, at("2026-06-01 04:00").In(newYork), "2026-06-02 03:00"},
		"an hour that New York skips":      {schedule{Cron: "30 2 * * *"}, at("2026-03-08 00:00"), "2026-03-08 02:30"},
		"an hour that New York has twice":  {schedule{Cron: "30 1 * * *"}, at("2026-11-01 01:30"), "2026-11-02 01:30"},
		"a Sunday":                         {schedule{Cron: "0 4 * * 0"}, at("2026-11-22 05:00"), "2026-11-29 04:00"},
		"a period over a change of clocks": {schedule{Period: 24 * time.Hour}, at("2026-11-01 00:00"), "2026-11-02 00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := test.schedule.check(); err != nil {
				t.Fatal(err)
			}
			if got := test.schedule.next(test.after); !got.Equal(at(test.want)) {
				t.Errorf("next is %s, want %s", got, test.want)
			}
		})
	}
}

// One table for what is due: the schedule, what has happened, and what is to be done at a number of times.
func TestWhenARotationIsDue(t *testing.T) {
	t.Parallel()
	nightly := schedule{Cron: "0 3 * * *"}
	windowed := schedule{Cron: "0 3 * * *", Window: time.Hour}
	monthly := schedule{Period: 720 * time.Hour}
	disabled := monthly
	disabled.Disabled = true
	for name, test := range map[string]struct {
		schedule schedule
		plan     plan
		last     time.Time
		due      map[string]bool
	}{
		"none":               {schedule{}, plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2036-01-01 00:00": false}},
		"disabled":           {disabled, plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2036-01-01 00:00": false}},
		"a period, just set": {monthly, plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2026-01-30 23:59": false, "2026-01-31 00:00": true}},
		"a period, rotated by hand since": {
			monthly,
			plan{From: at("2026-01-01 00:00")},
			at("2026-01-20 00:00"),
			map[string]bool{"2026-01-31 00:00": false, "2026-02-18 23:59": false, "2026-02-19 00:00": true},
		},
		"a period, set after the last rotation": {
			monthly,
			plan{From: at("2026-01-20 00:00")},
			at("2026-01-01 00:00"),
			map[string]bool{"2026-02-18 23:59": false, "2026-02-19 00:00": true},
		},
		"a period, overdue after a long outage": {
			monthly, plan{}, at("2026-01-01 00:00"), map[string]bool{"2027-01-01 00:00": true},
		},
		"a schedule": {
			nightly,
			plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true, "2026-01-09 12:00": true},
		},
		"a schedule, rotated by hand the minute before": {
			nightly,
			plan{From: at("2026-01-01 04:00")},
			at("2026-01-02 02:59"),
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true},
		},
		"a window": {
			windowed,
			plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true, "2026-01-02 03:59": true, "2026-01-02 04:00": false},
		},
		"a failure": {
			nightly,
			plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:00"), Failures: 3},
			time.Time{},
			map[string]bool{"2026-01-02 03:03": false, "2026-01-02 03:04": true},
		},
		"a failure, and a rotation by hand since": {
			schedule{Period: time.Minute},
			plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:00"), Failures: 9},
			at("2026-01-02 03:05"),
			map[string]bool{"2026-01-02 03:05": false, "2026-01-02 03:06": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for now, want := range test.due {
				p := test.plan
				if got, _ := p.due(test.schedule, test.last, at(now)); got != want {
					t.Errorf("at %s it is due: %v", now, got)
				}
			}
		})
	}
}

func TestAfterAMissedWindowTheNextOneCounts(t *testing.T) {
	t.Parallel()
	s := schedule{Cron: "0 3 * * *", Window: time.Hour}
	p := plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:50"), Failures: 7, Error: "it failed"}
	if due, missed := p.due(s, time.Time{}, at("2026-01-05 12:00")); due || !missed {
		t.Fatalf("due: %v, missed: %v", due, missed)
	}
	if next := p.next(s, time.Time{}); !next.Equal(at("2026-01-06 03:00")) {
		t.Errorf("next is %s", next)
	}
	if p.lastError(time.Time{}) == "" {
		t.Error("why it was missed is forgotten")
	}
	if due, missed := p.due(s, time.Time{}, at("2026-01-05 12:01")); due || missed {
		t.Errorf("a minute later due: %v, missed: %v", due, missed)
	}
	if due, _ := p.due(s, time.Time{}, at("2026-01-06 03:00")); !due {
		t.Error("the failures of another night keep it from being due")
	}
}

func TestFailuresGetRarerMinutesThenHours(t *testing.T) {
	t.Parallel()
	var p plan
	now := at("2026-01-01 03:00")
	for i, want := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240} {
		p.failed(errors.New("it failed"), time.Time{}, now)
		if got := p.retry(time.Time{}).Sub(now).Minutes(); got != want {
			t.Errorf("after failure %d it waits %v minutes, want %v", i+1, got, want)
		}
		now = now.Add(24 * time.Hour)
	}
	last := now
	if !p.retry(last).IsZero() || p.lastError(last) != "" {
		t.Error("a rotation since then does not end it")
	}
	p.failed(errors.New("it failed"), last, now.Add(time.Hour))
	if p.Failures != 1 {
		t.Errorf("the first failure after a rotation counts as number %d", p.Failures)
	}
}

// A rotation must be put off by a clock that was set back no longer than its own period, and must not come early.
func TestAClockThatWasSetBackMovesARotationOnce(t *testing.T) {
	t.Parallel()
	s := schedule{Period: 24 * time.Hour}
	now := at("2026-01-01 00:00")
	p, last := plan{From: now.Add(8760 * time.Hour), FailedAt: now.Add(time.Hour), Failures: 9}, now.Add(8000*time.Hour)
	if !p.redate(s, &last, now) || p.redate(s, &last, now.Add(time.Minute)) {
		t.Fatal("it is not redated once")
	}
	if next := p.next(s, last); !next.Equal(now.Add(24 * time.Hour)) {
		t.Errorf("next is %s", next)
	}
	if retry := p.retry(last); retry.After(now.Add(maxRotationBackoff)) {
		t.Errorf("it is not tried before %s", retry)
	}
}

func TestAStopOutlivesAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	for _, s := range []schedule{{Cron: "0 * * * *"}, {Period: time.Hour}} {
		last := at("2026-01-01 12:00")
		p := plan{From: at("2026-01-01 00:00"), FailedAt: at("2026-01-01 13:07"), Failures: 2, Refused: 2, Error: "it failed"}
		p.redate(s, &last, at("2026-01-01 11:30"))
		if !p.stopped(last) || p.lastError(last) == "" {
			t.Errorf("%+v: it has gone", s)
		}
	}
}
