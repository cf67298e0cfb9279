// SPDX-License-Identifier: MPL-2.0

// Package mutants removes the safeguards of the plugin, one at a time and on a copy,
// and checks that a test fails. `make mutants` runs it.
//
// If no test fails without a safeguard, the safeguard is either not tested, or not needed
// and must be deleted. Each file has the safeguards of a package, or of a part of it.
package mutants

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
	mutants    = flag.Bool("mutants", false, "remove each safeguard and run the tests, which takes one to two hours")
	onlyMutant = flag.String("mutant", "", "remove only the safeguards whose file or name matches this regular expression")
)

// mutant is a safeguard: its name, its file, its code, and the code without it. The
// name says what the plugin does with the safeguard.
type mutant struct{ name, file, old, new string }

func (m mutant) chosen() bool {
	return regexp.MustCompile(*onlyMutant).MatchString(m.file + ": " + m.name)
}

func (m mutant) String() string {
	return strings.TrimPrefix(m.file, "internal/") + ": " + m.name
}

// A row that no longer matches the code removes nothing.
func TestEachMutantFitsTheCode(t *testing.T) {
	t.Parallel()
	texts, names := map[string]string{}, map[string]bool{}
	for _, m := range slices.Concat(mutantsOfRules(), mutantsOfTheRest()) {
		if texts[m.file] == "" {
			text, err := os.ReadFile(filepath.Join("../..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[m.file] = string(text)
		}
		if n := strings.Count(texts[m.file], m.old); n != 1 {
			t.Errorf("%s: the file contains %q %d times, want once", m, m.old, n)
		}
		if names[m.String()] {
			t.Errorf("two safeguards have the name %q", m)
		}
		names[m.String()] = true
	}
}

// overlay writes the copy without the safeguard, and returns the overlay file that makes
// the go command use it.
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

// found returns what fails: the violated guarantees, or the failing tests.
func found(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...)
	if err == nil {
		return ""
	}
	// The compiler's error says nothing about the tests.
	if strings.Contains(out, " [build failed]") {
		t.Fatalf("the code does not compile without this safeguard:\n%s", out)
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

// docs/testing.md lists the safeguards, with the tests that need them.
func TestTheDocumentListsEverySafeguard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.go: .*?) \| `).FindAllStringSubmatch(string(text), -1) {
		listed[row[1]]++
	}
	for _, m := range slices.Concat(mutantsOfRules(), mutantsOfTheRest()) {
		if listed[m.String()] != 1 {
			t.Errorf("docs/testing.md lists %q %d times, want once", m, listed[m.String()])
		}
		delete(listed, m.String())
	}
	for name := range listed {
		t.Errorf("docs/testing.md lists %q, which is not a safeguard in test/mutants", name)
	}
}
