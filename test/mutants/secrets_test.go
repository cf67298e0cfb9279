// SPDX-License-Identifier: MPL-2.0

package mutants

const (
	listFile  = "internal/secrets/list.go"
	orderFile = "internal/secrets/order.go"
)

// The safeguards of internal/secrets, each taken away.
func mutantsOfSecrets() []mutant {
	return append(mutantsOfList(), mutantsOfOrder()...)
}

func mutantsOfList() []mutant {
	const file = listFile
	return []mutant{
		{"a call may be on its way for a day", file, "retention      = 25 * time.Hour", "retention      = 23 * time.Hour"},
		{"a late change shows when the grace period ends", file, "retentionGrace = gracePeriod + 2*24*time.Hour", "retentionGrace = gracePeriod + 20*time.Hour"},
		{"the grace period is 30 days", file, "gracePeriod    = 30 * 24 * time.Hour", "gracePeriod    = 29 * 24 * time.Hour"},
		{"a webhook is retried for three days", file, "webhookRetention = 4 * 24 * time.Hour", "webhookRetention = 3 * 24 * time.Hour"},
		{"two secrets may be unconfirmed", file, "maxUnconfirmed = 2", "maxUnconfirmed = 3"},
		{"the list is bounded", file, "maxSecrets = 100", "maxSecrets = 101"},

		{"a proposed secret is one that was sent", file, "Value: value, Origin: Sent, Place", "Value: value, Place"},
		{"a proposed secret remembers the grace period", file, "Grace: grace, Added: now", "Added: now"},
		{"a proposed secret remembers how long its call takes", file, "Added: now, Settles: settles,", "Added: now,"},
		{"a secret that was not sent is removed", file, "func(s Secret) bool { return l.is(s, value) })\n}\n\n// Bring", "func(Secret) bool { return false })\n}\n\n// Bring"},

		{"a known secret that may be in effect keeps its place", file, "if known != nil && !ended {", "if false {"},
		{"a known secret that is brought again was not refused", file, "known.Refused, known.Superseded, known.GraceEnds = time.Time{},", "known.Superseded, known.GraceEnds ="},
		{"a known secret that is brought again is not superseded", file, "known.Refused, known.Superseded, known.GraceEnds = time.Time{}, time.Time{}, time.Time{}", "known.Refused, known.GraceEnds = time.Time{}, time.Time{}"},
		{"no grace period limits a known secret that is brought again", file, "known.Superseded, known.GraceEnds = time.Time{}, time.Time{}, time.Time{}", "known.Superseded = time.Time{}, time.Time{}"},
		{"an ended secret that is brought again keeps its origin", file, "arrived.Origin = known.Origin", "arrived.Origin = Brought"},
		{"an ended secret that is brought again arrives anew", file, "\t\t\treturn ended\n", "\t\t\treturn false\n"},
		{"a brought secret takes the place of the last one", file, "return s.Origin == Brought && s.Proven.IsZero()\n", "return false\n"},
		{"a brought secret takes no place of a sent one", file, "return s.Origin == Brought && s.Proven.IsZero()\n", "return s.Proven.IsZero()\n"},
		{"a brought secret takes no place of a proven one", file, "return s.Origin == Brought && s.Proven.IsZero()\n", "return s.Origin == Brought\n"},

		{"an acknowledged change has arrived or never will", file, "s.Acknowledged = now", "_ = now"},
		{"a denied change was asked about", file, "\t\ts.Denied = now\n", "\t\t_ = s\n"},
		{"a denied change may say that the old secret is wrong", file, "s != nil && oldRefused {", "s != nil && oldRefused && false {"},
		{"a denied change says nothing else of the old secret", file, "s != nil && oldRefused {", "s != nil {"},

		{"a success is remembered", file, "\tl.Succeeded = now\n", ""},
		{"an accepted secret is proven", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now,", "accepted.Superseded, accepted.GraceEnds ="},
		{"an accepted secret is not superseded", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Proven, accepted.GraceEnds = now, time.Time{}"},
		{"no grace period limits an accepted secret", file, "accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Superseded = now, time.Time{}"},
		{"nothing newer is superseded", file, "for i := range l.Secrets[:at] {", "for i := range l.Secrets {\n\t\tif i == at {\n\t\t\tcontinue\n\t\t}"},
		{"what is older is superseded", file, "for i := range l.Secrets[:at] {", "for i := range l.Secrets[:0] {"},
		{"nothing of another address is superseded", file, "if older.Place == l.Place && older.Superseded.IsZero() {", "if older.Superseded.IsZero() {"},
		{"what was superseded before stays as it is", file, "if older.Place == l.Place && older.Superseded.IsZero() {", "if older.Place == l.Place {"},
		{"a change with a grace period keeps the superseded secret working", file, "if accepted.Grace {", "if false {"},
		{"a change without one does not", file, "if accepted.Grace {", "if true {"},
		{"age removes secrets", file, "\tl.forget(now)\n", ""},

		{"only a refusal with 10001 removes a secret", file, "case certain && s.Origin", "case s.Origin"},
		{"no refusal removes a sent secret", file, "certain && s.Origin == Brought && s.Proven", "certain && s.Proven"},
		{"no refusal removes a proven secret", file, "s.Origin == Brought && s.Proven.IsZero() && len", "s.Origin == Brought && len"},
		{"no refusal removes the last secret", file, "s.Proven.IsZero() && len(l.here()) > 1:", "s.Proven.IsZero():"},
		{"a refusal removes a secret that was merely brought", file, "case certain && s.Origin", "case false && certain && s.Origin"},
		{"a refusal is remembered", file, "\tdefault:\n\t\ts.Refused = now\n", "\tdefault:\n"},

		{"a move changes the address", file, "l.Place, l.Succeeded = place, time.Time{}", "l.Succeeded = time.Time{}"},
		{"a success elsewhere is none here", file, "l.Place, l.Succeeded = place, time.Time{}", "l.Place = place"},
		{"the last success here counts after a move back", file, "if s.Place == place && s.Proven.After(l.Succeeded) {", "if false {"},
		{"only successes here count", file, "if s.Place == place && s.Proven.After(l.Succeeded) {", "if s.Proven.After(l.Succeeded) {"},

		{"nothing of another address is forgotten", file, "return s.Place == l.Place && now", "return now"},
		{"a secret that is too old makes room", file, "spare := slices.IndexFunc(l.Secrets, l.isSpare)", "spare := -1"},
		{"nothing that may be in effect makes room", file, "spare := slices.IndexFunc(l.Secrets, l.isSpare)", "spare := 0"},
		{"the age of an unproven secret begins with its arrival", file, "\tcase s.Proven.IsZero():\n\t\treturn s.Added\n", "\tcase s.Proven.IsZero() && s.Superseded.IsZero():\n\t\treturn now\n"},
		{"a proven secret that is not superseded does not age", file, "\t\treturn now // Not at all.", "\t\treturn s.Proven"},
		{"the age of a superseded secret begins with a later proof", file, "\tdefault:\n\t\treturn s.Superseded\n", "\tdefault:\n\t\treturn s.Added\n"},
		{"a grace period makes secrets last longer", file, "case s.graceful(), outlived && s.Proven.IsZero():", "case outlived && s.Proven.IsZero():"},
		{"a proof proves little if a grace period may explain it", file, "case s.graceful(), outlived && s.Proven.IsZero():", "case s.graceful():"},
		{"it says enough of a proven secret", file, "outlived && s.Proven.IsZero():", "outlived:"},
		{"only a later change explains it", file, "case s.Value.Equal(current.Value):\n\t\t\treturn false\n", "case s.Value.Equal(current.Value) && false:\n\t\t\treturn false\n"},
		{"a secret's own change has a grace period", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return !s.GraceEnds.IsZero() }"},
		{"the change to the next one has a grace period", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return s.Grace }"},
		{"an unproven secret lasts a day", file, "\tcase s.Proven.IsZero():\n\t\treturn retention\n", ""},
		{"a grace period keeps a superseded secret from ending", file, "!s.Superseded.IsZero() && !s.graceful() && !l", "!s.Superseded.IsZero() && !l"},
		{"a secret that a late copy may bring back has not ended", file, "!s.graceful() && !l.mayReturn(s)\n", "!s.graceful()\n"},
		{"a superseded secret ends without a grace period", file, "return !s.Superseded.IsZero() && !s.graceful() && !l.mayReturn(s)\n", "return false\n"},
		{"a proven secret was asked about", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Refused.IsZero() && s.Denied"},
		{"a refused secret was asked about", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Proven.IsZero() && s.Denied"},
		{"a denied secret was asked about", file, "s.Refused.IsZero() && s.Denied.IsZero() && s.Superseded", "s.Refused.IsZero() && s.Superseded"},
		{"a superseded secret was asked about", file, "s.Denied.IsZero() && s.Superseded.IsZero()\n", "s.Denied.IsZero()\n"},
		{"a secret of another address is another one", file, "return s.Place == l.Place && s.Value.Equal(value)", "return s.Value.Equal(value)"},
		{"a secret of another address is not tried", file, "return s.Place != l.Place || l.ended(s) })", "return l.ended(s) })"},
		{"an ended secret is not tried", file, "return s.Place != l.Place || l.ended(s) })", "return s.Place != l.Place })"},
		{"an ended secret makes room", file, "return l.ended(s) || s.Origin == Brought && s.Place", "return s.Origin == Brought && s.Place"},
		{"what an operator brought elsewhere makes room", file, "return l.ended(s) || s.Origin == Brought && s.Place != l.Place }", "return l.ended(s) }"},
		{"nothing sent makes room elsewhere", file, "s.Origin == Brought && s.Place != l.Place }", "s.Place != l.Place }"},
		{"nothing makes room here", file, "s.Origin == Brought && s.Place != l.Place }", "s.Origin == Brought }"},
	}
}

func mutantsOfOrder() []mutant {
	const file = orderFile
	return []mutant{
		{"the current secret is the last proven one", file, "cmp.Or(s.Proven.Compare(current.Proven),\n\t\t\tcmp", "cmp.Or(cmp"},
		{"before any proof, it is one that was brought", file, "cmp.Compare(current.Origin, s.Origin), s.Added", "s.Added"},
		{"before any proof, it is the last one", file, ", s.Added.Compare(current.Added)) >= 0", ") > 0"},
		{"a pending secret was sent", file, "if s.Origin == Sent && s.unasked() {", "if s.unasked() {"},
		{"a pending secret was not asked about", file, "if s.Origin == Sent && s.unasked() {", "if s.Origin == Sent {"},
		{"the newest pending secret is the one", file, "for _, s := range slices.Backward(l.here()) {", "for _, s := range l.here() {"},

		{"what can't return is not tried", file, "here := slices.DeleteFunc(l.here(), func(s Secret) bool { return !s.Superseded.IsZero() && !l.mayReturn(s) })", "here := l.here()"},
		{"what may return is tried", file, "return !s.Superseded.IsZero() && !l.mayReturn(s) })", "return !s.Superseded.IsZero() })"},
		{"the newest comes first", file, "\tslices.Reverse(here)\n", ""},
		{"what was not asked about comes first", file, "\t\tcase s.unasked():\n\t\t\treturn 0\n", ""},
		{"the current one comes before the others", file, "\t\t\treturn 1\n\t\tcase s.Superseded", "\t\t\treturn 2\n\t\tcase s.Superseded"},
		{"a superseded one comes last", file, "\t\tcase s.Superseded.IsZero():\n\t\t\treturn 2\n", ""},
		{"a refused one comes after the others", file, "\t\tcase aRefused:\n\t\t\treturn 1\n\t\tcase bRefused:\n\t\t\treturn -1\n", ""},
		{"the one refused longest ago comes first", file, "return a.Refused.Compare(b.Refused)\n", "return b.Refused.Compare(a.Refused)\n"},

		{"only a sent secret is waited for", file, "if s.Origin == Sent && s.unasked() && s.Acknowledged", "if s.unasked() && s.Acknowledged"},
		{"what was asked about is not waited for", file, "if s.Origin == Sent && s.unasked() && s.Acknowledged", "if s.Origin == Sent && s.Acknowledged"},
		{"after an answer nothing is waited for", file, "s.unasked() && s.Acknowledged.IsZero() {", "s.unasked() {"},
		{"a call on its way is waited for", file, "wait = max(wait, s.Settles.Sub(now))", "wait = max(wait, 0)"},
		{"a refusal before a success counts no more", file, "return s.Refused.After(l.Succeeded) }", "return !s.Refused.IsZero() }"},

		{"a secret that nobody asked about is asked about before a change", file, "return s.unasked() || l.Refused(s) || s", "return l.Refused(s) || s"},
		{"a refused secret is asked about before a change", file, "return s.unasked() || l.Refused(s) || s", "return s.unasked() || s"},
		{"an unconfirmed secret is asked about before a change", file, "|| s.unconfirmed() || l.recent(s)", "|| l.recent(s)"},
		{"the time of a recent secret ends with a proof", file, "|| s.unconfirmed() || l.recent(s)", "|| s.unconfirmed()"},
		{"a brought secret is not unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Proven.IsZero() }"},
		{"a proven secret is not unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Origin == Sent }"},

		{"only a sent secret may return", file, "if s.Origin != Sent || s.Superseded", "if s.Superseded"},
		{"only a superseded secret may return", file, "if s.Origin != Sent || s.Superseded.IsZero() ||", "if s.Origin != Sent ||"},
		{"a secret returns only while its call is on its way", file, "return current.Added.Sub(s.Added) < retention", "_ = current\n\treturn true"},
		{"only a sent secret is recent", file, "return s.Origin == Sent && !s.Proven.IsZero() && l.Succ", "return !s.Proven.IsZero() && l.Succ"},
		{"only a grace period makes a secret recent", file, "< retention && l.followsGrace(s)", "< retention"},
		{"a secret is recent while its call is on its way", file, "!s.Proven.IsZero() && l.Succeeded.Sub(s.Added) < retention &&", "!s.Proven.IsZero() &&"},

		{"a secret returns only if a grace period keeps the one before it", file, "s.Superseded.IsZero() || !l.followsGrace(s) {", "s.Superseded.IsZero() {"},
		{"the secret's own grace period does", file, "\t\t\treturn s.Grace\n", "\t\t\treturn false\n"},
		{"and one of an older secret does", file, "\t\tcase older.graceful():\n\t\t\treturn true\n", ""},
		{"but not at another address", file, "\t\tcase older.Place != s.Place:\n", ""},
		{"unconfirmed secrets are counted", file, "\t\tcase s.unconfirmed():\n\t\t\tends = append(ends, s.Added.Add(s.retention(outlived)))\n", ""},
		{"recent secrets are counted", file, "\t\tcase l.recent(s):\n\t\t\tends = append(ends, s.Added.Add(retention))\n", ""},
		{"secrets that may return are counted", file, "\t\tcase l.mayReturn(s):\n\t\t\tends = append(ends, s.Superseded.Add(s.retention(outlived)))\n", ""},
		{"the first to end makes room", file, "\t\tslices.SortFunc(ends, time.Time.Compare)\n\t\treturn ends[len(ends)-maxUnconfirmed], true", "\t\treturn ends[len(ends)-1], true"},

		{"a sent secret may be the only copy", file, "return s.Origin == Sent && s.Superseded.IsZero()\n\t})\n}\n\n// Unsettled", "return false\n\t})\n}\n\n// Unsettled"},
		{"what an operator brought is no only copy", file, "return s.Origin == Sent && s.Superseded.IsZero()\n\t})\n}\n\n// Unsettled", "return s.Superseded.IsZero()\n\t})\n}\n\n// Unsettled"},
		{"a superseded secret is no only copy", file, "return s.Origin == Sent && s.Superseded.IsZero()\n\t})\n}\n\n// Unsettled", "return s.Origin == Sent\n\t})\n}\n\n// Unsettled"},
		{"a pending secret is unsettled", file, "return l.Open() || slices", "return slices"},
		{"a refused secret of the engine's own is unsettled", file, "(s.Origin == Sent || sent) })", "sent })"},
		{"a refused secret of an operator is not", file, "(s.Origin == Sent || sent) })", "(s.Origin == Sent || sent || true) })"},
		{"but it is if the engine has sent one", file, "sent := slices.ContainsFunc(here, Secret.unconfirmed)", "sent := false"},
		{"a change that was not asked about is open", file, "&& (s.unasked() || s.Denied", "&& (s.Denied"},
		{"a change that was denied since the last success is open", file, "(s.unasked() || s.Denied.After(l.Succeeded))", "s.unasked()"},
		{"one that was denied before it is not", file, "s.Denied.After(l.Succeeded))", "!s.Denied.IsZero())"},
		{"only an unconfirmed secret is an open change", file, "return s.unconfirmed() && (s.unasked", "return (s.unasked"},
		{"the last acknowledgment counts", file, "if s.Acknowledged.After(last) {", "if last.IsZero() {"},

		{"a secret with a grace period signs for as long", file, "latest(replaced.Add(webhookRetention), s.GraceEnds)", "replaced.Add(webhookRetention)"},
		{"a secret that was merely written signs nothing", file, "\t\tcase s.Origin == Brought && s.Proven.IsZero():\n", ""},
		{"a sent secret signs before it is proven", file, "case s.Origin == Brought && s.Proven.IsZero():", "case s.Proven.IsZero():"},
		{"a previous secret signs for four days", file, "case !now.After(until):", "default:"},
		{"a secret of another address is replaced by a later one here", file, "if s.Place == l.Place || !s.Superseded.IsZero() {", "if true {"},
		{"what an operator brought elsewhere after the first one here signs nothing", file, "\t\t\tcontinue\n", ""},
		{"what was brought here signs", file, "if s.Place != l.Place && s.Origin == Brought &&", "if s.Origin == Brought &&"},
		{"what was sent elsewhere signs", file, "s.Place != l.Place && s.Origin == Brought && !arrived", "s.Place != l.Place && !arrived"},
		{"before the first one here all sign", file, "!arrived.IsZero() && s.Proven", "s.Proven"},
		{"what was proven elsewhere before the first one here signs", file, "!arrived.IsZero() && s.Proven.After(arrived) {", "!arrived.IsZero() {"},
		{"a secret that was merely written here is not the first one", file, "if s.Place == l.Place && (s.Origin == Sent || !s.Proven.IsZero()) {", "if s.Place == l.Place {"},
		{"a sent secret is", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "!s.Proven.IsZero() {"},
		{"a proven secret is", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "s.Origin == Sent {"},
		{"a secret of another address is not", file, "if s.Place == l.Place && (s.Origin == Sent", "if (s.Origin == Sent"},
		{"a proven secret that is outlived counts", file, "\t\tcase !s.Value.Equal(current.Value) && l.outlived(s):\n\t\t\tends = append(ends, s.Proven.Add(retentionGrace))\n", ""},
		{"the current one does not", file, "case !s.Value.Equal(current.Value) && l.outlived(s):", "case l.outlived(s):"},
		{"not after the grace period", file, "s.Superseded.IsZero() && l.Succeeded.Sub(s.Proven) < retentionGrace", "s.Superseded.IsZero()"},
	}
}
