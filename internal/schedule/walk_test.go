// SPDX-License-Identifier: MPL-2.0

package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// mount is the schedule of a mount as the engine uses it. It also records what really
// happened, independently of the plan.
type mount struct {
	plan Plan
	last time.Time
	now  time.Time

	// sinceAnchor is the time since the last rotation or the last new plan.
	// sinceFailure is the time since the last failure. A clock that is set ahead counts
	// as time that passes, because the engine cannot tell. A clock that is set back
	// does not.
	sinceAnchor, sinceFailure time.Duration
	// The last rotation has used all cron times up to rotatedAt. The last new plan or
	// missed window has used those up to plannedAt.
	rotatedAt, plannedAt time.Time
	// The failures since the last rotation or new plan, and the refused changes since
	// then or since the last new credential.
	failures, unanswered, refused int
}

// walker checks the invariants over all sequences of events up to a depth.
type walker struct {
	*testing.T
	spec   Spec
	seen   map[mount]int // The depth to which the events after it were tried.
	events []string      // The events that led to the current mount.
}

// endings are the ways in which a rotation can end. "ended" is a process that ends
// during the call and records nothing after Begun.
var endings = []string{"rotated", "failed", "refused", "unanswered", "ended"}

type interval struct {
	name string
	by   time.Duration
}

// steps are the times between two checks.
var steps = []interval{
	{"a minute later", time.Minute},
	{"an hour later", time.Hour},
	{"almost a day later", 23*time.Hour + 59*time.Minute},
	{"days later", 100 * time.Hour},
}

var clockChanges = []interval{
	{"set back by months", -90 * 24 * time.Hour},
	{"set back by a day", -25 * time.Hour},
	{"set back by hours", -2 * time.Hour},
	{"set ahead by hours", 2 * time.Hour},
	{"set ahead by a month", 30 * 24 * time.Hour},
}

func (w *walker) walk(m mount, left int) {
	if left == 0 || w.seen[m] >= left || w.Failed() {
		return
	}
	w.seen[m] = left
	after := func(event string, next mount) {
		w.events = append(w.events, event)
		w.walk(next, left-1)
		w.events = w.events[:len(w.events)-1]
	}
	for _, step := range steps {
		next, event := m, step.name
		next.pass(step.by)
		w.events = append(w.events, event)
		due := w.check(&next)
		w.events = w.events[:len(w.events)-1]
		if !due {
			after(event, next)
			continue
		}
		for _, ending := range endings {
			ended := next
			ended.rotate(ending)
			after(event+", "+ending, ended)
		}
	}
	for _, change := range clockChanges {
		next := m
		next.setClock(change.by)
		after(change.name, next)
	}
	next := m
	next.rotated()
	after("an operator rotates", next)
	next = m
	next.plan.CredentialReplaced()
	next.refused = 0
	after("another credential", next)
	next = m
	next.plan = Plan{From: m.now}
	next.replanned()
	after("a new plan", next)
}

// check makes the engine's periodic check, and checks the invariants. It reports
// whether a rotation starts.
func (w *walker) check(m *mount) bool {
	w.Helper()
	fail := func(format string, args ...any) {
		w.Helper()
		w.Fatalf("%s\nafter %q\nnow  %s\nlast %s\nplan %+v", fmt.Sprintf(format, args...), w.events, m.now, m.last, m.plan)
	}

	for _, used := range []*time.Time{&m.rotatedAt, &m.plannedAt} {
		if used.After(m.now.Add(24 * time.Hour)) {
			*used = m.now // Within a day, no scheduled time is used twice.
		}
	}
	stopped, message := m.plan.Stopped(m.last), m.plan.LastError(m.last)
	m.plan.Redate(w.spec, &m.last, m.now)
	again, last := m.plan, m.last
	if again.Redate(w.spec, &last, m.now) || again != m.plan || !last.Equal(m.last) {
		fail("a second redate changes it to %+v, last %s", again, last)
	}
	if m.plan.Stopped(m.last) != stopped || m.plan.LastError(m.last) != message {
		fail("redating ends or begins a failure")
	}
	if stopped != (m.refused >= 2) {
		fail("stopped: %v, after %d refused changes", stopped, m.refused)
	}
	if (message != "") != (m.failures > 0) {
		fail("the error is %q, after %d failures", message, m.failures)
	}

	announced := m.plan.Announced(w.spec, m.last)
	w.keepsItsWord(*m, announced, fail)
	due, missed := m.plan.Due(w.spec, m.last, m.now)
	if missed && w.spec.Window == 0 {
		fail("a window was missed, and there is none")
	}
	if missed {
		m.plannedAt = m.now.Add(-w.spec.Window)
	}
	if !due {
		if !announced.IsZero() && !announced.After(m.now) && !missed {
			fail("%s was announced, and nothing is due", announced)
		}
		return false
	}

	switch wait := leastWait(m.failures, m.unanswered); {
	case stopped:
		fail("a stopped schedule rotates")
	case m.failures > 0 && m.sinceFailure < wait:
		fail("it retries after %s instead of %s", m.sinceFailure, wait)
	case w.spec.Period > 0 && m.sinceAnchor < w.spec.Period-10*time.Second:
		fail("it rotates %s after the last rotation", m.sinceAnchor)
	case announced.After(m.now.Add(10 * time.Second)):
		fail("it rotates, and %s was announced", announced)
	}
	if w.spec.Next != nil {
		from := slices.MaxFunc([]time.Time{m.rotatedAt, m.plannedAt}, time.Time.Compare)
		if slot := w.spec.Next(from); slot.IsZero() || slot.After(m.now) {
			fail("it rotates, and no scheduled time has come since %s", from)
		}
		slot := w.spec.Next(m.now.Add(-w.spec.Window))
		if w.spec.Window > 0 && (slot.IsZero() || slot.After(m.now)) {
			fail("it rotates outside of its windows")
		}
	}
	return true
}

