// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// catalogued is an error as docs/errors.md has it.
type catalogued struct {
	text     string
	pattern  *regexp.Regexp // with anything in the place of a value
	statuses []string       // 200 for a warning, status for a field of the status
	fixes    []string       // the commands that resolve it
}

var (
	catalogRow = regexp.MustCompile("(?m)^\\| `(.+?)` \\| (\\S.*?) \\| (\\S.*?) \\| (\\S.*?) \\|$")
	aValue     = regexp.MustCompile(`\b(?:FIELDS?|NAME|PATH|COUNT|TIME|REASON|COMMAND|ERROR|STATUS|HOST|ADDRESS)\b`)
	inCode     = regexp.MustCompile("`(vault [^`]+)`")
)

// errorsPage reads docs/errors.md.
func errorsPage(t *testing.T) (all []catalogued) {
	t.Helper()
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range catalogRow.FindAllStringSubmatch(string(page), -1) {
		c := catalogued{
			text: row[1], statuses: strings.Split(row[2], ", "),
			pattern: regexp.MustCompile(aValue.ReplaceAllString(regexp.QuoteMeta(strings.TrimSpace(row[1])), ".*")),
		}
		for _, command := range inCode.FindAllStringSubmatch(row[4], -1) {
			c.fixes = append(c.fixes, command[1])
		}
		all = append(all, c)
	}
	if len(all) < 100 {
		t.Fatalf("only %d errors were found", len(all))
	}
	return all
}

// onThePage checks that a text is in docs/errors.md, with the status that it came with.
func onThePage(t *testing.T, page []catalogued, text, status string) {
	t.Helper()
	if !slices.ContainsFunc(page, func(c catalogued) bool {
		return slices.Contains(c.statuses, status) && c.pattern.MatchString(text)
	}) {
		t.Errorf("docs/errors.md has no such text with the status %s: %s", status, text)
	}
}

// fixesAreTyped checks that a test types each command with which docs/errors.md resolves
// an error: this one, or one that runs the documents and the scripts of test/e2e.
func fixesAreTyped(t *testing.T, page []catalogued, isTyped func(command string) bool) {
	t.Helper()
	typed := map[string]bool{}
	for _, pattern := range []string{"../../docs/*.md", "../../README.md", "../e2e/testdata/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
				// A console block of a document, or a line of a script.
				command, isCommand := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "vault ")
				if isCommand && (strings.HasPrefix(line, "$ ") || strings.HasSuffix(file, ".txtar")) {
					typed[plainly(command)] = true
				}
			}
		}
	}
	for _, c := range page {
		for _, fix := range c.fixes {
			command, _ := strings.CutPrefix(fix, "vault ")
			if !isTyped(fix) && !typed[plainly(command)] {
				t.Errorf("no test types %q, which docs/errors.md names for: %s", fix, c.text)
			}
		}
	}
}

var (
	anOption = regexp.MustCompile(` -(?:field|format)=\S+`)
	aBlank   = regexp.MustCompile(`=(?:"[^"]*"|'[^']*'|\S*)`)
)

// plainly is a command without the options that only change what it prints, and with
// blanks in the place of values, but for those that decide what it does.
func plainly(command string) string {
	command = anOption.ReplaceAllString(" "+command, "")
	return strings.TrimSpace(aBlank.ReplaceAllStringFunc(command, func(value string) string {
		if value == "=true" || value == "=false" {
			return value
		}
		return "=…"
	}))
}
