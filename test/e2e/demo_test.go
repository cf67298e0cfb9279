// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// script runs one of the scripts behind make demo and make dev. make builds the three
// programs.
func script(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	for _, variable := range []string{"FINICITY_E2E_VAULT", "FINICITY_E2E_PLUGIN", "FINICITY_E2E_FAKE"} {
		program(t, variable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "bash", filepath.Join("..", "..", "scripts", name))
	// Settings for another Vault server must not affect it.
	cmd.Env = append(os.Environ(), "TMPDIR="+folder(t), "VAULT_FORMAT=json", "VAULT_AGENT_ADDR=http://127.0.0.1:1",
		"VAULT_WRAP_TTL=1m", "http_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1")
	// Ctrl-C reaches the whole process group, and so does the end of patience.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// folder returns a folder with a short path. Vault runs in it, and so do scripts that
// create another folder in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t") //nolint:usetesting // t.TempDir has the name of the test in its path.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// leftovers fails the test if a process of the script's group still runs, or a file
// remains in its TMPDIR.
func leftovers(t *testing.T, script *exec.Cmd) {
	t.Helper()
	if err := syscall.Kill(-script.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the script has left processes behind: %v", err)
	}
	for _, variable := range slices.Backward(script.Env) {
		dir, found := strings.CutPrefix(variable, "TMPDIR=")
		if !found {
			continue
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Errorf("the script has left files behind: %v (%v)", files, err)
		}
		return
	}
}

// withoutVault returns an environment without the settings for another Vault server.
func withoutVault(env []string) []string {
	return slices.DeleteFunc(env, func(variable string) bool { return strings.HasPrefix(variable, "VAULT_") })
}

func TestTheDemoRunsToItsEndAndLeavesNothingBehind(t *testing.T) {
	cmd := script(t, "demo.sh")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Done. Stopping both servers.") {
		t.Fatalf("%v\n%s", err, out)
	}
	leftovers(t, cmd)
}

// The path of a plugin's socket can have at most 103 bytes on macOS, of which TMPDIR
// has 49 there. With a longer path, Vault reports "not compiled for this architecture",
// which does not help.
func TestTheDemoRunsWithALongTMPDIR(t *testing.T) {
	cmd := script(t, "demo.sh")
	cmd.Env = append(cmd.Env, "TMPDIR="+longFolder(t))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Done. Stopping both servers.") {
		t.Fatalf("%v\n%s", err, out)
	}
	leftovers(t, cmd)
}

func TestWithoutAShortFolderTheDemoSaysWhatToSet(t *testing.T) {
	mktemp, err := exec.LookPath("mktemp")
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Dir(wrap(t, mktemp, "mktemp", `case "$*" in "-d /tmp/"*) exit 1 ;; esac; exec "$PROGRAM" "$@"`))
	cmd := script(t, "demo.sh")
	cmd.Env = append(cmd.Env, "TMPDIR="+longFolder(t), "PATH="+full+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "set TMPDIR to a folder with a path of at most 71 characters") {
		t.Fatalf("%v\n%s", err, out)
	}
	leftovers(t, cmd)
}

