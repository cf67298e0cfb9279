// SPDX-License-Identifier: MPL-2.0

package schedule

import (
	"encoding/json"
	"testing"
	"time"
)

// Each row has a schedule, a history, and whether a rotation is due at several times.
func TestWhenARotationIsDue(t *testing.T) {
	t.Parallel()
	nightly := Spec{Next: daily(3, 0, everyDay)}
	windowed := Spec{Next: daily(3, 0, everyDay), Window: time.Hour}
	monthly := Spec{Period: 720 * time.Hour}
	disabled := monthly
	disabled.Disabled = true
	for name, test := range map[string]struct {
		spec Spec
		plan Plan
		last time.Time
		due  map[string]bool
	}{
		"none":               {Spec{}, Plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2036-01-01 00:00": false}},
		"disabled":           {disabled, Plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2036-01-01 00:00": false}},
		"a period, just set": {monthly, Plan{From: at("2026-01-01 00:00")}, time.Time{}, map[string]bool{"2026-01-30 23:59": false, "2026-01-31 00:00": true}},
		"a period, rotated by an operator since": {
			monthly,
			Plan{From: at("2026-01-01 00:00")},
			at("2026-01-20 00:00"),
			map[string]bool{"2026-01-31 00:00": false, "2026-02-18 23:59": false, "2026-02-19 00:00": true},
		},
		"a period, set after the last rotation": {
			monthly,
			Plan{From: at("2026-01-20 00:00")},
			at("2026-01-01 00:00"),
			map[string]bool{"2026-02-18 23:59": false, "2026-02-19 00:00": true},
		},
		"a period, overdue after a long outage": {
			monthly, Plan{}, at("2026-01-01 00:00"), map[string]bool{"2027-01-01 00:00": true},
		},
		"a cron expression": {
			nightly,
			Plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true, "2026-01-09 12:00": true},
		},
		"a cron expression, rotated by an operator the minute before": {
			nightly,
			Plan{From: at("2026-01-01 04:00")},
			at("2026-01-02 02:59"),
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true},
		},
		"a window": {
			windowed,
			Plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-02 02:59": false, "2026-01-02 03:00": true, "2026-01-02 03:59": true, "2026-01-02 04:00": false},
		},
		"a later window after a missed one": {
			windowed,
			Plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-05 02:59": false, "2026-01-05 03:00": true, "2026-01-05 03:59": true, "2026-01-05 04:00": false},
		},
		"the only window there is": {
			Spec{Next: once(at("2026-01-02 03:00")), Window: time.Hour},
			Plan{From: at("2026-01-01 04:00")},
			time.Time{},
			map[string]bool{"2026-01-02 03:59": true, "2026-01-02 04:00": false, "2036-01-01 00:00": false},
		},
		"a failure": {
			nightly,
			Plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:00"), Failures: 3},
			time.Time{},
			map[string]bool{"2026-01-02 03:03": false, "2026-01-02 03:04": true},
		},
		"a failure, and a rotation by an operator since": {
			Spec{Period: time.Minute},
			Plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:00"), Failures: 9},
			at("2026-01-02 03:05"),
			map[string]bool{"2026-01-02 03:05": false, "2026-01-02 03:06": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for now, want := range test.due {
				p := test.plan
				if got, _ := p.Due(test.spec, test.last, at(now)); got != want {
					t.Errorf("at %s it is due: %v", now, got)
				}
			}
		})
	}
}

func TestACheckOnePeriodLaterIsNotTooEarly(t *testing.T) {
	t.Parallel()
	last := at("2026-01-01 00:00").Add(3 * time.Second) // The rotation took three seconds.
	for spec, want := range map[time.Duration]bool{time.Minute: true, time.Minute + 8*time.Second: false} {
		var p Plan
		if due, _ := p.Due(Spec{Period: spec}, last, at("2026-01-01 00:01")); due != want {
			t.Errorf("with a period of %s it is due: %v", spec, due)
		}
	}
	var p Plan
	cron := Spec{Next: hourly}
	if due, _ := p.Due(cron, last, at("2026-01-01 01:00").Add(-time.Second)); due {
		t.Error("a cron expression is due before its time")
	}
}

