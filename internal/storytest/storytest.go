// SPDX-License-Identifier: MPL-2.0

// Package storytest runs a story and checks it. A story is a text of steps. Each step
// is a command, four dashes, and the state after the command:
//
//	# The change is carried out, and its answer is lost.
//	propose b
//	----
//	a  brought, proven
//	b  sent
//
// Lines that begin with # and empty lines are comments for the reader.
package storytest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
)

var update = flag.Bool("update-stories", false, "write what happens into the stories") //nolint:gochecknoglobals // A flag.

// T is the part of *testing.T that a story needs.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Files returns the paths of a package's stories, by name.
func Files(t T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories in testdata: %v", err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[strings.TrimSuffix(filepath.Base(path), ".txt")] = path
	}
	return files
}

// Check runs a story. do executes a command and returns the state after it.
func Check(t T, path string, do func(command []string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	played := play(string(text), do)
	if *update {
		if err := os.WriteFile(path, []byte(played), 0o600); err != nil {
			t.Fatalf("%v", err)
		}
		return
	}
	expected, happened := strings.Split(string(text), "\n"), strings.Split(played, "\n")
	for i := range max(len(expected), len(happened)) {
		says, happens := expected[min(i, len(expected)):], happened[min(i, len(happened)):]
		if len(says) == 0 || len(happens) == 0 || says[0] != happens[0] {
			t.Fatalf("%s:%d: the story says\n\t%s\nand this happens:\n\t%s", path, i+1,
				strings.Join(says[:min(1, len(says))], ""), strings.Join(happens[:min(8, len(happens))], "\n\t"))
		}
	}
}

// play returns the story with the actual states.
func play(story string, do func(command []string) string) string {
	var out strings.Builder
	inState := false // In the old state, which ends with an empty line.
	for line := range strings.Lines(story) {
		line = strings.TrimRight(line, "\n")
		switch {
		case inState && line != "":
			continue
		case line == "" || strings.HasPrefix(line, "#"):
			inState = false
			out.WriteString(line + "\n")
		case line == "----":
			inState = true
		default:
			out.WriteString(line + "\n----\n" + do(strings.Fields(line)) + "\n")
		}
	}
	return out.String()
}
