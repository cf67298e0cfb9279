// SPDX-License-Identifier: MPL-2.0

package mutants

// The safeguards of the answers: Vault's clients repeat what ends with a 5xx.
func mutantsOfResponses() []mutant {
	const file = "responses.go"
	return []mutant{
		{"clients do not repeat a request whose outcome was not stored", file, "case errors.As(err, &unstored): // F", "case errors.As(err, &unstored) && false: // F"},
		{"clients repeat a request that was overtaken", file, "case errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "case false:"},
		{"but no rotation that was", file, "errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):", "errors.Is(err, engine.ErrOvertaken):"},
	}
}
