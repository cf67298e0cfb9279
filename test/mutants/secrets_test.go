// SPDX-License-Identifier: MPL-2.0

package mutants

import "slices"

const (
	listFile  = "internal/secrets/list.go"
	orderFile = "internal/secrets/order.go"
)

// The safeguards of internal/secrets, each removed.
func mutantsOfSecrets() []mutant {
	return slices.Concat(mutantsOfList(), mutantsOfRetaining(), mutantsOfOrder(), mutantsOfSigners())
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
		{"a proposed secret remembers how long its call takes", file, "Added: now, CallEnds: callEnds,", "Added: now,"},
		{"a secret that was not sent is removed", file, "func (l *List) NotSent(value confidential.Text) { l.remove(value) }", "func (l *List) NotSent(confidential.Text) {}"},

		{"a known secret keeps its place", file, "\tif l.find(value) == nil {\n\t\tl.Secrets = append(", "\tif true {\n\t\tl.remove(value)\n\t\tl.Secrets = append("},
		{"the time of a write is recorded", file, "\t\t\ts.Written = now\n", ""},
		{"only the secret that was written last has that time", file, "\t\t\ts.Written = time.Time{}\n", ""},
		{"writing a secret again before any attempt changes nothing", file, "case !l.ToTry(*s):", "default:"},
		{"a brought secret takes the place of the last one", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return false\n"},
		{"a brought secret takes no place of a sent one", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return s.Proven.IsZero() && !l.is(s, value)\n"},
		{"a brought secret takes no place of a proven one", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return s.Origin == Brought && !l.is(s, value)\n"},

		{"an acknowledgment is remembered", file, "s.Acknowledged, s.CallEnds = now, time.Time{}", "s.CallEnds = time.Time{}"},
		{"after an acknowledgment nothing is waited for", file, "s.Acknowledged, s.CallEnds = now, time.Time{}", "s.Acknowledged = now"},
		{"a denied change was asked about", file, "s.Denied, s.CallEnds = now, time.Time{}", "s.CallEnds = time.Time{}"},
		{"after a denial nothing is waited for", file, "s.Denied, s.CallEnds = now, time.Time{}", "s.Denied = now"},
		{"a denied change may say that the old secret is wrong", file, "s != nil && oldRefused {", "s != nil && oldRefused && false {"},
		{"a denied change says nothing else of the old secret", file, "s != nil && oldRefused {", "s != nil {"},

		{"an accepted secret is proven", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now,", "accepted.Superseded, accepted.GraceEnds ="},
		{"an accepted secret is not superseded", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Proven, accepted.GraceEnds = now, time.Time{}"},
		{"no grace period limits an accepted secret", file, "accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Superseded = now, time.Time{}"},
		{"nothing newer of the engine's own is superseded", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (accepted.Origin == Sent || other.Proven.IsZero())"},
		{"nothing newer is superseded by a secret of the engine's own", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (other.Origin == Sent || other.Proven.IsZero())"},
		{"nothing newer that is untried is superseded", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent)"},
		{"what operators brought later is superseded", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at"},
		{"what is older is superseded", file, "if i == at || newer || other.Place", "if true || newer || other.Place"},
		{"nothing of another address is superseded", file, "|| newer || other.Place != l.Place ||", "|| newer ||"},
		{"what was superseded before stays as it is", file, "other.Place != l.Place || !other.Superseded.IsZero() {", "other.Place != l.Place {"},
		{"a change with a grace period keeps the superseded secret working", file, "if accepted.Grace {", "if false {"},
		{"a change without a grace period ends the superseded secret", file, "if accepted.Grace {", "if true {"},
		{"age removes secrets", file, "\tl.forget(now)\n", ""},

		{"only a refusal with 10001 removes a secret", file, "case certain && s.Origin", "case s.Origin"},
		{"no refusal removes a sent secret", file, "certain && s.Origin == Brought && s.Proven", "certain && s.Proven"},
		{"no refusal removes a proven secret", file, "s.Origin == Brought && s.Proven.IsZero() && len", "s.Origin == Brought && len"},
		{"no refusal removes the last secret", file, "s.Proven.IsZero() && len(l.here()) > 1:", "s.Proven.IsZero():"},
		{"a refusal removes a secret that was merely brought", file, "case certain && s.Origin", "case false && certain && s.Origin"},
		{"a refusal is remembered", file, "\tdefault:\n\t\ts.Refused = now\n", "\tdefault:\n"},

		{"a move changes the address", file, "{ l.Place = place }", "{ _ = place }"},

		{"nothing of another address is forgotten", file, "return s.Place == l.Place && !ends.IsZero()", "return !ends.IsZero()"},
		{"a secret that is too old makes room", file, "\t\tif spare < 0 {\n", "\t\tif true {\n"},
		{"nothing that may be in effect makes room", file, "\t\tif spare < 0 {\n\t\t\treturn\n\t\t}\n", "\t\tspare = max(spare, 0)\n"},
		{"the age of an unproven secret begins with its arrival", file, "case s.Proven.IsZero():\n\t\treturn latest(s.Added, s.Written).Add(retention)", "case s.Proven.IsZero():\n\t\treturn s.Superseded.Add(retention)"},
		{"a proven secret that is not superseded does not age", file, "return s.Place == l.Place && !ends.IsZero() && now.After(ends)", "return s.Place == l.Place && now.After(ends)"},
		{"a proven secret is not too old some time after its proof", file, "case s.Superseded.IsZero():\n\t\treturn time.Time{}\n", "case s.Superseded.IsZero():\n\t\treturn s.Proven.Add(webhookRetention)\n"},
		{"the age of a superseded secret begins with a later proof", file, "return s.Superseded.Add(webhookRetention)", "return s.Proven.Add(webhookRetention)"},
		{"a grace period makes an unproven secret last longer", file, "case s.Proven.IsZero() && (s.graceful() || l.graceAfterCurrent()):", "case s.Proven.IsZero() && l.graceAfterCurrent():"},
		{"a grace period makes a superseded secret last longer", file, "case s.graceful():\n\t\treturn s.Superseded.Add(retentionGrace)\n", "case s.graceful():\n\t\treturn s.Superseded.Add(webhookRetention)\n"},
		{"with a grace period, the age also begins with a later proof", file, "case s.graceful():\n\t\treturn s.Superseded.Add(retentionGrace)", "case s.graceful():\n\t\treturn s.Proven.Add(retentionGrace)"},
		{"a secret that only brought ones displaced is kept as if by a grace period", file, "\tcase l.displaced(s):\n\t\treturn s.Superseded.Add(retentionGrace)\n", ""},
		{"a proof proves little if a grace period may explain it", file, "(s.graceful() || l.graceAfterCurrent()):", "s.graceful():"},
		{"a secret's own change has a grace period", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return !s.GraceEnds.IsZero() }"},
		{"the change to the next one has a grace period", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return s.Grace }"},
		{"an unproven secret lasts a day", file, "latest(s.Added, s.Written).Add(retention)\n", "latest(s.Added, s.Written).Add(webhookRetention)\n"},
		{"an unproven secret ages from when it was last written", file, "latest(s.Added, s.Written).Add(retention)\n", "s.Added.Add(retention)\n"},
		{"with a grace period, an unproven secret also ages from its last write", file, "latest(s.Added, s.Written).Add(retentionGrace)", "s.Added.Add(retentionGrace)"},
		{"a grace period keeps a superseded secret from ending", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return !s.Superseded.IsZero() }"},
		{"a superseded secret ends without a grace period", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return false }"},
		{"a secret that is not superseded has not ended", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return !s.graceful() }"},
		{"a secret of another address is another one", file, "return s.Place == l.Place && s.Value.Equal(value)", "return s.Value.Equal(value)"},
		{"an ended secret makes room", file, "return s.ended() || s.Origin == Brought && s.Place", "return s.Origin == Brought && s.Place"},
		{"what an operator brought elsewhere makes room", file, "return s.ended() || s.Origin == Brought && s.Place != l.Place\n", "return s.ended()\n"},
		{"nothing sent makes room elsewhere", file, "s.Origin == Brought && s.Place != l.Place\n", "s.Place != l.Place\n"},
		{"nothing makes room here", file, "s.Origin == Brought && s.Place != l.Place\n", "s.Origin == Brought\n"},
	}
}

func mutantsOfOrder() []mutant {
	const file = orderFile
	return []mutant{
		{"the current secret is the last proven one", file, "cmp.Or(s.Proven.Compare(current.Proven),\n\t\t\tcmp", "cmp.Or(cmp"},
		{"before any proof, the current secret is a brought one", file, "cmp.Compare(current.Origin, s.Origin), s.Added", "s.Added"},
		{"before any proof, the current secret is the last one", file, ", s.Added.Compare(current.Added)) >= 0", ") > 0"},
		{"a pending secret was sent", file, "if s.unconfirmed() && s.Refused.IsZero() && s.Sup", "if s.Refused.IsZero() && s.Sup"},
		{"a refused secret is not pending", file, "s.unconfirmed() && s.Refused.IsZero() && s.Sup", "s.unconfirmed() && s.Sup"},
		{"a superseded secret is not pending", file, "s.Superseded.IsZero() && open {", "open {"},
		{"the newest pending secret is the pending one", file, "for _, s := range slices.Backward(l.here()) {\n\t\topen", "for _, s := range l.here() {\n\t\topen"},

		{"the newest comes first", file, "case lowest > 0 && r > lowest:", "case lowest > 0 && r >= lowest:"},
		{"an untested secret comes before the current one", file, "\t\tcase s.untested():\n\t\t\treturn 2\n", ""},
		{"a written secret comes before an untested one", file, "\t\tcase l.ToTry(s):\n\t\t\treturn 1\n", ""},
		{"a written secret comes first only until a success", file, "s.Written.After(latest(l.Succeeded(), s.Refused))", "s.Written.After(s.Refused)"},
		{"a written secret comes first only until its refusal", file, "s.Written.After(latest(l.Succeeded(), s.Refused))", "s.Written.After(l.Succeeded())"},
		{"what an operator has written may be in effect", file, "|| l.displaced(s) || l.ToTry(s) {", "|| l.displaced(s) {"},
		{"a written secret is tried before a change", file, "l.Refused(s) || l.ToTry(s) || l.may", "l.Refused(s) || l.may"},
		{"a superseded brought secret prevents no change", file, "\t\tcase s.Origin == Brought && !s.Superseded.IsZero(): // The fourth attempt is for it.\n", ""},
		{"the current secret comes before other candidates", file, "\t\t\treturn 3\n\t\tdefault", "\t\t\treturn 4\n\t\tdefault"},
		{"a refused secret comes last", file, "\t\tcase l.Refused(s):\n\t\t\treturn 5\n", ""},
		{"of refused secrets, the one refused longest ago comes first", file, "r == 5 && s.Refused.After(best.Refused):", "r == 5 && s.Refused.Before(best.Refused):"},

		{"a call on its way is waited for", file, "wait = max(wait, s.CallEnds.Sub(now))", "wait = max(wait, now.Sub(now), s.CallEnds.Sub(s.CallEnds))"},
		{"a refusal before a success counts no more", file, "return s.Refused.After(latest(l.Succeeded(), s.Written)) }", "return !s.Refused.IsZero() }"},
		{"a refusal before an operator's new write does not count", file, "return s.Refused.After(latest(l.Succeeded(), s.Written)) }", "return s.Refused.After(l.Succeeded()) }"},

		{"an unproven secret is asked about before a change", file, "return s.Proven.IsZero() || l.Refused(s) || l", "return l.Refused(s) || l"},
		{"a refused secret is asked about before a change", file, "return s.Proven.IsZero() || l.Refused(s) || l", "return s.Proven.IsZero() || l"},
		{"the time of a recent secret ends with a proof", file, "|| l.ToTry(s) || l.mayArrive(s, l.Succeeded())\n", "|| l.ToTry(s)\n"},
		{"a brought secret is not unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Proven.IsZero() }"},
		{"a proven secret is not unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Origin == Sent }"},

		{"only a sent secret may arrive late", file, "if s.Origin != Sent || at", "if at"},
		{"a secret arrives only while its call is on its way", file, " || at.Sub(s.Added) >= retention {", " {"},
		{"a superseded secret may be in effect", file, "return l.mayArrive(s, current.Added)\n", "_ = current\n\treturn false\n"},
		{"a secret that only brought ones displaced may be in effect", file, "s.Superseded.IsZero() || l.displaced(s) || l", "s.Superseded.IsZero() || l"},
		{"only a sent secret is displaced", file, "if s.Origin != Sent || s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later", "if s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later"},
		{"only a superseded secret is displaced", file, "if s.Origin != Sent || s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later", "if s.Origin != Sent {\n\t\treturn false\n\t}\n\tfor _, later"},
		{"a secret of another address ends no displacement", file, "\t\tcase later.Place != s.Place:\n", ""},
		{"a later proven secret of the engine's own ends a displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case false:"},
		{"a later unproven secret ends no displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case later.Origin == Sent:"},
		{"a later brought secret ends no displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case !later.Proven.IsZero():"},
		{"a displaced secret that was refused keeps no change from being made", file, "\t\tcase l.displaced(s) && !s.Refused.IsZero(): // Finicity has refused it.\n", ""},
		{"a displaced secret that was not refused may prevent a change", file, "case l.displaced(s) && !s.Refused.IsZero():", "case l.displaced(s):"},
		{"automatic attempts leave out what a write could not have tried", file, "current.Value) && leaveOut(s)", "current.Value) && false"},
		{"automatic attempts do not leave out a sent secret", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := l.ToTry(s) || s.untested()"},
		{"automatic attempts leave out an untested brought secret after a success too", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := s.Origin == Brought && l.ToTry(s)"},
		{"automatic attempts leave out a written secret that was in effect before", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := s.Origin == Brought && s.untested()"},
		{"automatic attempts never leave out the current secret", file, "|| l.Refused(s)) && !s.Value.Equal(current.Value) && leave", "|| l.Refused(s)) && (true || s.Value.Equal(current.Value)) && leave"},
		{"automatic attempts leave displaced secrets out", file, "return l.displaced(s) || (untried", "return (untried"},
		{"automatic attempts leave out refused candidates if the caller says so", file, "(untried || l.Refused(s)) && ", "untried && "},
		{"a superseded secret may return only if its call was on its way when the current one was added", file, "return l.mayArrive(s, current.Added)\n", "return l.mayArrive(s, current.Added.Add(-retention))\n"},

		{"a secret arrives late only if a grace period keeps the one before it", file, "\t\tcase older.Value.Equal(s.Value):\n\t\t\treturn s.Grace\n\t\tcase older.graceful():\n\t\t\treturn true\n\t\t}\n\t}\n\treturn false\n", "\t\t}\n\t}\n\treturn true\n"},
		{"a secret's own grace period lets it arrive late", file, "\t\t\treturn s.Grace\n", "\t\t\treturn false\n"},
		{"an older secret's grace period lets a secret arrive late", file, "\t\tcase older.graceful():\n\t\t\treturn true\n", ""},
		{"a grace period at another address lets no secret arrive late", file, "\t\tcase older.Place != s.Place:\n", ""},
		{"unconfirmed secrets are counted", file, "case s.unconfirmed(), !s", "case !s"},
		{"recent secrets are counted", file, "\t\tcase l.mayArrive(s, current.Proven):\n\t\t\tends = append(ends, s.Added.Add(retention))\n", ""},
		{"secrets that may return are counted", file, "case s.unconfirmed(), !s.Superseded.IsZero():", "case s.unconfirmed():"},
		{"the first to end makes room", file, "\tslices.SortFunc(ends, time.Time.Compare)\n\treturn ends[len(ends)-maxUnconfirmed], true", "\treturn ends[len(ends)-1], true"},

		{"a sent secret may be the only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return false"},
		{"what an operator brought is no only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())"},
		{"a superseded secret is no only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Origin == Sent && s.Written.IsZero()"},
		{"a superseded secret may be the only copy while its change may be carried out", file, "(s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "s.Superseded.IsZero()"},
		{"a change without a grace period cannot be carried out any more", file, "s.Proven.IsZero() && s.graceful())\n\t})", "s.Proven.IsZero())\n\t})"},
		{"a proven superseded secret is no only copy", file, "s.Proven.IsZero() && s.graceful())\n\t})", "s.graceful())\n\t})"},
		{"a secret that an operator has written is no only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Origin == Sent && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())"},
		{"a pending secret is unsettled", file, "if _, pending := l.Pending(); pending {\n\t\treturn true\n\t}\n\there", "here"},
		{"a refused secret of the engine's own is unsettled", file, "(s.Origin == Sent || sent) })", "sent })"},
		{"a refused secret of an operator is not unsettled", file, "(s.Origin == Sent || sent) })", "(s.Origin == Sent || sent || true) })"},
		{"a refused secret of an operator is unsettled beside a displaced one", file, "return s.unconfirmed() || l.displaced(s) })", "return s.unconfirmed() })"},
		{"a refused secret of an operator is unsettled beside an unconfirmed one", file, "sent := slices.ContainsFunc(here, func(s Secret) bool { return s.unconfirmed() || l.displaced(s) })", "sent := false"},
		{"a change that was not denied is pending", file, "open := s.Denied.IsZero() || s", "open := s"},
		{"a change that was denied since the last success is pending", file, "open := s.Denied.IsZero() || s.Denied.After(l.Succeeded())", "open := s.Denied.IsZero()"},
		{"a change that was denied before the last success is not pending", file, "open := s.Denied.IsZero() || s.Denied.After(l.Succeeded())", "open := true"},
		{"the last acknowledgment counts", file, "last = latest(last, s.Acknowledged)", "last = s.Acknowledged"},

		{"a proven secret was asked about", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Refused.IsZero() && s.Denied"},
		{"a refused secret was asked about", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Proven.IsZero() && s.Denied"},
		{"a denied secret was asked about", file, "s.Refused.IsZero() && s.Denied.IsZero() && s.Superseded", "s.Refused.IsZero() && s.Superseded"},
		{"a superseded secret was asked about", file, "s.Denied.IsZero() && s.Superseded.IsZero()\n", "s.Denied.IsZero()\n"},
		{"a secret of another address is not tried", file, "if s.Place == l.Place && l.mayBeInEffect(s) {", "if l.mayBeInEffect(s) {"},
		{"a secret that can't be in effect is not tried", file, "if s.Place == l.Place && l.mayBeInEffect(s) {", "if s.Place == l.Place {"},
		{"only a later change explains why an old one is accepted", file, "case s.Value.Equal(current.Value):\n\t\t\treturn false\n", "case s.Value.Equal(current.Value) && false:\n\t\t\treturn false\n"},

		{"a proven secret that is outlived counts", file, "case !s.Value.Equal(current.Value) && current.P", "case false && !s.Value.Equal(current.Value) && current.P"},
		{"the current secret does not count as an outlived one", file, "case !s.Value.Equal(current.Value) && current.P", "case (true || !s.Value.Equal(current.Value)) && current.P"},
		{"an outlived secret does not count after the grace period", file, "case !s.Value.Equal(current.Value) && current.Proven.Sub(s.Proven) < retentionGrace:", "case !s.Value.Equal(current.Value):"},
		{"a candidate is beside a proven secret", file, "return !current.Proven.IsZero() && !current.Value.Equal(s.Value)", "return !current.Value.Equal(s.Value)"},
		{"the proven secret is no candidate", file, "return !current.Proven.IsZero() && !current.Value.Equal(s.Value)", "return !current.Proven.IsZero()"},
	}
}

func mutantsOfSigners() []mutant {
	const file = "internal/secrets/signers.go"
	return []mutant{
		{"a secret with a grace period signs for as long", file, "latest(replaced.Add(webhookRetention), s.GraceEnds)", "replaced.Add(webhookRetention)"},
		{"a secret that was merely written signs nothing", file, "\t\tcase s.Origin == Brought && s.Proven.IsZero():\n", ""},
		{"a sent secret signs before it is proven", file, "case s.Origin == Brought && s.Proven.IsZero():", "case s.Proven.IsZero():"},
		{"a previous secret signs for four days", file, "case !now.After(latest(replaced.Add(webhookRetention), s.GraceEnds)):", "default:"},
		{"a secret of another address is replaced by a later one here", file, "if s.Place == l.Place || !s.Superseded.IsZero() {", "if true {"},
		{"what an operator brought elsewhere after the first one here signs nothing", file, "\t\t\tcontinue\n", ""},
		{"what was brought here signs", file, "if s.Place != l.Place && s.Origin == Brought &&", "if s.Origin == Brought &&"},
		{"what was sent elsewhere signs", file, "s.Place != l.Place && s.Origin == Brought && !arrived", "s.Place != l.Place && !arrived"},
		{"before the first one here all sign", file, "!arrived.IsZero() && s.Proven", "s.Proven"},
		{"what was proven elsewhere before the first one here signs", file, "!arrived.IsZero() && s.Proven.After(arrived) {", "!arrived.IsZero() {"},
		{"a secret that was merely written here is not the first one", file, "if s.Place == l.Place && (s.Origin == Sent || !s.Proven.IsZero()) {", "if s.Place == l.Place {"},
		{"a sent secret may be the first one here", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "!s.Proven.IsZero() {"},
		{"a proven secret may be the first one here", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "s.Origin == Sent {"},
		{"a secret of another address is not the first one here", file, "if s.Place == l.Place && (s.Origin == Sent", "if (s.Origin == Sent"},
	}
}

func mutantsOfRetaining() []mutant {
	const file = "internal/secrets/retain.go"
	return []mutant{
		{"what was sent is retained", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "!s.Proven.After(succeeded) {"},
		{"what was merely brought is not retained", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "false {"},
		{"what was accepted since is retained", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "s.Origin == Brought {"},
		{"what is there is not retained twice", listFile, "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) })", "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) && false })"},
		{"the same value at another address is another secret", listFile, "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) })", "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Value.Equal(s.Value) })"},
		{"a retained secret comes after the one before it", file, "\t\t\tat = i + 1\n", "\t\t\tat = len(l.Secrets) + i - i\n"},
		{"a retained secret comes before the one after it", file, "\t\tat++\n", ""},
		{"without a common secret, those of a later success come last", file, "(undated || other.Succeeded().After(succeeded)) && ", "undated && "},
		{"with a common secret, a later success does not decide the order", file, "(undated || other.Succeeded().After(succeeded)) && !slices.ContainsFunc(other.Secrets, l.Has)", "undated || other.Succeeded().After(succeeded)"},
		{"secrets without known times come before those of the other copy", file, "(undated || other", "(other"},
		{"what the other copy has is not dated anew", file, "if !t.IsZero() && !t.Equal(*known.times()[j]) {", "_, _ = j, known\n\t\t\tif !t.IsZero() {"},
		{"what has not happened is not dated", file, "if !t.IsZero() && !t.Equal(*known", "if !t.Equal(*known"},
		{"a time that only this copy has is moved", file, "\t\t\t\t*t = t.Add(by)\n", ""},
		{"a retained secret is superseded by what was proven since", file, "next.Proven.After(s.Proven) && s.Superseded.IsZero() {", "false {"},
		{"a secret that was proven before supersedes no retained one", file, "next.Place == s.Place && next.Proven.After(s.Proven) && s", "next.Place == s.Place && s"},
		{"a secret of another address supersedes no retained one", file, "if next.Place == s.Place && next.Proven.After", "if next.Proven.After"},
		{"a retained secret is superseded once", file, "next.Proven.After(s.Proven) && s.Superseded.IsZero() {", "next.Proven.After(s.Proven) {"},
		{"a retained secret works for a grace period", file, "\t\t\t\t\ts.GraceEnds = next.Added.Add(gracePeriod)\n", ""},
		{"a retained secret may be too old", file, "\tl.forget(succeeded)\n", "\t_ = succeeded\n"},
	}
}
