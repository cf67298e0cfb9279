// SPDX-License-Identifier: MPL-2.0

package mutants

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func mutantsOfTheRest() []mutant {
	return slices.Concat(mutantsOfCalls(), mutantsOfWrites(), mutantsOfRotation(), mutantsOfReads(), mutantsOfStorage(), mutantsOfVersion1(),
		mutantsOfSchedule(), mutantsOfTokens(), mutantsOfClient(), mutantsOfResponses())
}

// TestEachSafeguardOfTheRestIsNeeded checks whether the tests of `make unit` fail
// without each safeguard: first those of the package, then those of test/mount, of the
// root package and of the simulation. It stops at the first failure. It prints a table
// for docs/testing.md.
func TestEachSafeguardOfTheRestIsNeeded(t *testing.T) {
	if !*mutants {
		t.Skip("run it with make mutants")
	}
	var rows []string
	for _, m := range mutantsOfTheRest() {
		if !m.chosen() {
			continue
		}
		row := m.missed(t)
		t.Log(row)
		rows = append(rows, row)
	}
	t.Logf("%d safeguards\n\n| safeguard | tests | found by |\n|---|---|---|\n%s", len(rows), strings.Join(rows, "\n"))
}

func (m mutant) missed(t *testing.T) (row string) {
	t.Helper()
	dir := t.TempDir()
	overlay, binary := m.overlay(t, dir), filepath.Join(dir, "mutant.test")
	folders := []string{path.Dir(m.file), "test/mount", ".", "test/simulation"}
	for i, folder := range folders {
		if slices.Contains(folders[:i], folder) {
			continue
		}
		if out, err := command(t, "go", "test", "-overlay", overlay, "-c", "-o", binary, "./"+folder); err != nil {
			t.Errorf("%s: the code without this safeguard does not compile: %s", m, out)
			break
		}
		var args []string
		if folder == "test/simulation" {
			args = []string{"-rapid.nofailfile"}
		}
		if by := firstFailure(t, folder, binary, args...); by != "" {
			return fmt.Sprintf("| %s | %s | %s |", m, folder, by)
		}
	}
	t.Errorf("%s: no test fails without this safeguard", m)
	return fmt.Sprintf("| %s | - | - |", m)
}

var failed = regexp.MustCompile(`^--- FAIL: (\S+)|^(panic|fatal error): `)

// firstFailure returns the first test that fails, and does not wait for the others, as
// -failfast does for all tests that run in parallel.
func firstFailure(t *testing.T, folder, binary string, args ...string) (name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	cmd := exec.CommandContext(ctx, binary, append(args, "-test.v", "-test.timeout", "5m")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join("../..", folder), writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- cmd.Wait()
		_ = writer.Close()
	}()
	for lines := bufio.NewReader(reader); ; {
		line, err := lines.ReadString('\n')
		if match := failed.FindStringSubmatch(line); match != nil && name == "" {
			name = match[1] + match[2]
			cancel()
		}
		if err != nil {
			break
		}
	}
	if err := <-done; err != nil && name == "" {
		name = err.Error()
	}
	return name
}
