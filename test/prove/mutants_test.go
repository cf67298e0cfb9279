// SPDX-License-Identifier: MPL-2.0

package prove

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	mutants    = flag.Bool("mutants", false, "take each safeguard away: minutes")
	onlyMutant = flag.String("mutant", "", "only those whose name matches this expression")
)

// mutant is a safeguard, and the rules without it.
type mutant struct{ name, file, old, new string }

func allMutants() []mutant { return append(mutantsOfSecrets(), mutantsOfAttempts()...) }

// A row of the table that does not fit the rules any more tests nothing.
func TestEachMutantFitsTheRules(t *testing.T) {
	texts, names := map[string]string{}, map[string]bool{}
	for _, m := range allMutants() {
		if texts[m.file] == "" {
			text, err := os.ReadFile(filepath.Join("../..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[m.file] = string(text)
		}
		if n := strings.Count(texts[m.file], m.old); n != 1 {
			t.Errorf("%s: %q is in %s %d times, and must be there once", m.name, m.old, m.file, n)
		}
		if key := m.file + m.name; names[key] {
			t.Errorf("two mutants of %s are named %q", m.file, m.name)
		} else {
			names[key] = true
		}
	}
}

// TestEachSafeguardIsNeeded takes each safeguard away, on a copy, and asks whether
// the walks and the unit tests of the rules find out. It prints a table for
// docs/testing.md. The walk takes states for the same only if they are, and must
// find the same broken promises as the one that merges them.
func TestEachSafeguardIsNeeded(t *testing.T) {
	if !*mutants {
		t.Skip("run by make mutants")
	}
	var rows []string
	for _, m := range allMutants() {
		if !regexp.MustCompile(*onlyMutant).MatchString(m.name) {
			continue
		}
		row := m.run(t)
		t.Log(row)
		rows = append(rows, row)
	}
	t.Logf("%d safeguards\n\n| safeguard | walks | unit tests |\n|---|---|---|\n%s", len(rows), strings.Join(rows, "\n"))
}

func (m mutant) run(t *testing.T) (row string) {
	t.Helper()
	dir := t.TempDir()
	overlay := m.overlay(t, dir)
	walk := filepath.Join(dir, "walk.test")
	if out, err := command(t, "go", "test", "-overlay", overlay, "-c", "-o", walk, "./test/prove"); err != nil {
		t.Errorf("%s: the mutant does not compile: %s", m.name, out)
		return m.row("-", "-")
	}
	byWalk := found(t, walk, "-test.run", "^TestAnInterruption")
	for d := 3; byWalk == "" && d <= 4; d++ {
		byWalk = found(t, walk, "-test.run", "^TestNoSequence", "-depth", fmt.Sprint(d))
	}
	if exactly := found(t, walk, "-test.run", "^TestNoSequence", "-exact"); exactly != found(t, walk, "-test.run", "^TestNoSequence") {
		t.Errorf("%s: states that differ are merged. Told apart: %s", m.name, exactly)
	}
	byUnit := found(t, "go", "test", "-overlay", overlay, "./internal/secrets", "./internal/attempts")
	if byWalk == "" && byUnit == "" {
		t.Errorf("%s: nothing finds out that it is gone from %s", m.name, m.file)
	}
	return m.row(byWalk, byUnit)
}

func (m mutant) row(byWalk, byUnit string) string {
	cell := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return fmt.Sprintf("| %s: %s | %s | %s |", strings.TrimPrefix(m.file, "internal/"), m.name, cell(byWalk), cell(byUnit))
}

// overlay makes the go command take the copy without the safeguard.
func (m mutant) overlay(t *testing.T, dir string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replacement, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(replacement, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

func command(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOFLAGS=-vet=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	promise = regexp.MustCompile(`(?m)after (\d+) events?: (.*)$`)
	panics  = regexp.MustCompile(`(?m)^panic: `)
)

// found returns what a test finds: the promises, or the tests that fail.
func found(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...)
	if err == nil {
		return ""
	}
	var all []string
	for _, match := range promise.FindAllStringSubmatch(out, -1) {
		all = append(all, fmt.Sprintf("%s (%s events)", match[2], match[1]))
	}
	if len(all) == 0 {
		for _, match := range failure.FindAllStringSubmatch(out, -1) {
			if !strings.Contains(match[1], "/") || strings.HasPrefix(match[1], "TestTheStories/") {
				all = append(all, strings.Replace(match[1], "TestTheStories/", "story ", 1))
			}
		}
		all = slices.DeleteFunc(all, func(s string) bool { return s == "TestTheStories" })
	}
	if panics.MatchString(out) {
		all = append(all, "panic")
	}
	if len(all) == 0 {
		return "fails: " + strings.SplitN(out, "\n", 2)[0]
	}
	return strings.Join(slices.Compact(all), "; ")
}