func TestAfterAMissedWindowTheNextOneCounts(t *testing.T) {
	t.Parallel()
	spec := Spec{Next: daily(3, 0, everyDay), Window: time.Hour}
	p := Plan{From: at("2026-01-01 04:00"), FailedAt: at("2026-01-02 03:50"), Failures: 7, Error: "it failed"}
	if due, missed := p.Due(spec, time.Time{}, at("2026-01-05 12:00")); due || !missed {
		t.Fatalf("due: %v, missed: %v", due, missed)
	}
	if next := p.Announced(spec, time.Time{}); !next.Equal(at("2026-01-06 03:00")) {
		t.Errorf("next is %s", next)
	}
	if p.LastError(time.Time{}) == "" {
		t.Error("the reason for missing it is forgotten")
	}
	if due, missed := p.Due(spec, time.Time{}, at("2026-01-05 12:01")); due || missed {
		t.Errorf("a minute later due: %v, missed: %v", due, missed)
	}
	if due, _ := p.Due(spec, time.Time{}, at("2026-01-06 03:00")); !due {
		t.Error("the failures of another night prevent the rotation")
	}
}

func TestTheAnnouncedTimeRespectsRetriesAndWindows(t *testing.T) {
	t.Parallel()
	nightly := daily(3, 0, everyDay)
	for name, test := range map[string]struct {
		spec     Spec
		failedAt string
		failures int
		want     string
	}{
		"no failure":                         {Spec{Next: nightly, Window: time.Hour}, "2026-01-01 00:00", 0, "2026-01-02 03:00"},
		"a retry within the window":          {Spec{Next: nightly, Window: time.Hour}, "2026-01-02 03:10", 5, "2026-01-02 03:26"},
		"a retry as the window closes":       {Spec{Next: nightly, Window: time.Hour}, "2026-01-02 03:56", 3, "2026-01-03 03:00"},
		"a retry after the window":           {Spec{Next: nightly, Window: time.Hour}, "2026-01-02 03:50", 6, "2026-01-03 03:00"},
		"a retry in a later window":          {Spec{Next: hourly, Window: 30 * time.Minute}, "2026-01-01 05:20", 6, "2026-01-01 06:00"},
		"a retry inside a later window":      {Spec{Next: hourly, Window: 30 * time.Minute}, "2026-01-01 05:20", 7, "2026-01-01 06:24"},
		"a retry as a later window opens":    {Spec{Next: hourly, Window: 30 * time.Minute}, "2026-01-01 05:28", 6, "2026-01-01 06:00"},
		"a retry without a window":           {Spec{Next: nightly}, "2026-01-02 03:50", 6, "2026-01-02 04:22"},
		"a retry of a period":                {Spec{Period: 23 * time.Hour}, "2026-01-02 03:50", 6, "2026-01-02 04:22"},
		"a retry before the scheduled time":  {Spec{Next: nightly}, "2026-01-02 02:00", 1, "2026-01-02 03:00"},
		"a retry after the only window":      {Spec{Next: once(at("2026-01-02 03:00")), Window: time.Hour}, "2026-01-02 03:50", 6, ""},
		"a retry within the only window":     {Spec{Next: once(at("2026-01-02 03:00")), Window: time.Hour}, "2026-01-02 03:50", 3, "2026-01-02 03:54"},
		"a retry after the only time of all": {Spec{Next: once(at("2026-01-02 03:00"))}, "2026-01-02 03:50", 6, "2026-01-02 04:22"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Plan{From: at("2026-01-01 04:00"), FailedAt: at(test.failedAt), Failures: test.failures, Error: "it failed"}
			want := time.Time{}
			if test.want != "" {
				want = at(test.want)
			}
			if got := p.Announced(test.spec, time.Time{}); !got.Equal(want) {
				t.Errorf("the announced time is %s, want %s", got, want)
			}
		})
	}
}

func TestRetriesSlowDownFromMinutesToHours(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outcome Outcome
		want    []float64 // In minutes.
	}{
		"failed":     {Failed, []float64{1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240}},
		"unanswered": {Unanswered, []float64{1, 60, 240, 960, 1440, 1440, 1440}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p Plan
			now := at("2026-01-01 03:00")
			for i, want := range test.want {
				p.Failed(test.outcome, "it failed", time.Time{}, now)
				if got := p.Retry(time.Time{}).Sub(now).Minutes(); got != want {
					t.Errorf("after failure %d it waits %v minutes, want %v", i+1, got, want)
				}
				now = now.Add(48 * time.Hour)
			}
			last := now
			if !p.Retry(last).IsZero() || p.LastError(last) != "" {
				t.Error("a rotation since then does not end it")
			}
			p.Failed(Failed, "it failed", last, now.Add(time.Hour))
			if p.Failures != 1 {
				t.Errorf("the first failure after a rotation counts as number %d", p.Failures)
			}
		})
	}
}

