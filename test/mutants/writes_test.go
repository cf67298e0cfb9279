// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of a write of the configuration, and of its deletion.
func mutantsOfWrites() []mutant {
	return append(append(mutantsOfVerify(), mutantsOfMerge()...), mutantsOfDelete()...)
}

func mutantsOfVerify() []mutant {
	const file, reserve = "internal/engine/write.go", "internal/engine/unwritten.go"
	return []mutant{
		{"a write is finished though its caller has gone", file, "\tctx = context.WithoutCancel(ctx) // Finish", "\t// Finish"},
		{"a policy is tried when it is written", file, "if w.PasswordPolicy != nil && next.Settings.PasswordPolicy != \"\" {", "if false {"},
		{"what version 1 counted elsewhere counts after a move", file, "if c.moved {\n\t\tif err := e.open", "if false {\n\t\tif err := e.open"},
		{"a new credential is tried", file, "case c.credential && w.Verify:", "case false:"},
		{"no token stays that comes from other settings", file, "\t\te.tokens.Drop()\n", ""},
		{"an outage elsewhere holds a new credential back from nothing", file, "e.backoff.Clear() // A failure", "// A failure"},

		{"another partner's attempts are not reserved", file, "reserve := st.PartnerID == next.PartnerID && ", "reserve := "},
		{"none is reserved for an unproven secret", reserve, "return !current.Proven.IsZero() && !record", "return (true || !current.Proven.IsZero()) && !record"},
		{"none is reserved for a refused secret", reserve, "!record.StoredRefused()", "(true || !record.StoredRefused())"},
		{"the last one is reserved", file, "Reserve: reserve,", "Reserve: reserve && false,"},
		{"a refused write does not stop apps", file, "Subject: attempts.Written, ", ""},
		{"a refused credential is known again", file, "\t\t\tCredential: next.fingerprint(hash, secret.Value),\n", ""},
		{"a warning names a secret that apps leave out", file, "!next.Value.Equal(untried) && !st", "!next.Value.Equal(untried) && false && !st"},
		{"and none that they try", file, "&& !next.Value.Equal(untried) && !st", "&& !st"},
		{"it names the secret that they try instead", file, " && !st.Secrets.Candidate(next)\n", "\n"},
		{"a new app key is no such secret", file, "!untried.IsZero() && ", ""},
		{"apps that have stopped try none", file, "return goesOn && ", "return (goesOn || true) && "},
		{"a secret that was given is sent once", file, "|| !c.secret.IsZero() {\n\t\t\treturn st, err", "{\n\t\t\treturn st, err"},
		{"a new app key is tried with two secrets at most", file, "if before != nil || !follows(", "if before != nil && false || !follows("},
		{"a refusal before an attempt that was not sent is the answer", file, "if before != nil && unsent(err) {", "if before != nil && unsent(err) && false {"},
		{"and not before one that was", file, "if before != nil && unsent(err) {", "if before != nil {"},

		{"only 10001 says that a secret is wrong", file, "failure.SecretRefused(); certain && next", "failure.SecretRefused(); (certain || true) && next"},
		{"a verdict from elsewhere says nothing of a stored secret", file, "certain && next.Secrets.Place == st.Secrets.Place && next.PartnerID", "certain && next.PartnerID"},
		{"nor does a verdict on another partner", file, " && next.PartnerID == st.PartnerID {", " {"},
		{"a verdict on a stored secret is stored", file, "\t\t\t\t\tst.Secrets.Refuse(secret, true, now)\n", ""},
		{"a verdict decides what is tried next", file, "\t\t\t\t\tnext.Secrets.Refuse(secret, true, now)\n", ""},
		{"a write gives way to that of another node", file, "\t\t\tif changed {\n\t\t\t\treturn\n", "\t\t\tif false {\n\t\t\t\treturn\n"},
		{"so does its second attempt", file, "if changed { // A success", "if changed && false { // A success"},
		{"the token of a write is stored", file, "\t\t\twritten.Token = &StoredToken{t.Value, t.Issued, written.tokenFingerprint(hash)}\n", ""},
		{"a pause is announced once", file, "written.Clock, written.pausing, written.version1 = st.Clock, st.pausing, st", "written.Clock, written.version1 = st.Clock, st"},
		{"a write begins at what is stored", file, "written.Clock, written.pausing, written.version1 = st.Clock, st.pausing, st", "written.pausing, written.version1 = st.pausing, st"},
		{"a write that is stored later is announced", file, "unstored != nil && !accepted(unstored) {", "unstored != nil {"},
	}
}

