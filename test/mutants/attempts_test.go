// SPDX-License-Identifier: MPL-2.0

package mutants

import "slices"

const (
	recordFile = "internal/attempts/record.go"
	allowFile  = "internal/attempts/allow.go"
)

// The safeguards of internal/attempts, each taken away.
func mutantsOfAttempts() []mutant {
	return slices.Concat(mutantsOfRecord(), mutantsOfMerging(), mutantsOfAllow())
}

func mutantsOfRecord() []mutant {
	const file = recordFile
	return []mutant{
		{"four attempts", file, "\tLimit = 4\n", "\tLimit = 5\n"},
		{"three of them for apps and jobs", file, "automaticLimit = 3", "automaticLimit = 4"},
		{"two of them before a change", file, "changeLimit = 2", "changeLimit = 3"},
		{"a refusal counts for a day", file, "memory = 24 * time.Hour", "memory = 23 * time.Hour"},
		{"five minutes before the second", file, "hold          = 5 * time.Minute", "hold          = 4 * time.Minute"},
		{"half an hour before the third", file, "holdLast      = 30 * time.Minute", "holdLast      = 29 * time.Minute"},
		{"half a minute after a change", file, "holdConfirmed = 30 * time.Second", "holdConfirmed = 1 * time.Minute"},
		{"a change spreads for ten minutes", file, "spread        = 10 * time.Minute", "spread        = 9 * time.Minute"},
		{"the record is bounded", file, "maxAttempts = 16", "maxAttempts = 17"},
		{"a follow-up is automatic", file, "return t <= FollowUp }", "return t < FollowUp }"},

		{"a refusal elsewhere holds nothing back after a success here", file, "a.Place != place && a.Cleared.IsZero() {", "false {"},
		{"a refusal here is not passed by a success elsewhere", file, "a.Place != place && a.Cleared.IsZero() {", "a.Cleared.IsZero() {"},
		{"a cleared refusal stays cleared", file, "a.Place != place && a.Cleared.IsZero() {", "a.Place != place {"},

		{"a charge drops what does not count", file, "\tr.prune(a.At)\n", ""},
		{"a charge counts", file, "r.Attempts = append(r.Attempts, a)\n", ""},
		{"the oldest attempts make room", file, "slices.Delete(r.Attempts, 0, over)", "slices.Delete(r.Attempts, len(r.Attempts)-over, len(r.Attempts))"},
		{"an answer settles its own attempt", file, "return a.At.Equal(at) })", "return true })"},
		{"an answer to a forgotten attempt changes nothing", file, "\tif i < 0 {\n\t\treturn // A forced", "\tif i < -1 {\n\t\treturn // A forced"},

		{"a success gives its attempt back", file, "\tcase answer.Success:\n\t\tr.Attempts = slices.Delete(r.Attempts, i, i+1)\n", "\tcase answer.Success:\n"},
		{"a success clears", file, "\t\tr.succeed(settled, answer.Credential, now)\n", ""},
		{"an attempt without an answer is given back", file, "\tcase answer.Outcome == Unanswered:\n\t\tr.Attempts = slices.Delete(r.Attempts, i, i+1)\n", "\tcase answer.Outcome == Unanswered:\n"},
		{"an outage does not replace a refusal", file, "if !r.holds() && answer.Failure != \"\" {", "if answer.Failure != \"\" {"},
		{"an acknowledged change is no failure", file, "if !r.holds() && answer.Failure != \"\" {", "if !r.holds() {"},
		{"a refusal is remembered", file, "r.Attempts[i].Outcome, r.Attempts[i].Answered = answer.Outcome, now", "r.Attempts[i].Answered = now"},
		{"a refusal has a time", file, "r.Attempts[i].Outcome, r.Attempts[i].Answered = answer.Outcome, now", "r.Attempts[i].Outcome = answer.Outcome"},
		{"a refused credential is remembered", file, "\t\tr.Attempts[i].Credential = answer.Credential\n", ""},
		{"a refusal is the last failure", file, "if settled.Subject == Stored || answer.Locked || !r.holds() {", "if false {"},
		{"that of a written credential does not replace that of the stored one", file, "if settled.Subject == Stored || answer.Locked || !r.holds() {", "if true {"},
		{"a lock replaces it", file, "settled.Subject == Stored || answer.Locked || !r.holds()", "settled.Subject == Stored || !r.holds()"},
		{"that of a written credential is one if there is no other", file, "settled.Subject == Stored || answer.Locked || !r.holds()", "settled.Subject == Stored || answer.Locked"},
		{"a success ends no failure that came later", file, "r.Failed.Before(success.At) && r", "r"},
		{"a success elsewhere ends no lock", file, "r.lockedAt(success.Place) {", "(true || r.lockedAt(success.Place)) {"},
		{"a lock whose attempt is gone ends", file, "return lock.At.IsZero() || lock.Place == place", "return lock.Place == place"},
		{"elsewhere, a lock counts until a success", file, "lock.Place != place && !lock.Passed.IsZero() {", "lock.Place != place {"},
		{"elsewhere, a lock does not count after a success", file, "lock.Place != place && !lock.Passed.IsZero() {", "false && lock.Place != place {"},
		{"at its own address, a lock stays one", file, "lock.Place != place && !lock.Passed.IsZero() {", "!lock.Passed.IsZero() {"},
		{"a forced success is remembered", file, "\t\tr.Forced = now\n", ""},
		{"no other one is", file, "\tif success.Trigger == Forced {\n", "\tif success.Trigger >= Operator {\n"},
		{"a refusal that comes after a success elsewhere holds nothing", file, "if !settled.Cleared.IsZero() {", "if false {"},
		{"a lock is remembered", file, "\t\t\tr.Locked = now\n", ""},
		{"a refusal of the stored credential means that the lock is gone", file, "\t\t\tr.Locked = time.Time{}\n\t\t}\n\t}\n}", "\t\t}\n\t}\n}"},
		{"a refusal without a code says nothing of the lock", file, "case settled.Subject == Stored && answer.Outcome == RefusedWithCode && r", "case settled.Subject == Stored && r"},
		{"nor does one at another address", file, " && r.lockedAt(settled.Place):", ":"},
		{"nor does that of a written credential", file, "case settled.Subject == Stored && answer.Outcome == RefusedWithCode && r", "case answer.Outcome == RefusedWithCode && r"},
		{"nothing but a refusal or a lock replaces a lock", file, "return r.row() > 0 || !r.Locked.IsZero() }", "return r.row() > 0 }"},
		{"nor a refusal without a lock", file, "return r.row() > 0 || !r.Locked.IsZero() }", "return !r.Locked.IsZero() }"},

		{"a success forgets that the credential was refused", file, "\t\tif a.Credential == credential {\n\t\t\ta.Credential = \"\"\n\t\t}\n", "\t\t_ = credential\n"},
		{"it forgets that of no other", file, "if a.Credential == credential {", "if true {"},
		{"a success ends the lock", file, "r.lockedAt(success.Place) {\n\t\tr.Locked, r.Failed, r.Failure = time.Time{}, ", "r.lockedAt(success.Place) {\n\t\tr.Failed, r.Failure = "},
		{"a success ends the failure", file, "r.lockedAt(success.Place) {\n\t\tr.Locked, r.Failed, r.Failure = time.Time{}, time.Time{}, \"\"", "r.lockedAt(success.Place) {\n\t\tr.Locked = time.Time{}"},
		{"an operator's success begins a new count", file, "\t\tr.Confirmed = now\n", ""},
		{"a job's success begins none", file, "if success.Trigger >= Operator {", "if success.Trigger >= Automatic {"},
		{"a forced success settles everything", file, "return success.Trigger == Forced && a.At", "return false && a.At"},
		{"only force does", file, "return success.Trigger == Forced && a.At.Before(success.At)", "return success.Trigger >= Operator && a.At.Before(success.At)"},
		{"force settles what came before", file, "return success.Trigger == Forced && a.At.Before(success.At)", "return success.Trigger == Forced"},
		{"a success clears only what came before", file, "case !a.At.Before(success.At):", "case false:"},
		{"a success clears at its own place", file, "\t\tcase a.Place == success.Place:\n\t\t\ta.Cleared = now\n", ""},
		{"a success clears nothing elsewhere", file, "\t\tdefault:\n\t\t\ta.Passed = now\n", "\t\tdefault:\n\t\t\ta.Cleared = now\n"},
		{"a success passes elsewhere", file, "\t\tdefault:\n\t\t\ta.Passed = now\n", ""},
		{"a success drops what does not count", file, "\tr.prune(now)\n}", "}"},
		{"nothing that counts is dropped", file, "func(a Attempt) bool { return !a.counts(now) })\n}\n\n// counts", "func(a Attempt) bool { return now.Sub(a.At) > memory })\n}\n\n// counts"},
		{"a refusal counts until a success", file, "return a.Cleared.IsZero() || now.Sub(a.At) <= memory }", "return now.Sub(a.At) <= memory }"},
		{"a refusal counts for a day, successes or not", file, "return a.Cleared.IsZero() || now.Sub(a.At) <= memory }", "return a.Cleared.IsZero() }"},
		{"a lock is remembered for a day", file, "last := r.Locked\n", "last := time.Time{}\n"},
		{"the last attempt is the last one", file, "if a.At.After(last) {", "if last.IsZero() {"},
		{"a record is recent for a day", file, "return now.Sub(r.Last()) <= memory }", "return now.Sub(r.Last()) < memory }"},
		{"a locked record is not empty", file, "return r.Locked.IsZero() && !slices", "return !slices"},
		{"a record with attempts is not empty", file, "return r.Locked.IsZero() && !slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.counts(now) })", "return r.Locked.IsZero()"},
	}
}

