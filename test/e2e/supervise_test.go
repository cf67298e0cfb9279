// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// After Ctrl-C, developers do not expect a Vault server that runs for minutes, or
// hundreds of megabytes in TMPDIR.
func TestAnInterruptedRunLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		interrupt func(run int) error
		code      int
	}{
		"Ctrl-C":           {func(run int) error { return syscall.Kill(run, syscall.SIGINT) }, 130},
		"make is stopped":  {func(run int) error { return syscall.Kill(run, syscall.SIGTERM) }, 143},
		"the tests' crash": {crash, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := fmt.Sprintf("/tmp/%c%d", name[0], os.Getpid()) // With a longer path, the run would work in /tmp.
			if len(dir) > longestTMPDIR {
				t.Fatalf("%s is longer than %d characters", dir, longestTMPDIR)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) }) // It is empty, or the test has failed.
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			// A script that waits for minutes.
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestScripts$/^schedule$")
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
				return strings.HasPrefix(variable, inside+"=")
			}), "TMPDIR="+dir)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()

			// While Vault asks the plugin for its version, it starts it for a moment: a count
			// that is taken once may miss it.
			var started []int
			if err := poll(func() (bool, error) {
				select {
				case err := <-ended:
					return false, fmt.Errorf("the run has ended: %w\n%s", err, out.String())
				default:
				}
				sockets, err := filepath.Glob(filepath.Join(dir, "e2e*", "plugin*"))
				if err == nil {
					started, err = family(cmd.Process.Pid, nil)
				}
				return len(sockets) > 0 && len(started) >= 3, err // The tests, Vault and the plugin.
			}, func() error { return fmt.Errorf("%d processes are running, and no plugin", len(started)) }); err != nil {
				t.Fatal(err)
			}
			if err := tc.interrupt(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			err := <-ended
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != tc.code {
				t.Errorf("the run ends with %v, want %d\n%s", err, tc.code, out.String())
			}
			if left, err := family(cmd.Process.Pid, started); err != nil || len(left) > 0 {
				t.Errorf("%d processes are left: %v", len(left), err)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
				t.Errorf("files are left: %v (%v)", files, err)
			}
		})
	}
}

// crash ends the process that runs the tests of a run, as a panic or the timeout of go
// test does.
func crash(run int) error {
	all, err := vaulttest.Processes()
	for _, p := range all {
		if p.Parent == run {
			err = errors.Join(err, syscall.Kill(p.ID, syscall.SIGKILL))
		}
	}
	return err
}

// Go's module folders are read-only. A cleanup that fails on them leaves 700 MB each
// time.
func TestReadOnlyFoldersAreRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mod")
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b", "a"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeAll(dir); err != nil {
		t.Error(err)
	}
}

// With another home directory, go would download all modules again, and the reader of a
// document has their own home directory.
func TestGoFindsItsModulesInAnotherHome(t *testing.T) {
	t.Parallel()
	folders, err := goFolders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("GO"), "go"), "list", "-deps", "../../cmd/vault-plugin-secrets-finicity")
	build.Env = append(append(os.Environ(), "HOME="+t.TempDir()), folders...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
