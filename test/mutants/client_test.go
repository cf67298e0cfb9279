// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/finicityapi.
func mutantsOfClient() []mutant {
	return append(mutantsOfConnection(), mutantsOfClasses()...)
}

func mutantsOfConnection() []mutant {
	const file = "internal/finicityapi/client.go"
	return []mutant{
		{"TLS is 1.2 at least", file, "&tls.Config{MinVersion: tls.VersionTLS12}", "&tls.Config{MinVersion: tls.VersionTLS10}"},
		{"each call has a connection of its own", file, "DisableKeepAlives:      true,", "DisableKeepAlives:      false,"},
		{"only a 200 has a token", file, "if ans.status != http.StatusOK {", "if ans.status >= 300 {"},
		{"an answer that broke off has no token", file, "if ans.broken != \"\" {", "if false {"},
		{"a token must be a valid header value", file, " || !isHeaderValue(out.Token) {", " {"},
		{"a token has a bound", file, "return s != \"\" && len(s) <= maxToken", "return s != \"\""},
		{"an empty token is no token", file, "return s != \"\" && len(s) <= maxToken", "return len(s) <= maxToken"},
		{"only a 204 is a change", file, "if ans.status != http.StatusNoContent {", "if ans.status >= 300 {"},
		{"the old secret ends at once, unless there is a grace period", file, "\"immediate\":        !grace,", "\"immediate\":        grace,"},
	}
}

func mutantsOfClasses() []mutant {
	const file = "internal/finicityapi/errors.go"
	return []mutant{
		{"a 404 without a code is no verdict on the credential", file, "(e.Status == http.StatusUnauthorized ||\n", "(e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound ||\n"},
		{"a 429 names the app key", file, "\t\treturn \"a rate limit, or the app key is invalid\"\n", "\t\treturn \"\"\n"},
		{"a 5xx leaves a change open, a 502 and a 504 included", file, "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:\n", "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusBadGateway, http.StatusGatewayTimeout:\n"},
	}
}
