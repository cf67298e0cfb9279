// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of a rotation, of the scheduled run and of new secrets.
func mutantsOfRotation() []mutant {
	return append(append(mutantsOfRotate(), mutantsOfPeriodic()...), mutantsOfPassword()...)
}

func mutantsOfRotate() []mutant {
	const file = "internal/engine/rotate.go"
	return []mutant{
		{"a rotation is held back as a read is", file, "if held := e.heldBack(st); held != nil { // Jobs", "if held := e.heldBack(st); false { // Jobs"},
		{"doubts are settled before a change", file, "|| st.Secrets.MustProve() ||", "||"},
		{"what may be a copy is proven before a change", file, " || !st.Copied.IsZero() {", " {"},
		{"a limit that is over ends", file, "overdue || st", "overdue && false || st"},
		{"without a proof nothing is changed", file, "if err != nil && !accepted(err) {\n\t\t\treturn proven,", "if err != nil && !accepted(err) && false {\n\t\t\treturn proven,"},
		{"a scheduled rotation that has succeeded is not repeated", file, "if scheduled && !proven", "if false && !proven"},
		{"one by hand is", file, "if scheduled && !proven", "if !proven"},
		{"a rotation of a former leader follows no untried secret", file, "elsewhere(st, proven) || next.Proven.IsZero() && !st.Secrets.Has(next) {", "next.Value.IsZero() || elsewhere(st, proven) {"},
		{"nor does it change another partner's secret", file, "elsewhere(st, proven) || next", "next"},
		{"a secret of its own may be untried", file, "next.Proven.IsZero() && !st.Secrets.Has(next) {", "next.Proven.IsZero() {"},
		{"too many unconfirmed changes allow no other one", file, "if until, full = st.Secrets.MustWait(); full {", "if until, full = st.Secrets.Full(); full && false {"},
		{"a change that is not proven is no success", file, "if last.Value.Equal(secret) {", "if true || last.Value.Equal(secret) {"},
		{"the time of a change begins before its secret is stored", file, "context.WithTimeoutCause(ctx, limit, fmt", "context.WithTimeoutCause(ctx, 2*limit, fmt"},
		{"the new secret is stored before it is sent", file, "\t\t\tst.Secrets.Propose(secret, grace, now.Add(limit), now)\n", "\t\t\t_ = now\n"},
		{"others wait until a change is over", file, "Propose(secret, grace, now.Add(limit), now)", "Propose(secret, grace, now, now)"},
		{"a secret remembers its grace period", file, "Propose(secret, grace, ", "Propose(secret, false, "},
		{"a process that dies during a scheduled rotation counts as a failure", file, "\t\t\t\tst.Plan.Begun(st.LastRotation, e.now())\n", ""},
		{"one that dies during another rotation does not", file, "if scheduled { // Store", "if true { // Store"},
		{"an acknowledgment is noted", file, "\t\t\t\tst.Secrets.Acknowledge(secret, now)\n", ""},
		{"a secret that was not sent is none", file, "\t\t\t\tst.Secrets.NotSent(secret)\n", ""},
		{"no answer says nothing", file, "\t\t\tcase failure.Ambiguous():\n", ""},
		{"a refusal is an answer", file, "st.Secrets.Deny(secret, current, oldRefused, now)", "_ = oldRefused"},
		{"a refused change may mean that the old secret is wrong", file, "Deny(secret, current, oldRefused, now)", "Deny(secret, current, oldRefused && false, now)"},
		{"an unknown outcome is called unknown", file, "case errors.As(err, &failure) && failure.Ambiguous():", "case false:"},
		{"and no failure", file, "\tcase errors.As(err, &unknown):\n", "\tcase errors.As(err, &unknown) && false:\n"},
		{"a change that a gateway refused may have been carried out", file, "case failure != nil && !failure.NotSent && !failure.From", "case false && !failure.NotSent && !failure.From"},
		{"it counts as refused", file, "Err: err, Refused: true}", "Err: err}"},
		{"a change that was refused is not said to have changed nothing", file, "case failure != nil && !failure.NotSent: // The", "case false: // The"},
		{"a change that was not sent was not refused", file, "case failure != nil && !failure.NotSent: // The", "case failure != nil: // The"},
		{"a change that Finicity refused was not", file, "&& !failure.FromFinicity() && !failure.App", "&& !failure.App"},
		{"nor was one with a wrong app key", file, " && !failure.AppKeyRefused():", ":"},
		{"nor was one that was not sent", file, "failure != nil && !failure.NotSent && !failure.From", "failure != nil && !failure.From"},
		{"a rotation by hand resumes the schedule", file, "return Rotated{st.LastRotation, st.nextRotation()}, e.resume(ctx, s, st)", "return Rotated{st.LastRotation, st.nextRotation()}, nil"},
		{"a chosen secret is one that Finicity takes", file, "if err := CheckSecretRules(chosen.Reveal()); err != nil {", "if err := CheckSecretRules(chosen.Reveal()); false {"},
		{"and no mistyped one", file, "if err := checkIdentifier(\"new_partner_secret\", chosen.Reveal()); err != nil {", "if err := checkIdentifier(\"new_partner_secret\", chosen.Reveal()); false {"},
		{"and no known one", file, "if !chosen.IsZero() && st.knows(chosen, hash) {", "if false && st.knows(chosen, hash) {"},
		{"also after the proof", file, "err != nil { // Another node may have stored it", "err != nil && false { // Another node may have stored it"},
		{"the operator has a copy of it", file, "\t\t\t\tst.Secrets.Bring(secret, now)\n", ""},
		{"and of no other one", file, "\t\t\tif chosen {\n", "\t\t\tif true {\n"},
	}
}

