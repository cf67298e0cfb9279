// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the control flow: charge, call, settle, store.
func mutantsOfCalls() []mutant {
	return append(mutantsOfAttempt(), mutantsOfAuthenticate()...)
}

func mutantsOfAttempt() []mutant {
	const file = "internal/engine/attempt.go"
	return []mutant{
		{"what is not allowed is not sent", file, "\tif err := e.allowed(st, a.to, a.request); err != nil {\n\t\treturn st, err\n\t}\n", ""},
		{"an attempt is charged", file, "\trecord.Charge(charge)\n", ""},
		{"without a stored charge nothing is sent", file, "\t\treturn st, uncharged\n", "\t\t_ = err\n"},
		{"a success that was not stored is told", file, "return st, &NotStored{stored}", "return st, nil"},
		{"a process knows that it has had a success", file, "e.succeeded, e.copied = true, time.Time{}", "e.copied = time.Time{}"},
		{"a process knows that it has had none", file, "Succeeded: e.succeeded,", "Succeeded: true,"},
		{"a process knows that its data may be a copy", file, "Copy: !st.Copied.IsZero(), ", ""},
		{"until a success", file, "e.succeeded, e.copied = true, time.Time{}", "e.succeeded = true"},
		{"a change that was acknowledged is known", file, ", Acknowledged: st.Secrets.Acknowledged()}", "}"},

		{"an answer is applied to what another node has stored meanwhile", file, "err != nil || stored.Clock.Equal(charged.Clock) {", "err != nil || stored.Clock.Equal(charged.Clock) || true {"},
		{"what the call has put at stake is stored again", file, "\tstored.retain(charged)\n", ""},
		{"its attempt is charged again", file, "\t\trecord.Recharge(charge)\n", ""},
		{"an answer is applied again when storage was overwritten", file, "\tfor range 3 {", "\tfor range 1 {"},
		{"an acknowledged change is not a success", file, "failure == nil && !a.request.Change}", "failure == nil}"},
		{"an answer settles the attempt", file, "\t\trecord.Settle(charge.At, answer, now)\n", ""},
		{"a lock is told from a refusal", file, "answer.Locked = failure.Class == finicityapi.Locked", "answer.Locked = false"},
		{"an outage is not a refusal", file, "case failure.Class != finicityapi.Rejected && failure.Class != finicityapi.Locked:", "case false:"},
		{"the failure of another credential is called that", file, "\tcase a.request.Subject == attempts.Written:", "\tcase false:"},
		{"and so is its outage", file, "if a.request.Subject == attempts.Written {", "if false {"},
		{"the failure of a change is called that", file, "case a.request.Change:", "case false:"},
		{"a code tells Finicity's refusal from a gateway's", file, "case failure.FromFinicity():", "case false:"},
		{"a gateway's refusal is no verdict on a credential", file, "failure.CredentialRefused() && failure.FromFinicity()", "failure.CredentialRefused()"},
		{"a refusal of the request is no verdict on a credential", file, "failure.CredentialRefused() && failure.FromFinicity()", "failure.FromFinicity()"},
		{"an answer changes the state", file, "\ta.settle(st, failure)\n", ""},
		{"the outcome is stored", file, "\t\terr = e.store(ctx, s, st, st)\n", "\t\terr = nil\n"},
		{"an outcome that storage did not take is known", file, "err = e.store(ctx, s, st, st)", "err = e.store(ctx, s, st, charged)"},

		{"the failure of another credential holds nothing back", file, "finicityapi.Unavailable && !another:", "finicityapi.Unavailable:"},
		{"the failure of another address holds nothing back", file, "case elsewhere(a.to, st):", "case false:"},
		{"another partner is elsewhere", file, "return a.PartnerID != b.PartnerID || a.Settings", "return a.Settings"},
		{"another address is elsewhere", file, "a.PartnerID != b.PartnerID || a.Settings.place() != b.Settings.place()", "a.PartnerID != b.PartnerID"},
		{"after an outage the next call waits", file, "\t\te.backoff.Note(failure, failure.RetryAfter, time.Now())\n", ""},
		{"it waits for as long as Finicity has asked", file, "Note(failure, failure.RetryAfter, time", "Note(failure, 0, time"},
		{"when the outcome was not stored, the next call waits", file, "\t\te.backoff.Note(err, 0, time.Now())\n", ""},
		{"an answer ends the waits", file, "\t\te.backoff.Clear()\n", ""},
	}
}

