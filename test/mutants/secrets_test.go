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
		{"an unproven secret is kept for 25 hours, because the change to it can arrive late", file, "retention      = 25 * time.Hour", "retention      = 23 * time.Hour"},
		{"with a grace period, a secret is kept for 32 days", file, "retentionGrace = gracePeriod + 2*24*time.Hour", "retentionGrace = gracePeriod + 20*time.Hour"},
		{"the grace period is 30 days", file, "gracePeriod    = 30 * 24 * time.Hour", "gracePeriod    = 29 * 24 * time.Hour"},
		{"a replaced secret is kept for four days, because webhooks are retried", file, "webhookRetention = 4 * 24 * time.Hour", "webhookRetention = 3 * 24 * time.Hour"},
		{"at most two secrets may be unconfirmed", file, "maxUnconfirmed = 2", "maxUnconfirmed = 3"},
		{"the length of the list is bounded", file, "maxSecrets = 100", "maxSecrets = 101"},

		{"a proposed secret counts as sent", file, "Value: value, Origin: Sent, Place", "Value: value, Place"},
		{"a proposed secret remembers the grace period", file, "Grace: grace, Added: now", "Added: now"},
		{"a proposed secret remembers how long the change to it can be running", file, "Added: now, CallEnds: callEnds,", "Added: now,"},
		{"a secret that was not sent is removed", file, "func (l *List) NotSent(value confidential.Text) { l.remove(value) }", "func (l *List) NotSent(confidential.Text) {}"},

		{"a known secret keeps its position in the list", file, "\tif l.find(value) == nil {\n\t\tl.Secrets = append(", "\tif true {\n\t\tl.remove(value)\n\t\tl.Secrets = append("},
		{"the time of a write is recorded", file, "\t\t\ts.Written = now\n", ""},
		{"only the secret that was written last has the time of a write", file, "\t\t\ts.Written = time.Time{}\n", ""},
		{"writing a secret again before any attempt changes nothing", file, "case !l.ToTry(*s):", "default:"},
		{"an operator's secret replaces the unproven one from an operator", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return false\n"},
		{"an operator's secret does not replace a sent one", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return s.Proven.IsZero() && !l.is(s, value)\n"},
		{"an operator's secret does not replace a proven one", file, "return s.Origin == Brought && s.Proven.IsZero() && !l.is(s, value)\n", "return s.Origin == Brought && !l.is(s, value)\n"},

		{"an acknowledgment is recorded", file, "s.Acknowledged, s.CallEnds = now, time.Time{}", "s.CallEnds = time.Time{}"},
		{"after the acknowledgment of a change, no attempt waits for that change", file, "s.Acknowledged, s.CallEnds = now, time.Time{}", "s.Acknowledged = now"},
		{"the refusal of a change is recorded", file, "s.Denied, s.CallEnds = now, time.Time{}", "s.CallEnds = time.Time{}"},
		{"after the refusal of a change, no attempt waits for that change", file, "s.Denied, s.CallEnds = now, time.Time{}", "s.Denied = now"},
		{"a change that Finicity refuses because of the old secret marks that secret as refused", file, "s != nil && oldRefused {", "s != nil && oldRefused && false {"},
		{"a change that was refused for another reason does not mark the old secret", file, "s != nil && oldRefused {", "s != nil {"},

		{"an accepted secret is proven", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now,", "accepted.Superseded, accepted.GraceEnds ="},
		{"a secret that Finicity accepts again is no longer superseded", file, "accepted.Proven, accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Proven, accepted.GraceEnds = now, time.Time{}"},
		{"a secret that Finicity accepts again is no longer limited by a grace period", file, "accepted.Superseded, accepted.GraceEnds = now, time.Time{}, time.Time{}", "accepted.Superseded = now, time.Time{}"},
		{"a newer secret that the engine sent is not superseded", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (accepted.Origin == Sent || other.Proven.IsZero())"},
		{"a secret that the engine sent supersedes no newer secret", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (other.Origin == Sent || other.Proven.IsZero())"},
		{"a newer unproven secret is not superseded", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent)"},
		{"a newer proven secret is superseded if operators wrote both", file, "newer := i > at && (accepted.Origin == Sent || other.Origin == Sent || other.Proven.IsZero())", "newer := i > at"},
		{"an older secret is superseded", file, "if i == at || newer || other.Place", "if true || newer || other.Place"},
		{"a secret of another address is not superseded", file, "|| newer || other.Place != l.Place ||", "|| newer ||"},
		{"a secret that is already superseded does not change", file, "other.Place != l.Place || !other.Superseded.IsZero() {", "other.Place != l.Place {"},
		{"a change with a grace period keeps the superseded secret working", file, "if accepted.Grace {", "if false {"},
		{"a change without a grace period ends the superseded secret", file, "if accepted.Grace {", "if true {"},
		{"secrets that are too old are removed", file, "\tl.forget(now)\n", ""},

		{"only a refusal with 10001 removes a secret", file, "case certain && s.Origin", "case s.Origin"},
		{"no refusal removes a sent secret", file, "certain && s.Origin == Brought && s.Proven", "certain && s.Proven"},
		{"no refusal removes a proven secret", file, "s.Origin == Brought && s.Proven.IsZero() && len", "s.Origin == Brought && len"},
		{"no refusal removes the last secret", file, "s.Proven.IsZero() && len(l.here()) > 1:", "s.Proven.IsZero():"},
		{"a refusal removes an unproven secret from an operator", file, "case certain && s.Origin", "case false && certain && s.Origin"},
		{"a refusal is recorded", file, "\tdefault:\n\t\ts.Refused = now\n", "\tdefault:\n"},

		{"a move changes the address", file, "{ l.Place = place }", "{ _ = place }"},

		{"a secret of another address is not removed because of its age", file, "return s.Place == l.Place && !ends.IsZero()", "return !ends.IsZero()"},
		{"a list that is too long is shortened", file, "\t\tif spare < 0 {\n", "\t\tif true {\n"},
		{"a secret that might be in effect is not removed from a list that is too long", file, "\t\tif spare < 0 {\n\t\t\treturn\n\t\t}\n", "\t\tspare = max(spare, 0)\n"},
		{"the age of an unproven secret counts from when it was added", file, "case s.Proven.IsZero():\n\t\treturn latest(s.Added, s.Written).Add(retention)", "case s.Proven.IsZero():\n\t\treturn s.Superseded.Add(retention)"},
		{"a proven secret that is not superseded never becomes too old", file, "return s.Place == l.Place && !ends.IsZero() && now.After(ends)", "return s.Place == l.Place && now.After(ends)"},
		{"the age of a proven secret does not count from its proof", file, "case s.Superseded.IsZero():\n\t\treturn time.Time{}\n", "case s.Superseded.IsZero():\n\t\treturn s.Proven.Add(webhookRetention)\n"},
		{"the age of a superseded secret counts from when it was superseded", file, "return s.Superseded.Add(webhookRetention)", "return s.Proven.Add(webhookRetention)"},
		{"a grace period makes an unproven secret last longer", file, "case s.Proven.IsZero() && (s.graceful() || l.graceAfterCurrent()):", "case s.Proven.IsZero() && l.graceAfterCurrent():"},
		{"a grace period makes a superseded secret last longer", file, "case s.graceful():\n\t\treturn s.Superseded.Add(retentionGrace)\n", "case s.graceful():\n\t\treturn s.Superseded.Add(webhookRetention)\n"},
		{"with a grace period too, the age of a superseded secret counts from when it was superseded", file, "case s.graceful():\n\t\treturn s.Superseded.Add(retentionGrace)", "case s.graceful():\n\t\treturn s.Proven.Add(retentionGrace)"},
		{"a displaced secret is kept as long as with a grace period", file, "\tcase l.displaced(s):\n\t\treturn s.Superseded.Add(retentionGrace)\n", ""},
		{"an unproven secret is kept longer if Finicity might accept the current one only because of a grace period", file, "(s.graceful() || l.graceAfterCurrent()):", "s.graceful():"},
		{"a grace period is involved if the secret was sent with one", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return !s.GraceEnds.IsZero() }"},
		{"a grace period is involved if the secret was superseded by one that was sent with a grace period", file, "return s.Grace || !s.GraceEnds.IsZero() }", "return s.Grace }"},
		{"without a grace period, an unproven secret is kept for 25 hours", file, "latest(s.Added, s.Written).Add(retention)\n", "latest(s.Added, s.Written).Add(webhookRetention)\n"},
		{"an unproven secret ages from when it was last written", file, "latest(s.Added, s.Written).Add(retention)\n", "s.Added.Add(retention)\n"},
		{"with a grace period too, an unproven secret ages from its last write", file, "latest(s.Added, s.Written).Add(retentionGrace)", "s.Added.Add(retentionGrace)"},
		{"with a grace period, a superseded secret has not ended", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return !s.Superseded.IsZero() }"},
		{"without a grace period, a superseded secret has ended", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return false }"},
		{"a secret that is not superseded has not ended", file, "return !s.Superseded.IsZero() && !s.graceful() }", "return !s.graceful() }"},
		{"a secret is found only at its own address", file, "return s.Place == l.Place && s.Value.Equal(value)", "return s.Value.Equal(value)"},
		{"an ended secret is removed from a list that is too long", file, "return s.ended() || s.Origin == Brought && s.Place", "return s.Origin == Brought && s.Place"},
		{"an operator's secret of another address is removed from a list that is too long", file, "return s.ended() || s.Origin == Brought && s.Place != l.Place\n", "return s.ended()\n"},
		{"a sent secret of another address is not removed from a list that is too long", file, "s.Origin == Brought && s.Place != l.Place\n", "s.Place != l.Place\n"},
		{"an operator's secret of this address is not removed from a list that is too long", file, "s.Origin == Brought && s.Place != l.Place\n", "s.Origin == Brought\n"},
	}
}

func mutantsOfOrder() []mutant {
	const file = orderFile
	return []mutant{
		{"the current secret is the last proven one", file, "cmp.Or(s.Proven.Compare(current.Proven),\n\t\t\tcmp", "cmp.Or(cmp"},
		{"before any proof, the current secret is one from an operator", file, "cmp.Compare(current.Origin, s.Origin), s.Added", "s.Added"},
		{"before any proof, the current secret is the last one added", file, ", s.Added.Compare(current.Added)) >= 0", ") > 0"},
		{"a pending secret was sent", file, "if s.unconfirmed() && s.Refused.IsZero() && s.Sup", "if s.Refused.IsZero() && s.Sup"},
		{"a refused secret is not pending", file, "s.unconfirmed() && s.Refused.IsZero() && s.Sup", "s.unconfirmed() && s.Sup"},
		{"a superseded secret is not pending", file, "s.Superseded.IsZero() && open {", "open {"},
		{"of several pending secrets, the newest is returned", file, "for _, s := range slices.Backward(l.here()) {\n\t\topen", "for _, s := range l.here() {\n\t\topen"},

		{"of several secrets with the same rank, the newest is tried first", file, "case lowest > 0 && r > lowest:", "case lowest > 0 && r >= lowest:"},
		{"an untested secret is tried before the current one", file, "\t\tcase s.untested():\n\t\t\treturn 2\n", ""},
		{"a secret that an operator wrote is tried before an untested one", file, "\t\tcase l.ToTry(s):\n\t\t\treturn 1\n", ""},
		{"a secret that an operator wrote is tried first only until a success", file, "s.Written.After(latest(l.Succeeded(), s.Refused))", "s.Written.After(s.Refused)"},
		{"a secret that an operator wrote is tried first only until its refusal", file, "s.Written.After(latest(l.Succeeded(), s.Refused))", "s.Written.After(l.Succeeded())"},
		{"a secret that an operator has written might be in effect", file, "|| l.displaced(s) || l.ToTry(s) {", "|| l.displaced(s) {"},
		{"a secret that an operator wrote is tested before a change", file, "l.Refused(s) || l.ToTry(s) || l.may", "l.Refused(s) || l.may"},
		{"a superseded secret from an operator does not prevent a change", file, "\t\tcase s.Origin == Brought && !s.Superseded.IsZero(): // The fourth attempt is for it.\n", ""},
		{"the current secret is tried before other candidates", file, "\t\t\treturn 3\n\t\tdefault", "\t\t\treturn 4\n\t\tdefault"},
		{"a refused secret is tried last", file, "\t\tcase l.Refused(s):\n\t\t\treturn 5\n", ""},
		{"of refused secrets, the one refused longest ago is tried first", file, "r == 5 && s.Refused.After(best.Refused):", "r == 5 && s.Refused.Before(best.Refused):"},

		{"an attempt waits for a change that might still be running", file, "wait = max(wait, s.CallEnds.Sub(now))", "wait = max(wait, now.Sub(now), s.CallEnds.Sub(s.CallEnds))"},
		{"a refusal from before a success no longer counts", file, "return s.Refused.After(latest(l.Succeeded(), s.Written)) }", "return !s.Refused.IsZero() }"},
		{"a refusal from before an operator's new write does not count", file, "return s.Refused.After(latest(l.Succeeded(), s.Written)) }", "return s.Refused.After(l.Succeeded()) }"},

		{"an unproven secret is tested before a change", file, "return s.Proven.IsZero() || l.Refused(s) || l", "return l.Refused(s) || l"},
		{"a refused secret is tested before a change", file, "return s.Proven.IsZero() || l.Refused(s) || l", "return s.Proven.IsZero() || l"},
		{"if an earlier change might have arrived after the last success, the secret in effect is proven before a change", file, "|| l.ToTry(s) || l.mayArrive(s, l.Succeeded())\n", "|| l.ToTry(s)\n"},
		{"a secret from an operator does not count as unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Proven.IsZero() }"},
		{"a proven secret does not count as unconfirmed", file, "bool { return s.Origin == Sent && s.Proven.IsZero() }", "bool { return s.Origin == Sent }"},

		{"only a change to a secret that the engine sent can arrive late", file, "if s.Origin != Sent || at", "if at"},
		{"a change arrives after at most 25 hours", file, " || at.Sub(s.Added) >= retention {", " {"},
		{"a superseded secret might be in effect if the change to it can arrive late", file, "return l.mayArrive(s, current.Added)\n", "_ = current\n\treturn false\n"},
		{"a displaced secret might be in effect", file, "s.Superseded.IsZero() || l.displaced(s) || l", "s.Superseded.IsZero() || l"},
		{"only a sent secret counts as displaced", file, "if s.Origin != Sent || s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later", "if s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later"},
		{"only a superseded secret counts as displaced", file, "if s.Origin != Sent || s.Superseded.IsZero() {\n\t\treturn false\n\t}\n\tfor _, later", "if s.Origin != Sent {\n\t\treturn false\n\t}\n\tfor _, later"},
		{"a secret of another address does not end a displacement", file, "\t\tcase later.Place != s.Place:\n", ""},
		{"a later proven secret that the engine sent ends a displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case false:"},
		{"a later unproven secret does not end a displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case later.Origin == Sent:"},
		{"a later secret from an operator does not end a displacement", file, "case later.Origin == Sent && !later.Proven.IsZero():", "case !later.Proven.IsZero():"},
		{"a displaced secret that was refused does not prevent a change", file, "\t\tcase l.displaced(s) && !s.Refused.IsZero(): // Finicity has refused it.\n", ""},
		{"a displaced secret that was not refused can prevent a change", file, "case l.displaced(s) && !s.Refused.IsZero():", "case l.displaced(s):"},
		{"automatic attempts ask the caller which secrets to skip", file, "current.Value) && leaveOut(s)", "current.Value) && false"},
		{"automatic attempts do not skip an untested secret that the engine sent", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := l.ToTry(s) || s.untested()"},
		{"automatic attempts skip an operator's untested secret after a success too", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := s.Origin == Brought && l.ToTry(s)"},
		{"automatic attempts skip a written secret that was in effect before", file, "untried := s.Origin == Brought && (l.ToTry(s) || s.untested())", "untried := s.Origin == Brought && s.untested()"},
		{"automatic attempts never skip the current secret", file, "|| l.Refused(s)) && !s.Value.Equal(current.Value) && leave", "|| l.Refused(s)) && (true || s.Value.Equal(current.Value)) && leave"},
		{"automatic attempts skip displaced secrets", file, "return l.displaced(s) || (untried", "return (untried"},
		{"automatic attempts skip refused candidates if the caller says so", file, "(untried || l.Refused(s)) && ", "untried && "},
		{"a superseded secret might be in effect only if the change to it could still arrive when the current secret was added", file, "return l.mayArrive(s, current.Added)\n", "return l.mayArrive(s, current.Added.Add(-retention))\n"},

		{"a late change takes effect only if a grace period keeps an older secret working", file, "\t\tcase older.Value.Equal(s.Value):\n\t\t\treturn s.Grace\n\t\tcase older.graceful():\n\t\t\treturn true\n\t\t}\n\t}\n\treturn false\n", "\t\t}\n\t}\n\treturn true\n"},
		{"the grace period of a change allows that change to take effect late", file, "\t\t\treturn s.Grace\n", "\t\t\treturn false\n"},
		{"the grace period of an older secret allows a change to take effect late", file, "\t\tcase older.graceful():\n\t\t\treturn true\n", ""},
		{"a grace period at another address does not allow a change to take effect late", file, "\t\tcase older.Place != s.Place:\n", ""},
		{"unconfirmed secrets count toward the limit of changes", file, "case s.unconfirmed(), !s", "case !s"},
		{"a secret counts toward the limit of changes while the change to it can arrive late", file, "\t\tcase l.mayArrive(s, current.Proven):\n\t\t\tends = append(ends, s.Added.Add(retention))\n", ""},
		{"superseded secrets that might be in effect count toward the limit of changes", file, "case s.unconfirmed(), !s.Superseded.IsZero():", "case s.unconfirmed():"},
		{"another change is possible when only one counted secret is left", file, "\tslices.SortFunc(ends, time.Time.Compare)\n\treturn ends[len(ends)-maxUnconfirmed], true", "\treturn ends[len(ends)-1], true"},

		{"a sent secret might be the only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return false"},
		{"a secret from an operator is not the only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())"},
		{"a superseded secret is not the only copy, unless the change to it can still be carried out", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Origin == Sent && s.Written.IsZero()"},
		{"a superseded secret might be the only copy while the change to it can still be carried out", file, "(s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "s.Superseded.IsZero()"},
		{"without a grace period, a superseded secret is not the only copy", file, "s.Proven.IsZero() && s.graceful())\n\t})", "s.Proven.IsZero())\n\t})"},
		{"a proven superseded secret is not the only copy", file, "s.Proven.IsZero() && s.graceful())\n\t})", "s.graceful())\n\t})"},
		{"a secret that an operator has written is not the only copy", file, "return s.Origin == Sent && s.Written.IsZero() && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())", "return s.Origin == Sent && (s.Superseded.IsZero() || s.Proven.IsZero() && s.graceful())"},
		{"a pending secret makes the state unresolved", file, "if _, pending := l.Pending(); pending {\n\t\treturn true\n\t}\n\there", "here"},
		{"a refused secret that the engine sent makes the state unresolved", file, "(s.Origin == Sent || sent) })", "sent })"},
		{"a refused secret from an operator does not make the state unresolved", file, "(s.Origin == Sent || sent) })", "(s.Origin == Sent || sent || true) })"},
		{"a refused secret from an operator makes the state unresolved beside a displaced one", file, "return s.unconfirmed() || l.displaced(s) })", "return s.unconfirmed() })"},
		{"a refused secret from an operator makes the state unresolved beside an unconfirmed one", file, "sent := slices.ContainsFunc(here, func(s Secret) bool { return s.unconfirmed() || l.displaced(s) })", "sent := false"},
		{"a change that was not refused is pending", file, "open := s.Denied.IsZero() || s", "open := s"},
		{"a change that was refused since the last success is pending", file, "open := s.Denied.IsZero() || s.Denied.After(l.Succeeded())", "open := s.Denied.IsZero()"},
		{"a change that was refused before the last success is not pending", file, "open := s.Denied.IsZero() || s.Denied.After(l.Succeeded())", "open := true"},
		{"the last acknowledgment counts", file, "last = latest(last, s.Acknowledged)", "last = s.Acknowledged"},

		{"a proven secret does not count as untested", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Refused.IsZero() && s.Denied"},
		{"a refused secret does not count as untested", file, "return s.Proven.IsZero() && s.Refused.IsZero() && s.Denied", "return s.Proven.IsZero() && s.Denied"},
		{"a secret whose change was refused does not count as untested", file, "s.Refused.IsZero() && s.Denied.IsZero() && s.Superseded", "s.Refused.IsZero() && s.Superseded"},
		{"a superseded secret does not count as untested", file, "s.Denied.IsZero() && s.Superseded.IsZero()\n", "s.Denied.IsZero()\n"},
		{"a secret of another address is not tried", file, "if s.Place == l.Place && l.mayBeInEffect(s) {", "if l.mayBeInEffect(s) {"},
		{"a secret that can't be in effect is not tried", file, "if s.Place == l.Place && l.mayBeInEffect(s) {", "if s.Place == l.Place {"},
		{"only the grace period of a newer secret can be why Finicity accepts the current one", file, "case s.Value.Equal(current.Value):\n\t\t\treturn false\n", "case s.Value.Equal(current.Value) && false:\n\t\t\treturn false\n"},

		{"a proven secret counts toward the limit if an older one was accepted later", file, "case !s.Value.Equal(current.Value) && current.P", "case false && !s.Value.Equal(current.Value) && current.P"},
		{"the current secret does not count toward the limit of changes", file, "case !s.Value.Equal(current.Value) && current.P", "case (true || !s.Value.Equal(current.Value)) && current.P"},
		{"after the grace period, a proven secret does not count toward the limit", file, "case !s.Value.Equal(current.Value) && current.Proven.Sub(s.Proven) < retentionGrace:", "case !s.Value.Equal(current.Value):"},
		{"without a proven secret, no secret is a candidate", file, "return !current.Proven.IsZero() && !current.Value.Equal(s.Value)", "return !current.Value.Equal(s.Value)"},
		{"the proven secret is not a candidate", file, "return !current.Proven.IsZero() && !current.Value.Equal(s.Value)", "return !current.Proven.IsZero()"},
	}
}

func mutantsOfSigners() []mutant {
	const file = "internal/secrets/signers.go"
	return []mutant{
		{"a grace period makes a replaced secret sign for more than four days", file, "latest(replaced.Add(webhookRetention), s.GraceEnds)", "replaced.Add(webhookRetention)"},
		{"an unproven secret from an operator signs nothing", file, "\t\tcase s.Origin == Brought && s.Proven.IsZero():\n", ""},
		{"a secret that the engine sent signs before it is proven", file, "case s.Origin == Brought && s.Proven.IsZero():", "case s.Proven.IsZero():"},
		{"without a grace period, a replaced secret signs only for four days", file, "case !now.After(latest(replaced.Add(webhookRetention), s.GraceEnds)):", "default:"},
		{"a secret of another address is replaced when a later one is accepted", file, "if s.Place == l.Place || !s.Superseded.IsZero() {", "if true {"},
		{"an operator's secret of another address does not sign if it was accepted after the first secret here", file, "\t\t\tcontinue\n", ""},
		{"a proven secret of this address from an operator signs", file, "if s.Place != l.Place && s.Origin == Brought &&", "if s.Origin == Brought &&"},
		{"a secret that the engine sent to another address signs", file, "s.Place != l.Place && s.Origin == Brought && !arrived", "s.Place != l.Place && !arrived"},
		{"before the first secret of this address, secrets of other addresses sign", file, "!arrived.IsZero() && s.Proven", "s.Proven"},
		{"an operator's secret of another address signs if it was accepted before the first secret here", file, "!arrived.IsZero() && s.Proven.After(arrived) {", "!arrived.IsZero() {"},
		{"an unproven secret from an operator does not count as the first secret here", file, "if s.Place == l.Place && (s.Origin == Sent || !s.Proven.IsZero()) {", "if s.Place == l.Place {"},
		{"a sent secret can be the first secret here", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "!s.Proven.IsZero() {"},
		{"a proven secret can be the first secret here", file, "(s.Origin == Sent || !s.Proven.IsZero()) {", "s.Origin == Sent {"},
		{"a secret of another address is not the first secret here", file, "if s.Place == l.Place && (s.Origin == Sent", "if (s.Origin == Sent"},
	}
}

func mutantsOfRetaining() []mutant {
	const file = "internal/secrets/retain.go"
	return []mutant{
		{"a merge adds secrets that the engine sent", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "!s.Proven.After(succeeded) {"},
		{"a merge does not add an operator's secret that was not accepted since", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "false {"},
		{"a merge adds an operator's secret that was accepted since", file, "s.Origin == Brought && !s.Proven.After(succeeded) {", "s.Origin == Brought {"},
		{"a merge does not add a secret twice", listFile, "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) })", "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) && false })"},
		{"the same value at another address is another secret", listFile, "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Place == s.Place && k.Value.Equal(s.Value) })", "return slices.IndexFunc(l.Secrets, func(k Secret) bool { return k.Value.Equal(s.Value) })"},
		{"a merge inserts a secret right after the one that precedes it in the other copy", file, "\t\t\tat = i + 1\n", "\t\t\tat = len(l.Secrets) + i - i\n"},
		{"several added secrets keep their order", file, "\t\tat++\n", ""},
		{"without a common secret, the copy with the later success is the newer one", file, "(undated || other.Succeeded().After(succeeded)) && ", "undated && "},
		{"with a common secret, a later success does not decide the order", file, "(undated || other.Succeeded().After(succeeded)) && !slices.ContainsFunc(other.Secrets, l.Has)", "undated || other.Succeeded().After(succeeded)"},
		{"secrets without known times come before those of the other copy", file, "(undated || other", "(other"},
		{"a time that both copies have is not moved to the other copy's clock", file, "if !t.IsZero() && !t.Equal(*known.times()[j]) {", "_, _ = j, known\n\t\t\tif !t.IsZero() {"},
		{"a zero time is not moved to the other copy's clock", file, "if !t.IsZero() && !t.Equal(*known", "if !t.Equal(*known"},
		{"a time that only this copy has is moved to the other copy's clock", file, "\t\t\t\t*t = t.Add(by)\n", ""},
		{"an added secret is superseded by a newer secret that was proven later", file, "next.Proven.After(s.Proven) && s.Superseded.IsZero() {", "false {"},
		{"a secret that was proven earlier does not supersede an added one", file, "next.Place == s.Place && next.Proven.After(s.Proven) && s", "next.Place == s.Place && s"},
		{"a secret of another address does not supersede an added one", file, "if next.Place == s.Place && next.Proven.After", "if next.Proven.After"},
		{"an added secret is superseded once", file, "next.Proven.After(s.Proven) && s.Superseded.IsZero() {", "next.Proven.After(s.Proven) {"},
		{"an added secret works until the grace period of the next one ends", file, "\t\t\t\t\ts.GraceEnds = next.Added.Add(gracePeriod)\n", ""},
		{"an added secret that is too old is removed", file, "\tl.forget(succeeded)\n", "\t_ = succeeded\n"},
	}
}
