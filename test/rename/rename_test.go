// SPDX-License-Identifier: MPL-2.0

// Package rename tests `make rename`, which moves the module to another path: in a copy
// of the working tree, which then must build and pass its tests.
package rename

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	renamed = "github.com/acme/renamed"
	program = "vault-plugin-secrets-finicity"
)

// run runs a command in a folder, without the settings of the make that runs this test. The
// dependencies are built as those of `make build`, so that they are in Go's cache.
func run(t *testing.T, folder string, command ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = folder
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, folder string, command ...string) string {
	t.Helper()
	out, err := run(t, folder, command...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return out
}

// workingTree copies the files of the repository, with changes that are not committed.
func workingTree(t *testing.T) (folder string, files map[string]string) {
	t.Helper()
	folder, files = t.TempDir(), map[string]string{}
	listed := mustRun(t, "../..", "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimSuffix(listed, "\x00"), "\x00") {
		info, err := os.Stat("../../" + name)
		if os.IsNotExist(err) { // Removed, and not committed yet.
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		files[name] = read(t, "../../"+name)
		if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(files[name]), info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 100 {
		t.Fatalf("only %d files were found", len(files))
	}
	return folder, files
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func modulePath(goMod string) string {
	return regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(goMod)[1]
}

func TestTheProjectBuildsUnderAnotherModulePath(t *testing.T) {
	t.Parallel()
	folder, before := workingTree(t)
	old := modulePath(before["go.mod"])
	mustRun(t, folder, "make", "rename", "MODULE="+renamed)

	for name := range before {
		text := read(t, filepath.Join(folder, name))
		if filepath.Base(name) == "go.mod" && !strings.Contains(name, "testdata") {
			want := strings.TrimSuffix(renamed+"/"+filepath.ToSlash(filepath.Dir(name)), "/.")
			if got := modulePath(text); got != want {
				t.Errorf("%s: the module is %s, not %s", name, got, want)
			}
		}
	}
	// A rule of the linter that names no package would allow everything.
	if rules := read(t, filepath.Join(folder, ".golangci.yml")); strings.Contains(rules, old) ||
		strings.Count(rules, renamed) != strings.Count(before[".golangci.yml"], old) {
		t.Error(".golangci.yml has the old path")
	}

	goTool := cmp.Or(os.Getenv("GO"), "go")
	mustRun(t, folder, goTool, "build", "./...")
	mustRun(t, folder, goTool, "vet", "./...")
	mustRun(t, folder, goTool, "test", "-count=1", ".", "./test/layers", "./test/documents", "./test/release")
	mustRun(t, folder, "make", "build", "VERSION=v0.1.0")
	// Vault's catalog and the policies have the name of the plugin, so it stays.
	if got := mustRun(t, folder, "bin/"+program, "-version"); got != program+" v0.1.0\n" {
		t.Errorf("the version is %q", got)
	}

	mustRun(t, folder, "make", "rename", "MODULE="+old)
	for name, want := range before {
		if read(t, filepath.Join(folder, name)) != want {
			t.Errorf("%s differs after renaming the module back", name)
		}
	}
}

func TestRenameRefusesWhatIsNoModulePath(t *testing.T) {
	t.Parallel()
	folder, before := workingTree(t)
	for _, path := range []string{
		"", "https://github.com/acme/renamed", "two words", "github.com/acme/", "a#b", "-x",
		"github.com//acme", "github.com/acme/../renamed", "github.com/acme/renamed/v1", // Go refuses these.
		"fmt", "internal", "github.com/hashicorp", "github.com/hashicorp/vault", // Other packages have these.
	} {
		out, err := run(t, folder, "make", "rename", "MODULE="+path)
		if err == nil || !strings.Contains(out, "usage: make rename MODULE=") {
			t.Errorf("%q: %v\n%s", path, err, out)
		}
	}
	for name, want := range before {
		if read(t, filepath.Join(folder, name)) != want {
			t.Errorf("%s has changed", name)
		}
	}
}
