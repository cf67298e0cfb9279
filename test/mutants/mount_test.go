// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the paths: the status of each answer, the fields, and what a
// response shows.
func mutantsOfMount() []mutant {
	return append(mutantsOfResponses(), mutantsOfPaths()...)
}

func mutantsOfResponses() []mutant {
	const file = "responses.go"
	return []mutant{
		{"a mistake of the caller is a 400", file, "\tcase errors.As(err, &user):\n", "\tcase errors.As(err, &user) && false:\n"},
		{"without a configuration the answer says what to type", file, "\tcase errors.Is(err, engine.ErrNotConfigured):\n", "\tcase false:\n"},
		{"a damaged entry says how to discard it", file, "\tcase errors.Is(err, engine.ErrUndecodable):\n", "\tcase false:\n"},
		{"an entry of a newer version says what to install", file, "\tcase errors.As(err, &newer):\n", "\tcase errors.As(err, &newer) && false:\n"},
		{"what is not sent is a 400", file, "\tcase errors.As(err, &denied):\n", "\tcase errors.As(err, &denied) && false:\n"},
		{"a refusal is a 400", file, "\tcase errors.As(err, &refusal):\n", "\tcase errors.As(err, &refusal) && false:\n"},
		{"an unknown outcome is a 400", file, "\tcase errors.As(err, &unknown):\n", "\tcase errors.As(err, &unknown) && false:\n"},
		{"a command without an answer is a 400", file, "\tcase errors.As(err, &silent):\n", "\tcase errors.As(err, &silent) && false:\n"},
		{"the limit of unconfirmed changes is a 400", file, "\tcase errors.As(err, &full):\n", "\tcase errors.As(err, &full) && false:\n"},
		{"a refusal by policy is a 400", file, "\tcase errors.As(err, &failure) && failure.Class == finicityapi.RefusedByPolicy:\n", "\tcase false:\n"},
		{"a change that may be on its way is a 503", file, "\tcase errors.As(err, &pending):\n", "\tcase errors.As(err, &pending) && false:\n"},
		{"a read that was held back is a 503", file, "\tcase errors.As(err, &held):\n", "\tcase errors.As(err, &held) && false:\n"},
		{"an outage is a 502", file, "\tcase errors.As(err, &failure):\n", "\tcase errors.As(err, &failure) && false:\n"},
		{"a deletion of the only copy is a 400", file, "\tcase errors.As(err, &only):\n", "\tcase errors.As(err, &only) && false:\n"},
		{"a caller who has gone gets a 503", file, "\tcase errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):\n", "\tcase false:\n"},
		{"so does a caller whose time is up", file, "errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):", "errors.Is(err, context.Canceled):"},
		{"a change meanwhile is a 503", file, "errors.Is(err, engine.ErrChanging), errors.Is(err, engine.ErrTooSlow):", "errors.Is(err, engine.ErrTooSlow):"},
		{"a token that came too late is a 503", file, "errors.Is(err, engine.ErrChanging), errors.Is(err, engine.ErrTooSlow):", "errors.Is(err, engine.ErrChanging):"},
		{"a lock names Finicity's support", file, "\tcase s.State == attempts.Locked:\n", "\tcase false:\n"},
		{"at the limit the command is the one with force", file, "func verifyCommand(mount string, s engine.Standing) string {\n\tif s.Left == 0 {", "func verifyCommand(mount string, s engine.Standing) string {\n\tif false {"},
	}
}

func mutantsOfPaths() []mutant {
	const fields, backend, config, token, webhook = "fields.go", "backend.go", "path_config.go", "path_token.go", "path_webhook.go"
	return []mutant{
		{"an unknown field is an error", fields, "\t\tif !known {\n", "\t\tif !known && false {\n"},
		{"a null is an error", fields, "\t\tif value == nil {\n\t\t\treturn fmt", "\t\tif false {\n\t\t\treturn fmt"},
		{"a value of another type is not quoted", fields, "err != nil || !isTyped(schema.Type, value) {", "false && err == nil {"},
		{"a secret is a text", fields, "!isText && (name == \"partner_secret\" || name == \"app_key\") {", "!isText && (name == \"app_key\") {"},
		{"an app key is a text", fields, "!isText && (name == \"partner_secret\" || name == \"app_key\") {", "!isText && (name == \"partner_secret\") {"},
		{"a name that may be a value is not repeated", fields, "if fieldName.MatchString(name) {", "if true || fieldName.MatchString(name) {"},

		{"fields are checked before the framework does it", backend, "\tif err := b.checkFields(req); err != nil {\n\t\treturn logical.ErrorResponse(err.Error()), nil\n\t}\n", ""},
		{"Vault's log has no value of a field", backend, "if usable := b.checkFields(req) == nil; !usable {", "if false {"},
		{"the entry is seal-wrapped", backend, "\t\tPathsSpecial:   &logical.Paths{SealWrapStorage: engine.SealWrapped()},\n", ""},
		{"another node's write is heard of", backend, "\tb.Invalidate = func(_ context.Context, key string) { b.engine.Invalidate(key) }\n", ""},
		{"the schedule runs", backend, "return b.engine.Periodic(ctx, req.Storage)", "return nil"},

		{"a write has no force", config, "if _, given := d.GetOk(\"force\"); given {", "if false {"},
		{"a credential is tried unless somebody says no", config, "Verify: verify || !given,", "Verify: verify,"},
		{"an untried credential has a warning", config, "if written.Untried {", "if false {"},
		{"a refused credential has a warning", config, "if !written.KnownBad.IsZero() {", "if false {"},

		{"a lease can be revoked", token, "\t\tRevoke: func(context.Context", "\t\tRenew: func(context.Context"},
		{"a lease has a duration", token, "ttl := max(time.Second, b.engine.Remaining(t))", "ttl := b.engine.Remaining(t)"},
		{"a lease is as long as the mount allows", token, "limit > 0 && ttl > limit {", "limit > 0 && ttl > limit && false {"},
		{"the lease ends with the token", token, "\tresp.Secret.TTL = ttl\n", ""},
		{"a refresh that failed has a warning", token, "if failure != nil {", "if false {"},

		{"a webhook has a bound before it is decoded", webhook, "if base64.StdEncoding.DecodedLen(len(input)) > maxWebhook+2 {", "if false {"},
		{"a webhook has a bound", webhook, "if len(body) > maxWebhook {", "if false {"},
		{"the previous secret signs too", webhook, "\"valid\": byCurrent || byPrevious}", "\"valid\": byCurrent}"},
		{"a signature is that of the body", webhook, "\t\t_, _ = mac.Write(body) //", "\t\t//"},
	}
}