func TestAnUnansweredRotationNeverShortensTheWait(t *testing.T) {
	t.Parallel()
	var p Plan
	now := at("2026-01-01 03:00")
	for range 9 {
		p.Failed(Failed, "storage failed", time.Time{}, now)
	}
	for i := range 2 {
		p.Failed(Unanswered, "no answer", time.Time{}, now)
		if got := p.Retry(time.Time{}).Sub(now); got != maxRetryWait {
			t.Errorf("after %d of them it waits %s", i+1, got)
		}
	}
}

func TestOnlyRefusedChangesStopTheSchedule(t *testing.T) {
	t.Parallel()
	spec, now := Spec{Period: time.Hour}, at("2026-01-01 03:00")
	for name, test := range map[string]struct {
		outcomes []Outcome
		stopped  bool
	}{
		"one refusal":                {[]Outcome{Refused}, false},
		"two refusals":               {[]Outcome{Refused, Refused}, true},
		"two with others in between": {[]Outcome{Refused, Failed, Unanswered, Refused}, true},
		"many failures":              {[]Outcome{Failed, Failed, Failed, Failed}, false},
		"many without an answer":     {[]Outcome{Unanswered, Unanswered, Unanswered}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Plan{From: now}
			for _, outcome := range test.outcomes {
				p.Failed(outcome, "it failed", time.Time{}, now.Add(time.Hour))
			}
			if p.Stopped(time.Time{}) != test.stopped {
				t.Fatalf("stopped: %v", !test.stopped)
			}
			if announced := p.Announced(spec, time.Time{}); announced.IsZero() != test.stopped {
				t.Errorf("a stopped schedule announces %s", announced)
			}
			if due, _ := p.Due(spec, time.Time{}, now.Add(1000*time.Hour)); due == test.stopped {
				t.Errorf("1000 hours later it is due: %v", due)
			}
		})
	}
}

func TestAStopEndsWithARotationOrANewCredential(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 03:00")
	stopped := func() Plan {
		p := Plan{From: now.Add(-time.Hour)}
		p.Failed(Refused, "HTTP 403", time.Time{}, now)
		p.Failed(Refused, "HTTP 403", time.Time{}, now)
		return p
	}
	p := stopped()
	if !p.Stopped(time.Time{}) || !p.Stopped(now.Add(-time.Second)) || p.Stopped(now) {
		t.Error("only a later rotation ends it")
	}
	p.Rotated()
	if want := (Plan{From: now.Add(-time.Hour)}); p != want {
		t.Errorf("after a rotation the plan is %+v", p)
	}
	p = stopped()
	p.CredentialReplaced()
	if p.Stopped(time.Time{}) || p.LastError(time.Time{}) == "" || !p.Retry(time.Time{}).Equal(now.Add(2*time.Minute)) {
		t.Errorf("after a new credential the plan is %+v", p)
	}
}

// If a process ends during the call, only the state stored by Begun remains.
func TestARotationThatNeverReportsBackCountsAsUnanswered(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 03:00")
	p := Plan{From: now.Add(-time.Hour)}
	for range 2 {
		p.Begun(time.Time{}, now)
	}
	if p.Unanswered != 2 || p.LastError(time.Time{}) != outcomeNotRecorded || !p.Retry(time.Time{}).Equal(now.Add(time.Hour)) {
		t.Errorf("the plan is %+v", p)
	}
}

func TestTheStoredFormIsThatOfVersionOne(t *testing.T) {
	t.Parallel()
	const stored = `{"from":"2026-01-01T00:00:00Z","failed_at":"2026-01-02T03:00:00Z","failures":3,"unanswered":1,"refused":1,"error":"HTTP 503"}`
	var p Plan
	if err := json.Unmarshal([]byte(stored), &p); err != nil {
		t.Fatal(err)
	}
	want := Plan{
		From: at("2026-01-01 00:00"), FailedAt: at("2026-01-02 03:00"), Failures: 3, Unanswered: 1, Refused: 1, Error: "HTTP 503",
	}
	if p != want {
		t.Errorf("the plan is read as %+v", p)
	}
	if again, err := json.Marshal(p); err != nil || string(again) != stored {
		t.Errorf("the plan is written as %s (%v)", again, err)
	}
	if empty, err := json.Marshal(Plan{}); err != nil || string(empty) != "{}" {
		t.Errorf("an empty plan is written as %s (%v)", empty, err)
	}
}
