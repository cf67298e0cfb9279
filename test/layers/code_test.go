// SPDX-License-Identifier: MPL-2.0

package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// inCode calls do for each file of the packages, except tests.
func inCode(t *testing.T, packages []string, do func(position func(ast.Node) token.Position, file *ast.File)) {
	t.Helper()
	var arguments []string
	for _, name := range packages {
		arguments = append(arguments, "./"+name)
	}
	files := 0
	for _, p := range list(t, arguments...) {
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files++
			do(func(n ast.Node) token.Position { return set.Position(n.Pos()) }, file)
		}
	}
	if files < len(packages) {
		t.Fatalf("only %d files were found", files)
	}
}

// called is a call or a value such as time.Now.
func called(n ast.Node) (from, name string) {
	if selector, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := selector.X.(*ast.Ident); ok {
			return x.Name, selector.Sel.Name
		}
	}
	return "", ""
}

// The time is an argument, so that a test can simulate months, and so that all rules
// use the same clock.
func TestTheRulesHaveNoClock(t *testing.T) {
	t.Parallel()
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	inCode(t, pure(), func(position func(ast.Node) token.Position, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if from, name := called(n); from == "time" && slices.Contains(clocks, name) {
				t.Errorf("%s uses time.%s", position(n), name)
			}
			return true
		})
	})
}

// One plugin process serves many mounts, which would share a package variable. So each
// one is effectively a constant: an error or a regular expression.
func TestNoPackageHasStateOfItsOwn(t *testing.T) {
	t.Parallel()
	var plugin []string
	for _, layer := range layers() {
		plugin = append(plugin, layer...)
	}
	inCode(t, plugin, func(position func(ast.Node) token.Position, file *ast.File) {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				value, ok := spec.(*ast.ValueSpec)
				if !ok || constant(value) {
					continue
				}
				for _, name := range value.Names {
					if name.Name != "release" && name.Name != "_" { // Only the linker sets it.
						t.Errorf("%s: %s is a variable", position(name), name.Name)
					}
				}
			}
		}
	})
}

// constant reports whether no code changes the declared values.
func constant(spec *ast.ValueSpec) bool {
	for _, value := range spec.Values {
		call, ok := value.(*ast.CallExpr)
		if !ok {
			return false
		}
		if from, name := called(call.Fun); from+"."+name != "errors.New" && from+"."+name != "regexp.MustCompile" {
			return false
		}
	}
	return len(spec.Values) > 0
}
