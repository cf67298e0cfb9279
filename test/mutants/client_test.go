// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/finicityapi.
func mutantsOfClient() []mutant {
	return append(mutantsOfConnection(), mutantsOfClasses()...)
}

func mutantsOfConnection() []mutant {
	const file = "internal/finicityapi/client.go"
	return []mutant{
		{"a connection uses at least TLS 1.2", file, "&tls.Config{MinVersion: tls.VersionTLS12}", "&tls.Config{MinVersion: tls.VersionTLS10}"},
		{"each call uses its own connection", file, "DisableKeepAlives:      true,", "DisableKeepAlives:      false,"},
		{"only a 200 brings a token", file, "if ans.status != http.StatusOK {", "if ans.status >= 300 {"},
		{"an incomplete answer brings no token", file, "if ans.broken != \"\" {", "if false {"},
		{"a token must be a valid header value", file, " || !isHeaderValue(out.Token) {", " {"},
		{"the length of a token is limited", file, "return s != \"\" && len(s) <= maxToken", "return s != \"\""},
		{"an empty token is refused", file, "return s != \"\" && len(s) <= maxToken", "return len(s) <= maxToken"},
		{"only a 204 acknowledges a change", file, "if ans.status != http.StatusNoContent {", "if ans.status >= 300 {"},
		{"the old secret ends at once, unless there is a grace period", file, "\"immediate\":        !grace,", "\"immediate\":        grace,"},
	}
}

func mutantsOfClasses() []mutant {
	const file = "internal/finicityapi/errors.go"
	return []mutant{
		{"a 404 without a code is not a verdict on the credential", file, "(e.Status == http.StatusUnauthorized ||\n", "(e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound ||\n"},
		{"the error of a 429 mentions the app key", file, "\t\treturn \"a rate limit, or the app key is invalid\"\n", "\t\treturn \"\"\n"},
		{"after a 502 or a 504, a change might have been carried out", file, "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:\n", "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusBadGateway, http.StatusGatewayTimeout:\n"},
	}
}
