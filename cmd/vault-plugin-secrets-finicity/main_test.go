// SPDX-License-Identifier: MPL-2.0

//go:build !windows

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/plugin"
)

// role says what this program is in a test: the plugin, or the server that starts the
// plugin.
const role = "FINICITY_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "plugin":
		main()
	case "server":
		server()
	default:
		os.Exit(m.Run())
	}
}

// server starts the plugin and lets the plugin print its address. The test kills it.
func server() {
	command := exec.Command(os.Args[0]) //nolint:noctx // It ends with its parent, or the test fails.
	command.Env = append(os.Environ(), role+"=plugin")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	_ = command.Run()
}

// run prepares this program for a role, as Vault does when it starts a plugin.
func run(t *testing.T, as string, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "plugin") //nolint:usetesting // On some systems, the path of a socket can have at most 104 bytes.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), role+"="+as, "TMPDIR="+dir, "PLUGIN_PROTOCOL_VERSIONS=5",
		plugin.HandshakeConfig.MagicCookieKey+"="+plugin.HandshakeConfig.MagicCookieValue)
	return command
}

// started starts the program. It returns the output that follows the plugin's address.
func started(t *testing.T, command *exec.Cmd) *bufio.Reader {
	t.Helper()
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "|unix|") {
		t.Fatalf("the first line is %q (%v)", line, err)
	}
	return lines
}

func TestItEndsWithItsServer(t *testing.T) {
	t.Parallel()
	command := run(t, "server")
	lines := started(t, command)
	ended := make(chan struct{})
	go func() { // Both processes have the pipe open.
		_, _ = io.Copy(io.Discard, lines) // An error means the end too.
		close(ended)
	}()
	select {
	case <-ended:
		t.Fatal("the plugin ends while its server is there")
	case <-time.After(3 * time.Second):
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Minute):
		t.Error("the plugin outlives its server")
	}
}

// Many guides register every plugin with such arguments.
func TestItStartsWithTheArgumentsOfOtherPlugins(t *testing.T) {
	t.Parallel()
	command := run(t, "plugin", "--tls-skip-verify=true", "-ca-cert=/etc/ca.pem")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	started(t, command)
	line, err := bufio.NewReader(stderr).ReadString('\n')
	for _, want := range []string{`"@level":"info"`, "have no effect", `["-ca-cert","-tls-skip-verify"]`} {
		if err != nil || !strings.Contains(line, want) {
			t.Errorf("the log does not say %s: %s (%v)", want, line, err)
		}
	}
}

func TestAnArgumentThatItDoesNotKnowIsAnErrorInVaultsLog(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"-nosuch", "nosuch", "-tls-skip-verify=perhaps"} {
		command := run(t, "plugin", argument)
		var stderr bytes.Buffer
		command.Stderr = &stderr
		exit := new(exec.ExitError)
		if err := command.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%s: it ends with %v", argument, err)
		}
		for _, want := range []string{`"@level":"error"`, "register it without this argument", strings.Trim(argument, "-")[:6]} {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: the log does not say %s: %s", argument, want, stderr.String())
			}
		}
	}
}

// If the path of a socket is too long for the system, Vault asks whether the plugin was
// compiled for this architecture.
func TestALongTMPDIRIsAnErrorInVaultsLog(t *testing.T) {
	t.Parallel()
	const room = "/plugin1234567890"
	most := len(syscall.RawSockaddrUnix{}.Path) - 1 - len(room)
	for _, variable := range []string{"TMPDIR", "PLUGIN_UNIX_SOCKET_DIR"} {
		command := run(t, "plugin")
		dir := command.Env[slices.IndexFunc(command.Env, func(v string) bool { return strings.HasPrefix(v, "TMPDIR=/tmp/plugin") })]
		dir = strings.TrimPrefix(dir, "TMPDIR=") + "/"
		dir += strings.Repeat("x", most-len(dir))
		for _, name := range []string{dir, dir + "x"} {
			if err := os.Mkdir(name, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		fits := run(t, "plugin")
		fits.Env = append(fits.Env, variable+"="+dir)
		started(t, fits)

		var stderr bytes.Buffer
		command.Env = append(command.Env, variable+"="+dir+"x")
		command.Stderr = &stderr
		exit := new(exec.ExitError)
		if err := command.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: it ends with %v", variable, err)
		}
		for _, want := range []string{`"@level":"error"`, "set TMPDIR of the Vault server to a folder with a shorter path"} {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: the log does not say %s: %s", variable, want, stderr.String())
			}
		}
	}
}

func TestByHandItPrintsItsVersion(t *testing.T) {
	t.Parallel()
	out, err := run(t, "plugin", "-version").Output()
	if err != nil || !strings.HasPrefix(string(out), "vault-plugin-secrets-finicity ") {
		t.Errorf("the plugin prints %q (%v)", out, err)
	}
}
