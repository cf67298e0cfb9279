// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const styleGuide = "docs/style.md"

// refusedWords reads the table of the style guide.
func refusedWords(t *testing.T) *regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile(styleGuide)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Refused words\n")
	var words []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`) \\|").FindAllStringSubmatch(section, -1) {
		for word := range strings.SplitSeq(row[1], ", ") {
			word = regexp.QuoteMeta(strings.Trim(word, "`"))
			words = append(words, strings.ReplaceAll(word, " ", `\s+`))
		}
	}
	if len(words) == 0 {
		t.Fatalf("%s has no table of refused words", styleGuide)
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`)
}

// sources lists the files whose names end like this. Build outputs are not texts of this
// project.
func sources(t *testing.T, ending string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || name == "dist" || strings.HasPrefix(name, ".") && name != "." && name != ".ci"):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(filepath.ToSlash(path), ending):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Errorf("no file ends with %s", ending)
	}
	return files
}

// reportWords fails the test for each refused word of a text that begins at the line.
func reportWords(t *testing.T, refused *regexp.Regexp, text, file string, line int) {
	t.Helper()
	for _, at := range refused.FindAllStringIndex(text, -1) {
		t.Errorf("%s:%d: %q: see %s", file, line+strings.Count(text[:at[0]], "\n"), text[at[0]:at[1]], styleGuide)
	}
}

// A document quotes code in blocks and between backquotes.
var (
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeInLine = regexp.MustCompile("`[^`\n]+`")
)

func TestTheDocumentsUseNoRefusedWords(t *testing.T) {
	t.Parallel()
	refused := refusedWords(t)
	blank := func(text string) string { return strings.Repeat("\n", strings.Count(text, "\n")) }
	for _, file := range sources(t, ".md") {
		if filepath.ToSlash(file) == styleGuide {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := codeInLine.ReplaceAllString(fenced.ReplaceAllStringFunc(string(content), blank), "``")
		reportWords(t, refused, text, file, 1)
	}
}

// Scripts, stories, pictures and examples contain prose almost everywhere.
func TestTheScriptsAndExamplesUseNoRefusedWords(t *testing.T) {
	t.Parallel()
	refused := refusedWords(t)
	for _, ending := range []string{
		".sh", ".ci/run", "Makefile", ".yml", ".yaml", ".txtar", ".txt", ".svg", ".hcl", ".ctmpl", ".tf", ".java", ".js", ".py", ".rb", ".service",
	} {
		for _, file := range sources(t, ending) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			reportWords(t, refused, string(text), file, 1)
		}
	}
}

func TestTheCodeUsesNoRefusedWords(t *testing.T) {
	t.Parallel()
	refused := refusedWords(t)
	for _, file := range sources(t, ".go") {
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, comment := range parsed.Comments {
			reportWords(t, refused, comment.Text(), file, positions.Position(comment.Pos()).Line)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				n.Tag = nil // The names of stored fields never change.
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					break
				}
				text, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Error(err)
				}
				reportWords(t, refused, text, file, positions.Position(n.Pos()).Line)
			}
			return true
		})
	}
}
