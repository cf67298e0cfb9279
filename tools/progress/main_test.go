// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgress makes this program act as progress.
const asProgress = "FINICITY_TEST_PROGRESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProgress) != "" {
		main()
	}
	os.Exit(m.Run())
}

// progress prepares it for a module with this test.
func progress(t *testing.T, body string, args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo 1.26\n",
		"a_test.go": "package a\n\nimport (\n\t\"os\"\n\t\"os/signal\"\n\t\"testing\"\n\t\"time\"\n)\n\n" +
			"func TestIt(t *testing.T) {\n" + body + "\n}\n\nvar _, _, _ = os.Getpid, signal.Notify, time.Second\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asProgress+"=1", "GOWORK=off", "GOFLAGS=")
	return cmd
}

func TestItEndsAsGoTestDoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body, says string
		code       int
	}{
		"success": {"", "1 passed", 0},
		"failure": {`t.Error("it broke")`, "it broke", 1},
		"build":   {"nonsense", "undefined: nonsense", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := progress(t, tc.body, "-count=1", ".")
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(string(out), tc.says) {
				t.Errorf("progress ends with %d (%v)\n%s", code, err, out)
			}
		})
	}
	cmd := progress(t, `t.Log("a step")`, "-v", ".")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestIt") ||
		!strings.Contains(string(out), "a step") {
		t.Errorf("with -v it prints %s (%v)", out, err)
	}
	cmd = progress(t, "", "-no-such-flag")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 0 || !strings.Contains(string(out), "no-such-flag") {
		t.Errorf("a flag that go test does not know: %v\n%s", err, out)
	}
}

// Tests that start servers must stop them.
func TestASignalIsOneToTheTests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(tc.signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd := progress(t, `
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	os.WriteFile("started", nil, 0o600)
	<-interrupted
	time.Sleep(time.Second)
	os.WriteFile("cleaned", nil, 0o600)`, "-count=1", ".")
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for started := false; !started; {
				select {
				case err := <-ended:
					t.Fatalf("progress ends with %v\n%s", err, out.String())
				case <-time.After(20 * time.Millisecond):
				}
				_, err := os.Stat(filepath.Join(cmd.Dir, "started"))
				started = err == nil
			}
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			exit := new(exec.ExitError)
			if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != tc.code {
				t.Errorf("progress ends with %v\n%s", err, out.String())
			}
			if _, err := os.Stat(filepath.Join(cmd.Dir, "cleaned")); err != nil {
				t.Errorf("the tests could not clean up: %v\n%s", err, out.String())
			}
		})
	}
}
