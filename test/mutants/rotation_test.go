// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of a rotation, of scheduled work and of new secrets.
func mutantsOfRotation() []mutant {
	return append(append(mutantsOfRotate(), mutantsOfPeriodic()...), mutantsOfPassword()...)
}

func mutantsOfRotate() []mutant {
	const file = "internal/engine/rotate.go"
	return []mutant{
		{"at the limit of changes, rotate-root sends nothing", file, "if full && !overdue && !st.Secrets.Unresolved() {", "if false {"},
		{"at the limit of changes, rotate-root first resolves a pending rotation", file, "if full && !overdue && !st.Secrets.Unresolved() {", "if full && !overdue {"},
		{"at the limit of changes, rotate-root first tries a secret that an operator stored untried", file, "if next, _ := e.nextFor(st, attempts.Automatic, hash); !st.Secrets.Candidate(next) {", "if true {"},
		{"rotate-root backs off during an outage, as reads do", file, "if held := e.heldBack(st); held != nil { // Jobs", "if held := e.heldBack(st); false { // Jobs"},
		{"the secret in effect is proven before a change", file, "|| st.Secrets.MustProve() ||", "||"},
		{"if the data might be a restored copy, the secret is proven before a change", file, " || !st.Copied.IsZero() {", " {"},
		{"from the announced time on, a rotation authenticates first, because a success makes room for another change", file, "overdue || st", "overdue && false || st"},
		{"the secret is not changed if the proof fails", file, "if err != nil && !accepted(err) {\n\t\t\treturn proven,", "if err != nil && !accepted(err) && false {\n\t\t\treturn proven,"},
		{"a scheduled rotation that turns out to have succeeded is not repeated", file, "if scheduled && !proven", "if false && !proven"},
		{"rotate-root changes the secret even if a pending rotation has succeeded", file, "if scheduled && !proven", "if !proven"},
		{"a rotation stops if another node has stored an unverified secret", file, "elsewhere(st, proven) || next.Proven.IsZero() && !st.Secrets.Has(next) {", "next.Value.IsZero() || elsewhere(st, proven) {"},
		{"a rotation stops if another node has stored another partner or address", file, "elsewhere(st, proven) || next", "next"},
		{"a rotation does not stop because of an unproven secret that it knew before", file, "next.Proven.IsZero() && !st.Secrets.Has(next) {", "next.Proven.IsZero() {"},
		{"no change is made while too many changes are unconfirmed", file, "if until, full = st.Secrets.MustWait(); full {", "if until, full = st.Secrets.MustWait(); full && false {"},
		{"a rotation succeeds only if Finicity accepts the new secret", file, "if last.Value.Equal(secret) {", "if true || last.Value.Equal(secret) {"},
		{"the timeout of a change includes the time that storage takes", file, "context.WithTimeoutCause(ctx, limit, fmt", "context.WithTimeoutCause(ctx, 2*limit, fmt"},
		{"the new secret is stored before it is sent", file, "\t\t\tst.Secrets.Propose(secret, grace, now.Add(limit), now)\n", "\t\t\t_ = now\n"},
		{"other attempts wait until the call that changes the secret can no longer be running", file, "Propose(secret, grace, now.Add(limit), now)", "Propose(secret, grace, now, now)"},
		{"a new secret is stored with its grace period", file, "Propose(secret, grace, ", "Propose(secret, false, "},
		{"a crash during a scheduled rotation counts as a failure of the schedule", file, "\t\t\t\tst.Plan.Begun(st.LastRotation, e.now())\n", ""},
		{"a crash during rotate-root does not count as a failure of the schedule", file, "if scheduled { // Store", "if true { // Store"},
		{"the acknowledgment of a change is recorded", file, "\t\t\t\tst.Secrets.Acknowledge(secret, now)\n", ""},
		{"a new secret that was not sent is removed", file, "\t\t\t\tst.Secrets.NotSent(secret)\n", ""},
		{"a change without an answer is not recorded as refused", file, "\t\t\tcase failure.Ambiguous():\n", ""},
		{"the refusal of a change is recorded", file, "st.Secrets.Deny(secret, current, oldRefused, now)", "_ = oldRefused"},
		{"a change that Finicity refuses because of the old secret marks that secret as refused", file, "Deny(secret, current, oldRefused, now)", "Deny(secret, current, oldRefused && false, now)"},
		{"a change without an answer is reported as unknown", file, "case errors.As(err, &failure) && failure.Ambiguous():", "case false:"},
		{"a rotation with an unknown outcome is not reported as failed", file, "\tcase errors.As(err, &unknown):\n", "\tcase errors.As(err, &unknown) && false:\n"},
		{"a change that a gateway refused is reported as unknown", file, "case failure != nil && !failure.NotSent && !failure.From", "case false && !failure.NotSent && !failure.From"},
		{"a change that a gateway refused counts as refused for the schedule", file, "Err: err, Refused: true}", "Err: err}"},
		{"the error of a refused change does not say that the secret has not changed", file, "case failure != nil && !failure.NotSent: // The", "case false: // The"},
		{"a change that was not sent is not reported as refused", file, "case failure != nil && !failure.NotSent: // The", "case failure != nil: // The"},
		{"a change that Finicity refused is not reported as unknown", file, "&& !failure.FromFinicity() && !failure.App", "&& !failure.App"},
		{"a change with a wrong app key is not reported as unknown", file, " && !failure.AppKeyRefused():", ":"},
		{"a change that was not sent is not reported as unknown", file, "failure != nil && !failure.NotSent && !failure.From", "failure != nil && !failure.From"},
		{"rotate-root resumes a paused schedule", file, "return Rotated{st.LastRotation, st.nextRotation()}, e.resume(ctx, s, st)", "return Rotated{st.LastRotation, st.nextRotation()}, nil"},
		{"a chosen secret must follow Finicity's rules", file, "if err := CheckSecretRules(chosen.Reveal()); err != nil {", "if err := CheckSecretRules(chosen.Reveal()); false {"},
		{"a chosen secret that is clearly mistyped is refused", file, "if err := checkIdentifier(\"new_partner_secret\", chosen.Reveal()); err != nil {", "if err := checkIdentifier(\"new_partner_secret\", chosen.Reveal()); false {"},
		{"a chosen secret that the engine already knows is refused", file, "if !chosen.IsZero() && st.knows(chosen, hash) {", "if false && st.knows(chosen, hash) {"},
		{"a chosen secret is checked again after the proof", file, "err != nil { // Another node may have stored it", "err != nil && false { // Another node may have stored it"},
		{"a chosen secret counts as known to the operator", file, "\t\t\t\tst.Secrets.Bring(secret, now)\n", ""},
		{"a generated secret does not count as known to the operator", file, "\t\t\tif chosen {\n", "\t\t\tif true {\n"},
	}
}

