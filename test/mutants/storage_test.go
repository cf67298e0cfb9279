// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the one entry, of the engine's clock and of the locks.
func mutantsOfStorage() []mutant {
	return append(mutantsOfEntry(), mutantsOfEngine()...)
}

func mutantsOfEntry() []mutant {
	const file, store = "internal/engine/storage.go", "internal/engine/store.go"
	return []mutant{
		{"what storage did not take counts", file, "if ahead != nil {\n\t\treturn ahead.clone(), nil", "if false {\n\t\treturn ahead.clone(), nil"},
		{"what storage did not take is remembered", store, "e.ahead = remember.clone()", "_ = remember"},
		{"what storage took is not remembered", store, "e.ahead, e.written, e.storageError, e.storageErrorTime = nil, []time.Time{written}, nil, time.Time{}", "e.written, e.storageError, e.storageErrorTime = []time.Time{written}, nil, time.Time{}"},
		{"flush stores", store, "err := e.store(ctx, s, st, st)\n\tif !errors", "err := error(nil)\n\tif !errors"},
		{"an entry of a newer version is refused", file, "\tcase version > storedVersion:\n\t\treturn nil, &NewerError{Version: version}\n", ""},
		{"the clock goes on from the stored time", file, "\te.clock.resume(st.Clock, st.Guard.Alive)\n", ""},
		{"a silence pauses the schedule when it is found", file, "\t\tst.Guard.Check(e.now())\n", ""},
		{"only a new pause is announced", file, "st.pausing = st.Guard.IsPaused() && !paused", "st.pausing = st.Guard.IsPaused() && (!paused || true)"},
		{"a pause is announced", store, "if st.Guard.IsPaused() && !paused {", "if false && !paused {"},
		{"a pause is announced only once", store, "\tst.pausing = false\n", ""},
		{"with a schedule each write says that the engine is alive", store, "\t\tst.Guard.Note(now)\n", ""},
		{"without a schedule there is no silence", store, "\t\tst.Guard.Resume(now)\n", ""},
		{"what version 1 stored is deleted", store, "\te.forgetVersion1(ctx, s, st)\n", ""},
	}
}

func mutantsOfEngine() []mutant {
	const file, encoding = "internal/engine/engine.go", "internal/engine/encoding.go"
	return []mutant{
		{"a caller who has gone begins nothing", file, "if err := ctx.Err(); err != nil { // Both", "if err := ctx.Err(); false { // Both"},
		{"one request at a time uses the credential", file, "upstream: make(chan struct{}, 1)}", "upstream: make(chan struct{}, 2)}"},
		{"what has begun is finished though its caller has gone", file, "\tctx = context.WithoutCancel(ctx)\n", ""},
		{"what another node has written counts", file, "\t\te.ahead, e.storageError, e.storageErrorTime = nil, nil, time.Time{}\n", ""},
		{"a token from before is not served then", file, "\t\te.tokens.Drop()\n", ""},
		{"an outage from before holds nothing back then", file, "\t\te.backoff.Clear()\n", ""},
		{"a new salt counts", file, "\t\te.salt = nil\n", ""},
		{"parts of a hash do not run together", file, "strings.Join(parts, \"\\x00\")", "strings.Join(parts, \"\")"},
		{"a standby node leaves the schedule alone", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationDRSecondary"},
		{"so does a disaster-recovery secondary", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationPerformanceStandby"},
		{"so does a performance secondary", file, "(system.LocalMount() || !state.HasState(consts.ReplicationPerformanceSecondary))", "(system.LocalMount() || true)"},
		{"a local mount has its own schedule there", file, "(system.LocalMount() || !state", "(!state"},
	}
}
