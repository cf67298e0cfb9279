// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of internal/finicityapi.
func mutantsOfClient() []mutant {
	return append(append(mutantsOfConnection(), mutantsOfClasses()...), mutantsOfRedaction()...)
}

func mutantsOfConnection() []mutant {
	const file = "internal/finicityapi/client.go"
	return []mutant{
		{"TLS is 1.2 at least", file, "&tls.Config{MinVersion: tls.VersionTLS12}", "&tls.Config{MinVersion: tls.VersionTLS10}"},
		{"a redirect is not followed, and not quoted", file, "\t\tresp.Header.Del(\"Location\")\n", ""},
		{"each call has a connection of its own", file, "DisableKeepAlives:      true,", "DisableKeepAlives:      false,"},
		{"the body of an answer is bounded", file, "io.ReadAll(io.LimitReader(resp.Body, maxAnswer))", "io.ReadAll(resp.Body)"},
		{"only a 200 has a token", file, "if ans.status != http.StatusOK {", "if ans.status >= 300 {"},
		{"an answer that broke off has none", file, "if ans.broken != \"\" {", "if false {"},
		{"what is no header's value is no token", file, " || !isHeaderValue(out.Token) {", " {"},
		{"a token has a bound", file, "return s != \"\" && len(s) <= maxToken", "return s != \"\""},
		{"an empty token is none", file, "return s != \"\" && len(s) <= maxToken", "return len(s) <= maxToken"},
		{"only a 204 is a change", file, "if ans.status != http.StatusNoContent {", "if ans.status >= 300 {"},
		{"the old secret ends at once, unless there is a grace period", file, "\"immediate\":        !grace,", "\"immediate\":        grace,"},
		{"a call has a time limit", file, "context.WithTimeoutCause(ctx, c.timeout, fmt", "context.WithTimeoutCause(ctx, time.Hour, fmt"},
		{"what was sent is known as such", file, "GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },", "GotConn: func(httptrace.GotConnInfo) { connected.Store(false) },"},
		{"net/http sends nothing twice", file, "\treq.GetBody = nil // Without", "\t// Without"},
		{"a call that has ended does not go on connecting", file, "\t\tc.http.CloseIdleConnections()\n", ""},
		{"an error does not quote an answer", file, "ans.broken = \"the answer broke off\" //", "ans.broken = \"the answer broke off\" + err.Error() + string(ans.body) //"},
		{"an answer that cannot be read is quoted without secrets", file, "Message: secrets().show(err.Error(), notShown)}", "Message: err.Error()}"},
		{"a proxy's password is not quoted", file, "\t\treturn nil, errors.New(\"the proxy address in the environment (HTTPS_PROXY, HTTP_PROXY) cannot be used\")\n", "\t\treturn nil, err\n"},
		{"an echo of the old secret is hidden", file, "newRedactor(cred.PartnerSecret.Reveal(), newSecret", "newRedactor(newSecret"},
		{"an echo of the new secret is hidden", file, "newSecret.Reveal(), cred.AppKey.Reveal())\n", "cred.AppKey.Reveal())\n"},
		{"an echo of the app key is hidden", file, "newSecret.Reveal(), cred.AppKey.Reveal())\n", "newSecret.Reveal())\n"},
	}
}

