// SPDX-License-Identifier: MPL-2.0

package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const architecture = "../../docs/architecture.md"

// page is the document. It is read once for each test.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// declared returns the names that a file declares: functions and types, with and
// without the name of the package, and methods with their type.
func declared(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	add := func(name string) { names = append(names, name, file.Name.Name+"."+name) }
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name.Name)
				continue
			}
			receiver := d.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if name, ok := receiver.(*ast.Ident); ok {
				names = append(names, name.Name+"."+d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if named, ok := spec.(*ast.TypeSpec); ok {
					add(named.Name.Name)
				}
			}
		}
	}
	return names
}

var (
	linkedName = regexp.MustCompile("\\[`([^`]+)`\\]\\(([^)#]+)\\)")
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	goName     = regexp.MustCompile(`^\w+(\.\w+)?$`)
)

// A reader looks up a name at the linked place. If a function was moved or renamed, the
// link would lead nowhere.
func TestTheArchitecturePageNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	links := linkedName.FindAllStringSubmatch(page(t), -1)
	if len(links) < 40 {
		t.Errorf("only %d names were found", len(links))
	}
	for _, link := range links {
		name, path := link[1], filepath.Join(filepath.Dir(architecture), link[2])
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		isPath := strings.Contains(name, "/") || slices.Contains([]string{".go", ".md", ".txt"}, filepath.Ext(name))
		switch slashed := filepath.ToSlash(path) + "/"; {
		case isPath && !strings.Contains(slashed, "/"+strings.TrimSuffix(name, "/")+"/"):
			t.Errorf("%s is not what is at %s", name, path)
		case !isPath && (filepath.Ext(path) != ".go" || !slices.Contains(declared(t, path), name)):
			t.Errorf("%s is not declared in %s", name, path)
		}
	}
}

// A name without a link is a path of the mount, a command or a file pattern.
func TestTheArchitecturePageLinksEachNameOfTheCode(t *testing.T) {
	t.Parallel()
	other := []string{"token", "rotate-root", "status", "a", "b", "#", "make openapi"}
	text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(page(t), "")
	for _, span := range codeSpan.FindAllStringSubmatch(linkedName.ReplaceAllString(text, ""), -1) {
		switch name := span[1]; {
		case slices.Contains(other, name):
		case strings.Contains(name, "*"):
			if found, err := filepath.Glob("../../" + name); err != nil || len(found) == 0 {
				t.Errorf("there is no %s (%v)", name, err)
			}
		case goName.MatchString(name):
			t.Errorf("%s has no link to where it is declared", name)
		default:
			t.Errorf("what is %s?", name)
		}
	}
}

func TestTheArchitecturePageNamesEachPackageOfThePlugin(t *testing.T) {
	t.Parallel()
	for name := range ofThePlugin(t) {
		if strings.HasPrefix(name, "internal/") && !strings.Contains(page(t), "| [`"+name+"`]") {
			t.Errorf("its table has no %s", name)
		}
	}
}

func TestTheArchitecturePageQuotesTheStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../internal/*/testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```text\n(.*?)^```$").FindAllStringSubmatch(page(t), -1)
	if len(blocks) < 2 {
		t.Errorf("only %d parts of stories were found", len(blocks))
	}
	for _, block := range blocks {
		if !slices.ContainsFunc(files, func(file string) bool {
			story, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(story), block[1])
		}) {
			t.Errorf("no story has\n%s", block[1])
		}
	}
}
