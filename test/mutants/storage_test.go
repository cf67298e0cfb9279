// SPDX-License-Identifier: MPL-2.0

package mutants

import "slices"

// The safeguards of the one entry, of the engine's clock and of the locks.
func mutantsOfStorage() []mutant {
	return slices.Concat(mutantsOfEntry(), mutantsOfStore(), mutantsOfJoin(), mutantsOfClock(), mutantsOfState(), mutantsOfEngine())
}

func mutantsOfEntry() []mutant {
	const file, store = "internal/engine/storage.go", "internal/engine/store.go"
	return []mutant{
		{"what storage did not take is remembered", store, "e.ahead = remember.clone()", "_ = remember"},
		{"an entry of a newer version is refused", file, "\tcase version > storedVersion:\n\t\treturn nil, &NewerError{Version: version}\n", ""},
		{"the clock goes on from the stored time", file, "\te.clock.resume(st.Clock, st.Guard.Alive)\n", ""},
		{"a silence pauses the schedule when it is found", file, "\t\tst.Guard.Check(e.now())\n", ""},
		{"a process that finds a silence may have a copy", file, "\t\te.copied = e.now()\n", ""},
		{"what it finds is stored", file, "\t\tst.Copied = e.copied\n", ""},
		{"a time from the future is no copy", file, "if st.Copied.After(e.now()) {", "if false {"},
		{"what it has written itself is no copy", file, "own := !e.wrote.IsZero() && st.Clock.Equal(e.wrote) || slices", "own := slices"},
		{"nor what it has tried to write", file, "st.Clock.Equal(e.wrote) || slices.ContainsFunc(e.written, st.Clock.Equal)", "st.Clock.Equal(e.wrote)"},
		{"an entry of version 1 is not its own", file, "own := !e.wrote.IsZero() && st", "own := st"},
		{"a success of any process ends a copy", "internal/engine/state.go", "\tst.Copied = time.Time{}\n", ""},
		{"only a new pause is announced", file, "st.pausing = st.Guard.IsPaused() && !paused", "st.pausing = st.Guard.IsPaused() && (!paused || true)"},
		{"a pause is announced", store, "if st.Guard.IsPaused() && !paused {", "if false && !paused {"},
		{"a pause is announced only once", store, "\tst.pausing = false\n", ""},
		{"with a schedule each write says that the engine is alive", store, "\t\tst.Guard.Note(now)\n", ""},
		{"without a schedule there is no silence", store, "\t\tst.Guard.Resume(now)\n", ""},
		{"what version 1 stored is deleted", store, "\te.forgetVersion1(ctx, s, st)\n", ""},
		{"a pause that a write finds is announced", store, "if st.Guard.IsPaused() && !paused {", "if st.pausing && !paused {"},
		{"a pause that was found before the write is announced", store, "st.Guard.IsPaused() && !st.pausing\n", "st.Guard.IsPaused()\n"},
	}
}

func mutantsOfStore() []mutant {
	const file = "internal/engine/store.go"
	return []mutant{
		{"nothing is written over what cannot be read", file, "\tif err != nil {\n\t\treturn fmt.Errorf(\"reading", "\tif err != nil && entry != nil {\n\t\treturn fmt.Errorf(\"reading"},
		{"a newer version's entry is not overwritten", file, "\t\tcase version > storedVersion:\n\t\t\treturn &NewerError{Version: version}\n", ""},
		{"nothing else is", file, "\treturn ErrOvertaken\n", "\treturn nil\n"},
		{"flush stores", file, "return e.store(ctx, s, st, st)", "return nil"},
		{"an entry of version 1 has no time", file, "if !t.IsZero() && !slices", "if !slices"},
		{"a failure is logged once", file, "if e.storageError == nil || e.storageError.Error() != err.Error() {", "if true {"},
		{"storage works when it was overtaken", file, "e.storageError = nil // Storage", "// Storage"},
		{"a first write that failed starts no clock", file, "\t\t\te.clock.stop()\n", ""},
		{"what may be there is bounded", file, "over > 0 {", "over > 0 && false {"},
		{"what was there before all failed writes is remembered longest", file, "slices.Delete(e.written, 1, 1+over)", "slices.Delete(e.written, 0, over)"},
		{"an entry without a version may be damaged", file, "case version < storedVersion && !isVersion1(entry.Value):", "case false:"},
	}
}

