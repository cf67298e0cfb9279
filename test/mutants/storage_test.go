// SPDX-License-Identifier: MPL-2.0

package mutants

import "slices"

// The safeguards of the stored entry, of the engine's clock and of the lock.
func mutantsOfStorage() []mutant {
	return slices.Concat(mutantsOfEntry(), mutantsOfStore(), mutantsOfJoin(), mutantsOfClock(), mutantsOfState(), mutantsOfEngine())
}

func mutantsOfEntry() []mutant {
	const file, store = "internal/engine/storage.go", "internal/engine/store.go"
	return []mutant{
		{"a state that could not be stored is remembered", store, "e.ahead = remember.clone()", "_ = remember"},
		{"an entry of a newer version is refused", file, "\tcase version > storedVersion:\n\t\treturn nil, &NewerError{Version: version}\n", ""},
		{"the engine's clock continues from the stored time", file, "\te.clock.resume(st.Clock, st.Guard.Alive)\n", ""},
		{"a read that finds a gap of six hours pauses the schedule", file, "\t\tst.Guard.Check(e.now())\n", ""},
		{"a process that finds a gap of six hours suspects a restored copy", file, "\t\te.copied = e.now()\n", ""},
		{"the suspicion of a restored copy is stored", file, "\t\tst.Copied = e.copied\n", ""},
		{"a suspicion with a time in the future is dropped", file, "if st.Copied.After(e.now()) {", "if false {"},
		{"an entry that this process wrote is not suspected", file, "own := !e.wrote.IsZero() && st.Clock.Equal(e.wrote) || slices", "own := slices"},
		{"an entry that this process tried to write is not suspected", file, "st.Clock.Equal(e.wrote) || slices.ContainsFunc(e.written, st.Clock.Equal)", "st.Clock.Equal(e.wrote) || false && slices.ContainsFunc(e.written, st.Clock.Equal)"},
		{"a read of storage that is never answered ends", file, "context.WithTimeout(ctx, maxRead)", "context.WithCancel(ctx)"},
		{"a read of the salt that is never answered ends", "internal/engine/engine.go", "salt.NewSalt(ctx, limited{s}, nil)", "salt.NewSalt(ctx, s, nil)"},
		{"an entry of version 1 does not count as written by this process", file, "own := !e.wrote.IsZero() && st", "own := st"},
		{"a success of any process ends the suspicion of a restored copy", "internal/engine/state.go", "\tst.Copied = time.Time{}\n", ""},
		{"a pause that is already stored is not announced", file, "st.pausing = st.Guard.IsPaused() && !paused", "st.pausing = st.Guard.IsPaused() && (!paused || true)"},
		{"a new pause of the schedule is announced", store, "if st.Guard.IsPaused() && !paused {", "if false && !paused {"},
		{"a stored pause is not announced again", store, "\tst.pausing = false\n", ""},
		{"with a schedule, each write stores that the engine is running", store, "\t\tst.Guard.Note(now)\n", ""},
		{"without a schedule, each write resets the restore guard", store, "\t\tst.Guard.Resume(now)\n", ""},
		{"the entries of version 1 are deleted", store, "\te.forgetVersion1(ctx, s, st)\n", ""},
		{"a pause that is found during a write is announced", store, "if st.Guard.IsPaused() && !paused {", "if st.pausing && !paused {"},
		{"a pause that was found before the write is announced", store, "st.Guard.IsPaused() && !st.pausing\n", "st.Guard.IsPaused()\n"},
	}
}

func mutantsOfStore() []mutant {
	const file = "internal/engine/store.go"
	return []mutant{
		{"nothing is stored if the stored entry cannot be read", file, "\tif err != nil {\n\t\treturn err\n\t}\n\tstored", "\tif err != nil && entry != nil {\n\t\treturn err\n\t}\n\tstored"},
		{"a newer version's entry is not overwritten", file, "\t\tcase version > storedVersion:\n\t\t\treturn &NewerError{Version: version}\n", ""},
		{"an entry that another node has written is not overwritten", file, "\treturn ErrOvertaken\n", "\treturn nil\n"},
		{"Engine.flush repeats the failed write", file, "return e.store(ctx, s, st, st)", "return nil"},
		{"the list of failed writes contains no zero time", file, "if !t.IsZero() && !slices", "if !slices"},
		{"the same storage failure is logged once", file, "if e.storageError == nil || e.storageError.Error() != err.Error() {", "if true {"},
		{"a write that another node has overtaken is not a storage failure", file, "e.storageError = nil // Storage", "// Storage"},
		{"a failed first write does not start the clock", file, "\t\t\te.clock.stop()\n", ""},
		{"the list of failed writes is bounded", file, "over > 0 {", "over > 0 && false {"},
		{"the list of failed writes keeps the state from before them", file, "slices.Delete(e.written, 1, 1+over)", "slices.Delete(e.written, 0, over)"},
		{"a damaged entry without a version is not mistaken for version 1", file, "case version < storedVersion && !isVersion1(entry.Value):", "case false:"},
	}
}

