// SPDX-License-Identifier: MPL-2.0

package mutants

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func mutantsOfRules() []mutant { return append(mutantsOfSecrets(), mutantsOfAttempts()...) }

// TestEachSafeguardOfTheRulesIsNeeded checks whether the walks and the unit tests of
// internal/secrets and internal/attempts fail without each safeguard. It prints a table
// for docs/testing.md. It uses the walk that merges only identical states, which must
// find the same violations as the walk that merges more.
func TestEachSafeguardOfTheRulesIsNeeded(t *testing.T) {
	if !*mutants {
		t.Skip("run it with make mutants")
	}
	var rows []string
	for _, m := range mutantsOfRules() {
		if !m.chosen() {
			continue
		}
		row := m.walk(t)
		t.Log(row)
		rows = append(rows, row)
	}
	t.Logf("%d safeguards\n\n| safeguard | walks | unit tests |\n|---|---|---|\n%s", len(rows), strings.Join(rows, "\n"))
}

func (m mutant) walk(t *testing.T) (row string) {
	t.Helper()
	dir := t.TempDir()
	overlay := m.overlay(t, dir)
	walk := filepath.Join(dir, "walk.test")
	if out, err := command(t, "go", "test", "-overlay", overlay, "-c", "-o", walk, "./test/prove"); err != nil {
		t.Errorf("%s: the code without this safeguard does not compile: %s", m, out)
		return m.walked("-", "-")
	}
	byWalk := found(t, walk, "-test.run", "^TestAnInterruption")
	for d := 3; byWalk == "" && d <= 4; d++ {
		byWalk = found(t, walk, "-test.run", "^TestNoSequence", "-depth", fmt.Sprint(d))
	}
	if exactly := found(t, walk, "-test.run", "^TestNoSequence", "-exact"); exactly != found(t, walk, "-test.run", "^TestNoSequence") {
		t.Errorf("%s: the walk merges states that differ. Without merging, it finds: %s", m, exactly)
	}
	byUnit := found(t, "go", "test", "-overlay", overlay, "./internal/secrets", "./internal/attempts")
	if byWalk == "" && byUnit == "" {
		t.Errorf("%s: no test fails without this safeguard", m)
	}
	return m.walked(byWalk, byUnit)
}

func (m mutant) walked(byWalk, byUnit string) string {
	cell := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return fmt.Sprintf("| %s | %s | %s |", m, cell(byWalk), cell(byUnit))
}
