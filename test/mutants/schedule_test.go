// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/schedule.
func mutantsOfSchedule() []mutant {
	return append(mutantsOfGuard(), mutantsOfPlan()...)
}

func mutantsOfGuard() []mutant {
	const file = "internal/schedule/guard.go"
	return []mutant{
		{"six hours of silence may be a copy", file, "maxSilence = 6 * time.Hour", "maxSilence = 7 * time.Hour"},
		{"six hours of silence exactly are no copy", file, "now.UTC().Sub(g.Alive) > maxSilence", "now.UTC().Sub(g.Alive) >= maxSilence"},
		{"a machine that was suspended was silent", file, "now = now.UTC() // A", "// A"},
		{"a pause keeps its time", file, "if !g.IsPaused() && g.Silent(now) {", "if g.Silent(now) {"},
		{"a new mount is not paused", file, "return !g.Alive.IsZero() && now", "return now"},
		{"a time in the future is now", file, "if now.Before(*t) {", "if false {"},
		{"a note checks first", file, "\tg.Check(now)\n", ""},
		{"the engine is noted alive", file, "\tg.Check(now)\n\tg.Alive = now.UTC()\n", "\tg.Check(now)\n"},
		{"a resumption ends the pause", file, "*g = Guard{Alive: now.UTC()} }", "*g = Guard{Alive: now.UTC(), Paused: g.Paused} }"},
		{"a resumption ends the silence", file, "*g = Guard{Alive: now.UTC()} }", "*g = Guard{Alive: g.Alive} }"},
	}
}

func mutantsOfPlan() []mutant {
	const file, spec = "internal/schedule/plan.go", "internal/schedule/schedule.go"
	return []mutant{
		{"a failure is retried after four hours at the latest", file, "maxRetryWait = 4 * time.Hour", "maxRetryWait = 5 * time.Hour"},
		{"a rotation without an answer is retried after a day at the latest", file, "maxUnansweredWait = 24 * time.Hour", "maxUnansweredWait = 25 * time.Hour"},
		{"two refused changes stop the schedule", file, "maxRefused = 2", "maxRefused = 3"},
		{"nothing is due before its time", file, "case next.IsZero(), now.Before(spec.earliest(next)), now", "case next.IsZero(), now"},
		{"a failure is not retried at once", file, ", now.Before(p.Retry(last)):", ":"},
		{"a rotation that missed its window waits for the next one", file, "case !spec.closed(next, now):", "case true:"},
		{"a missed window is missed once", file, "p.From = now.Add(-spec.Window)", "_ = now"},
		{"a stopped schedule rotates nothing", file, "case spec.Disabled, p.Stopped(last):", "case spec.Disabled:"},
		{"a disabled schedule rotates nothing", file, "case spec.Disabled, p.Stopped(last):", "case p.Stopped(last):"},
		{"a schedule begins when it is set", file, "\tcase p.From.After(last):\n\t\treturn spec.next(p.From)\n", ""},
		{"a schedule continues from the last rotation", file, "\tdefault:\n\t\treturn spec.next(last)\n", "\tdefault:\n\t\treturn spec.next(p.From)\n"},
		{"retries become less frequent", file, "time.Minute<<min(p.Failures-1, 8)", "time.Minute<<min(p.Failures-1, 0)"},
		{"retries without an answer are even less frequent", file, "if p.Unanswered > 1 {", "if false {"},
		{"a rotation ends the failures before it", file, "return p.Failures > 0 && last.Before(p.FailedAt)", "return p.Failures > 0"},
		{"failures before the last rotation do not count", file, "if !p.failing(last) {\n\t\t*p = Plan", "if false {\n\t\t*p = Plan"},
		{"a failure is later than the last rotation", file, "p.FailedAt, p.Error = laterThan(last, now), message", "p.FailedAt, p.Error = now, message"},
		{"a rotation that was begun counts", file, "\tp.Failed(Unanswered, outcomeNotRecorded, last, now)\n", ""},
		{"a rotation that was begun counts as unanswered", file, "\tp.Failed(Unanswered, outcome", "\tp.Failed(Failed, outcome"},
		{"a rotation makes failures history whatever the clock shows", file, "func (p *Plan) Rotated() { *p = Plan{From: p.From} }", "func (p *Plan) Rotated() {}"},
		{"a new credential ends a stop", file, "func (p *Plan) CredentialReplaced() { p.Refused = 0 }", "func (p *Plan) CredentialReplaced() {}"},
		{"a new credential leaves the wait", file, "{ p.Refused = 0 }", "{ *p = Plan{From: p.From} }"},
		{"a clock that was set back delays no rotation", file, "if limit.Before(*t) {", "if false && limit.Before(*t) {"},
		{"a cron time does not come twice", file, "limit = now.Add(cronTolerance)", "limit = now"},
		{"a failure in the future is now", file, "if now.Before(failedAt) {", "if false {"},
		{"redating does not turn a failure into history", file, "\tif failing {\n", "\tif false && failing {\n"},

		{"a period of a minute does not become two", spec, "return next.Add(-periodSlack)", "return next"},
		{"a window closes", spec, "return s.Window > 0 && !now.Before(next.Add(s.Window))", "return false"},
		{"without a window, no rotation is missed", spec, "return s.Window > 0 && !now", "return !now"},
	}
}