// keepsItsWord fails unless a rotation starts at the announced time, if nothing happens
// before it.
func (w *walker) keepsItsWord(m mount, announced time.Time, fail func(string, ...any)) {
	w.Helper()
	if m.refused >= 2 {
		if !announced.IsZero() {
			fail("a stopped schedule announces %s", announced)
		}
		return
	}
	if announced.Before(m.now) {
		return
	}
	if due, _ := m.plan.Due(w.spec, m.last, announced); !due {
		fail("%s is announced, and nothing is due then", announced)
	}
}

// leastWait returns the documented wait, one case at a time.
func leastWait(failures, unanswered int) time.Duration {
	minutes := []int{0, 1, 2, 4, 8, 16, 32, 64, 128, 240}
	hours := []int{0, 0, 1, 4, 16, 24}
	return time.Duration(max(minutes[min(failures, 9)], 60*hours[min(unanswered, 5)])) * time.Minute
}

func (m *mount) pass(d time.Duration) {
	m.now = m.now.Add(d)
	m.sinceAnchor += d
	m.sinceFailure += d
}

func (m *mount) setClock(by time.Duration) {
	if by > 0 {
		m.pass(by)
		return
	}
	m.now = m.now.Add(by)
}

// rotate does what the engine does: it stores Begun, sends the change, and stores the
// result in a copy from before Begun.
func (m *mount) rotate(ending string) {
	before := m.plan
	m.plan.Begun(m.last, m.now)
	if ending == "rotated" {
		m.rotated()
		return
	}
	m.failures++
	m.sinceFailure = 0
	switch ending {
	case "refused":
		m.refused++
		m.plan = before
		m.plan.Failed(Refused, ending, m.last, m.now)
	case "unanswered":
		m.unanswered++
		m.plan = before
		m.plan.Failed(Unanswered, ending, m.last, m.now)
	case "failed":
		m.plan = before
		m.plan.Failed(Failed, ending, m.last, m.now)
	default:
		m.unanswered++
	}
}

func (m *mount) rotated() {
	m.last, m.rotatedAt = m.now, m.now
	m.plan.Rotated()
	m.sinceAnchor = 0
	m.failures, m.unanswered, m.refused = 0, 0, 0
}

func (m *mount) replanned() {
	m.plannedAt, m.sinceAnchor = m.now, 0
	m.failures, m.unanswered, m.refused = 0, 0, 0
}

func TestNoSequenceOfEventsRotatesTooEarly(t *testing.T) {
	t.Parallel()
	start := at("2026-01-01 02:30")
	for name, spec := range map[string]Spec{
		"a day":                {Period: 24 * time.Hour},
		"a minute":             {Period: time.Minute},
		"nightly":              {Next: daily(3, 0, everyDay)},
		"nightly, in an hour":  {Next: daily(3, 0, everyDay), Window: time.Hour},
		"hourly, in an hour":   {Next: hourly, Window: time.Hour},
		"hourly, half the day": {Next: hourly, Window: 12 * time.Hour},
		"once, in an hour":     {Next: once(at("2026-01-02 03:00")), Window: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			depth := 5
			if testing.Short() {
				depth = 4
			}
			w := &walker{T: t, spec: spec, seen: map[mount]int{}}
			w.walk(mount{plan: Plan{From: start}, now: start, plannedAt: start}, depth)
			t.Logf("%d states", len(w.seen))
		})
	}
}