func mutantsOfMerge() []mutant {
	const file = "internal/engine/merge.go"
	return []mutant{
		{"the stored secret is not sent elsewhere", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && w.AppKey == nil:"},
		{"nor is the stored app key", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && secret.IsZero():"},
		{"another address is a move", file, "c.moved = c.partner || next.Settings.place() != st.Settings.place()", "c.moved = c.partner"},
		{"a secret is tried with its new app key", file, "if current, _ := st.Secrets.Current(); c.moved || c.appKey || ", "if current, _ := st.Secrets.Current(); c.moved || "},
		{"a secret that takes another one back is tried", file, " || st.hasUntriedBeside(current.Value) {", " {"},
		{"the current secret is nothing new", file, "!secret.Equal(current.Value) || st", "true || !secret.Equal(current.Value) || st"},
		{"a secret that was rotated away is not sent", file, "case !secret.IsZero() && !c.partner && !at.IsZero():", "case false:"},
		{"another partner may have such a secret", file, "!secret.IsZero() && !c.partner && !at", "!secret.IsZero() && !at"},
		{"each first write begins a configuration", file, "next.Since, next.Plan, next.Guard = e.clock.now(), ", "next.Since, next.Plan, next.Guard = time.Time{}, "},
		{"a move waits for a pending rotation", file, "case c.moved && w.Verify && pending:", "case false && pending:"},
		{"without verifying it does not", file, "case c.moved && w.Verify && pending:", "case c.moved && pending:"},
		{"another partner does not replace the only copy", file, "case c.partner && st.Secrets.OnlyCopy():", "case false:"},
		{"a new schedule begins now", file, "set := st.Settings.Schedule, next.Settings.Schedule; c.partner ||\n\t\tthen", "set := st.Settings.Schedule, next.Settings.Schedule; c.partner && true ||\n\t\tfalse && then"},
		{"a schedule that is written resumes", file, "\t\tnext.Guard.Resume(now)\n", ""},
		{"a pause that it ends is not announced", file, "\t\tnext.pausing = false\n", ""},
		{"a new credential resumes a schedule that was stopped", file, "\t\tnext.Plan.CredentialReplaced()\n", ""},
		{"an untried secret is one that was brought", file, "s.Origin == secrets.Brought && s.Proven.IsZero() ||", "s.Proven.IsZero() ||"},
		{"an untried secret was never proven", file, "s.Origin == secrets.Brought && s.Proven.IsZero() ||", "s.Origin == secrets.Brought ||"},
		{"or written again", file, " || st.Secrets.ToTry(s)) && !s", ") && !s"},
		{"a write of the stored credential says so", "internal/engine/write.go", "Same: !c.credential && (", "Same: false && ("},
		{"a write of settings does not", "internal/engine/write.go", "(w.PartnerID != nil || w.PartnerSecret != nil || w.AppKey != nil)", "true"},
		{"a write that takes the token says so", "internal/engine/write.go", "written.TokenGone = t == nil", "written.TokenGone = false"},
		{"a write that leaves it does not", "internal/engine/write.go", "written.TokenGone = t == nil", "written.TokenGone = true"},
		{"a token that still fits stays in memory", "internal/engine/write.go", "if t != nil { // It", "if false { // It"},
	}
}

func mutantsOfDelete() []mutant {
	const file = "internal/engine/delete.go"
	return []mutant{
		{"a delete that took effect stays one", file, "e.disown(left.Clock)", "_ = left"},
		{"a damaged entry forgets no attempts", file, "st = e.attemptsAlone()", "st = &State{}"},
		{"an empty storage is a delete that took effect", file, "e.noteUnstored(err, st.Clock, st.Clock, st)", "e.noteUnstored(err, st.Clock, st.Clock, st)\n\t\t\te.latest.Clock = time.Time{}"},
		{"the only copy is not deleted", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unsettled()):", "st.Secrets.Unsettled():"},
		{"nothing is deleted during a rotation", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unsettled()):", "st.Secrets.OnlyCopy():"},
		{"force deletes both", file, "case st.Configured() && !force && (", "case st.Configured() && ("},
		{"a damaged entry is deleted by force only", file, "case force && errors.Is", "case errors.Is"},
		{"force deletes a damaged entry only", file, "case force && errors.Is(err, ErrUndecodable):", "case force && (err != nil || errors.Is(err, ErrUndecodable)):"},
		{"attempts survive a deletion", file, "if len(left.Records) > 0 {", "if false {"},
		{"the token does not", file, "\te.tokens.Drop()\n", ""},
		{"a paused schedule announces no rotation", file, "if st.Guard.IsPaused() {", "if false {"},
	}
}
