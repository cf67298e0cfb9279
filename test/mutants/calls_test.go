// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the steps of a call to Finicity: charge, call, settle, store.
func mutantsOfCalls() []mutant {
	return append(mutantsOfAttempt(), mutantsOfAuthenticate()...)
}

func mutantsOfAttempt() []mutant {
	const file = "internal/engine/attempt.go"
	return []mutant{
		{"an attempt that the rules do not allow is not sent", file, "\tif err := e.allowed(st, a.to, a.request); err != nil {\n\t\treturn st, err\n\t}\n", ""},
		{"each attempt is charged", file, "\trecord.Charge(charge)\n", ""},
		{"nothing is sent if the charge could not be stored", file, "\t\treturn st, uncharged\n", "\t\t_ = err\n"},
		{"the caller learns that a success was not stored", file, "return st, &NotStored{stored}", "return st, nil"},
		{"the process records that it has authenticated", file, "e.succeeded, e.copied = true, time.Time{}", "e.copied = time.Time{}"},
		{"a process that has not authenticated yet is not treated as if it had", file, "Succeeded: e.succeeded,", "Succeeded: true,"},
		{"the rules learn that the data might be a restored copy", file, "Copy: !st.Copied.IsZero(), ", ""},
		{"after a success, the process no longer suspects a restored copy", file, "e.succeeded, e.copied = true, time.Time{}", "e.succeeded = true"},
		{"the rules learn when a change was acknowledged", file, ", Acknowledged: st.Secrets.Acknowledged()}", "}"},

		{"an answer is applied to the state that another node stored during the call", file, "err != nil || stored.Clock.Equal(charged.Clock) {", "err != nil || stored.Clock.Equal(charged.Clock) || true {"},
		{"the secret that a call sent is added to the state of another node", file, "\tstored.retain(charged)\n", ""},
		{"the attempt is charged again in the state of another node", file, "\t\trecord.Recharge(charge)\n", ""},
		{"an answer is applied again if another node overwrote storage", file, "\tfor range 3 {", "\tfor range 1 {"},
		{"an acknowledged change does not count as an authentication", file, "failure == nil && !a.request.Change}", "failure == nil}"},
		{"the answer to an attempt is recorded", file, "\t\trecord.Settle(charge.At, answer, now)\n", ""},
		{"a lock is distinguished from a refusal", file, "answer.Locked = failure.Class == finicityapi.Locked", "answer.Locked = false"},
		{"an outage does not count as a refusal", file, "case failure.Class != finicityapi.Rejected && failure.Class != finicityapi.Locked:", "case false:"},
		{"last_error says that an unstored credential was refused", file, "\tcase a.request.Subject == attempts.Written:", "\tcase false:"},
		{"last_error says that a call with an unstored credential failed", file, "if a.request.Subject == attempts.Written {", "if false {"},
		{"last_error says that a change of the secret failed", file, "case a.request.Change:", "case false:"},
		{"a code distinguishes a refusal by Finicity from one by a gateway", file, "case failure.FromFinicity():", "case false:"},
		{"a gateway's refusal is not a verdict on the credential", file, "failure.CredentialRefused() && failure.FromFinicity()", "failure.CredentialRefused()"},
		{"a refusal of the request is not a verdict on the credential", file, "failure.CredentialRefused() && failure.FromFinicity()", "failure.FromFinicity()"},
		{"an answer changes the stored state", file, "\ta.settle(st, failure)\n", ""},
		{"the outcome of a call is stored", file, "\t\terr = e.store(ctx, s, st, st)\n", "\t\terr = nil\n"},
		{"the process remembers an outcome that it could not store", file, "err = e.store(ctx, s, st, st)", "err = e.store(ctx, s, st, charged)"},

		{"a failure of an unstored credential does not make the engine back off", file, "finicityapi.Unavailable && !another:", "finicityapi.Unavailable:"},
		{"a failure at another address does not make the engine back off", file, "case elsewhere(a.to, st):", "case false:"},
		{"a call for another partner is distinguished from one for the stored partner", file, "return a.PartnerID != b.PartnerID || a.Settings", "return a.Settings"},
		{"a call to another address is distinguished from one to the stored address", file, "a.PartnerID != b.PartnerID || a.Settings.place() != b.Settings.place()", "a.PartnerID != b.PartnerID"},
		{"after an outage the next call waits", file, "\t\te.backoff.Note(failure, e.patience(ctx, s, st, failure.RetryAfter), time.Now())\n", ""},
		{"a Retry-After leaves time for one more call while a token is usable", file, "return min(retryAfter, e.Remaining(t)/2)", "return retryAfter"},
		{"after an outage the next call waits for Finicity's Retry-After", file, "Note(failure, e.patience(ctx, s, st, failure.RetryAfter), time", "Note(failure, 0, time"},
		{"after an outcome that was not stored, the next call waits", file, "\t\te.backoff.Note(err, 0, time.Now())\n", ""},
		{"an answer from Finicity ends the back-off", file, "\t\te.backoff.Clear()\n", ""},
	}
}

