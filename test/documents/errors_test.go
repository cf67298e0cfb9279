// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var sentenceEnd = regexp.MustCompile(`\. [A-Za-z]`)

const errorsDocument = "docs/errors.md"

// shown is a text of the code. Verbs, and parts that are not literals, become "%s".
type shown struct {
	text, where string
	// required means that the document must have the text: it has three words or more,
	// and it is not a description, a help text or a line of the log.
	required bool
	pattern  *regexp.Regexp // with a group for each "%s"
}

var (
	aVerb = regexp.MustCompile(`%[.\d]*[a-z]`)
	aWord = regexp.MustCompile(`[A-Za-z]{2}`)
	// A value in the document: a word in capitals, or a number.
	aValue = regexp.MustCompile(`^"?([A-Z][A-Z_]+|\d+)"?$`)
	// A row of the document: text, status, cause and fix.
	catalogRow = regexp.MustCompile("(?m)^\\| `(.+?)` \\| (\\S.*?) \\| (\\S.*?) \\| (\\S.*?) \\|$")
)

// shownTexts returns the texts of the code that callers of the engine can get.
func shownTexts(t *testing.T) (texts []shown) {
	t.Helper()
	for _, folder := range []string{".", "internal/engine", "internal/token", "internal/schedule", "internal/finicityapi"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("there is no code in %s (%v)", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			add := func(at ast.Node, text string, required bool) {
				if strings.HasSuffix(text, " ") { // The code appends something.
					text += "%s"
				}
				words := 0
				for word := range strings.FieldsSeq(strings.ReplaceAll(text, "%s", " ")) {
					if aWord.MatchString(word) {
						words++
					}
				}
				if text = strings.TrimSpace(text); words == 0 && strings.Contains(text, "%s") {
					return // It would match any text.
				}
				hole := strings.ReplaceAll(regexp.QuoteMeta(text), "%s", "(.*?)")
				texts = append(texts, shown{text, set.Position(at.Pos()).String(), required && words >= 3, regexp.MustCompile("^" + hole + "$")})
			}
			for _, declared := range parsed.Decls {
				collect(declared, !describes(declared), add)
			}
		}
	}
	return texts
}

// describes reports whether a declaration has only descriptions and help texts, which
// other tests compare with the documents.
func describes(declared ast.Decl) bool {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		return regexp.MustCompile(`^path[A-Z]|Shown$|^shownWith$|^config(Fields|Settings)$|^tokenTimes$|^rotationTime$|^noContent$|^String$`).MatchString(d.Name.Name)
	case *ast.GenDecl:
		if len(d.Specs) != 1 {
			return d.Tok == token.IMPORT || d.Tok == token.TYPE
		}
		value, isValue := d.Specs[0].(*ast.ValueSpec)
		return !isValue || regexp.MustCompile(`Help$|^credentialMark$`).MatchString(value.Names[0].Name)
	default:
		return true
	}
}

// collect adds the texts below a node.
func collect(n ast.Node, required bool, add func(at ast.Node, text string, required bool)) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field: // A tag is not a text.
			return false
		case *ast.CallExpr:
			if logs(n) || required && matches(n) {
				for _, arg := range n.Args {
					collect(arg, false, add)
				}
				return false
			}
		case ast.Expr:
			text, isText := textOf(n)
			if isText {
				add(n, text, required)
			}
			return !isText
		}
		return true
	})
}

// logs reports whether a call writes to the log.
func logs(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "log"
	case *ast.SelectorExpr:
		return slices.Contains([]string{"Trace", "Debug", "Info", "Warn", "Error", "logFailed"}, f.Sel.Name) && len(call.Args) > 0
	default:
		return false
	}
}

// matches reports whether a call compiles a pattern. Callers never get that text.
func matches(call *ast.CallExpr) bool {
	f, isSelector := call.Fun.(*ast.SelectorExpr)
	return isSelector && f.Sel.Name == "MustCompile"
}

// textOf returns the text of a literal, or of a concatenation.
func textOf(e ast.Expr) (text string, isText bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		value, err := strconv.Unquote(e.Value)
		return aVerb.ReplaceAllString(value, "%s"), err == nil
	case *ast.BinaryExpr:
		left, leftIs := textOf(e.X)
		right, rightIs := textOf(e.Y)
		if e.Op != token.ADD || !leftIs && !rightIs {
			return "", false
		}
		if !leftIs {
			left = "%s"
		}
		if !rightIs {
			right = "%s"
		}
		return left + right, true
	default:
		return "", false
	}
}

// derive reports whether the code can produce a text, and adds to used the texts of the
// code that it consists of.
func derive(text string, texts []shown, used map[string]bool) (derived bool) {
	text = strings.TrimSpace(text)
	if text == "" || text == "finicity/" || aValue.MatchString(text) {
		return true
	}
	for _, s := range texts {
		holes := s.pattern.FindStringSubmatch(text)
		if holes == nil {
			continue
		}
		below := map[string]bool{s.text: true}
		if !slices.ContainsFunc(holes[1:], func(hole string) bool { return !derive(hole, texts, below) }) {
			maps.Copy(used, below)
			derived = true
		}
	}
	return derived
}

// An operator who searches the page for an error must find it, and must not find one that
// the engine no longer has.
func TestTheErrorsPageHasEachTextOfTheCodeAndNoOther(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(errorsDocument)
	if err != nil {
		t.Fatal(err)
	}
	texts, used, listed := shownTexts(t), map[string]bool{}, map[string]bool{}
	rows := catalogRow.FindAllStringSubmatch(string(content), -1)
	if lines := strings.Count(string(content), "\n| `"); lines != len(rows) {
		t.Errorf("%d rows are understood, and there are %d", len(rows), lines)
	}
	for _, row := range rows {
		text, statuses := row[1], row[2]
		if !derive(text, texts, used) {
			t.Errorf("%s has an error that the code has not: %s", errorsDocument, text)
		}
		if len(sentenceEnd.FindAllString(text, -1)) > 2 || strings.HasSuffix(text, ".") {
			t.Errorf("%s has an error of more than three sentences, or with a period at the end: %s", errorsDocument, text)
		}
		if listed[text] {
			t.Errorf("%s has this error twice: %s", errorsDocument, text)
		}
		listed[text] = true
		for status := range strings.SplitSeq(statuses, ", ") {
			if !slices.Contains([]string{"200", "400", "500", "502", "503", "status"}, status) {
				t.Errorf("%s: %q is not a status: %s", errorsDocument, status, text)
			}
		}
	}
	missing := map[string]string{}
	for _, s := range texts {
		if s.required && !used[s.text] {
			missing[s.text] = s.where
		}
	}
	for _, text := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s does not have this text of %s: %s", errorsDocument, missing[text], text)
	}
}
