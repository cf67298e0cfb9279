// SPDX-License-Identifier: MPL-2.0

// Package layers enforces the layers of the plugin's packages: imports only go down,
// and the rules at the bottom use neither Vault nor a network nor a clock. It also
// checks docs/architecture.md and its picture against the packages.
package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the path in go.mod, which `make rename` changes.
var module string

func TestMain(m *testing.M) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	module = regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(string(text))[1]
	os.Exit(m.Run())
}

// layers are all packages of the plugin from the bottom up. A package may import only
// from layers below its own.
func layers() [][]string {
	return [][]string{
		{"internal/confidential"},
		{"internal/secrets", "internal/attempts", "internal/schedule", "internal/token", "internal/finicityapi"},
		{"internal/engine"},
		{""},
		{"cmd/vault-plugin-secrets-finicity"},
	}
}

// others are not a part of the plugin. The mock server shares no code with the code
// that it tests. Otherwise both could make the same mistake and agree.
func others() map[string][]string {
	return map[string][]string{
		"internal/fakefinicity":        {},
		"cmd/fake-finicity":            {"internal/fakefinicity"},
		"internal/mounttest":           {"", "internal/attempts", "internal/engine", "internal/fakefinicity"},
		"internal/storytest":           {},
		"internal/vaulttest":           {},
		"examples/app":                 {},
		"examples/clients/go":          {},
		"examples/monitoring/exporter": {},
		"examples/webhook/go":          {},
		"test/bench":                   {"internal/fakefinicity", "internal/vaulttest"},
		"test/bench/floorplugin":       {},
		"test/documents":               {},
		"test/layers":                  {},
		"test/e2e":                     {},
		"test/e2e/aheadplugin":         {"", "internal/engine"},
		"test/monitoring":              {},
		"test/mount":                   {},
		"test/mutants":                 {},
		"test/prove":                   {},
		"test/release":                 {},
		"test/rename":                  {},
		"test/simulation":              {},
		"test/vso":                     {},
		"tools/progress":               {},
		"tools/recording":              {},
	}
}

// pure are the packages of rules. Their input is a state, an answer and a time. Their
// output is a new state and what to do.
func pure() []string {
	return []string{"internal/secrets", "internal/attempts", "internal/schedule", "internal/token", "internal/confidential"}
}

// listed is the output of `go list` for a package.
type listed struct {
	ImportPath string
	Dir        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func (p *listed) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func (p *listed) own() bool {
	return p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/")
}

// list lists packages, and with deps all their dependencies.
func list(t *testing.T, arguments ...string) map[string]*listed {
	t.Helper()
	program := os.Getenv("GO")
	if program == "" {
		program = "go"
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"list", "-json=ImportPath,Dir,Standard,GoFiles,Imports,Deps"}, arguments...)...)
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(listed)
		if err := decoder.Decode(p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func TestImportsOnlyGoDown(t *testing.T) {
	t.Parallel()
	rank := map[string]int{}
	for i, layer := range layers() {
		for _, name := range layer {
			rank[name] = i
		}
	}
	for _, p := range list(t, "./...") {
		level, plugin := rank[p.name()]
		allowed, known := others()[p.name()]
		if !plugin && !known {
			t.Errorf("%q is in no layer", p.name())
		}
		for _, path := range p.Imports {
			imported := &listed{ImportPath: path}
			if !imported.own() {
				continue
			}
			below, isPlugin := rank[imported.name()]
			switch {
			case plugin && (!isPlugin || below >= level):
				t.Errorf("%q imports %q, which is not below it", p.name(), imported.name())
			case !plugin && !slices.Contains(allowed, imported.name()):
				t.Errorf("%q imports %q", p.name(), imported.name())
			}
		}
	}
}

// So the rules can be read, tested and searched exhaustively on their own.
func TestTheRulesKnowTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, name := range append(pure(), "internal/finicityapi") {
		for _, p := range list(t, "-deps", "./"+name) {
			if !p.Standard && p.name() != name && p.name() != "internal/confidential" {
				t.Errorf("%s is made of %s", name, p.ImportPath)
			}
		}
	}
	for _, p := range list(t, "./internal/secrets", "./internal/attempts", "./internal/schedule", "./internal/token") {
		for _, path := range p.Imports {
			if !slices.Contains([]string{"cmp", "slices", "sync", "sync/atomic", "time", module + "/internal/confidential"}, path) {
				t.Errorf("%s imports %s", p.name(), path)
			}
		}
	}
}

// Any client of the mock server can make it accept any secret.
func TestThePluginIsMadeOfThePluginOnly(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "-deps", "./cmd/vault-plugin-secrets-finicity") {
		vault := strings.HasPrefix(p.ImportPath, "github.com/hashicorp/vault/") &&
			!strings.HasPrefix(p.ImportPath, "github.com/hashicorp/vault/sdk/") && !strings.HasPrefix(p.ImportPath, "github.com/hashicorp/vault/api")
		if _, other := others()[p.name()]; p.own() && other || vault {
			t.Errorf("%s is linked into the plugin", p.ImportPath)
		}
	}
}

// Vault's sdk, its logger, and no other dependency that would need attention.
func TestThePluginHasTwoDirectDependencies(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range list(t, "-deps", "./cmd/vault-plugin-secrets-finicity") {
		if !p.own() {
			continue
		}
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") && !(&listed{ImportPath: path}).own() {
				seen[strings.Join(strings.SplitN(path, "/", 5)[:min(4, strings.Count(path, "/")+1)], "/")] = true
			}
		}
	}
	for dependency := range seen {
		if dependency != "github.com/hashicorp/vault/sdk" && dependency != "github.com/hashicorp/go-hclog" {
			t.Errorf("the plugin uses %s", dependency)
		}
	}
	if len(seen) != 2 {
		t.Errorf("it uses %v", seen)
	}
}
