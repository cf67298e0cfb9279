// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of a write of the configuration, and of its deletion.
func mutantsOfWrites() []mutant {
	return append(append(mutantsOfVerify(), mutantsOfMerge()...), mutantsOfDelete()...)
}

func mutantsOfVerify() []mutant {
	const file = "internal/engine/write.go"
	return []mutant{
		{"a write is finished though its caller has gone", file, "\tctx = context.WithoutCancel(ctx) // What", "\t// What"},
		{"a patch creates nothing", file, "if w.Patch && !st.Configured() {", "if false {"},
		{"a policy is tried when it is written", file, "if w.PasswordPolicy != nil && next.Settings.PasswordPolicy != \"\" {", "if false {"},
		{"what version 1 counted elsewhere counts after a move", file, "if c.moved {\n\t\tnext.Records", "if false {\n\t\tnext.Records"},
		{"a new credential is tried", file, "case c.credential && w.Verify:", "case false:"},
		{"only a new credential is tried", file, "case c.credential && w.Verify:", "case w.Verify:"},
		{"an untried secret is stored", file, "\t\t\tnext.Secrets.Bring(c.secret, e.clock.now())\n", ""},
		{"no token stays that comes from other settings", file, "\t\te.tokens.Drop()\n", ""},
		{"an outage elsewhere holds a new credential back from nothing", file, "e.backoff.Clear() // What", "// What"},
		{"a refused credential is told of", file, "\t\twritten.KnownBad = e.wall(e.knownBad(st, hash))\n", ""},
		{"one that was accepted since is not", file, "if !found || current.Proven.After(current.Refused) {", "if !found {"},

		{"another partner's attempts are not reserved", file, "reserve := st.PartnerID == next.PartnerID && ", "reserve := "},
		{"none is reserved for an unproven secret", file, "&& !current.Proven.IsZero() && !record", "&& !record"},
		{"none is reserved for a refused secret", file, " && !record.StoredRefused()", ""},
		{"the last one is reserved", file, "Reserve: reserve,", "Reserve: reserve && false,"},
		{"a refused write does not stop apps", file, "Subject: attempts.Written, ", ""},
		{"an operator may write when apps are stopped", file, "Trigger: attempts.Operator, Subject", "Trigger: attempts.Automatic, Subject"},
		{"a refused credential is known again", file, "\t\t\tCredential: next.fingerprint(hash, secret.Value),\n", ""},
		{"a secret that was given is sent once", file, "|| !c.secret.IsZero() {\n\t\t\treturn st, err", "{\n\t\t\treturn st, err"},
		{"a new app key is tried with two secrets at most", file, "if _, again := followUp(&next.Secrets, secret, attempts.Operator); !first || !again {", "if _, again := followUp(&next.Secrets, secret, attempts.Operator); !first && false || !again {"},

		{"only 10001 says that a secret is wrong", file, "failure.SecretRefused(); certain && next", "failure.SecretRefused(); (certain || true) && next"},
		{"a verdict from elsewhere says nothing of a stored secret", file, "certain && next.Secrets.Place == st.Secrets.Place && next.PartnerID", "certain && next.PartnerID"},
		{"nor does a verdict on another partner", file, " && next.PartnerID == st.PartnerID {", " {"},
		{"a verdict on a stored secret is stored", file, "\t\t\t\t\tst.Secrets.Refuse(secret, true, now)\n", ""},
		{"a verdict decides what is tried next", file, "\t\t\t\t\tnext.Secrets.Refuse(secret, true, now)\n", ""},
		{"a write gives way to that of another node", file, "changed = !st.Clock.Equal(charged.Clock); changed {", "changed = false; changed {"},
		{"a write keeps the attempts", file, "\t\t\twritten.Records = st.Records\n", ""},
		{"a tried secret is stored", file, "\t\t\twritten.Secrets.Bring(secret, now)\n", ""},
		{"the token of a write is stored", file, "\t\t\twritten.Token = &StoredToken{t.Value, t.Issued, written.tokenFingerprint(hash)}\n", ""},
		{"a pause is announced once", file, "\t\t\twritten.pausing = st.pausing\n", ""},
		{"the token of a write that was not stored is shared", file, "if err != nil && !accepted(err) {\n\t\te.logFailed(next", "if err != nil {\n\t\te.logFailed(next"},
		{"the token of a write is shared", file, "\te.shareToken(ctx, t, e.tokens.Epoch())\n", ""},
	}
}