func mutantsOfPeriodic() []mutant {
	const file = "internal/engine/periodic.go"
	return []mutant{
		{"scheduled work runs only on the node that may write", file, "if !e.mayWrite() {", "if false {"},
		{"a migrated state is stored", file, "if st.version1 != \"\" { // Otherwise", "if false { // Otherwise"},
		{"the schedule waits during an outage", file, "if e.backoff.Held(time.Now()) != nil {", "if false {"},
		{"a pending rotation is resolved automatically", file, "if st.Secrets.Unresolved() {", "if false {"},
		{"a rotation that turns out to have succeeded is not repeated", file, "due = due && still\n", "_ = still\n"},
		{"a failure to resolve a pending rotation counts as a failed rotation", file, "return e.scheduleFailed(ctx, s, st, err)\n\t\t}\n\t\t// The", "return nil\n\t\t}\n\t\t// The"},
		{"the schedule state of another node is not overwritten", file, " || errors.Is(err, ErrOvertaken) { // The", " { // The"},
		{"a failed rotation counts once", file, "st.Plan = before // scheduleFailed", "_ = before // scheduleFailed"},
		{"a clock that was set back does not delay a rotation", file, "missed, changed := false, next.Plan.Redate(spec, &next.LastRotation, now)", "missed, changed := false, false"},
		{"recorded times are corrected even without a schedule", file, "missed, changed := false, next.Plan.Redate", "missed, changed := false, active && next.Plan.Redate"},
		{"a refusal without a code does not count as a missing answer", file, "case errors.As(err, &unknown) && !unknown.Refused:", "case errors.As(err, &unknown):"},
		{"a failed write is repeated", file, "if err := e.flush(ctx, s, st); err != nil {", "if err := e.flush(ctx, s, st); err != nil && false {"},
		{"a mount without a configuration stores that it is running", file, "return e.noteAlive(ctx, s, st)", "return nil"},
		{"a new process announces the state of attempts that it finds", file, "\te.reportStanding(ctx, st, st, \"\")\n", ""},
		{"an idle engine writes once an hour", file, "return since >= noteAliveEvery || since < 0", "return since < 0"},
		{"an idle engine writes after the wall clock was set back", file, "return since >= noteAliveEvery || since < 0", "return since >= noteAliveEvery"},
	}
}