func mutantsOfJoin() []mutant {
	const file = "internal/engine/join.go"
	return []mutant{
		{"a process that finds an entry of a newer version serves no token", file, "\t\te.tokens.Drop()\n\t\treturn nil, err\n", "\t\treturn nil, err\n"},
		{"a process that another node has overtaken drops its token", file, "\t\te.goBy(stored, added)\n\t\te.tokens.Drop()\n", "\t\te.goBy(stored, added)\n"},
		{"a state that could not be stored is used", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && false:"},
		{"a state that could not be stored is used while storage has no other state", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && err != nil:"},
		{"a state that could not be stored is used while storage cannot be read", file, "case ahead && (err != nil || e.knows(stored, latest)):", "case ahead && err == nil && e.knows(stored, latest):"},
		{"a state that could not be stored is not used after a write of a newer version", file, "\tcase errors.As(err, &newer):\n", "\tcase false && errors.As(err, &newer):\n"},
		{"facts that only this process knows are added to the state of another node", file, "added := foreign && stored.retain(known)", "_, added := known, false"},
		{"a stored state that has not changed is not merged", file, "foreign := latest != nil && !e.knows(stored, latest)", "foreign := latest != nil"},
		{"facts that were added to the state of another node are stored", file, "\t\te.goBy(stored, added)\n\t\te.tokens", "\t\te.goBy(stored, false)\n\t\te.tokens"},
		{"the state that another node has stored is used", file, "\t\te.goBy(stored, added)\n\t\te.tokens", "\t\te.tokens"},
		{"two entries of version 1 are distinguished", file, "return stored.version1 == st.version1\n", "return st.version1 != \"\"\n"},
		{"an entry of version 1 is distinguished from one of version 2", file, "return st.version1 == \"\" && stored.Clock", "return stored.Clock"},
		{"a stored state from a failed write of this process counts as its own", file, "|| slices.ContainsFunc(e.written, stored.Clock.Equal)", ""},
		{"the times of secrets from version 1 count as unknown", file, "st.Secrets.Retain(other.Secrets, st.version1 != \"\")", "st.Secrets.Retain(other.Secrets, false)"},
		{"the time of the last success of version 1 counts as unknown", file, "if st.version1 == \"\" { // Version", "if true { // Version"},
		{"attempts of a deleted configuration delay nothing", file, "\t\t\ttheirs = theirs.Settled()\n", ""},
		{"a deleted configuration is not merged into a new one", file, "&& st.Since.Equal(other.Since)", ""},
		{"a merge keeps the hashes of replaced secrets", file, "st.RotatedAway, added = append(st.RotatedAway, r), true", "_ = r"},
		{"a merge keeps the time of the last rotation", file, "if other.LastRotation.After(st.LastRotation) {", "if false {"},
		{"a merge adds the token of a later success", file, "other.Token == nil || !fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {", "true || !fits {"},
		{"a merge does not add an earlier token", file, "!fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {", "!fits {"},
		{"a merge does not add the token of another partner or address", file, "fits := !elsewhere(st, other) && st", "fits := st"},
		{"a merge does not add the token of another app key", file, "!elsewhere(st, other) && st.AppKey.Equal(other.AppKey)", "!elsewhere(st, other)"},
		{"a merge skips unanswered attempts, because another node might have the answer", file, "if !st.Clock.Before(other.Clock) { // No", "if false { // No"},
		{"after a restore, a merge adds unanswered attempts too", file, "if !st.Clock.Before(other.Clock) { // No", "if true { // No"},
		{"a merge adds no secret of another partner", file, "same := st.PartnerID == other.PartnerID && st", "same := st"},
		{"a merge adds refusals that were not stored", file, "record.Merge(theirs, place, at) {", "false && record.Merge(theirs, place, at) {"},
		{"a request without the upstream lock does not replace the state in use", file, "\tcase !locked && latest != nil: // A write may be running, and its end decides.\n", ""},
		{"this process follows the clock of the node that took over", file, "\t\tknown = e.followClock(stored, latest)\n", ""},
		{"the clock does not change during a call", file, "if foreign && locked {", "if foreign {"},
		{"the clock does not change if the wall clock was set back", file, "|| since < 0 ||", "||"},
		{"the time since the last write does not count as a clock difference", file, "e.clock.now().Sub(stored.Clock) - since\n", "e.clock.now().Sub(stored.Clock)\n"},
		{"the clock is set back to that of the node that took over", file, "\te.clock.setBack(behind)\n", ""},
		{"known times are moved to the clock of the node that took over", file, "return latest.redated(stored, -behind)", "return latest"},
		{"the times of secrets are moved to the clock of the node that took over", file, "\tst.Secrets.Redate(other.Secrets, by)\n\tfor", "\tfor"},
		{"the times of attempts are moved to the clock of the node that took over", file, "\t\trecord.Redate(other.record(partner), by)\n\t\tst", "\t\tst"},
	}
}

func mutantsOfClock() []mutant {
	const file = "internal/engine/clock.go"
	return []mutant{
		{"the first write starts the clock at the wall clock", file, "\t\tc.base, c.started = c.provisional(), time.Now()\n", "\t\tc.started = time.Now()\n"},
		{"when the clock starts, it continues from the last time that it returned", file, "\t\tif c.base.After(c.last) {\n\t\t\tc.last = c.base\n\t\t}\n", "\t\tc.last = c.base\n"},
		{"before its start, the clock shows the wall clock", file, "\tif c.base.IsZero() {\n\t\tnow = c.provisional()\n\t}\n", ""},
		{"the clock does not run backwards", file, "&& !stored.After(c.last) && !stored.After(shows) {", "&& false {"},
		{"a time of an earlier process is shown by that process's wall clock", file, "if !before {", "if !before || true {"},
		{"a time of this process is shown by its own wall clock", file, "!c.wall.IsZero() && !t.After(c.began)", "!c.wall.IsZero()"},
		{"without a stored wall clock, times are shown by the current wall clock", file, "!c.wall.IsZero() && !t.After(c.began)", "!t.After(c.began)"},
		{"a time that another node stored is shown by that node's wall clock", file, "if c.base.IsZero() || stored.After(shows.Add(time.Second)) {", "if c.base.IsZero() {"},
		{"a time that this process stored is shown by its own wall clock", file, "if c.base.IsZero() || stored.After(shows.Add(time.Second)) {", "if true {"},
	}
}

func mutantsOfState() []mutant {
	const file = "internal/engine/state.go"
	return []mutant{
		{"a mount records the attempts of at most eight partners", file, "maxPartners = 8", "maxPartners = 9"},
		{"the stored partner is one of the eight", file, "\t\troom--\n", ""},
		{"without a stored partner, all eight can be others", file, "if st.Configured() && partner != st.PartnerID {", "if partner != st.PartnerID {"},
		{"the record of the stored partner is not removed", file, "if other != partner && other != st.PartnerID {", "if other != partner {"},
		{"there is always room for the stored partner", file, "!known && partner != st.PartnerID {", "!known {"},
		{"a partner that already has a record needs no more room", file, "len(others) > room && !known && partner", "len(others) > room && (known || !known) && partner"},
		{"a ninth partner is refused", file, "if _, known := records[partner]; len(others)", "if _, known := records[partner]; false && len(others)"},
		{"a record with an attempt in the last day is not removed", file, "len(others) > room && !records[others[0]].Recent(now) {", "len(others) > room {"},
		{"a record without an attempt in the last day is removed to make room", file, "for len(others) > room && !records", "for false && len(others) > room && !records"},
		{"the oldest record is removed first", file, "return records[a].Last().Compare(records[b].Last())", "return records[b].Last().Compare(records[a].Last())"},
		{"an empty record is removed to make room", file, "return other != partner && r.Empty(now) })", "return false })"},
	}
}

func mutantsOfEngine() []mutant {
	const file, encoding = "internal/engine/engine.go", "internal/engine/encoding.go"
	return []mutant{
		{"a request whose caller has gone away does not start", "internal/engine/lock.go", "if err := ctx.Err(); err != nil { // Both", "if err := ctx.Err(); false { // Both"},
		{"one request at a time uses the credential", file, "upstream: newLock(),", "upstream: make(lock, 2),"},
		{"a request that has started is finished even if its caller goes away", file, "return context.WithoutCancel(ctx), st, nil", "return ctx, st, nil"},
		{"after a write of another node, the old token is not served", file, "\t\te.tokens.Drop()\n", ""},
		{"a write of another node ends the back-off", file, "\t\te.backoff.Clear()\n", ""},
		{"a salt that another node has written is used", file, "\t\te.salt.Store(nil)\n", ""},
		{"the parts of a hash are separated", file, "strings.Join(parts, \"\\x00\")", "strings.Join(parts, \"\")"},
		{"a standby node does no scheduled work", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationDRSecondary"},
		{"a disaster recovery secondary does no scheduled work", file, "consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary", "consts.ReplicationPerformanceStandby"},
		{"a performance secondary does no scheduled work", file, "(system.LocalMount() || !state.HasState(consts.ReplicationPerformanceSecondary))", "(system.LocalMount() || true)"},
		{"a local mount on a performance secondary does its scheduled work", file, "(system.LocalMount() || !state", "(!state"},
	}
}

func mutantsOfVersion1() []mutant {
	const migrate, records = "internal/engine/migrate.go", "internal/engine/migrate_attempts.go"
	return []mutant{
		{"a record of version 1 that was imported is not imported again", records, "if old != nil && !known {", "if old != nil && (true || !known) {"},
		{"a record of version 1 for another partner is imported", records, "known := st.PartnerID == partner && slices", "known := slices"},
		{"the token of a restored version 1 entry is deleted", migrate, "if replaced || !e.version1Forgotten {", "if replaced && false || !e.version1Forgotten {"},
		{"a failed delete of a version 1 entry is tried again", migrate, "\t\t\te.version1Forgotten = false\n", ""},
	}
}
