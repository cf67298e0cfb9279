// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the shared token: all readers share a refresh, and no refresh is
// unnecessary.
func mutantsOfReads() []mutant {
	const file, status = "internal/engine/read.go", "internal/engine/status.go"
	const engine, periodic = "internal/engine/engine.go", "internal/engine/periodic.go"
	return []mutant{
		{"a fresh token is served without a refresh", file, "if due < 0 {", "if false {"},
		{"a token that is due is refreshed", file, "\t\te.tokens.Refresh(time.Now, refresh)\n", "\t\t_ = refresh\n"},
		{"no refresh starts while the engine backs off", file, "since, held := e.held(); held != nil {", "since, held := e.held(); held != nil && false {"},
		{"a refresh continues if the reader that started it goes away", file, "e.refresh(context.WithoutCancel(ctx), s, minTTL)", "e.refresh(ctx, s, minTTL)"},
		{"a reader with a usable token does not wait", file, "\t\te.tokens.Refresh(time.Now, refresh)\n", "\t\t<-e.tokens.Refresh(time.Now, refresh).Done()\n"},
		{"a reader gets a usable token even if the refresh failed", file, "if t, ok := e.usable(minTTL); ok { // A", "if t, ok := e.usable(minTTL); ok && err == nil { // A"},
		{"readers learn that a refresh failed", file, "\treturn failure\n", "\treturn nil\n"},
		{"readers do not get a failure from before the token was due", file, "if since > due { // It was a refresh", "if false { // It was a refresh"},
		{"readers do not get an outage from before the token was due", file, "if since > due { // It was a failure", "if since < 0 { // It was a failure"},
		{"failed refreshes are at least a second apart", file, "if failure == nil || since >= refreshPause {", "if true {"},
		{"reads back off while attempts cannot be stored", "internal/engine/attempt.go", "\t\t\te.storing.Note(uncharged, 0, time.Now())\n", ""},
		{"a write of another node does not make reads back off", "internal/engine/attempt.go", " && !errors.Is(err, ErrOvertaken) { // After", " { // After"},
		{"a successful write ends the back-off for storage", "internal/engine/store.go", "\te.storing.Clear()\n", ""},
		{"a write of another node ends the back-off for storage", engine, "\te.storing.Clear()\n", ""},
		{"the engine remembers which of its failed writes has taken effect", "internal/engine/store.go", "\t\te.keepWritten(stored.Clock)\n", ""},
		{"a usable stored token ends a refresh, regardless of min_ttl", file, "return e.Remaining(t) >= time.Second", "return e.Remaining(t) >= 80*time.Minute"},
		{"a read ends after three refreshes without a usable token", file, "refreshes == 3 {", "refreshes == 1e6 {"},
		{"the engine records that a token is in use", file, "\t\te.served.Store(t)\n", ""},
		{"a token in use is refreshed", periodic, "\te.refreshInUse(ctx, s)\n", ""},
		{"a token that is not in use is not refreshed", periodic, "ok && served != nil && served.Value.Equal(t.Value) {", "ok && (served == nil || served != nil) {"},
		{"a token in use is still in use after a write of the configuration", periodic, "served.Value.Equal(t.Value)", "served == t"},
		{"a read of storage ends when its caller goes away", engine, "st, err := e.load(ctx, s)", "st, err := e.load(context.WithoutCancel(ctx), s)"},
		{"a request stops waiting for the upstream lock when its caller goes away", "internal/engine/lock.go", "case <-ctx.Done():", "case <-context.WithoutCancel(ctx).Done():"},
		{"a reader that waited for the upstream lock does not authenticate again", file, "\tif t != nil {\n\t\tif age :=", "\tif t != nil && false {\n\t\tif age :="},
		{"a min_ttl over the limit costs no authentication", file, "if err := checkMinTTL(minTTL, st.Settings.TokenLifetime); err != nil {", "if err := checkMinTTL(minTTL, st.Settings.TokenLifetime); err != nil && false {"},
		{"a reader who asks for less does not get the error of a min_ttl over the limit", file, "is && minTTL <= much.limit {", "is && minTTL < 0*much.limit {"},
		{"a read of the salt that fails does not mean that no token is stored", file, "	if err != nil {\n\t\treturn nil, err\n\t}\n\treturn st.sharedToken", "	if err != nil {\n\t\treturn nil, nil\n\t}\n\treturn st.sharedToken"},
		{"a token with less than min_ttl left is replaced", file, "age < token.RefreshAge(t.Lifetime) && t.Remaining(age) >= minTTL {", "age < token.RefreshAge(t.Lifetime) {"},
		{"a token that is due for a refresh is replaced", file, "if age := e.age(t); age < token.RefreshAge(t.Lifetime) && t", "if age := e.age(t); t"},
		{"reads back off during an outage", file, "\tif held := e.heldBack(st); held != nil {\n\t\treturn held\n\t}\n", ""},
		{"an error names a pending rotation that takes longer than the back-off", file, "wait > backingOff.Wait {", "wait > backingOff.Wait && false {"},
		{"a read does not retry at once if the new token arrived too late", file, "e.Remaining(t) < minTTL {\n\t\treturn ErrTooSlow", "e.Remaining(t) < minTTL {\n\t\treturn nil"},
		{"a stored token is shared by all readers", file, "\t\te.tokens.Share(t, epoch)\n", "\t\t_ = epoch\n"},
		{"a stored token does not replace a shared one", file, "e.tokens.ShareFirst(t, epoch)", "e.tokens.Share(t, epoch)"},
		{"a stored token that is loaded without the upstream lock is not shared if the cache was dropped in the meantime", file, "e.tokens.ShareFirst(t, epoch)", "e.tokens.ShareFirst(t, max(epoch, e.tokens.Epoch()))"},
		{"a stored token that is loaded with the upstream lock is not shared if the cache was dropped in the meantime", file, "e.tokens.Share(t, epoch)", "e.tokens.Share(t, max(epoch, e.tokens.Epoch()))"},
		{"a min_ttl that would replace the token too often is refused", file, "minTTL > limit {", "minTTL > limit && false {"},

		{"the status shows no token as available while calls fail", status, "!e.backoff.Failing() &&", ""},
		{"the status knows that the stored secret may be tried at once", status, "subject(&st.Secrets, next), Reserve", "max(subject(&st.Secrets, next), attempts.Candidate), Reserve"},
		{"the status knows that a candidate must wait", status, "subject(&st.Secrets, next), Reserve", "min(subject(&st.Secrets, next), attempts.Stored), Reserve"},
		{"the status shows no retry time if an attempt is allowed now", status, "standing.State != attempts.OK && !allowed {", "standing.State != attempts.OK {"},

		{"rotate-token replaces the token at most once a minute", file, "t != nil && e.age(t) < RotateTokenEvery && e.Remaining(t) > 0 {", "t != nil && false {"},
		{"rotate-token replaces an expired token at once", file, "RotateTokenEvery && e.Remaining(t) > 0 {", "RotateTokenEvery {"},
		{"rotate-token backs off during an outage", file, "if held := e.heldBack(st); held != nil { // Apps", "if held := e.heldBack(st); false { // Apps"},
		{"rotate-token makes an automatic attempt", file, "if _, err = e.authenticate(ctx, s, st, attempts.Automatic, operation); err", "if _, err = e.authenticate(ctx, s, st, attempts.Operator, operation); err"},
		{"config/verify makes an operator's attempt", file, "trigger := attempts.Operator", "trigger := attempts.Automatic"},
		{"config/verify with force=true exceeds the limit", file, "trigger = attempts.Forced", "trigger = attempts.Operator"},
		{"force=true clears nothing while two or more attempts are left", file, "if force && e.standing(st, st).Left < 2 {", "if force {"},
		{"force=true has an effect when one attempt is left", file, "e.standing(st, st).Left < 2 {", "e.standing(st, st).Left < 1 {"},
		{"config/verify resumes a paused schedule", file, "return err\n\t}\n\treturn e.resume(ctx, s, st)", "return err\n\t}\n\treturn nil"},
		{"the end of a pause is stored", file, "\tif err := e.store(ctx, s, resumed, resumed); err != nil {\n\t\treturn &NotStored{err}\n\t}\n", "\t_ = resumed\n"},
		{"a stored token is served while another request holds the upstream lock", file, "\tif e.tokens.Current() == nil {\n\t\tusable", "\tif false {\n\t\tusable"},
		{"a read of the stored token that fails is repeated once", file, "if err != nil { // Once more", "if false { // Once more"},
		{"readers do not wait for the upstream lock after storage has failed twice", file, "if usable || err != nil {", "if usable {"},
		{"a waiting reader gets a token that another request brings", file, "\t\tcase <-shared:\n", "\t\tcase <-shared:\n\t\t\t<-running.Done()\n"},
		{"rotate-token repeats a failed write first", file, "if err := e.flush(ctx, s, st); err != nil {", "if err := e.flush(ctx, s, st); err != nil && false {"},
		{"a success that could not be stored resumes a paused schedule", file, "err != nil && (!accepted(err) || !st.Guard.IsPaused()) {", "err != nil {"},
	}
}
