// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the answers: Vault's clients repeat what ends with a 5xx.
func mutantsOfResponses() []mutant {
	const file = "responses.go"
	return []mutant{
		{"clients do not repeat a request whose outcome was not stored", file, "case errors.As(err, &unstored): // F", "case errors.As(err, &unstored) && false: // F"},
		{"clients repeat a request that was overtaken", file, "case errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "case false:"},
		{"but no rotation that was", file, "errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "errors.Is(err, engine.ErrOvertaken):"},
		{"a rotation that is refused at its proof names a command", file, "case errors.As(err, &refusal):", "case errors.As(err, &refusal) && !errors.As(err, &unknown):"},
		{"no write is named that would be refused", file, "if s.Reserved {\n\t\tstore", "if false {\n\t\tstore"},
		{"nor is one after a write", file, "case s.Left == 0, s.Reserved:", "case s.Left == 0:"},
		{"nor is one of another address", file, "m.Standing.Left == 0 || m.Standing.Reserved {", "m.Standing.Left == 0 {"},
		{"the last attempt is kept only when it is the last", "internal/engine/errors.go", "Reserved: left == 1 && ", "Reserved: "},
		{"it is kept from the same partner only", "internal/engine/errors.go", "left == 1 && st.PartnerID == to.PartnerID && ", "left == 1 && "},
	}
}
