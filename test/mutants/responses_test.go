// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the answers: Vault's clients repeat a request that ends with a 5xx.
func mutantsOfResponses() []mutant {
	const file, view = "responses.go", "vault_view.go"
	return []mutant{
		{"clients do not repeat a request whose outcome was not stored", file, "case errors.As(err, &unstored): // N", "case errors.As(err, &unstored) && false: // N"},
		{"clients repeat a request that was overtaken", file, "case errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "case false:"},
		{"but no rotation that was", file, "errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "errors.Is(err, engine.ErrOvertaken):"},
		{"a rotation that is refused at its proof names a command", file, "case errors.As(err, &refusal):", "case errors.As(err, &refusal) && !errors.As(err, &unknown):"},
		{"no write is named that would be refused", file, "if s.Reserved {\n\t\tstore", "if false {\n\t\tstore"},
		{"nor is one after a write", file, "case s.Left == 0, s.Reserved:", "case s.Left == 0:"},
		{"nor is one of another address", file, "m.Standing.Left == 0 || m.Standing.Reserved {", "m.Standing.Left == 0 {"},
		{"the last attempt is kept only when it is the last", "internal/engine/errors.go", "Reserved: left == 1 && ", "Reserved: "},
		{"it is kept from the same partner only", "internal/engine/errors.go", "left == 1 && st.PartnerID == to.PartnerID && ", "left == 1 && "},

		{"Vault is not asked on each read", view, "v != nil && time.Since(v.asked) < viewLasts {", "v != nil && false {"},
		{"a lower lease limit is noticed", view, "viewLasts = 5 * time.Second", "viewLasts = 50 * time.Second"},
		{"a standby hands reads on", view, "state.HasState(consts.ReplicationPerformanceStandby) ||", "false ||"},
		{"so does a secondary", view, "state.HasState(consts.ReplicationPerformanceSecondary) && !system.LocalMount()", "false"},
		{"unless the mount is its own", view, " && !system.LocalMount()", ""},
		{"that another node acts is not remembered", view, "\tif v.otherNodeActs {\n\t\treturn v\n\t}\n", ""},
		{"nor that Vault did not answer", view, "v.maxLease > 0 {", "true {"},
		{"a higher limit is noticed before an error", "path_token.go", "if minTTL > view.maxLease && view.maxLease > 0 {", "if false {"},
		{"a static token is read on the node in charge", "path_token.go", "if b.view().otherNodeActs {", "if false {"},
		{"a static token is not asked for all the time", "path_token.go", "max(leastStaticTTL, b.engine.UntilRefresh(t))", "b.engine.UntilRefresh(t)"},
	}
}
