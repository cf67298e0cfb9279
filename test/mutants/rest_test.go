// SPDX-License-Identifier: MPL-2.0

package mutants

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

func mutantsOfTheRest() []mutant {
	return slices.Concat(mutantsOfCalls(), mutantsOfWrites(), mutantsOfRotation(), mutantsOfReads(), mutantsOfStorage(),
		mutantsOfState(), mutantsOfMigration(), mutantsOfChecks(), mutantsOfSchedule(), mutantsOfTokens(), mutantsOfClient(),
		mutantsOfMount())
}

// TestEachSafeguardOfTheRestIsNeeded asks whether the tests of `make unit` find out:
// those of the package first, then those of a whole mount, the public surface and
// the simulation. It stops at the first that does. It prints a table for
// docs/testing.md.
func TestEachSafeguardOfTheRestIsNeeded(t *testing.T) {
	if !*mutants {
		t.Skip("run by make mutants")
	}
	var rows []string
	for _, m := range mutantsOfTheRest() {
		if !m.chosen() {
			continue
		}
		row := m.missed(t)
		t.Log(row)
		rows = append(rows, row)
	}
	t.Logf("%d safeguards\n\n| safeguard | tests | found by |\n|---|---|---|\n%s", len(rows), strings.Join(rows, "\n"))
}

func (m mutant) missed(t *testing.T) (row string) {
	t.Helper()
	overlay := m.overlay(t, t.TempDir())
	own := "."
	if dir := path.Dir(m.file); dir != "." {
		own = "./" + dir
	}
	tests := []string{own, "./test/mount", ".", "./test/simulation"}
	for i, name := range tests {
		if slices.Contains(tests[:i], name) {
			continue
		}
		args := []string{"test", "-overlay", overlay, "-failfast", "-timeout", "5m", name}
		if name == "./test/simulation" {
			args = append(args, "-rapid.nofailfile")
		}
		by := found(t, "go", args...)
		if strings.HasPrefix(by, "fails: ") {
			t.Errorf("%s: the mutant does not compile: %s", m, by)
		}
		if by != "" {
			return fmt.Sprintf("| %s | %s | %s |", m, strings.TrimPrefix(name, "./"), by)
		}
	}
	t.Errorf("%s: nothing finds out that it is gone", m)
	return fmt.Sprintf("| %s | - | - |", m)
}
