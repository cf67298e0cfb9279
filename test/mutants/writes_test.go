// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of writing and deleting the configuration.
func mutantsOfWrites() []mutant {
	return append(append(mutantsOfVerify(), mutantsOfMerge()...), mutantsOfDelete()...)
}

func mutantsOfVerify() []mutant {
	const file, reserve = "internal/engine/write.go", "internal/engine/unwritten.go"
	return []mutant{
		{"a write is finished even if its caller goes away", file, "\tctx = context.WithoutCancel(ctx) // Finish", "\t// Finish"},
		{"a password policy is checked when it is written", file, "if w.PasswordPolicy != nil && next.Settings.PasswordPolicy != \"\" {", "if false {"},
		{"attempts that version 1 counted at another address count after a move there", file, "if c.moved {\n\t\tif err := e.open", "if false {\n\t\tif err := e.open"},
		{"a new credential is verified before it is stored", file, "case c.credential && w.Verify:", "case false:"},
		{"a write drops the token of the previous settings", file, "e.tokens.Replace(t, epoch)", "_ = t"},
		{"a write that is overtaken before it is stored brings back no token", file, "e.currentToken(ctx, s, st, epoch)", "e.currentToken(ctx, s, st, e.tokens.Epoch())"},
		{"a write that is overtaken after it was stored brings back no token", file, "e.tokens.Replace(t, epoch)", "e.tokens.Replace(t, max(epoch, e.tokens.Epoch()))"},
		{"the token of a write that is overtaken is not shared", file, "e.shareToken(ctx, t, epoch)", "e.shareToken(ctx, t, max(epoch, e.tokens.Epoch()))"},
		{"a new credential does not inherit the back-off of the old one", file, "e.backoff.Clear() // A failure", "// A failure"},

		{"no attempt of another partner is reserved", file, "reserve := st.PartnerID == next.PartnerID && ", "reserve := "},
		{"no attempt is reserved for an unproven secret", reserve, "return !current.Proven.IsZero() && !record", "return (true || !current.Proven.IsZero()) && !record"},
		{"no attempt is reserved for a refused secret", reserve, "!record.StoredRefused()", "(true || !record.StoredRefused())"},
		{"the last attempt is reserved for the stored credential", file, "Reserve: reserve,", "Reserve: reserve && false,"},
		{"a refused write does not stop apps", file, "Subject: attempts.Written, ", ""},
		{"a refused credential is recognized when it is written again", file, "\t\t\tCredential: next.fingerprint(hash, secret.Value),\n", ""},
		{"a write warns if apps do not try the secret that it stored", file, "!next.Value.Equal(untried) && !st", "!next.Value.Equal(untried) && false && !st"},
		{"a write does not warn if apps try the secret that it stored", file, "&& !next.Value.Equal(untried) && !st", "&& !st"},
		{"a write warns only if apps use the proven secret instead", file, " && !st.Secrets.Candidate(next)\n", "\n"},
		{"a write of the app key alone does not warn about a secret", file, "!untried.IsZero() && ", ""},
		{"a write does not warn about a secret while apps are stopped", file, "return goesOn && ", "return (goesOn || true) && "},
		{"a write sends the given secret only once", file, "|| !c.secret.IsZero() {\n\t\t\treturn st, err", "{\n\t\t\treturn st, err"},
		{"a new app key is tried with at most two secrets", file, "if before != nil || !follows(", "if before != nil && false || !follows("},
		{"if the second attempt is not sent, the first refusal is reported", file, "if before != nil && unsent(err) {", "if before != nil && unsent(err) && false {"},
		{"if the second attempt was sent, its result is reported", file, "if before != nil && unsent(err) {", "if before != nil {"},

		{"only code 10001 proves that a stored secret is wrong", file, "failure.SecretRefused(); certain && next", "failure.SecretRefused(); (certain || true) && next"},
		{"a refusal at another address is not a verdict on a stored secret", file, "certain && next.Secrets.Place == st.Secrets.Place && next.PartnerID", "certain && next.PartnerID"},
		{"a refusal of another partner is not a verdict on a stored secret", file, " && next.PartnerID == st.PartnerID {", " {"},
		{"a write stores the refusal of a stored secret", file, "\t\t\t\t\tst.Secrets.Refuse(secret, true, now)\n", ""},
		{"the refusal of a stored secret changes which secret the write tries next", file, "\t\t\t\t\tnext.Secrets.Refuse(secret, true, now)\n", ""},
		{"a write does not overwrite what another node has stored", file, "\t\t\tif changed {\n\t\t\t\treturn\n", "\t\t\tif false {\n\t\t\t\treturn\n"},
		{"a write makes no second attempt after another node has stored something", file, "if changed { // A success", "if changed && false { // A success"},
		{"the token of a verified write is stored", file, "\t\t\twritten.Token = &StoredToken{t.Value, t.Issued, written.tokenFingerprint(hash)}\n", ""},
		{"a verified write does not announce a pause a second time", file, "written.Clock, written.pausing, written.version1 = st.Clock, st.pausing, st", "written.Clock, written.version1 = st.Clock, st"},
		{"a verified write can replace the state that its own attempt stored", file, "written.Clock, written.pausing, written.version1 = st.Clock, st.pausing, st", "written.pausing, written.version1 = st.pausing, st"},
		{"a verified write is announced even if its outcome could not be stored yet", file, "unstored != nil && !accepted(unstored) {", "unstored != nil {"},
	}
}

