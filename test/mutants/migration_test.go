// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the migration: where version 1 did not store a fact, the
// cautious reading counts.
func mutantsOfMigration() []mutant {
	const file = "internal/engine/migrate.go"
	return []mutant{
		{"the attempts are taken over", file, "if record != nil {\n", "if record != nil && false {\n"},
		{"refused secrets are known as such", file, "\t\tm.refusals(st, record)\n", ""},
		{"only a verdict on the secret refuses it", file, "if refused.Secret && m.fingerprint", "if m.fingerprint"},
		{"a secret that the engine may have sent was sent", file, "if m.old.Credential.LastRotation.IsZero() {", "if true {"},
		{"the grace period of the last rotation goes on", file, "if !last.IsZero() && p.Until.Equal(last.Add(30*24*time.Hour)) {", "if false {"},
		{"an untried secret is not proven", file, "if cred.Untried {\n", "if cred.Untried && false {\n"},
		{"unconfirmed secrets are new", file, "Origin: secrets.Sent, Grace: a.Grace, Added: m.now}", "Origin: secrets.Sent, Grace: a.Grace, Added: since}"},
		{"a pending secret is waited for", file, "\t\t\tSettles: m.past(p.Since).Add(p.Timeout),\n", ""},
		{"a pending secret is kept", file, "if p := cred.Pending; p != nil {", "if p := cred.Pending; p != nil && false {"},
		{"a secret that was refused is not tried again", file, "\t\t\ts.Refused = since\n", ""},
		{"one that was never in effect signs nothing", file, "brought[a.Secret] = a.Replaced && !a.Proven", "brought[a.Secret] = false"},
		{"a record that cannot be read was full", file, "r = &recordV1{Charged: attempts.Limit, LastError", "r = &recordV1{LastError"},
		{"a lock is taken over", file, "\t\trecord.Locked = last\n", ""},
		{"an operator's refusals are not those of jobs", file, "\t\t\t\ta.Subject, a.Trigger = attempts.Written, attempts.Operator\n", ""},
		{"attempts without an answer count", file, "for i := range r.Charged {", "for i := range r.Charged - r.Charged {"},
		{"a token of another credential is not taken over", file, "entry.DecodeJSON(&stored) == nil && m.known(st, stored.Fingerprint) {", "entry.DecodeJSON(&stored) == nil {"},
		{"what was taken over is not taken over again", file, "keys := st.imported", "keys := st.imported[:0]"},
	}
}