func mutantsOfAllow() []mutant {
	const file = allowFile
	return []mutant{
		{"apps keep an attempt for the stored secret", file, "q.Trigger == Automatic && r.automaticUsed(now) >= automaticLimit-1:", "false && q.Trigger == Automatic:"},
		{"only apps do", file, "q.Reserve && q.Trigger == Automatic && r", "q.Reserve && r"},
		{"not for one that was refused", file, "q.Reserve && q.Trigger == Automatic && r", "q.Trigger == Automatic && r"},
		{"locked", file, "\tcase !r.Locked.IsZero():\n\t\treturn Locked\n", ""},
		{"four attempts stop", file, "case r.Left(now) == 0, r.automaticUsed", "case r.automaticUsed"},
		{"three automatic ones in a day stop", file, "r.automaticUsed(now) >= automaticLimit,\n", "\n"},
		{"three in a row stop", file, "\t\trow >= automaticLimit,\n", ""},
		{"two with a code stop", file, "\t\tcoded > 1, coded > 0", "\t\tcoded > 0"},
		{"one with a code stops a process without a success", file, "coded > 1, coded > 0 && !f.Succeeded:", "coded > 1:"},
		{"a process with a success has two", file, "coded > 0 && !f.Succeeded:", "coded > 0:"},
		{"one refusal holds", file, "\tcase row > 0:\n\t\treturn Held\n", ""},
		{"in the states ok and locked nothing is waited for", file, "\tdefault:\n\t\treturn time.Time{}\n", "\tdefault:\n\t\treturn r.holdEnds(f)\n"},
		{"a stop of a day ends", file, "\t\treturn r.stopEnds(f)\n", "\t\treturn time.Time{}\n"},
		{"it ends when the oldest is a day old", file, "a.At.Add(memory + time.Millisecond)", "a.At.Add(memory)"},
		{"only if it is no stop then", file, "if r.State(f, forgotten) == Stopped {", "if false {"},
		{"each attempt that is forgotten may end it", file, "\t\t\tcontinue\n", "\t\t\treturn time.Time{}\n"},
		{"and not before the wait after the last one", file, "if held := r.holdEnds(f); held.After(forgotten) {", "if held := r.holdEnds(f); false {"},
		{"the last wait is longer", file, "\tcase row > 1:\n\t\twait = holdLast\n", "\tcase row > 1 && false:\n\t\twait = holdLast\n"},
		{"after a change the wait is shorter", file, "\t\twait = holdConfirmed\n", ""},
		{"the wait begins with the answer", file, "return last.Answered.Add(wait)", "return last.At.Add(wait - hold)"},
		{"what is left is not negative", file, "return max(0, Limit-r.Used(now))", "return Limit - r.Used(now)"},
		{"unanswered ones are used", file, "func (r *Record) Used(now time.Time) int {\n\treturn r.count(func(a Attempt) bool { return a.counts(now) })", "func (r *Record) Used(now time.Time) int {\n\treturn r.count(func(a Attempt) bool { return a.counts(now) && a.Outcome != Unanswered })"},
		{"unanswered ones are not rejected", file, "return a.counts(now) && a.Outcome != Unanswered })\n}\n\n// Request", "return a.counts(now) })\n}\n\n// Request"},

		{"force goes on", file, "\tcase q.Trigger == Forced:\n\t\treturn Allowed\n", ""},
		{"nothing else goes on at the limit", file, "\tcase r.Left(now) == 0:\n\t\treturn AtLimit\n", ""},
		{"a credential that was refused is not sent again", file, "\t\treturn KnownBad\n", "\t\treturn Allowed\n"},
		{"the stored one is", file, "case q.Subject == Written && r.refusedBefore(q.Credential, now):", "case r.refusedBefore(q.Credential, now):"},
		{"the last attempt is for the stored one", file, "\t\treturn LastReserved\n", "\t\treturn Allowed\n"},
		{"if it may be right", file, "q.Subject == Written && q.Reserve && r.Left", "q.Subject == Written && r.Left"},
		{"only a written one leaves it", file, "case q.Subject == Written && q.Reserve && r.Left", "case q.Reserve && r.Left"},
		{"only the last one", file, "q.Reserve && r.Left(now) == 1:", "q.Reserve && r.Left(now) <= 2:"},
		{"an operator goes on", file, "\tcase q.Trigger == Operator:\n\t\treturn Allowed\n", ""},
		{"only a follow-up follows", file, "case q.Trigger == FollowUp && state != Locked && r", "case state != Locked && r"},
		{"nothing follows a lock", file, "q.Trigger == FollowUp && state != Locked && r.followable(f, now):", "q.Trigger == FollowUp && r.followable(f, now):"},
		{"a follow-up is the second", file, "return r.row() == 1 && r.automaticUsed", "return r.automaticUsed"},
		{"a follow-up needs one that is left", file, "return r.row() == 1 && r.automaticUsed(now) < automaticLimit", "return r.row() == 1"},
		{"in a copy nothing follows", file, " && (f.Succeeded || !f.Copy)\n", "\n"},
		{"after a success it is no copy", file, "(f.Succeeded || !f.Copy)", "!f.Copy"},
		{"a process without a success may follow up", file, "(f.Succeeded || !f.Copy)", "f.Succeeded"},
		{"a follow-up may follow", file, "\tcase q.Trigger == FollowUp && state != Locked && r.followable(f, now):\n", ""},
		{"jobs stop when stopped", file, "case state == Stopped, state == Locked:", "case state == Locked:"},
		{"jobs stop when locked", file, "case state == Stopped, state == Locked:", "case state == Stopped:"},
		{"jobs wait when held", file, "case state == Held && now.Before(r.Retry(f, now)):", "case false:"},
		{"a change needs one to spare", file, "if q.Change && (r.automaticCharged(now) >= changeLimit || r.Left(now) < 2) {", "if false {"},
		{"a change needs one of the jobs' to spare", file, "(r.automaticCharged(now) >= changeLimit || r.Left", "(r.Left"},
		{"a change needs one of the four to spare", file, ">= changeLimit || r.Left(now) < 2) {", ">= changeLimit) {"},
		{"an authentication does not", file, "if q.Change && (r.automaticCharged", "if (r.automaticCharged"},

		{"only a verdict on a credential is one", file, "if a.Credential != \"\" && a.Credential == credential", "if a.Credential == credential"},
		{"an old verdict does not count", file, "a.Credential == credential && a.counts(now) {", "a.Credential == credential {"},
		{"the last verdict counts", file, "for _, a := range slices.Backward(r.Attempts) {", "for _, a := range slices.Clone(r.Attempts) {"},
		{"unanswered ones are no refusals by jobs", file, "return r.byJobs(a, now) && a.Outcome != Unanswered })", "return r.byJobs(a, now) })"},
		{"unanswered ones leave less for a change", file, "return r.count(func(a Attempt) bool { return r.byJobs(a, now) })", "return r.automaticUsed(now)"},
		{"an operator's refusals are not those of jobs", file, "return a.Trigger.automatic() && a.counts(now) && a.At", "return a.counts(now) && a.At"},
		{"old refusals are none of jobs", file, "a.Trigger.automatic() && a.counts(now) && a.At.After", "a.Trigger.automatic() && a.At.After"},
		{"an operator's success gives jobs a new count", file, "a.counts(now) && a.At.After(r.Confirmed)", "a.counts(now)"},
		{"only the stored credential stops jobs", file, "return a.Subject == Stored && a.Outcome != Unanswered && a.Cleared.IsZero()", "return a.Outcome != Unanswered && a.Cleared.IsZero()"},
		{"a crash stops no jobs", file, "return a.Subject == Stored && a.Outcome != Unanswered && a.Cleared.IsZero()", "return a.Subject == Stored && a.Cleared.IsZero()"},
		{"a cleared refusal stops no jobs", file, "a.Outcome != Unanswered && a.Cleared.IsZero()", "a.Outcome != Unanswered"},
		{"only one with a code is from Finicity", file, "return a.inRow() && a.Outcome == RefusedWithCode })", "return a.inRow() })"},
		{"the last refusal is the last one", file, "last, row = a, row+1", "row++\n\t\t\tif row == 1 {\n\t\t\t\tlast = a\n\t\t\t}"},
	}
}