func mutantsOfMerge() []mutant {
	const file = "internal/engine/merge.go"
	return []mutant{
		{"the stored secret is not sent to another address", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && w.AppKey == nil:"},
		{"the stored app key is not sent to another address", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && secret.IsZero():"},
		{"a write of another address counts as a move", file, "c.moved = c.partner || next.Settings.place() != st.Settings.place()", "c.moved = c.partner"},
		{"a given secret is verified if the app key changes too", file, "if current, _ := st.Secrets.Current(); c.moved || c.appKey || ", "if current, _ := st.Secrets.Current(); c.moved || "},
		{"a given secret is verified if it replaces an unverified one", file, " || st.hasUntriedBeside(current.Value) {", " {"},
		{"writing the current secret again changes nothing", file, "!secret.Equal(current.Value) || st", "true || !secret.Equal(current.Value) || st"},
		{"a secret that a rotation replaced is not sent", file, "case !secret.IsZero() && !c.partner && !at.IsZero():", "case false:"},
		{"a write of another partner may use a secret that a rotation replaced", file, "!secret.IsZero() && !c.partner && !at", "!secret.IsZero() && !at"},
		{"each first write starts a new configuration", file, "next.Since, next.Plan, next.Guard = e.clock.now(), ", "next.Since, next.Plan, next.Guard = time.Time{}, "},
		{"a verified move is refused while a rotation is pending", file, "case c.moved && w.Verify && pending:", "case false && pending:"},
		{"an unverified move is allowed while a rotation is pending", file, "case c.moved && w.Verify && pending:", "case c.moved && pending:"},
		{"a write of another partner does not discard the only copy of a secret", file, "case c.partner && st.Secrets.OnlyCopy():", "case false:"},
		{"a new schedule starts when it is written", file, "set := st.Settings.Schedule, next.Settings.Schedule; c.partner ||\n\t\tthen", "set := st.Settings.Schedule, next.Settings.Schedule; c.partner && true ||\n\t\tfalse && then"},
		{"a write of the schedule ends its pause", file, "\t\tnext.Guard.Resume(now)\n", ""},
		{"a pause that a write ends is not announced", file, "\t\tnext.pausing = false\n", ""},
		{"a new credential resumes a stopped schedule", file, "\t\tnext.Plan.CredentialReplaced()\n", ""},
		{"only a secret that an operator wrote counts as unverified", file, "s.Origin == secrets.Brought && s.Proven.IsZero() ||", "s.Proven.IsZero() ||"},
		{"a proven secret does not count as unverified", file, "s.Origin == secrets.Brought && s.Proven.IsZero() ||", "s.Origin == secrets.Brought ||"},
		{"a secret that an operator wrote again counts as unverified", file, " || st.Secrets.ToTry(s)) && !s", ") && !s"},
		{"a write warns if it repeats a stored credential that is failing", "internal/engine/write.go", "Same: !c.credential && (", "Same: false && ("},
		{"a write of settings alone does not warn about a repeated credential", "internal/engine/write.go", "(w.PartnerID != nil || w.PartnerSecret != nil || w.AppKey != nil)", "true"},
		{"a write reports that it has dropped the token", "internal/engine/write.go", "written.TokenGone = t == nil", "written.TokenGone = false"},
		{"a write that keeps the token does not report that it dropped it", "internal/engine/write.go", "written.TokenGone = t == nil", "written.TokenGone = true"},
		{"a token that matches the new configuration stays in memory", "internal/engine/write.go", "e.tokens.Replace(t, epoch)", "e.tokens.Replace(nil, epoch)"},
	}
}

func mutantsOfDelete() []mutant {
	const file = "internal/engine/delete.go"
	return []mutant{
		{"a failed delete that took effect is not undone", file, "e.disown(left.Clock)", "_ = left"},
		{"the delete of a damaged entry keeps the attempts that the process knows", file, "st = e.attemptsAlone()", "st = &State{}"},
		{"if storage is empty after a failed delete, the delete has taken effect", file, "e.noteUnstored(err, st.Clock, st.Clock, st)", "e.noteUnstored(err, st.Clock, st.Clock, st)\n\t\t\te.latest.Clock = time.Time{}"},
		{"the only copy of a secret is not deleted", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unresolved()):", "st.Secrets.Unresolved():"},
		{"a configuration with an unresolved rotation is not deleted", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unresolved()):", "st.Secrets.OnlyCopy():"},
		{"force=true deletes the only copy and an unresolved rotation", file, "case st.Configured() && !force && (", "case st.Configured() && ("},
		{"a damaged entry is deleted only with force=true", file, "case force && errors.Is", "case errors.Is"},
		{"force=true does not delete an entry that cannot be read for another reason", file, "case force && errors.Is(err, ErrUndecodable):", "case force && (err != nil || errors.Is(err, ErrUndecodable)):"},
		{"counted attempts survive a delete", file, "if len(left.Records) > 0 {", "if false {"},
		{"a delete that found no configuration does not delete one that another node has stored since", file, "e.checkOvertaken(ctx, s, st); err != nil {", "e.checkOvertaken(ctx, s, st); err != nil && st.Configured() {"},
		{"a delete drops the token", file, "\te.tokens.Drop()\n", ""},
		{"a paused schedule shows no next rotation", file, "if st.Guard.IsPaused() {", "if false {"},
	}
}