// longFolder returns a folder whose path has 80 characters.
func longFolder(t *testing.T) string {
	t.Helper()
	dir := folder(t) + "/"
	dir += strings.Repeat("x", 80-len(dir))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A new machine has Go, make and git. It may not have curl.
func TestTheDemoNeedsNoCurl(t *testing.T) {
	tools := t.TempDir()
	for _, name := range []string{
		"bash", "cat", "cp", "cut", "dirname", "env", "grep", "mkdir", "mktemp", "rm", "sed", "sha256sum", "shasum", "sleep", "tail",
	} {
		if path, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := script(t, "demo.sh")
	cmd.Env = append(cmd.Env, "PATH="+tools)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Done. Stopping both servers.") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A demo that always shows success would be worse than none.
func TestTheDemoFailsWhenAStepDoes(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "vault-plugin-secrets-finicity")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := script(t, "demo.sh")
	cmd.Env = append(cmd.Env, "FINICITY_E2E_PLUGIN="+broken)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() == 0 {
		t.Fatalf("the demo did not fail: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "The demo has failed") {
		t.Fatalf("the demo does not say where it failed:\n%s", out)
	}
	leftovers(t, cmd)
}

// until starts the script and reads its output up to a line that begins with the text.
// The pipe then has the rest of the output.
func until(t *testing.T, cmd *exec.Cmd, text string) (lines []string, rest io.Reader) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(stdout)
	for {
		line, err := output.ReadString('\n')
		lines = append(lines, line)
		if err != nil {
			t.Fatalf("no line begins with %q: %v\n%s", text, err, strings.Join(lines, ""))
		}
		if strings.HasPrefix(line, text) {
			return lines, output
		}
	}
}

// wrap replaces a program with a shell script, in which $PROGRAM is the original. It
// returns the script's path.
func wrap(t *testing.T, program, name, body string) string {
	t.Helper()
	wrapper := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(wrapper, []byte("#!/bin/sh\nPROGRAM='"+program+"'\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return wrapper
}

// Two demos that start at the same moment find the same free port, and one of them is
// too late.
func TestAPortThatAnotherProcessTakesIsNotUsed(t *testing.T) {
	vault := wrap(t, program(t, "FINICITY_E2E_VAULT"), "vault", `
if [ "$1" = server ] && ! [ -e "$0.late" ]; then
	touch "$0.late"
	echo 'Error initializing listener of type tcp: listen tcp4 127.0.0.1:8200: bind: address already in use'
	exit 1
fi
exec "$PROGRAM" "$@"
`)
	cmd := script(t, "demo.sh")
	cmd.Env = append(cmd.Env, "FINICITY_E2E_VAULT="+vault)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Done. Stopping both servers.") {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(vault + ".late"); err != nil {
		t.Error(err)
	}
}

func TestDevServesUntilCtrlC(t *testing.T) {
	cmd := script(t, "dev.sh")
	printed, stdout := until(t, cmd, "Ctrl-C")
	// The commands that it prints for another terminal work there, and so do those of
	// the README with the same variables.
	const write = "vault write finicity/config partner_id=$PARTNER_ID app_key=$APP_KEY base_url=$FINICITY partner_secret="
	var toType []string
	_, noCurl := exec.LookPath("curl") // A new machine may have none.
	for _, line := range printed {
		indented, ok := strings.CutPrefix(line, "    ")
		switch {
		case !ok, noCurl != nil && (strings.HasPrefix(indented, "curl ") || strings.HasPrefix(indented, "vault write ")):
		case strings.HasPrefix(indented, "curl "):
			toType = append(toType, write+"$PARTNER_SECRET", indented)
		default:
			toType = append(toType, indented)
		}
	}
	other := exec.CommandContext(t.Context(), "bash", "-euc", strings.Join(toType, "\n"))
	other.Env = withoutVault(os.Environ())
	out, err := other.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "lease_duration") {
		t.Errorf("%v\n%s\n%s", err, strings.Join(printed, ""), out)
	}

	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if !strings.Contains(string(rest), "Both servers are stopped.") {
		t.Errorf("after Ctrl-C it printed %q", rest)
	}
	leftovers(t, cmd)
}

// endServer runs dev.sh with one of its servers wrapped, and ends that server.
func endServer(t *testing.T, variable string) (cmd *exec.Cmd, stdout io.Reader) {
	t.Helper()
	cmd = script(t, "dev.sh")
	wrapper := wrap(t, program(t, variable), filepath.Base(program(t, variable)), `
case $1 in server | -listen) echo $$ >"$0.pid" ;; esac
exec "$PROGRAM" "$@"
`)
	cmd.Env = append(cmd.Env, variable+"="+wrapper)
	_, stdout = until(t, cmd, "Ctrl-C")
	text, err := os.ReadFile(wrapper + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := count(string(text))
	if err != nil {
		t.Fatal(err)
	}
	// SIGTERM, because a Vault server that is killed leaves its plugin behind.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return cmd, stdout
}

// Otherwise half of the environment would silently continue, and a developer would look
// for the fault in the engine.
func TestDevEndsWithAnErrorWhenVaultDoes(t *testing.T) {
	cmd, stdout := endServer(t, "FINICITY_E2E_VAULT")
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("dev.sh ended with %v", err)
	}
	if !strings.Contains(string(rest), "Vault has ended") || !strings.Contains(string(rest), "Both servers are stopped.") {
		t.Errorf("dev.sh printed %q", rest)
	}
	leftovers(t, cmd)
}

// Developers should be able to try an outage of Finicity.
func TestDevContinuesWithoutItsMockServer(t *testing.T) {
	cmd, stdout := endServer(t, "FINICITY_E2E_FAKE")
	output := bufio.NewReader(stdout)
	for line := ""; !strings.HasPrefix(line, "The mock server has ended. Vault keeps running"); {
		var err error
		if line, err = output.ReadString('\n'); err != nil {
			t.Fatalf("dev.sh does not say that the mock server has ended: %v", err)
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(output)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(string(rest), "Both servers are stopped.") {
		t.Errorf("after Ctrl-C: %v, and it printed %q", err, rest)
	}
	leftovers(t, cmd)
}
