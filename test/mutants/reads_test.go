// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the shared token: one refresh for all readers, and no unnecessary
// one.
func mutantsOfReads() []mutant {
	const file, status = "internal/engine/read.go", "internal/engine/status.go"
	const engine, periodic = "internal/engine/engine.go", "internal/engine/periodic.go"
	return []mutant{
		{"a fresh token is served as it is", file, "if due < 0 {", "if false {"},
		{"a token that is due is refreshed", file, "\t\te.tokens.Refresh(time.Now, refresh)\n", "\t\t_ = refresh\n"},
		{"during an outage nothing is begun", file, "since, held := e.held(); held != nil {", "since, held := e.held(); held != nil && false {"},
		{"a refresh does not end with its reader", file, "e.refresh(context.WithoutCancel(ctx), s, minTTL)", "e.refresh(ctx, s, minTTL)"},
		{"a reader with a usable token does not wait", file, "\t\te.tokens.Refresh(time.Now, refresh)\n", "\t\t<-e.tokens.Refresh(time.Now, refresh).Done()\n"},
		{"a failure does not keep a usable token from a reader", file, "if t, ok := e.usable(minTTL); ok { // A", "if t, ok := e.usable(minTTL); ok && err == nil { // A"},
		{"a refresh that failed is told", file, "\treturn failure\n", "\treturn nil\n"},
		{"no reader learns of a failure from before the token was due", file, "if since > due { // It was a refresh", "if false { // It was a refresh"},
		{"nor of an outage from before that", file, "if since > due { // It was a failure", "if since < 0 { // It was a failure"},
		{"refreshes that fail are a second apart", file, "if failure == nil || since >= refreshPause {", "if true {"},
		{"reads wait while storage takes no attempt", "internal/engine/attempt.go", "\t\t\te.storing.Note(uncharged, 0, time.Now())\n", ""},
		{"another node's write does not delay reads", "internal/engine/attempt.go", " && !errors.Is(err, ErrOvertaken) { // After", " { // After"},
		{"a successful write ends that wait", "internal/engine/store.go", "\te.storing.Clear()\n", ""},
		{"another node's write ends the wait for storage", engine, "\te.storing.Clear()\n", ""},
		{"what storage has is not forgotten", "internal/engine/store.go", "\t\te.keepWritten(stored.Clock)\n", ""},
		{"a stored token ends the refresh, whoever began it", file, "return e.Remaining(t) >= time.Second", "return e.Remaining(t) >= 80*time.Minute"},
		{"a read ends", file, "refreshes == 3 {", "refreshes == 1e6 {"},
		{"a token in use is noted", file, "\t\te.served.Store(t)\n", ""},
		{"a token in use is refreshed", periodic, "\te.refreshInUse(ctx, s)\n", ""},
		{"a token that nobody reads is not refreshed", periodic, "ok && e.served.Load() == t {", "ok {"},
		{"a read of storage ends with its caller", engine, "st, err := e.load(ctx, s)", "st, err := e.load(context.WithoutCancel(ctx), s)"},
		{"the queue is left with the caller", "internal/engine/lock.go", "case <-ctx.Done():", "case <-context.WithoutCancel(ctx).Done():"},
		{"a reader who comes later does not authenticate again", file, "if t := e.currentToken(ctx, s, st, epoch); t != nil {", "if t := e.currentToken(ctx, s, st, epoch); t != nil && false {"},
		{"a token is new enough only with min_ttl left", file, "age < token.RefreshAge(t.Lifetime) && t.Remaining(age) >= minTTL {", "age < token.RefreshAge(t.Lifetime) {"},
		{"a token that is due is not new enough", file, "if age := e.age(t); age < token.RefreshAge(t.Lifetime) && t", "if age := e.age(t); t"},
		{"reads wait during an outage", file, "\tif held := e.heldBack(st); held != nil {\n\t\treturn held\n\t}\n", ""},
		{"a call on its way is named when it takes longer than the outage", file, "wait > backingOff.Wait {", "wait > backingOff.Wait && false {"},
		{"a token that comes too late is not asked for again at once", file, "e.Remaining(t) < minTTL {\n\t\treturn ErrTooSlow", "e.Remaining(t) < minTTL {\n\t\treturn nil"},
		{"a stored token is shared", file, "\t\te.tokens.Share(t, epoch)\n", "\t\t_ = epoch\n"},
		{"a stored token replaces none", file, "e.tokens.ShareFirst(t, epoch)", "e.tokens.Share(t, epoch)"},
		{"a stored token that was read before a change is not shared", file, "e.tokens.ShareFirst(t, epoch)", "e.tokens.ShareFirst(t, max(epoch, e.tokens.Epoch()))"},
		{"a stored token from before a change is not shared after it", file, "e.tokens.Share(t, epoch)", "e.tokens.Share(t, max(epoch, e.tokens.Epoch()))"},
		{"no reader has the token replaced all the time", file, "minTTL > limit {", "minTTL > limit && false {"},

		{"a failed request makes no token available", status, "!e.backoff.Failing() &&", ""},
		{"the status knows that the stored secret may follow", status, "subject(&st.Secrets, next), Reserve", "max(subject(&st.Secrets, next), attempts.Candidate), Reserve"},
		{"and that a candidate waits", status, "subject(&st.Secrets, next), Reserve", "min(subject(&st.Secrets, next), attempts.Stored), Reserve"},
		{"what may be done now is not waited for", status, "standing.State != attempts.OK && !allowed {", "standing.State != attempts.OK {"},

		{"a token is replaced once a minute", file, "t != nil && e.age(t) < RotateTokenEvery && e.Remaining(t) > 0 {", "t != nil && false {"},
		{"an expired token is replaced at once", file, "RotateTokenEvery && e.Remaining(t) > 0 {", "RotateTokenEvery {"},
		{"rotate-token waits during an outage", file, "if held := e.heldBack(st); held != nil { // Apps", "if held := e.heldBack(st); false { // Apps"},
		{"rotate-token is no operator", file, "if _, err = e.authenticate(ctx, s, st, attempts.Automatic, operation); err", "if _, err = e.authenticate(ctx, s, st, attempts.Operator, operation); err"},
		{"config/verify is an operator", file, "trigger := attempts.Operator", "trigger := attempts.Automatic"},
		{"force goes past the limit", file, "trigger = attempts.Forced", "trigger = attempts.Operator"},
		{"force with attempts left forgets nothing", file, "if force && e.standing(st, st).Left < 2 {", "if force {"},
		{"force takes the attempt that is kept from changes", file, "e.standing(st, st).Left < 2 {", "e.standing(st, st).Left < 1 {"},
		{"config/verify resumes the schedule", file, "return err\n\t}\n\treturn e.resume(ctx, s, st)", "return err\n\t}\n\treturn nil"},
		{"a resumption is stored", file, "\tif err := e.store(ctx, s, resumed, resumed); err != nil {\n\t\treturn &NotStored{err}\n\t}\n", "\t_ = resumed\n"},
		{"a stored token is served though another request has the lock", file, "\tif e.tokens.Current() == nil && e.loadToken(ctx, s, epoch) {\n\t\treturn nil\n\t}\n", ""},
		{"a replaced token does not come back", file, "if err := e.flush(ctx, s, st); err != nil {", "if err := e.flush(ctx, s, st); err != nil && false {"},
		{"a success that is not stored resumes the schedule", file, "err != nil && (!accepted(err) || !st.Guard.IsPaused()) {", "err != nil {"},
	}
}
