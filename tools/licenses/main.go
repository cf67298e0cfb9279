// SPDX-License-Identifier: MPL-2.0

// Command licenses writes the licenses of all modules in the released programs: a table
// of their identifiers, and the texts, which most licenses require to be distributed. It
// fails if a module has no license, or one that is not in the list of accepted ones.
//
//	licenses OUTPUT
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/licensecheck"
)

// accepted are the licenses that a dependency may have. They allow distribution in
// binary form beside code under the MPL-2.0. Add others only after a review.
// GooglePatentsFile only grants more: it is in the modules of the Go project.
var accepted = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "GooglePatentsFile", "ISC", "MIT", "MPL-2.0"}

// systems are the operating systems of .goreleaser.yaml. Each has dependencies that the
// others do not have.
var systems = []string{"linux", "darwin", "windows", "freebsd"}

// textFile matches the names of files that a license requires to be distributed.
var textFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|copyright|notice|patents)([-._].*)?$`)

// module has the packages that are in the programs: their folders, relative to dir. A
// package that its module has copied from elsewhere has a license of its own.
type module struct {
	path, version, dir string
	packages           []string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: licenses OUTPUT")
		os.Exit(2)
	}
	report, err := write()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(os.Args[1]), 0o755)
	}
	if err == nil {
		err = os.WriteFile(os.Args[1], report, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func write() ([]byte, error) {
	modules, err := modules()
	if err != nil {
		return nil, err
	}
	var table, texts bytes.Buffer
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	var refused []error
	for _, m := range modules {
		ids, files, err := m.licenses()
		if err != nil {
			refused = append(refused, fmt.Errorf("%s %s: %w", m.path, m.version, err))
			continue
		}
		fmt.Fprintf(rows, "%s\t%s\t%s\n", m.path, m.version, strings.Join(ids, " AND "))
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(m.dir, file))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&texts, "\n%s\n%s %s: %s\n%[1]s\n\n%[5]s\n",
				strings.Repeat("=", 80), m.path, m.version, filepath.ToSlash(file), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		}
	}
	if err := errors.Join(append(refused, rows.Flush())...); err != nil {
		return nil, err
	}
	return slices.Concat([]byte("Third-party modules in the programs of this release, their licenses, and the texts of these.\n\n"),
		table.Bytes(), texts.Bytes()), nil
}

// modules lists the modules of the packages in the programs, and the standard library.
func modules() ([]module, error) {
	const format = "{{$package := .Dir}}{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$package}}{{end}}{{end}}"
	found := map[string]*module{}
	for _, system := range systems {
		lines, err := run([]string{"GOOS=" + system, "GOARCH=amd64", "CGO_ENABLED=0"}, "list", "-deps", "-f", format, "./cmd/...")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(lines) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(fields) != 4 {
				continue
			}
			if found[fields[0]] == nil {
				found[fields[0]] = &module{path: fields[0], version: fields[1], dir: fields[2]}
			}
			m := found[fields[0]]
			folder, err := filepath.Rel(m.dir, fields[3])
			if err != nil {
				return nil, err
			}
			m.packages = append(m.packages, folder)
		}
	}
	var all []module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[path])
	}
	root, err := run(nil, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(root), "\n")
	return append(all, module{path: "the Go standard library", version: version, dir: dir}), nil
}

func run(env []string, args ...string) (string, error) {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// folders returns those that can have a license of the packages: the module itself, each
// package, and the folders between them.
func (m module) folders() []string {
	all := []string{"."}
	for _, folder := range m.packages {
		for ; folder != "."; folder = filepath.Dir(folder) {
			all = append(all, folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// texts returns the files with licenses, relative to the folder of the module.
func (m module) texts() (files []string, err error) {
	for _, folder := range m.folders() {
		entries, err := os.ReadDir(filepath.Join(m.dir, folder))
		if err != nil {
			return nil, fmt.Errorf("its source is not there, type go mod download: %w", err)
		}
		for _, entry := range entries {
			name := entry.Name()
			// LICENSE.docs is for a module's documents, which are in no program, and license.go
			// is code.
			if !entry.IsDir() && textFile.MatchString(name) && !strings.HasSuffix(name, ".docs") && !strings.HasSuffix(name, ".go") {
				files = append(files, filepath.Join(folder, name))
			}
		}
	}
	return files, nil
}

// licenses returns the identifiers of the module's licenses, and the files with texts.
func (m module) licenses() (ids, files []string, err error) {
	if files, err = m.texts(); err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(m.dir, file))
		if err != nil {
			return nil, nil, err
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	slices.Sort(ids)
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(accepted, id) })
	switch {
	case len(ids) == 0:
		return nil, nil, fmt.Errorf("no license was recognized in its files %q", files)
	case len(unknown) > 0:
		return nil, nil, fmt.Errorf("the license %q is not in the list of accepted ones in tools/licenses/main.go: review it first", unknown)
	}
	return ids, files, nil
}