func mutantsOfMerging() []mutant {
	const file = "internal/attempts/merge.go"
	return []mutant{
		{"an attempt that storage has lost is charged again", file, "\tr.Charge(a)\n\tslices.Sort", "\tslices.Sort"},
		{"an attempt that it has is charged once", file, "if i := r.index(a.At); i >= 0 {", "if i := r.index(a.At); false {"},
		{"an outcome that storage has lost is noted again", file, "\t\tr.Attempts[i] = a\n\t\treturn true\n", "\t\treturn false\n"},
		{"an attempt without an outcome takes none away", file, "r.Attempts[i].Outcome != Unanswered || a.Outcome == Unanswered {", "r.Attempts[i].Outcome != Unanswered && a.Outcome != Unanswered {"},
		{"an outcome that storage has stays", file, "if r.Attempts[i].Outcome != Unanswered || a.Outcome", "if a.Outcome"},
		{"an attempt that is charged again is in its place", file, "\tslices.SortStableFunc(r.Attempts, func(a, b Attempt) int { return a.At.Compare(b.At) })\n", ""},
		{"what a forced success has settled does not come back", file, "\tif a.At.Before(r.Forced) {", "\tif false {"},
		{"what came before an operator's success holds nothing", file, "\t\ta.Cleared = r.Confirmed\n", ""},
		{"what the other copy has is not dated anew", file, "if !t.IsZero() && !t.Equal(known[i]) {", "if !t.IsZero() {\n\t\t\t_ = known[i]"},
		{"what has not happened is not dated", file, "if !t.IsZero() && !t.Equal(known[i]) {", "if !t.Equal(known[i]) {"},
		{"what this copy alone has is", file, "\t\t\t*t = t.Add(by)\n", "\t\t\t_ = t.Add(by)\n"},
		{"what was refused before a success does not hold after a merge", file, "a.Cleared.IsZero() && a.At.Before(succeeded) {", "false {"},
		{"at another address it does", file, "if a.Place == place && a.Cleared.IsZero() && a.At", "if a.Cleared.IsZero() && a.At"},
		{"what was refused after a success does", file, "a.Cleared.IsZero() && a.At.Before(succeeded) {", "a.Cleared.IsZero() {"},
		{"what a success has cleared elsewhere is merged", file, "r.Attempts[i].Cleared.IsZero() && !a.Cleared.IsZero() {", "false {"},
		{"a lock ends with the attempt that brought it", file, "\tif !r.lock().Cleared.IsZero() {\n\t\tr.Locked = time.Time{}\n\t}\n", ""},
		{"a failure is over when nothing holds", file, "\tif held && !r.holds() {", "\t_ = held\n\tif false {"},
		{"a failure that holds nothing stays", file, "\tif held && !r.holds() {", "\tif (true || held) && !r.holds() {"},
		{"another node may have had an answer", file, "func(a Attempt) bool { return a.Outcome == Unanswered })", "func(a Attempt) bool { return a.Outcome == Unanswered && false })"},
		{"attempts are merged", file, "\t\tadded = r.Recharge(a) || added\n", "\t\t_ = a\n"},
		{"an operator's success is merged", file, "if theirs.Confirmed.After(r.Confirmed) {", "if false {"},
		{"only a later one", file, "if theirs.Confirmed.After(r.Confirmed) {", "if true {"},
		{"a lock is merged", file, "i >= 0 && r.Attempts[i].Cleared.IsZero() && theirs", "i >= 0 && false && theirs"},
		{"one that was cleared since is not merged", file, "i >= 0 && r.Attempts[i].Cleared.IsZero() && theirs", "i >= 0 && theirs"},
		{"nor one that is older", file, "r.Attempts[i].Cleared.IsZero() && theirs.Locked.After(r.Locked) {", "r.Attempts[i].Cleared.IsZero() {"},
		{"a deleted configuration locks nothing", file, "\tr.Locked, r.Confirmed = time.Time{}, time.Time{}\n", "\tr.Confirmed = time.Time{}\n"},
		{"it has had no success", file, "\tr.Locked, r.Confirmed = time.Time{}, time.Time{}\n", "\tr.Locked = time.Time{}\n"},
		{"its refusals hold nothing", file, "\t\t\ta.Cleared = a.At\n", "\t\t\t_ = a\n"},
	}
}
