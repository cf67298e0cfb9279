// SPDX-License-Identifier: MPL-2.0

package finicity

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

// refusedWords reads the table of the style guide under the heading.
func refusedWords(t *testing.T, heading string) *regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile(styleGuide)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n#")
	var words []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`) \\|").FindAllStringSubmatch(section, -1) {
		for word := range strings.SplitSeq(row[1], ", ") {
			word = regexp.QuoteMeta(strings.Trim(word, "`"))
			words = append(words, strings.ReplaceAll(word, " ", `\s+`))
		}
	}
	if !found || len(words) == 0 {
		t.Fatalf("%s has no table under %q", styleGuide, heading)
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`)
}

// sources lists the files with the extension. Golden files and build outputs are
// not prose of this project.
func sources(t *testing.T, extension string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, extension):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
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

var (
	// The words in both are quoted from elsewhere.
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeInLine = regexp.MustCompile("`[^`\n]+`")
	// The rows are claims of test/mutants, which has another list of words.
	safeguards = regexp.MustCompile(`(?ms)^## Safeguards$.*?^## Fuzzing$`)
)

func TestTheDocumentsUseNoRefusedWords(t *testing.T) {
	t.Parallel()
	everywhere, documents := refusedWords(t, "Everywhere"), refusedWords(t, "In documents")
	blank := func(text string) string { return strings.Repeat("\n", strings.Count(text, "\n")) }
	files := sources(t, ".md")
	for _, extension := range []string{".hcl", ".js", ".py", ".tf", ".yaml"} { // Examples, which people copy.
		files = append(files, sources(t, extension)...)
	}
	for _, file := range files {
		if file == styleGuide {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := fenced.ReplaceAllStringFunc(string(content), blank)
		text = codeInLine.ReplaceAllString(safeguards.ReplaceAllStringFunc(text, blank), "``")
		reportWords(t, everywhere, text, file, 1)
		reportWords(t, documents, text, file, 1)
	}
}

func TestTheCodeUsesNoRefusedWords(t *testing.T) {
	t.Parallel()
	refused := refusedWords(t, "Everywhere")
	for _, file := range sources(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, comment := range parsed.Comments {
			reportWords(t, refused, comment.Text(), file, positions.Position(comment.Pos()).Line)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Error(err)
				}
				reportWords(t, refused, text, file, positions.Position(literal.Pos()).Line)
			}
			return true
		})
	}
}
