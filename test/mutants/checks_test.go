// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the checks of a write: each mistake that they find would cost
// an attempt, or take the secret elsewhere.
func mutantsOfChecks() []mutant {
	const file, schedule = "internal/engine/checks.go", "internal/engine/schedule.go"
	return []mutant{
		{"an empty value is a mistake", file, "case value == \"\":", "case false:"},
		{"a value has a bound", file, "case len(value) > maxIdentifier:", "case false:"},
		{"white space around a value is a mistake", file, "case strings.TrimSpace(value) != value:\n\t\treturn userErrorf(\"field %q begins", "case false:\n\t\treturn userErrorf(\"field %q begins"},
		{"quotes around a value are a mistake", file, "case len(value) > 1 && strings.ContainsRune(", "case false && strings.ContainsRune("},
		{"a character that no credential has is a mistake", file, "if c <= ' ' || c > '~' {", "if false {"},
		{"a secret is not sent in the clear", file, "case u.Scheme != \"https\" && (u.Scheme != \"http\" || !isLoopback(host)):", "case u.Scheme != \"https\" && u.Scheme != \"http\":"},
		{"an address has no password", file, "case u.User != nil:", "case false:"},
		{"an address has no query", file, "case u.RawQuery != \"\" || u.ForceQuery || strings.Contains(value, \"#\"):", "case false:"},
		{"an address ends before Finicity's own path", file, "at := strings.Index(prefix+\"/\", \"/aggregation/\"); at >= 0 {", "at := strings.Index(prefix+\"/\", \"/aggregation/\"); at >= 0 && false {"},
		{"one address has one spelling", file, "port != 0 && port != standard {", "port != 0 {"},
		{"a host has one spelling", file, "host := strings.ToLower(strings.TrimSuffix(u.Hostname(), \".\"))", "host := strings.TrimSuffix(u.Hostname(), \".\")"},
		{"a bundle has certificates only", file, "if block.Type != \"CERTIFICATE\" {", "if false {"},
		{"a certificate can be read", file, "if _, err := x509.ParseCertificate(block.Bytes); err != nil {", "if _, err := x509.ParseCertificate(block.Bytes); err != nil && false {"},
		{"a bundle is complete", file, "begun != n {", "begun != n && false {"},

		{"a schedule is of one kind", schedule, "case s.Period != 0 && s.Cron != \"\":", "case false:"},
		{"a period is at least a minute", schedule, "(s.Period < minRotationPeriod || s.Period", "(s.Period"},
		{"a cron expression is in UTC", schedule, "n != 5 { // The", "n != 5 && false { // The"},
		{"a cron expression has a next time", schedule, "if cron.Next(time.Unix(0, 0).UTC()).IsZero() {", "if false {"},
		{"a disabled schedule does nothing", schedule, "return !s.Disabled && (s.Period", "return (s.Period"},
	}
}