func mutantsOfPassword() []mutant {
	const file, events = "internal/engine/password.go", "internal/engine/events.go"
	return []mutant{
		{"a new secret has at least 12 characters", file, "minSecretLength = 12", "minSecretLength = 11"},
		{"a new secret has at most 255 characters", file, "maxSecretLength = 255", "maxSecretLength = 256"},
		{"a new secret has only characters that Finicity allows", file, "case strings.Trim(secret, secretAlphabet) != \"\":", "case false:"},
		{"a new secret has a letter", file, "case !strings.ContainsAny(secret, secretLetters):", "case false:"},
		{"a new secret has a digit", file, "case !strings.ContainsAny(secret, secretDigits):", "case false:"},
		{"a generated secret follows Finicity's rules", file, "if CheckSecretRules(string(secret)) == nil {", "if true {"},
		{"a secret from a policy follows Finicity's rules", file, "if err := CheckSecretRules(made); err != nil {", "if err := CheckSecretRules(made); err != nil && false {"},
		{"a policy does not repeat a stored secret", file, "func(s secrets.Secret) bool { return s.Value.Equal(secret) })", "func(s secrets.Secret) bool { return s.Value.Equal(secret) && false })"},
		{"a policy does not repeat a secret that a rotation replaced", file, "return !st.rotatedAwayAt(secret, hash).IsZero() ||", "return false ||"},
		{"a policy that always generates the same secret is refused", file, "\t\tsample.Secrets.Secrets = append(sample.Secrets.Secrets, secrets.Secret{Value: secret})\n", "\t\t_ = secrets.Secret{Value: secret}\n"},
		{"a policy that follows the rules only by chance is refused", file, "for range policySamples {\n\t\tsecret, err", "for range 2 {\n\t\tsecret, err"},

		{"a request waits at most a second for an observation", events, "observing, observed := context.WithTimeout(ctx, emitTimeout)", "observing, observed := context.WithCancel(ctx)"},
		{"a request waits at most a second for an event", events, "sending, sent := context.WithTimeout(ctx, emitTimeout)", "sending, sent := context.WithCancel(ctx)"},
		{"an unchanged state is not announced again", events, "if after.State == before {", "if false {"},
		{"the engine remembers the state that it announced last", events, "e.reported = after.State", "_ = after.State"},
		{"the state at another address is not compared with the last announced one", events, "if !elsewhere(st, to) {", "if true {"},
		{"a stop is logged as an error", events, "kind, log := eventAttemptsStopped, e.host.Logger().Error", "kind, log := eventAttemptsStopped, e.host.Logger().Warn"},
		{"a stop sends an event", events, "if kind != \"\" {", "if kind != \"\" && kind != eventAttemptsStopped {"},
	}
}
