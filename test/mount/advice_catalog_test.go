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
	text = strings.ReplaceAll(text, " after Finicity support has unlocked the partner", "") // It has its own row.
	if !slices.ContainsFunc(page, func(c catalogued) bool {
		return slices.Contains(c.statuses, status) && c.pattern.MatchString(text)
	}) {
		t.Errorf("docs/errors.md has no such text with the status %s: %s", status, text)
	}
}

// fixesAreTyped checks that a test types each command with which docs/errors.md resolves
// an error: this one, or one that runs the documents and the scripts of test/e2e.
func fixesAreTyped(t *testing.T, page []catalogued, typedHere []string) {
	t.Helper()
	typed := []plainCommand{plainly("operator step-down")} // test/e2e/cluster_test.go does it with a call.
	for _, command := range typedHere {
		typed = append(typed, plainly(strings.TrimPrefix(command, "vault ")))
	}
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
			prompt := map[string]string{".md": "$ vault ", ".txtar": "vault "}[filepath.Ext(file)]
			for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
				if command, isCommand := strings.CutPrefix(line, prompt); isCommand {
					typed = append(typed, plainly(command))
				}
			}
		}
	}
	for _, c := range page {
		for _, fix := range c.fixes {
			if !slices.ContainsFunc(typed, plainly(strings.TrimPrefix(fix, "vault ")).isPartOf) {
				t.Errorf("no test types %q, which docs/errors.md names for: %s", fix, c.text)
			}
		}
	}
}

// plainCommand is a command without the values of its fields, but for true and false.
type plainCommand struct {
	name   string // with the path
	fields []string
}

// isPartOf reports whether another command is the same one, perhaps with more fields.
func (c plainCommand) isPartOf(other plainCommand) bool {
	return c.name == other.name && !slices.ContainsFunc(c.fields, func(field string) bool { return !slices.Contains(other.fields, field) })
}

var anOption = regexp.MustCompile(`^-(?:field|format)=`) // It only changes what is printed.

// plainly reads a command. The name of a password policy does not matter.
func plainly(command string) (c plainCommand) {
	for word := range strings.FieldsSeq(command) {
		switch name, value, isField := strings.Cut(word, "="); {
		case anOption.MatchString(word):
		case !isField || strings.HasPrefix(word, "-"):
			c.name += " " + word
		case value == "true" || value == "false":
			c.fields = append(c.fields, word)
		default:
			c.fields = append(c.fields, name)
		}
	}
	c.name = regexp.MustCompile(`(sys/policies/password/)\S+`).ReplaceAllString(c.name, "$1")
	return c
}
