// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the checks of a write: each mistake that they find would cost
// an attempt, or take the secret elsewhere.
func mutantsOfChecks() []mutant {
	const file, schedule = "internal/engine/checks.go", "internal/engine/schedule.go"
	return []mutant{
		{"white space around a value is a mistake", file, "case strings.TrimSpace(value) != value:\n\t\treturn userErrorf(\"field %q begins", "case false:\n\t\treturn userErrorf(\"field %q begins"},
		{"quotes around a value are a mistake", file, "case len(value) > 1 && strings.ContainsRune(", "case false && strings.ContainsRune("},
		{"a character that no credential has is a mistake", file, "if c <= ' ' || c > '~' {", "if false {"},
		{"a secret is not sent in the clear", file, "case u.Scheme != \"https\" && (u.Scheme != \"http\" || !isLoopback(host)):", "case u.Scheme != \"https\" && u.Scheme != \"http\":"},
		{"an address has no password", file, "case u.User != nil:", "case false:"},
		{"an address ends before Finicity's own path", file, "at := strings.Index(prefix+\"/\", \"/aggregation/\"); at >= 0 {", "at := strings.Index(prefix+\"/\", \"/aggregation/\"); at >= 0 && false {"},
		{"one address has one spelling", file, "port != 0 && port != standard {", "port != 0 {"},
		{"a bundle has certificates only", file, "if block.Type != \"CERTIFICATE\" {", "if false {"},

		{"a period is at least a minute", schedule, "(s.Period < minRotationPeriod || s.Period", "(s.Period"},
		{"a cron expression is in UTC", schedule, "n != 5 { // The", "n != 5 && false { // The"},
	}
}
