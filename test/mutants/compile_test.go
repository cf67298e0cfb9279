// SPDX-License-Identifier: MPL-2.0

package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// A row whose code no longer compiles removes nothing, and only `make mutants` would
// notice. go/types checks the code of all rows in seconds, because the packages that it
// imports are compiled only once.
func TestTheCodeCompilesWithoutEachSafeguard(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	packages, imports := load(t, fset)
	for _, m := range slices.Concat(mutantsOfRules(), mutantsOfTheRest()) {
		path, err := filepath.Abs(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mutated, err := parser.ParseFile(fset, path, strings.Replace(string(text), m.old, m.new, 1), parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", m, err)
			continue
		}
		others, listed := packages[filepath.Dir(path)]
		if !listed {
			t.Errorf("%s: go list did not list the package of the file", m)
		}
		files := []*ast.File{mutated}
		for name, file := range others {
			if name != path {
				files = append(files, file)
			}
		}
		config := types.Config{Importer: imports, Error: func(err error) { t.Errorf("%s: %v", m, err) }}
		_, _ = config.Check(m.file, fset, files, nil)
	}
}

// load parses the packages of the plugin, by folder and file, and returns an importer of
// everything that they import.
func load(t *testing.T, fset *token.FileSet) (map[string]map[string]*ast.File, types.Importer) {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=Dir,Export,GoFiles,ImportPath,Module"}
	// With the race detector, the tests have compiled the packages with it.
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages, exports := map[string]map[string]*ast.File{}, map[string]string{}
	for list := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, Export, ImportPath string
			GoFiles                 []string
			Module                  *struct{ Main bool }
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.Module == nil || !p.Module.Main {
			continue
		}
		packages[p.Dir] = map[string]*ast.File{}
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			if packages[p.Dir][path], err = parser.ParseFile(fset, path, nil, parser.SkipObjectResolution); err != nil {
				t.Fatal(err)
			}
		}
	}
	return packages, importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
}