func mutantsOfAuthenticate() []mutant {
	const file = "internal/engine/authenticate.go"
	return []mutant{
		{"an attempt waits while a call that changes the secret might still be running", file, "wait > 0 {", "wait > 0 && false {"},
		{"after a refusal, at most one other secret is tried", file, "if before != nil || !follows(", "if before != nil && false || !follows("},
		{"if the second attempt is not allowed, the first refusal is reported", file, "errors.As(err, &denied) || errors", "errors.As(err, &denied) && false || errors"},
		{"the second attempt does not send the same secret again", file, " && !next.Value.Equal(refused.Value)", ""},
		{"the second attempt does not send a secret that was refused before", file, " && !list.Refused(next)\n", "\n"},
		{"after a refusal, the other secret is tried", file, "!follows(&st.Secrets, secret, next, trigger) {", "true || !follows(&st.Secrets, secret, next, trigger) {"},
		{"force=true allows only one call", file, "return trigger != attempts.Forced && !next", "return !next"},
		{"a secret other than the proven one counts as a candidate", file, "if list.Candidate(secret) {", "if false {"},
		{"automatic attempts skip a secret that Finicity refused with a code", file, "return verdict == attempts.KnownBad || verdict", "return verdict"},
		{"automatic attempts reserve the last attempt for the proven secret", file, "|| verdict == attempts.LastReserved\n", "\n"},
		{"the stored secret is tried right after a candidate only if it is proven", file, "secret), Reserve: st.reserves(),\n", "secret), Reserve: true,\n"},

		{"a new token is not shared if the cache is dropped after the answer was applied", file, "e.shareToken(ctx, t, epoch)", "e.shareToken(ctx, t, max(epoch, e.tokens.Epoch()))"},
		{"an answer is ignored if another node has stored a later success", file, "if st.Secrets.Succeeded().After(charged.Clock) || elsewhere(to, st) {", "if st.Secrets.Succeeded().After(charged.Clock) && false || elsewhere(to, st) {"},
		{"an answer is ignored if another node has stored another address", file, "st.Secrets.Succeeded().After(charged.Clock) || elsewhere(to, st) {", "st.Secrets.Succeeded().After(charged.Clock) {"},
		{"the refusal of a secret is recorded", file, "st.Secrets.Refuse(secret, certain, now)", "_ = certain"},
		{"a refusal for another reason does not mark the secret as refused", file, "failure.SecretRefused(); refused {", "failure.SecretRefused(); refused || true {"},
		{"only code 10001 proves that a secret is wrong", file, "Refuse(secret, certain, now)", "Refuse(secret, certain || true, now)"},
		{"a new token is stored", file, "\t\t\t\tst.Token = &StoredToken{t.Value, t.Issued, to.tokenFingerprint(hash)}\n", ""},
		{"a new token is shared even if the success could not be stored", file, "if err != nil && !accepted(err) {\n\t\te.logFailed(to", "if err != nil {\n\t\te.logFailed(to"},
		{"a new token is shared", file, "if !e.tokens.Share(t, epoch) {", "if _ = epoch; false {"},
		{"if a new token cannot be shared, the cached token is dropped", file, "if !e.tokens.Share(t, epoch) {\n\t\te.tokens.Drop()\n\t}", "e.tokens.Share(t, epoch)"},
		{"the age of a token counts from before the call, by the wall clock", file, "t.Value = confidential.New(value)", "t.Value, t.Issued = confidential.New(value), e.now()"},
		{"the age of a token counts from before the call, by the process clock", file, "t.Value = confidential.New(value)", "t.Value, t.Started = confidential.New(value), time.Now()"},
		{"clients do not retry a command that Finicity did not answer", file, "if operation == operationRead ||", "if true || operation == operationRead ||"},
		{"clients may retry a command that did not reach Finicity", file, "finicityapi.Unavailable || failure.NotSent {", "finicityapi.Unavailable {"},
		{"if the charge of the second attempt could not be stored, the first refusal is reported", file, "errors.As(err, &uncharged) || errors", "errors.As(err, &uncharged) && false || errors"},
		{"an operator's attempt skips no secret", file, "if trigger >= attempts.Operator {", "if false {"},
		{"if the second call is not sent, the first refusal is reported", file, "errors.As(err, &failure) && failure.NotSent\n", "errors.As(err, &failure) && failure.NotSent && false\n"},
		{"if the second call was sent, its result is reported", file, "if before != nil && unsent(err) {", "if before != nil {"},
		{"a rotation that another node has confirmed is not announced again", file, "\t\t\trotated, epoch = false, e", "\t\t\tepoch = e"},
		{"a new token is shared even if the cache was dropped before the answer was applied, unless the partner, address or app key changed", file, "rotated, epoch = false, e.tokens.Epoch()", "rotated = false"},
	}
}