func mutantsOfJoin() []mutant {
	const file = "internal/engine/join.go"
	return []mutant{
		{"a process that meets a newer version serves no token", file, "\t\te.tokens.Drop()\n\t\treturn nil, err\n", "\t\treturn nil, err\n"},
		{"nor does one that was overtaken, from before", file, "\t\te.goBy(stored, added)\n\t\te.tokens.Drop()\n", "\t\te.goBy(stored, added)\n"},
		{"what storage did not take counts", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && false:"},
		{"it counts while storage has nothing else", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && err != nil:"},
		{"it counts while storage cannot be read", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && err == nil && e.knows(stored, latest):"},
		{"not before a newer version", file, "\tcase errors.As(err, &newer):\n", "\tcase false && errors.As(err, &newer):\n"},
		{"what this process alone knows is added to what another one has stored", file, "added := foreign && stored.retain(known)", "_, added := known, false"},
		{"what storage has not changed since is not merged", file, "foreign := latest != nil && !e.knows(stored, latest)", "foreign := latest != nil"},
		{"it is stored with the next write", file, "\t\te.goBy(stored, added)\n\t\te.tokens", "\t\te.goBy(stored, false)\n\t\te.tokens"},
		{"what another one has stored counts", file, "\t\te.goBy(stored, added)\n\t\te.tokens", "\t\te.tokens"},
		{"an entry of version 1 is told from another one", file, "return stored.version1 == st.version1\n", "return st.version1 != \"\"\n"},
		{"an entry of version 1 is told from one of version 2", file, "return st.version1 == \"\" && stored.Clock", "return stored.Clock"},
		{"what a failed write has written may be there", file, "|| slices.ContainsFunc(e.written, stored.Clock.Equal)", ""},
		{"nothing is known of when version 1 added a secret", file, "st.Secrets.Retain(other.Secrets, st.version1 != \"\")", "st.Secrets.Retain(other.Secrets, false)"},
		{"nor of when it last succeeded", file, "if st.version1 == \"\" { // Version", "if true { // Version"},
		{"the attempts of a deleted configuration hold nothing", file, "\t\t\ttheirs = theirs.Settled()\n", ""},
		{"each configuration is another one", file, "&& st.Since.Equal(other.Since)", ""},
		{"what was replaced is known after a merge", file, "st.RotatedAway, added = append(st.RotatedAway, r), true", "_ = r"},
		{"the last rotation is shown after a merge", file, "if other.LastRotation.After(st.LastRotation) {", "if false {"},
		{"a later token is added", file, "other.Token == nil || !fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {", "true || !fits {"},
		{"an earlier one is not", file, "!fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {", "!fits {"},
		{"one of another configuration is not", file, "fits := !elsewhere(st, other) && st", "fits := st"},
		{"nor one of another app key", file, "!elsewhere(st, other) && st.AppKey.Equal(other.AppKey)", "!elsewhere(st, other)"},
		{"an answer that another node may have had is not missed", file, "if !st.Clock.Before(other.Clock) { // No", "if false { // No"},
		{"a restored snapshot has missed none", file, "if !st.Clock.Before(other.Clock) { // No", "if true { // No"},
		{"nothing of another partner is added", file, "same := st.PartnerID == other.PartnerID && st", "same := st"},
		{"a refusal that was not stored is added", file, "record.Merge(theirs, place, at) {", "false && record.Merge(theirs, place, at) {"},
		{"a poll changes nothing of what another node has written", file, "\tcase !locked && latest != nil: // A write may be running, and its end decides.\n", ""},
		{"the clock of the node that took over counts", file, "\t\tknown = e.followClock(stored, latest)\n", ""},
		{"not during a call", file, "if foreign && locked {", "if foreign {"},
		{"nor if the wall clock was set back", file, "|| since < 0 ||", "||"},
		{"the time since the write is none by which it is behind", file, "e.clock.now().Sub(stored.Clock) - since\n", "e.clock.now().Sub(stored.Clock)\n"},
		{"this process goes by that clock", file, "\te.clock.setBack(behind)\n", ""},
		{"what it knows is dated by that clock", file, "return latest.redated(stored, -behind)", "return latest"},
		{"its secrets too", file, "\tst.Secrets.Redate(other.Secrets, by)\n\tfor", "\tfor"},
		{"its refusals too", file, "\t\trecord.Redate(other.record(partner), by)\n\t\tst", "\t\tst"},
	}
}

func mutantsOfClock() []mutant {
	const file = "internal/engine/clock.go"
	return []mutant{
		{"the first write starts the clock", file, "\t\tc.base, c.started = c.provisional(), time.Now()\n", "\t\tc.started = time.Now()\n"},
		{"a clock that starts goes on from its last time", file, "\t\tif c.base.After(c.last) {\n\t\t\tc.last = c.base\n\t\t}\n", "\t\tc.last = c.base\n"},
		{"before it starts, the clock is the wall clock", file, "\tif c.base.IsZero() {\n\t\tnow = c.provisional()\n\t}\n", ""},
		{"it does not run backwards", file, "&& !stored.After(c.last) && !stored.After(shows) {", "&& false {"},
		{"a time from before this process is shown as its wall clock had it", file, "if !before {", "if !before || true {"},
		{"a time since then is not", file, "!c.wall.IsZero() && !t.After(c.began)", "!c.wall.IsZero()"},
		{"without a wall clock from before there is none", file, "!c.wall.IsZero() && !t.After(c.began)", "!t.After(c.began)"},
		{"what another node has written is from before", file, "if c.base.IsZero() || stored.After(shows.Add(time.Second)) {", "if c.base.IsZero() {"},
		{"what this process has written is not", file, "if c.base.IsZero() || stored.After(shows.Add(time.Second)) {", "if true {"},
	}
}

func mutantsOfState() []mutant {
	const file = "internal/engine/state.go"
	return []mutant{
		{"eight partners are remembered", file, "maxPartners = 8", "maxPartners = 9"},
		{"one of them is the stored partner", file, "\t\troom--\n", ""},
		{"only if there is one", file, "if st.Configured() && partner != st.PartnerID {", "if partner != st.PartnerID {"},
		{"the stored partner makes no room", file, "if other != partner && other != st.PartnerID {", "if other != partner {"},
		{"there is always room for the stored partner", file, "!known && partner != st.PartnerID {", "!known {"},
		{"a known partner needs no more room", file, "len(others) > room && !known && partner", "len(others) > room && (known || !known) && partner"},
		{"there is room for no ninth one", file, "if _, known := records[partner]; len(others)", "if _, known := records[partner]; false && len(others)"},
		{"what was attempted in the last day makes no room", file, "len(others) > room && !records[others[0]].Recent(now) {", "len(others) > room {"},
		{"what was attempted before makes room", file, "for len(others) > room && !records", "for false && len(others) > room && !records"},
		{"the oldest makes room first", file, "return records[a].Last().Compare(records[b].Last())", "return records[b].Last().Compare(records[a].Last())"},
		{"an empty record makes room", file, "return other != partner && r.Empty(now) })", "return false })"},
	}
}

func mutantsOfEngine() []mutant {
	const file, encoding = "internal/engine/engine.go", "internal/engine/encoding.go"
	return []mutant{
		{"a caller who has gone begins nothing", "internal/engine/lock.go", "if err := ctx.Err(); err != nil { // Both", "if err := ctx.Err(); false { // Both"},
		{"one request at a time uses the credential", file, "upstream: newLock(),", "upstream: make(lock, 2),"},
		{"what has begun is finished though its caller has gone", file, "return context.WithoutCancel(ctx), st, nil", "return ctx, st, nil"},
		{"a token from before is not served then", file, "\t\te.tokens.Drop()\n", ""},
		{"an outage from before holds nothing back then", file, "\t\te.backoff.Clear()\n", ""},
		{"a new salt counts", file, "\t\te.salt.Store(nil)\n", ""},
		{"parts of a hash do not run together", file, "strings.Join(parts, \"\\x00\")", "strings.Join(parts, \"\")"},
		{"a standby node leaves the schedule alone", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationDRSecondary"},
		{"so does a disaster-recovery secondary", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationPerformanceStandby"},
		{"so does a performance secondary", file, "(system.LocalMount() || !state.HasState(consts.ReplicationPerformanceSecondary))", "(system.LocalMount() || true)"},
		{"a local mount has its own schedule there", file, "(system.LocalMount() || !state", "(!state"},
	}
}

func mutantsOfVersion1() []mutant {
	const migrate, records = "internal/engine/migrate.go", "internal/engine/migrate_attempts.go"
	return []mutant{
		{"a record that was taken over does not count again", records, "if old != nil && !known {", "if old != nil && (true || !known) {"},
		{"one of another partner counts", records, "known := st.PartnerID == partner && slices", "known := slices"},
		{"the token of an entry that was restored is deleted", migrate, "if replaced || !e.version1Forgotten {", "if replaced && false || !e.version1Forgotten {"},
		{"what could not be deleted is tried again", migrate, "\t\t\te.version1Forgotten = false\n", ""},
	}
}
