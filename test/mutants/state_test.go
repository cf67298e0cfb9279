// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of what the state knows: addresses, fingerprints, rotations, records.
func mutantsOfState() []mutant {
	const file = "internal/engine/state.go"
	return []mutant{
		{"another CA is another address", file, "if s.CACert == \"\" {", "if true {"},
		{"a verdict is on a credential at an address", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())", "return hash(st.PartnerID, st.AppKey.Reveal(), secret.Reveal())"},
		{"a verdict is on a credential of a partner", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())", "return hash(st.Settings.place(), st.AppKey.Reveal(), secret.Reveal())"},
		{"a verdict is on a credential with its app key", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())", "return hash(st.Settings.place(), st.PartnerID, secret.Reveal())"},
		{"a verdict is on a credential with its secret", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal(), secret.Reveal())", "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())"},
		{"a token does not outlive its address", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())", "return hash(st.PartnerID, st.AppKey.Reveal())"},
		{"a token does not outlive its partner", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())", "return hash(st.Settings.place(), st.AppKey.Reveal())"},
		{"a token does not outlive its app key", file, "return hash(st.Settings.place(), st.PartnerID, st.AppKey.Reveal())", "return hash(st.Settings.place(), st.PartnerID)"},
		{"a stored token is served for its credential only", file, " || st.Token.Fingerprint != st.tokenFingerprint(hash) {", " {"},
		{"a stored token is as old as it is", file, "Started:   time.Now().Add(-wall.Sub(st.Token.Issued)),", "Started:   time.Now(),"},
		{"a copy of the state is one", file, "next.Records[partner] = record.Clone()", "next.Records[partner] = record"},
		{"a copy has its own secrets", file, "\tnext.Secrets = st.Secrets.Clone()\n", ""},

		{"a secret that may be in effect again was not rotated away", file, "s.Value.Equal(secret) && s.Superseded.IsZero()\n", "s.Value.Equal(secret) && s.Superseded.IsZero() && false\n"},
		{"a secret that was superseded was", file, "s.Value.Equal(secret) && s.Superseded.IsZero()\n", "s.Value.Equal(secret)\n"},
		{"one that may be in effect elsewhere was", file, "return s.Place == st.Secrets.Place && s.Value.Equal(secret) && s.Superseded", "return s.Value.Equal(secret) && s.Superseded"},
		{"only a secret that was sent is a rotation", file, "rotated = s.Origin == secrets.Sent && s.Proven.IsZero()", "rotated = s.Proven.IsZero()"},
		{"only its first proof is", file, "rotated = s.Origin == secrets.Sent && s.Proven.IsZero()", "rotated = s.Origin == secrets.Sent"},
		{"a rotation leaves what is newer alone", file, "\t\t\tbefore.Secrets = before.Secrets[:i]\n", ""},
		{"what a rotation replaces is remembered", file, "\t\t\tst.RotatedAway = append(st.RotatedAway, RotatedAway{Hash: hash(s.Value.Reveal()), At: wall})\n", "\t\t\t_ = hash\n"},
		{"what was replaced before is not remembered twice", file, "if s.Superseded.IsZero() && !s.Proven.IsZero() && s.Place", "if !s.Proven.IsZero() && s.Place"},
		{"what was never in effect was not replaced", file, "if s.Superseded.IsZero() && !s.Proven.IsZero() && s.Place", "if s.Superseded.IsZero() && s.Place"},
		{"what is at another address was not", file, " && s.Place == st.Secrets.Place {\n\t\t\tst", " {\n\t\t\tst"},
		{"the entry is bounded", file, "over > 0 {", "over > 0 && false {"},
		{"the secret that is in scripts is remembered for good", file, "slices.Delete(st.RotatedAway, 1, 1+over)", "slices.Delete(st.RotatedAway, 0, over)"},
		{"a rotation ends the failures of the schedule", file, "\tst.Plan.Rotated()\n", ""},
		{"the time of a rotation is stored", file, "\tst.LastRotation = wall\n", ""},

		{"attempts count at the address that is written", file, "return st.record(to.PartnerID).At(to.Settings.place())", "return st.record(to.PartnerID).At(st.Settings.place())"},
		{"attempts count for the partner that is written", file, "return st.record(to.PartnerID).At(to.Settings.place())", "return st.record(st.PartnerID).At(to.Settings.place())"},
		{"the records of a mount are bounded", file, "if len(records) > maxPartners {", "if false {"},
		{"those that count are not forgotten for that", file, "return other != partner && r.Empty(now) })", "return other != partner && (r.Empty(now) || len(records) > maxPartners) })"},
		{"those that do not count make room", file, "return other != partner && r.Empty(now) })", "return false && other != partner && r.Empty(now) })"},
	}
}