func mutantsOfClasses() []mutant {
	const file, answer = "internal/finicityapi/errors.go", "internal/finicityapi/answer.go"
	return []mutant{
		{"no answer leaves a change open", file, "return e.Class == Unavailable && !e.NotSent }", "return false }"},
		{"a change that was not sent is not open", file, "return e.Class == Unavailable && !e.NotSent }", "return e.Class == Unavailable }"},
		{"a verdict on the app key is none on the secret", file, "e.Status == http.StatusUnauthorized && !e.appKeyRefused(), sure", "e.Status == http.StatusUnauthorized, sure"},
		{"a 403 is none on the secret", file, "e.Class == Rejected && e.Status == http.StatusUnauthorized && !e.appKeyRefused(), sure", "e.Class == Rejected && !e.appKeyRefused(), sure"},
		{"an app key is refused without a code too", file, "return e.Code == codeAppKey || e.appKey }", "return e.Code == codeAppKey }"},
		{"a lock is Finicity's", file, "return e.Class == Locked || verdict", "return verdict"},
		{"a code that is not Finicity's is a gateway's", file, "|| verdict(e.Code) != Unavailable }", "|| e.Code != \"\" }"},
		{"a 404 is a verdict on the credential", file, " || e.Status == http.StatusNotFound ||", " ||"},
		{"a bad request is not", file, "return e.Class == Rejected && (e.Status == http.StatusUnauthorized", "return e.Class == Rejected && (true || e.Status == http.StatusUnauthorized"},
		{"24302 locks", file, "\tcase codeAccountLocked:\n\t\treturn Locked\n", ""},
		{"a code counts whatever the status is", file, "class := verdict(code); class != Unavailable {", "class := verdict(code); class == Locked {"},
		{"a lock without a code is one", file, "\tif saysLocked(status, code, message) {\n\t\treturn Locked\n\t}\n", ""},
		{"a rate limit is no refusal", file, "case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:", "case status == http.StatusRequestTimeout:"},
		{"a 408 is no refusal", file, "case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:", "case status == http.StatusTooManyRequests:"},
		{"a 4xx that nobody has described is one", file, "case status >= 400 && status < 500:", "case status >= 400 && status < 405:"},
		{"a 5xx is none", file, "case status >= 400 && status < 500:", "case status >= 400:"},
		{"a lock refuses a change", file, "if code == codeAccountLocked {", "if false {"},
		{"a 5xx leaves a change open, a 502 and a 504 included", file, "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:\n", "\tcase http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusBadGateway, http.StatusGatewayTimeout:\n"},
		{"a 4xx that nobody has described leaves a change open", file, "\tdefault:\n\t\treturn Unavailable\n\t}\n\tswitch {\n\tcase saysLocked", "\tdefault:\n\t\tif status >= 500 {\n\t\t\treturn Unavailable\n\t\t}\n\t}\n\tswitch {\n\tcase saysLocked"},
		{"24437 is a refusal by policy", file, "case status == http.StatusBadRequest && code == codeSecretPolicy:", "case false:"},
		{"with another status it is not", file, "case status == http.StatusBadRequest && code == codeSecretPolicy:", "case code == codeSecretPolicy:"},
		{"a page that speaks of a lock locks only with both words", file, `\blocked\b.{0,40}\baccount\b`, `locked\b`},
		{"a lock is told by text only without a code", file, "return status >= 400 && code == \"\" && locked", "return status >= 400 && locked"},

		{"a 2xx is no verdict", answer, "\tcase a.status < 300, a.status == http.StatusNotModified:\n", "\tcase false:\n"},
		{"a class comes from the text before it is cut", answer, "classify(a.status, code, said), // Before", "classify(a.status, code, a.secrets().show(said, notShown)), // Before"},
		{"a code is shown without secrets", answer, "a.secrets().show(code, redacted),", "code,"},
		{"a message is shown without secrets", answer, "a.secrets().show(said, notShown),", "readable(said),"},
		{"a Retry-After is bounded", answer, "return min(max(wait, 0), MaxRetryAfter)", "return max(wait, 0)"},
		{"a Retry-After that is over is none", answer, "return min(max(wait, 0), MaxRetryAfter)", "return min(wait, MaxRetryAfter)"},
		{"Finicity's code counts more than a gateway's", answer, "if verdict(m[1]) > verdict(code) {", "if false {"},
		{"a message is short", answer, "if len(runes) > maxMessage {", "if false {"},
		{"a message is one printable line", answer, "return unicode.IsSpace(r) || !unicode.IsPrint(r) })", "return false && unicode.IsPrint(r) })"},
	}
}

func mutantsOfRedaction() []mutant {
	const file = "internal/finicityapi/redact.go"
	return []mutant{
		{"eight characters of a secret are hidden", file, "const window = 8", "const window = 9"},
		{"a secret that is taken apart is not shown", file, "slices.ContainsFunc(strings.Split(line, redacted), r.repeatedIn) {", "false {"},
		{"so is one in JSON", file, "\t\t\tstrings.Trim(string(inJSON), `\"`),\n", "\t\t\tstrings.Trim(string(inJSON), `\"`)[:0],\n"},
		{"so is one in hex", file, "\t\t\thex.EncodeToString([]byte(secret)),\n", ""},
		{"so is one in base64 wherever it begins", file, "for shift := range 3 {", "for shift := range 1 {"},
		{"so is one in an address", file, "\t\t\tinQuery,\n", ""},
		{"so is a short one", file, "\t\t\t\tr.whole = append(r.whole, form)\n", ""},
		{"capitals hide nothing", file, "\tfolded := lower(text)\n", "\tfolded := text\n"},
		{"escapes hide nothing", file, "\t\treturn character\n\t})\n\tfolded", "\t\t_ = character\n\t\treturn escape\n\t})\n\tfolded"},
		{"a token beside its name is hidden", file, "\t\thide(token.from, token.to-token.from)\n", "\t\t_ = token\n"},
		{"tags hide nothing", file, "[]string{line, tags.ReplaceAllString(line, \"\")}", "[]string{line}"},
		{"layers hide nothing", file, "for range 4 {", "for range 1 {"},
	}
}