func mutantsOfAuthenticate() []mutant {
	const file = "internal/engine/authenticate.go"
	return []mutant{
		{"a change that may be on its way is waited for", file, "wait > 0 {", "wait > 0 && false {"},
		{"one refusal is followed up once", file, "if before != nil || !follows(", "if before != nil && false || !follows("},
		{"a follow-up that is not allowed is not an error of its own", file, "errors.As(err, &denied) || errors", "errors.As(err, &denied) && false || errors"},
		{"the same secret is not sent twice", file, " && !next.Value.Equal(refused.Value)", ""},
		{"a secret that was refused is not sent as the second", file, " && !list.Refused(next)\n", "\n"},
		{"both secrets are tried", file, "!follows(&st.Secrets, secret, next, trigger) {", "true || !follows(&st.Secrets, secret, next, trigger) {"},
		{"force is for one call", file, "return trigger != attempts.Forced && !next", "return !next"},
		{"a secret is a candidate beside the proven one", file, "if list.Candidate(secret) {", "if false {"},
		{"apps try nothing that a write could not", file, "return verdict == attempts.KnownBad || verdict", "return verdict"},
		{"apps leave the last attempt to the proven secret", file, "|| verdict == attempts.LastReserved\n", "\n"},
		{"the stored secret follows only if it is proven", file, "secret), Reserve: st.reserves(),\n", "secret), Reserve: true,\n"},

		{"a token from before a change is not shared after it", file, "e.shareToken(ctx, t, epoch)", "e.shareToken(ctx, t, max(epoch, e.tokens.Epoch()))"},
		{"what another node knows since counts", file, "if st.Secrets.Succeeded().After(charged.Clock) || elsewhere(to, st) {", "if st.Secrets.Succeeded().After(charged.Clock) && false || elsewhere(to, st) {"},
		{"an answer about another address says nothing here", file, "st.Secrets.Succeeded().After(charged.Clock) || elsewhere(to, st) {", "st.Secrets.Succeeded().After(charged.Clock) {"},
		{"a refused secret is noted", file, "st.Secrets.Refuse(secret, certain, now)", "_ = certain"},
		{"only a verdict on the secret refuses it", file, "failure.SecretRefused(); refused {", "failure.SecretRefused(); refused || true {"},
		{"only 10001 is certain", file, "Refuse(secret, certain, now)", "Refuse(secret, certain || true, now)"},
		{"the token is stored", file, "\t\t\t\tst.Token = &StoredToken{t.Value, t.Issued, to.tokenFingerprint(hash)}\n", ""},
		{"the token of a success that was not stored is shared", file, "if err != nil && !accepted(err) {\n\t\te.logFailed(to", "if err != nil {\n\t\te.logFailed(to"},
		{"a new token is shared", file, "if !e.tokens.Share(t, epoch) {", "if _ = epoch; false {"},
		{"a token that a reader loaded meanwhile is dropped", file, "if !e.tokens.Share(t, epoch) {\n\t\te.tokens.Drop()\n\t}", "e.tokens.Share(t, epoch)"},
		{"a token's age counts from before the call", file, "t.Value = confidential.New(value)", "t.Value, t.Issued = confidential.New(value), e.now()"},
		{"so it does by the process's clock", file, "t.Value = confidential.New(value)", "t.Value, t.Started = confidential.New(value), time.Now()"},
		{"clients do not repeat a command that got no answer", file, "if operation == operationRead ||", "if true || operation == operationRead ||"},
		{"a command that was not sent may be repeated", file, "finicityapi.Unavailable || failure.NotSent {", "finicityapi.Unavailable {"},
		{"a refusal before a charge that fails is the answer", file, "errors.As(err, &uncharged) || errors", "errors.As(err, &uncharged) && false || errors"},
		{"an operator's attempt leaves no secret out", file, "if trigger >= attempts.Operator {", "if false {"},
		{"so is one before a call that is not sent", file, "errors.As(err, &failure) && failure.NotSent\n", "errors.As(err, &failure) && failure.NotSent && false\n"},
		{"a refusal is not the answer to a command whose second call was sent", file, "if before != nil && unsent(err) {", "if before != nil {"},
		{"a rotation that another node has found is not announced again", file, "\t\t\trotated, epoch = false, e", "\t\t\tepoch = e"},
		{"a token that came while storage was read is shared", file, "rotated, epoch = false, e.tokens.Epoch()", "rotated = false"},
	}
}
