// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the responses: Vault's clients retry a request that ends with a 5xx.
func mutantsOfResponses() []mutant {
	const file, view = "responses.go", "vault_view.go"
	return []mutant{
		{"clients do not retry a request whose outcome was not stored", file, "case errors.As(err, &unstored): // N", "case errors.As(err, &unstored) && false: // N"},
		{"clients retry a request that another node has overtaken", file, "case errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "case false:"},
		{"clients do not retry a rotation that another node has overtaken", file, "errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "errors.Is(err, engine.ErrOvertaken):"},
		{"if a refusal leaves the outcome of a rotation unknown, the error says what to type", file, "case errors.As(err, &refusal):", "case errors.As(err, &refusal) && !errors.As(err, &unknown):"},
		{"an error does not suggest a write that would be refused", file, "if s.Reserved {\n\t\tstore", "if false {\n\t\tstore"},
		{"the error of a write does not suggest a write that would be refused", file, "case s.Left == 0, s.Reserved:", "case s.Left == 0:"},
		{"an error does not suggest a move that would be refused", file, "m.Standing.Left == 0 || m.Standing.Reserved {", "m.Standing.Left == 0 {"},
		{"errors say that an attempt is reserved only when one is left", "internal/engine/errors.go", "Reserved: left == 1 && ", "Reserved: "},
		{"errors say that an attempt is reserved only for the stored partner", "internal/engine/errors.go", "left == 1 && st.PartnerID == to.PartnerID && ", "left == 1 && "},

		{"Vault is not asked on each read", view, "v != nil && time.Since(v.asked) < viewLasts {", "v != nil && false {"},
		{"a lower lease limit takes effect within seconds", view, "viewLasts = 5 * time.Second", "viewLasts = 50 * time.Second"},
		{"a performance standby forwards reads", view, "state.HasState(consts.ReplicationPerformanceStandby) ||", "false ||"},
		{"a performance secondary forwards reads", view, "state.HasState(consts.ReplicationPerformanceSecondary) && !system.LocalMount()", "false"},
		{"a performance secondary does not forward reads of a local mount", view, " && !system.LocalMount()", ""},
		{"the engine does not remember that another node is active", view, "\tif v.otherNodeActs {\n\t\treturn v\n\t}\n", ""},
		{"the engine does not remember that Vault did not answer", view, "v.maxLease > 0 {", "true {"},
		{"a node that has just learned that another node is active forwards the read", "path_token.go", "		if view.otherNodeActs {\n\t\t\treturn nil, logical.ErrReadOnly\n\t\t}\n\t}\n\tif limit", "\t}\n\tif limit"},
		{"a min_ttl over both limits is refused because of the token lifetime, not because of the mount", "path_token.go", "b.engine.CheckMinTTL(ctx, req.Storage, minTTL); err != nil {", "b.engine.CheckMinTTL(ctx, req.Storage, minTTL); err != nil && false {"},
		{"a min_ttl that the mount does not allow costs no authentication", "path_token.go", "if limit := view.maxLease; minTTL > limit && limit > 0 {", "if limit := view.maxLease; limit < 0 {"},
		{"a raised lease limit is noticed before a read is refused", "path_token.go", "if minTTL > view.maxLease && view.maxLease > 0 {", "if false {"},
		{"a read of static-token is forwarded to the active node", "path_token.go", "if b.view().otherNodeActs {", "if false {"},
		{"the ttl of static-token is at least 5 seconds", "path_token.go", "max(leastStaticTTL, b.engine.UntilRefresh(t))", "b.engine.UntilRefresh(t)"},
	}
}
