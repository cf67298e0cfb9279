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
		{"a token is refreshed after three quarters of its lifetime", file, "return lifetime / 4 * 3 }", "return lifetime / 5 * 4 }"},
		{"the engine stops serving a token before Finicity stops accepting it", file, "return lifetime / 24 }", "return lifetime / 25 }"},
		{"a token that was issued in the future counts as expired", file, "if byWall < 0 {", "if false {"},
		{"a wall clock that is set back does not make a token younger", file, "return max(byWall, elapsed)", "return byWall"},
		{"a suspended machine does not make a token younger", file, "return max(byWall, elapsed)", "return elapsed"},
		{"an expired token has no time left", file, "return max(0, t.Lifetime-Margin(t.Lifetime)-age).Truncate", "return (t.Lifetime - Margin(t.Lifetime) - age).Truncate"},
		{"the remaining time is rounded down to whole seconds", file, "-age).Truncate(time.Second)", "-age).Round(time.Second)"},
		{"readers with the maximum min_ttl cost one authentication in 30 minutes", file, "Margin(lifetime) - lifetime/4)", "Margin(lifetime) - lifetime/5)"},

		{"a dropped token is not served", cache, "\tc.current.Store(nil)\n", ""},
		{"a dropped token does not come back", cache, "\tc.drops++\n\tc.current.Store(nil)\n", "\tc.current.Store(nil)\n"},
		{"a token from before a write of the configuration is not shared", cache, "\tc.drops++\n\tc.set(t)\n", "\tc.set(t)\n"},
		{"a new token is not shared if the cache was dropped since the caller took the epoch", cache, "if epoch != c.drops {\n\t\treturn false", "if false {\n\t\treturn false"},
		{"a write does not keep a token if the cache was dropped since the caller took the epoch", cache, "if epoch != c.drops {\n\t\tt = nil", "if false {\n\t\tt = nil"},
		{"a shared token wakes the readers that wait", cache, "if t != nil && c.shared != nil {", "if false {"},
		{"a stored token is not shared if the cache was dropped since the caller took the epoch", cache, "if epoch == c.drops && c.current", "if c.current"},
		{"a stored token does not replace a shared one", cache, "if epoch == c.drops && c.current.Load() == nil {", "if epoch == c.drops {"},
		{"one refresh runs at a time", cache, "if c.running != nil {", "if false {"},
		{"after a refresh, the next one can start", cache, "c.running, c.failure, c.failed, c.failedAt = nil, err", "c.failure, c.failed, c.failedAt = err"},
		{"all readers that wait for a refresh get its failure", cache, "\t\tr.err = err\n", "\t\t_ = err\n"},
		{"of the readers that do not wait, only those of the token that the refresh should have replaced get its failure", cache, "if c.failed != t {", "if c.failed == nil {"},

		{"each wait is longer than the one before it", backoff, "time.Second<<min(b.count, 6)", "time.Second<<min(b.count, 0)"},
		{"a wait is at most a minute", backoff, "maxBackoff = time.Minute", "maxBackoff = 2 * time.Minute"},
		{"a later failure does not shorten a wait", backoff, "until.After(b.until) {", "true {"},
		{"a Retry-After from Finicity is obeyed", backoff, "maxBackoff), retryAfter)", "maxBackoff), 0)"},
		{"each failure counts", backoff, "\tb.count++\n", ""},
		{"an answer ends the wait", backoff, "b.last, b.count, b.at, b.until = nil, 0, time.Time{}, time.Time{}", "b.count = 0"},
		{"an answer resets the count of failures", backoff, "b.last, b.count, b.at, b.until = nil, 0, time.Time{}, time.Time{}", "b.last, b.at, b.until = nil, time.Time{}, time.Time{}"},
		{"a wait ends when its time is over", backoff, "if b.last == nil || !now.Before(b.until) {", "if b.last == nil {"},

		{"no verb of fmt prints a secret", text, "_, _ = io.WriteString(f, hidden)", "_, _ = io.WriteString(f, t.Reveal())"},
		{"Text.String does not return a secret", text, "func (t Text) String() string { return hidden }", "func (t Text) String() string { return t.Reveal() }"},
		{"JSON does not contain a secret", text, "func (t Text) MarshalJSON() ([]byte, error) { return nil, errEncoded }", "func (t Text) MarshalJSON() ([]byte, error) { return []byte(`\"x\"`), nil }"},
		{"other encodings do not contain a secret", text, "func (t Text) MarshalText() ([]byte, error) { return nil, errEncoded }", "func (t Text) MarshalText() ([]byte, error) { return []byte(t.Reveal()), nil }"},
	}
}