func mutantsOfPeriodic() []mutant {
	const file = "internal/engine/periodic.go"
	return []mutant{
		{"the schedule runs on one node", file, "if !e.mayWrite() {", "if false {"},
		{"what was migrated is stored", file, "if st.version1 != \"\" { // Otherwise", "if false { // Otherwise"},
		{"the schedule waits during an outage", file, "if e.backoff.Held(time.Now()) != nil {", "if false {"},
		{"an open rotation is settled", file, "if st.Secrets.Unsettled() {", "if false {"},
		{"a rotation that turns out to have succeeded is not repeated", file, "due = due && still\n", "_ = still\n"},
		{"a failure that waits for an open rotation counts", file, "return e.scheduleFailed(ctx, s, st, err)\n\t\t}\n\t\t// The", "return nil\n\t\t}\n\t\t// The"},
		{"the plan of another node is not replaced", file, " || errors.Is(err, ErrOvertaken) { // The", " { // The"},
		{"a failure counts once", file, "st.Plan = before // scheduleFailed", "_ = before // scheduleFailed"},
		{"a clock that was set back does not put a rotation off", file, "missed, changed := false, next.Plan.Redate(spec, &next.LastRotation, now)", "missed, changed := false, false"},
		{"nor does it without a schedule", file, "missed, changed := false, next.Plan.Redate", "missed, changed := false, active && next.Plan.Redate"},
		{"a refusal without a code is no missing answer", file, "case errors.As(err, &unknown) && !unknown.Refused:", "case errors.As(err, &unknown):"},
		{"what storage did not take is stored later", file, "if err := e.flush(ctx, s, st); err != nil {", "if err := e.flush(ctx, s, st); err != nil && false {"},
		{"a mount without a configuration says that it is alive", file, "return e.noteAlive(ctx, s, st)", "return nil"},
		{"a state that a process finds is announced", file, "\te.reportStanding(ctx, st, st, \"\")\n", ""},
		{"an idle engine writes once an hour", file, "return since >= noteAliveEvery || since < 0", "return since < 0"},
		{"so it does after the clock was ahead", file, "return since >= noteAliveEvery || since < 0", "return since >= noteAliveEvery"},
	}
}

func mutantsOfPassword() []mutant {
	const file, events = "internal/engine/password.go", "internal/engine/events.go"
	return []mutant{
		{"a new secret has 12 characters", file, "minSecretLength = 12", "minSecretLength = 11"},
		{"a new secret has 255 characters at most", file, "maxSecretLength = 255", "maxSecretLength = 256"},
		{"a new secret has Finicity's characters only", file, "case strings.Trim(secret, secretAlphabet) != \"\":", "case false:"},
		{"a new secret has a letter", file, "case !strings.ContainsAny(secret, secretLetters):", "case false:"},
		{"a new secret has a digit", file, "case !strings.ContainsAny(secret, secretDigits):", "case false:"},
		{"a generated secret keeps the rules", file, "if CheckSecretRules(string(secret)) == nil {", "if true {"},
		{"a policy keeps Finicity's rules", file, "if err := CheckSecretRules(made); err != nil {", "if err := CheckSecretRules(made); err != nil && false {"},
		{"a policy does not repeat a stored secret", file, "func(s secrets.Secret) bool { return s.Value.Equal(secret) })", "func(s secrets.Secret) bool { return s.Value.Equal(secret) && false })"},
		{"a policy does not repeat a secret that was rotated away", file, "return !st.rotatedAwayAt(secret, hash).IsZero() ||", "return false ||"},
		{"a policy that makes one secret only is found out", file, "\t\tsample.Secrets.Secrets = append(sample.Secrets.Secrets, secrets.Secret{Value: secret})\n", "\t\t_ = secrets.Secret{Value: secret}\n"},
		{"a policy that is good by chance is found out", file, "for range policySamples {\n\t\tsecret, err", "for range 2 {\n\t\tsecret, err"},

		{"nothing waits for an observation", events, "observing, observed := context.WithTimeout(ctx, emitTimeout)", "observing, observed := context.WithCancel(ctx)"},
		{"nothing waits for an event", events, "sending, sent := context.WithTimeout(ctx, emitTimeout)", "sending, sent := context.WithCancel(ctx)"},
		{"a state that stays is not announced again", events, "if after.State == before {", "if false {"},
		{"the state that was announced last is known", events, "e.reported = after.State", "_ = after.State"},
		{"only that of the stored credential is", events, "if !elsewhere(st, to) {", "if true {"},
		{"a stop is an error", events, "kind, log := eventAttemptsStopped, e.host.Logger().Error", "kind, log := eventAttemptsStopped, e.host.Logger().Warn"},
		{"a stop is announced", events, "if kind != \"\" {", "if kind != \"\" && kind != eventAttemptsStopped {"},
	}
}
