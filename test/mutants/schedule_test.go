// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/schedule.
func mutantsOfSchedule() []mutant {
	return append(mutantsOfGuard(), mutantsOfPlan()...)
}

func mutantsOfGuard() []mutant {
	const file = "internal/schedule/guard.go"
	return []mutant{
		{"a gap of more than six hours pauses the schedule", file, "maxSilence = 6 * time.Hour", "maxSilence = 7 * time.Hour"},
		{"a gap of exactly six hours does not pause the schedule", file, "now.UTC().Sub(g.Alive) > maxSilence", "now.UTC().Sub(g.Alive) >= maxSilence"},
		{"the time that a machine was suspended counts as a gap", file, "now = now.UTC() // A", "// A"},
		{"a pause keeps its start time", file, "if !g.IsPaused() && g.Silent(now) {", "if g.Silent(now) {"},
		{"a new mount is not paused", file, "return !g.Alive.IsZero() && now", "return now"},
		{"a recorded time in the future becomes the current time", file, "if now.Before(*t) {", "if false {"},
		{"Guard.Note checks for a gap first", file, "\tg.Check(now)\n", ""},
		{"Guard.Note records that the engine is running", file, "\tg.Check(now)\n\tg.Alive = now.UTC()\n", "\tg.Check(now)\n"},
		{"Guard.Resume ends the pause", file, "*g = Guard{Alive: now.UTC()} }", "*g = Guard{Alive: now.UTC(), Paused: g.Paused} }"},
		{"Guard.Resume ends the gap", file, "*g = Guard{Alive: now.UTC()} }", "*g = Guard{Alive: g.Alive} }"},
	}
}

func mutantsOfPlan() []mutant {
	const file, spec = "internal/schedule/plan.go", "internal/schedule/schedule.go"
	return []mutant{
		{"a failed rotation is retried after at most four hours", file, "maxRetryWait = 4 * time.Hour", "maxRetryWait = 5 * time.Hour"},
		{"a rotation without an answer is retried after at most a day", file, "maxUnansweredWait = 24 * time.Hour", "maxUnansweredWait = 25 * time.Hour"},
		{"two refused changes stop the schedule", file, "maxRefused = 2", "maxRefused = 3"},
		{"a rotation does not start before its scheduled time", file, "case next.IsZero(), now.Before(spec.earliest(next)), now", "case next.IsZero(), now"},
		{"a failed rotation is not retried at once", file, ", now.Before(p.Retry(last)):", ":"},
		{"a rotation that missed its window waits for the next window", file, "case !spec.closed(next, now):", "case true:"},
		{"a missed window is reported once", file, "p.From = now.Add(-spec.Window)", "_ = now"},
		{"a stopped schedule rotates nothing", file, "case spec.Disabled, p.Stopped(last):", "case spec.Disabled:"},
		{"a disabled schedule rotates nothing", file, "case spec.Disabled, p.Stopped(last):", "case p.Stopped(last):"},
		{"a schedule starts when it is set", file, "\tcase p.From.After(last):\n\t\treturn spec.next(p.From)\n", ""},
		{"a schedule continues from the last rotation", file, "\tdefault:\n\t\treturn spec.next(last)\n", "\tdefault:\n\t\treturn spec.next(p.From)\n"},
		{"retries become less frequent", file, "time.Minute<<min(p.Failures-1, 8)", "time.Minute<<min(p.Failures-1, 0)"},
		{"retries without an answer are even less frequent", file, "if p.Unanswered > 1 {", "if false {"},
		{"a rotation ends the failures before it", file, "return p.Failures > 0 && last.Before(p.FailedAt)", "return p.Failures > 0"},
		{"failures before the last rotation do not count", file, "if !p.failing(last) {\n\t\t*p = Plan", "if false {\n\t\t*p = Plan"},
		{"a failure is recorded as later than the last rotation", file, "p.FailedAt, p.Error = laterThan(last, now), message", "p.FailedAt, p.Error = now, message"},
		{"a rotation that was started counts as a failure until it ends", file, "\tp.Failed(Unanswered, outcomeNotRecorded, last, now)\n", ""},
		{"a rotation that was started counts as unanswered until it ends", file, "\tp.Failed(Unanswered, outcome", "\tp.Failed(Failed, outcome"},
		{"a rotation ends earlier failures even if the clock was set back", file, "func (p *Plan) Rotated() { *p = Plan{From: p.From} }", "func (p *Plan) Rotated() {}"},
		{"a new credential resumes a stopped schedule", file, "func (p *Plan) CredentialReplaced() { p.Refused = 0 }", "func (p *Plan) CredentialReplaced() {}"},
		{"a new credential does not end the wait before a retry", file, "{ p.Refused = 0 }", "{ *p = Plan{From: p.From} }"},
		{"a clock that was set back does not delay a rotation", file, "if limit.Before(*t) {", "if false && limit.Before(*t) {"},
		{"a cron time is not used twice", file, "limit = now.Add(cronTolerance)", "limit = now"},
		{"the time of a failure in the future becomes the current time", file, "if now.Before(failedAt) {", "if false {"},
		{"a correction of recorded times does not end a failure", file, "\tif failing {\n", "\tif false && failing {\n"},

		{"a period of one minute does not become two minutes", spec, "return next.Add(-periodSlack)", "return next"},
		{"a window closes after its duration", spec, "return s.Window > 0 && !now.Before(next.Add(s.Window))", "return false"},
		{"without a window, no rotation is missed", spec, "return s.Window > 0 && !now", "return !now"},
	}
}
