// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/token and internal/confidential.
func mutantsOfTokens() []mutant {
	const (
		file    = "internal/token/token.go"
		cache   = "internal/token/cache.go"
		backoff = "internal/token/backoff.go"
		text    = "internal/confidential/text.go"
	)
	return []mutant{
		{"a token is refreshed after three quarters of its life", file, "return lifetime / 4 * 3 }", "return lifetime / 5 * 4 }"},
		{"a token is not served until its last moment", file, "return lifetime / 24 }", "return lifetime / 25 }"},
		{"a token from the future has expired", file, "if byWall < 0 {", "if false {"},
		{"a clock that is set back makes no token younger", file, "return max(byWall, elapsed)", "return byWall"},
		{"a suspended machine makes no token younger", file, "return max(byWall, elapsed)", "return elapsed"},
		{"nothing is left of an expired token", file, "return max(0, t.Lifetime-Margin(t.Lifetime)-age).Truncate", "return (t.Lifetime - Margin(t.Lifetime) - age).Truncate"},
		{"a part of a second is not promised", file, "-age).Truncate(time.Second)", "-age).Round(time.Second)"},
		{"readers who ask for the most cost one authentication in half an hour", file, "Margin(lifetime) - lifetime/4)", "Margin(lifetime) - lifetime/5)"},

		{"a dropped token is not served", cache, "\tc.current.Store(nil)\n", ""},
		{"a dropped token does not come back", cache, "\tc.drops++\n", ""},
		{"nothing from before a drop is shared", cache, "if epoch != c.drops {", "if false {"},
		{"no stored token from before a drop is shared", cache, "if epoch == c.drops {", "if true {"},
		{"a stored token does not replace a shared one", cache, "c.current.CompareAndSwap(nil, t)", "c.current.Store(t)"},
		{"one refresh runs at a time", cache, "if c.running != nil {", "if false {"},
		{"after a refresh, the next one can start", cache, "c.running, c.failure, c.failed, c.failedAt = nil, err", "c.failure, c.failed, c.failedAt = err"},
		{"all who wait learn of the failure", cache, "\t\tr.err = err\n", "\t\t_ = err\n"},
		{"only the readers of its token learn of a failure", cache, "if c.failed != t {", "if c.failed == nil {"},

		{"waits become longer", backoff, "time.Second<<min(b.count, 6)", "time.Second<<min(b.count, 0)"},
		{"a wait is a minute at the longest", backoff, "maxBackoff = time.Minute", "maxBackoff = 2 * time.Minute"},
		{"a later failure does not shorten a wait", backoff, "until.After(b.until) {", "true {"},
		{"a wait that Finicity asks for is kept", backoff, "maxBackoff), retryAfter)", "maxBackoff), 0)"},
		{"each failure counts", backoff, "\tb.count++\n", ""},
		{"an answer ends the wait", backoff, "b.last, b.count, b.at, b.until = nil, 0, time.Time{}, time.Time{}", "b.count = 0"},
		{"an answer begins a new count", backoff, "b.last, b.count, b.at, b.until = nil, 0, time.Time{}, time.Time{}", "b.last, b.at, b.until = nil, time.Time{}, time.Time{}"},
		{"a wait ends", backoff, "if b.last == nil || !now.Before(b.until) {", "if b.last == nil {"},

		{"no verb of fmt prints a secret", text, "_, _ = io.WriteString(f, hidden)", "_, _ = io.WriteString(f, t.Reveal())"},
		{"no string shows a secret", text, "func (t Text) String() string { return hidden }", "func (t Text) String() string { return t.Reveal() }"},
		{"no JSON has a secret", text, "func (t Text) MarshalJSON() ([]byte, error) { return nil, errEncoded }", "func (t Text) MarshalJSON() ([]byte, error) { return []byte(`\"x\"`), nil }"},
		{"no other encoding has a secret", text, "func (t Text) MarshalText() ([]byte, error) { return nil, errEncoded }", "func (t Text) MarshalText() ([]byte, error) { return []byte(t.Reveal()), nil }"},
	}
}
