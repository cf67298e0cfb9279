// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// tale is the record of a partner and a clock. Its steps are those of the stories of
// internal/attempts: an attempt and its answer, a pause or a restart.
type tale struct {
	*testing.T
	record attempts.Record
	facts  attempts.Facts
	now    time.Time
}

func newTale(t *testing.T) *tale {
	t.Helper()
	return &tale{T: t, facts: attempts.Facts{Succeeded: true}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// after tells the steps, which commas separate.
func after(t *testing.T, steps string) *tale {
	t.Helper()
	s := newTale(t)
	s.all(steps)
	return s
}

func (s *tale) all(steps string) {
	s.Helper()
	for step := range strings.SplitSeq(steps, ", ") {
		if step != "" && !s.do(step) {
			s.Fatalf("%q is not allowed in %q", step, steps)
		}
	}
}

func (s *tale) state() attempts.State { return s.record.State(s.facts, s.now) }

// wait is how long the next automatic attempt waits.
func (s *tale) wait() time.Duration { return s.record.Retry(s.facts, s.now).Sub(s.now) }

// do reports whether the step is allowed.
func (s *tale) do(step string) bool {
	s.Helper()
	what, how, _ := strings.Cut(step, " ")
	q := attempts.Request{Reserve: !s.record.StoredRefused()}
	switch what {
	case "pass":
		d, err := time.ParseDuration(how)
		if err != nil {
			s.Fatal(err)
		}
		s.now = s.now.Add(d)
		return true
	case "restart":
		s.facts.Succeeded = false
		return true
	case "204":
		s.facts.Acknowledged = s.now
		return true
	case "read":
	case "verify":
		q.Trigger = attempts.Operator
	case "write":
		q.Trigger, q.Subject = attempts.Operator, attempts.Written
	default:
		s.Fatalf("no step %q", step)
	}
	answer := attempts.Answer{OfSecret: true}
	switch how {
	case "accepted":
		answer.Success = true
	case "coded":
		answer.Outcome = attempts.RefusedWithCode
	case "codeless":
		answer.Outcome = attempts.Refused
	case "locked":
		answer.Outcome, answer.Locked = attempts.RefusedWithCode, true
	case "lost": // The process dies before the answer.
	default:
		s.Fatalf("no answer in %q", step)
	}
	if s.record.Allow(q, s.facts, s.now) != attempts.Allowed {
		return false
	}
	s.record.Charge(attempts.Attempt{At: s.now, Trigger: q.Trigger, Subject: q.Subject, Place: "here"})
	if how != "lost" {
		s.record.Settle(s.now, answer, s.now)
	}
	s.facts.Succeeded = s.facts.Succeeded || answer.Success
	s.now = s.now.Add(time.Millisecond) // No two attempts have the same time.
	return true
}

// until repeats an attempt, and the steps between two of them, until the state is
// reached. It returns the number of attempts.
func (s *tale) until(state attempts.State, attempt, between string) (n int) {
	s.Helper()
	for n = 1; n < 10; n++ {
		s.all(attempt)
		if s.state() == state {
			return n
		}
		s.all(between)
	}
	s.Fatalf("%q does not lead to %s", attempt, state)
	return n
}

// allowed is how often an attempt may be repeated.
func (s *tale) allowed(attempt string) (n int) {
	s.Helper()
	for n < 10 && s.do(attempt) {
		n++
	}
	return n
}

// rules are the figures of the limit for attempts. Each comes from a story.
type rules struct {
	held, coded, codeless, unproven int           // refusals of the stored credential, in a row
	automatic, all                  int           // failed attempts with successes in between
	operator, written               int           // attempts that operators may make
	day, wait, last, acknowledged   time.Duration // how long it takes
}

func theRules(t *testing.T) (r rules) {
	t.Helper()
	r.held = newTale(t).until(attempts.Held, "read coded", "")
	r.coded = newTale(t).until(attempts.Stopped, "read coded", "pass 30m")
	r.codeless = newTale(t).until(attempts.Stopped, "read codeless", "pass 30m")
	r.unproven = after(t, "restart").until(attempts.Stopped, "read coded", "pass 30m")
	r.all = newTale(t).until(attempts.Stopped, "verify coded", "verify accepted")
	r.operator = newTale(t).allowed("verify codeless")
	r.written = newTale(t).allowed("write codeless")
	stopped := newTale(t)
	began := stopped.now
	r.automatic = stopped.until(attempts.Stopped, "read codeless", "pass 30m, read accepted")
	r.day = stopped.record.Retry(stopped.facts, stopped.now).Sub(began)
	r.wait = after(t, "read coded").wait()
	r.last = after(t, "read codeless, pass 1h, read codeless").wait()
	r.acknowledged = after(t, "204, read coded").wait()
	return r
}

// rounded is a time without the milliseconds that a tale takes.
func rounded(d time.Duration, unit time.Duration) string {
	return fmt.Sprint(math.Round(float64(d) / float64(unit)))
}

// The arrows, their texts, and a story for each. Between each two of the four states,
// there is an arrow in each direction.
func TestThePictureOfTheAttemptsIsWhatTheRulesDo(t *testing.T) {
	t.Parallel()
	p, r := drawn(t, "docs/pictures/attempts.svg"), theRules(t)
	failures, code := lockOfTheMock(t)
	code = "code " + code
	nth := func(n int) string { return shortOrdinals()[n] }
	limit := fmt.Sprintf("or in %s hours: %d automatic refusals, %d failed attempts in all", rounded(r.day, time.Hour), r.automatic, r.all)
	const (
		byOperator = "a config write or config/verify succeeds"
		byTime     = "at retry_time: held or ok"
		afterLock  = byOperator + ", after Finicity support has unlocked the partner"
	)
	told := map[string]bool{}
	var figures []string
	for _, arrow := range []struct {
		text          string
		before, event string
		from, to      attempts.State
	}{
		{nth(r.held) + " refusal", "", "read coded", attempts.OK, attempts.Held},
		{"success", "read coded, pass 5m", "read accepted", attempts.Held, attempts.OK},
		{nth(r.coded) + " with a code,", "read coded, pass 5m", "read coded", attempts.Held, attempts.Stopped},
		{nth(r.codeless) + " without one", "read codeless, pass 5m, read codeless, pass 30m", "read codeless", attempts.Held, attempts.Stopped},
		{nth(r.unproven) + " refusal with a code, in a process without a success so far,", "restart", "read coded", attempts.OK, attempts.Stopped},
		{limit, "read coded, pass 5m, read accepted, read coded, pass 5m, read accepted", "read coded", attempts.OK, attempts.Stopped},
		{limit, "write coded, write coded, write coded", "read coded", attempts.OK, attempts.Stopped},
		{byOperator, "read coded, verify coded", "write accepted", attempts.Stopped, attempts.OK},
		{byOperator, "read coded, verify coded", "verify accepted", attempts.Stopped, attempts.OK},
		{byTime, "write coded, write coded, write coded, read accepted, pass 1h, read coded", "pass 23h", attempts.Stopped, attempts.Held},
		{"", "read lost, read lost, read accepted, read lost, read lost", "pass 24h", attempts.Stopped, attempts.OK},
		{code, "", "read locked", attempts.OK, attempts.Locked},
		{code, "read coded", "write locked", attempts.Held, attempts.Locked},
		{code, "read coded, verify coded", "verify locked", attempts.Stopped, attempts.Locked},
		{"another code,", "write locked", "verify coded", attempts.Locked, attempts.Held},
		{"as " + nth(r.held) + " refusal", "write locked", "verify coded", attempts.Locked, attempts.Held},
		{"another code, as " + nth(r.coded) + " refusal", "read locked", "verify coded", attempts.Locked, attempts.Stopped},
		{afterLock, "read locked", "verify accepted", attempts.Locked, attempts.OK},
		{afterLock, "read locked", "write accepted", attempts.Locked, attempts.OK},
	} {
		s := after(t, arrow.before)
		if s.state() != arrow.from {
			t.Errorf("after %q the state is %s, not %s", arrow.before, s.state(), arrow.from)
		}
		if s.all(arrow.event); s.state() != arrow.to {
			t.Errorf("after %q and %q the state is %s, not %s", arrow.before, arrow.event, s.state(), arrow.to)
		}
		direction := fmt.Sprintf("%s to %s", arrow.from, arrow.to)
		if told[direction] = true; arrow.text != "" && !p.hasAtArrow(arrow.text, direction) {
			t.Errorf("the arrow from %s has no %q", direction, arrow.text)
		}
		if arrow.text != "" { // The text at the arrow from stopped to held names ok too.
			figures = append(figures, arrow.text)
		}
	}
	for _, l := range p.lines {
		if !told[p.direction(l)] {
			t.Errorf("an arrow leads from %s, and no story does", p.direction(l))
		}
	}
	if len(p.lines) != 12 {
		t.Errorf("it has %d arrows", len(p.lines))
	}
	if failures != attempts.Limit+1 {
		t.Errorf("the mock server locks after %d failed attempts, and the engine makes %d", failures, attempts.Limit)
	}
	p.hasTheFigures(t, append(figures,
		"Automatic attempts stop long before the "+ordinals()[failures]+" failed one",
		"for "+rounded(r.wait, time.Minute)+" minutes",
		"Automatic: reads, rotations and the schedule together. Operators may make "+cardinals()[r.operator]+" failed attempts.",
		"The wait is "+rounded(r.acknowledged, time.Second)+" seconds right after a rotation, and "+
			rounded(r.last, time.Minute)+" minutes before a "+ordinals()[r.automatic]+" automatic attempt.",
	)...)
}

// direction is from which state to which the arrow leads. The states are the first texts
// in the boxes.
func (p *picture) direction(l line) string {
	state := func(point [2]float64) string {
		for _, box := range p.boxes[1:] { // The first one is the background.
			if (area{x0: box.x0 - 1, y0: box.y0 - 1, x1: box.x1 + 1, y1: box.y1 + 1}).contains(point[0], point[1]) {
				for _, name := range p.labels {
					if name.within(box) {
						return name.text
					}
				}
			}
		}
		return "nowhere"
	}
	return state(l.points[0]) + " to " + state(l.points[len(l.points)-1])
}

// hasAtArrow reports whether the text is closer to an arrow in this direction than to
// any other arrow.
func (p *picture) hasAtArrow(text, direction string) bool {
	for _, l := range p.labels {
		closest, distance := "", math.Inf(1)
		for _, arrow := range p.lines {
			if d := arrow.distance(l.area); d < distance {
				closest, distance = p.direction(arrow), d
			}
		}
		if l.text == text && closest == direction {
			return true
		}
	}
	return false
}

// distance is how close a line comes to an area.
func (l line) distance(a area) float64 {
	least := math.Inf(1)
	for i := 1; i < len(l.points); i++ {
		from, to := l.points[i-1], l.points[i]
		// The lines are horizontal or vertical, so they are areas too.
		x := max(0, min(from[0], to[0])-a.x1, a.x0-max(from[0], to[0]))
		y := max(0, min(from[1], to[1])-a.y1, a.y0-max(from[1], to[1]))
		least = min(least, math.Hypot(x, y))
	}
	return least
}