func mutantsOfMerge() []mutant {
	const file = "internal/engine/write.go"
	return []mutant{
		{"the first write needs all of a credential", file, "\t\t\tif value == nil {\n", "\t\t\tif value == nil && false {\n"},
		{"the stored secret is not sent elsewhere", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && w.AppKey == nil:"},
		{"nor is the stored app key", file, "case c.moved && (secret.IsZero() || w.AppKey == nil):", "case c.moved && secret.IsZero():"},
		{"another address is a move", file, "c.moved = c.partner || next.Settings.place() != st.Settings.place()", "c.moved = c.partner"},
		{"another partner is a move", file, "c.moved = c.partner || next", "c.moved = next"},
		{"a secret is tried with its new app key", file, "if current, _ := st.Secrets.Current(); c.moved || c.appKey || ", "if current, _ := st.Secrets.Current(); c.moved || "},
		{"a secret that takes another one back is tried", file, " || st.hasUntriedBeside(current.Value) {", " {"},
		{"the current secret is nothing new", file, "!secret.Equal(current.Value) || st", "true || !secret.Equal(current.Value) || st"},
		{"a new app key is tried", file, "c.credential = c.moved || c.appKey ||", "c.credential = c.moved ||"},
		{"a secret that was rotated away is not sent", file, "case !secret.IsZero() && !c.partner && !at.IsZero():", "case false:"},
		{"another partner may have such a secret", file, "!secret.IsZero() && !c.partner && !at", "!secret.IsZero() && !at"},
		{"another partner does not replace the only copy", file, "case c.partner && st.Secrets.OnlyCopy():", "case false:"},
		{"another partner's secrets are not kept", file, "\t\tnext.Secrets = secrets.List{Place: next.Settings.place()}\n", ""},
		{"nor what was rotated away", file, "next.RotatedAway, next.LastRotation = nil, time.Time{}", "next.LastRotation = time.Time{}"},
		{"nor when", file, "next.RotatedAway, next.LastRotation = nil, time.Time{}", "next.RotatedAway = nil"},
		{"a new schedule begins now", file, "set := st.Settings.Schedule, next.Settings.Schedule; c.partner ||\n\t\tthen", "set := st.Settings.Schedule, next.Settings.Schedule; c.partner && true ||\n\t\tfalse && then"},
		{"a schedule that is written resumes", file, "\t\tnext.Guard.Resume(now)\n", ""},
		{"a pause that it ends is not announced", file, "\t\tnext.pausing = false\n", ""},
		{"a new credential resumes a schedule that was stopped", file, "\t\tnext.Plan.CredentialReplaced()\n", ""},
		{"an untried secret is one at this address", file, "return s.Place == st.Secrets.Place && s.Origin == secrets.Brought", "return s.Origin == secrets.Brought"},
		{"an untried secret is one that was brought", file, "s.Origin == secrets.Brought && s.Proven.IsZero() && !s", "s.Proven.IsZero() && !s"},
		{"an untried secret was never proven", file, "s.Origin == secrets.Brought && s.Proven.IsZero() && !s", "s.Origin == secrets.Brought && !s"},
		{"a call takes two minutes at most", file, " || set.RequestTimeout > maxRequestTimeout {", " {"},
		{"a token lives two hours at most", file, " || set.TokenLifetime > maxTokenLifetime {", " {"},
	}
}

func mutantsOfDelete() []mutant {
	const file = "internal/engine/delete.go"
	return []mutant{
		{"the only copy is not deleted", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unsettled()):", "st.Secrets.Unsettled():"},
		{"nothing is deleted during a rotation", file, "(st.Secrets.OnlyCopy() || st.Secrets.Unsettled()):", "st.Secrets.OnlyCopy():"},
		{"force deletes both", file, "case st.Configured() && !force && (", "case st.Configured() && ("},
		{"a damaged entry is deleted by force only", file, "case force && errors.Is", "case errors.Is"},
		{"force deletes a damaged entry only", file, "case force && errors.Is(err, ErrUndecodable):", "case force && err != nil:"},
		{"attempts survive a deletion", file, "if len(left.Records) > 0 {", "if false {"},
		{"only those that count do", file, "return r.Empty(now) })", "return false && r.Empty(now) })"},
		{"the token does not", file, "\te.tokens.Drop()\n", ""},
		{"nor does what version 1 stored", file, "\t\te.forgetVersion1(ctx, s, st)\n", ""},
		{"a deletion that storage did not take is an error", file, "return 0, fmt.Errorf(\"deleting the configuration from storage: %w\", err)", "_ = err"},
		{"a paused schedule announces no rotation", file, "if st.Guard.IsPaused() {", "if false {"},
		{"without a credential there is no signature to check", file, "if err == nil && !st.Configured() {", "if false {"},
	}
}
