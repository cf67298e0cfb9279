// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdClients runs the clients of examples/clients, all at the same time. A client ends
// with an error when a call of Finicity's API fails, and then the script fails.
//
//	clients start        with the script's Vault token in their environment
//	clients start file   with the Vault token in the file vault-token
//	clients make 10      waits until each of them has made 10 more calls
//	clients read 2       waits until each of them has read a token twice since its start
//	clients keep 1       waits until each of them has kept its token because Vault did not return one
//	clients count N      sets a variable to their number
//	clients stop
func cmdClients(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "clients start [file] | make N | read N | keep N | count NAME | stop")
	w := fixtureOf(ts)
	if args[0] == "start" {
		w.startClients(ts, len(args) == 2 && args[1] == "file")
		return
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(w.children)), func(name string) bool { return !isClient(name) })
	if args[0] == "stop" {
		for _, name := range names {
			c := w.children[name]
			ts.Check(c.await("", 0)) // It must be running.
			_ = c.stop()             // Its exit code says that a signal has ended it.
			log, err := os.ReadFile(c.logFile)
			ts.Check(errors.Join(err, os.Remove(c.logFile)))
			w.overheard(string(log))
			delete(w.children, name)
		}
		return
	}
	usage(ts, len(args) == 2, "clients make N | read N | keep N | count NAME")
	if args[0] == "count" {
		ts.Setenv(args[1], strconv.Itoa(len(names)))
		return
	}
	texts := map[string]string{"make": ": HTTP 200\n", "read": "token: again in", "keep": "token: kept"}
	text, found := texts[args[0]]
	usage(ts, found, "clients start [file] | make N | read N | keep N | count NAME | stop")
	least, err := count(args[1])
	ts.Check(err)
	already := map[string]int{}
	for _, name := range names {
		if args[0] == "make" {
			log, err := os.ReadFile(w.children[name].logFile)
			ts.Check(err)
			already[name] = strings.Count(string(log), text)
		}
	}
	for _, name := range names {
		if err := w.children[name].await(text, already[name]+least); err != nil {
			ts.Fatalf("%s: %v", name, err)
		}
	}
}

// inCI reports whether a missing program must fail the test, because the example that
// needs it would otherwise never run.
func inCI() bool {
	ci := os.Getenv("CI")
	return ci != "" && ci != "0" && ci != "false"
}

func isClient(name string) bool { return filepath.Dir(name) == "clients" }

// startClients starts the clients whose runtime is installed. Go must be, or nothing
// would be tested. In CI, all of them must be.
func (w *fixture) startClients(ts *testscript.TestScript, tokenInFile bool) {
	commands, err := clientCommands(filepath.Join(w.repository, "examples", "clients"), ts.MkAbs("goclient"), 100*time.Millisecond)
	ts.Check(err)
	token := "VAULT_TOKEN=" + ts.Getenv("VAULT_TOKEN")
	if tokenInFile {
		token = "VAULT_TOKEN_FILE=" + ts.MkAbs("vault-token")
	}
	for name, command := range commands {
		path, err := clientRuntime(name, command[0], ts.Logf)
		ts.Check(err)
		if path == "" {
			continue
		}
		w.launch(ts, filepath.Join("clients", name), "env", append([]string{token, path}, command[1:]...)...)
	}
}

// clientCommands builds the client in Go, and returns the command of each client. All of
// them call Finicity's API once per interval until something ends them.
func clientCommands(examples, binary string, interval time.Duration) (map[string][]string, error) {
	build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", binary, "./go") //nolint:noctx // It ends soon.
	build.Dir = examples
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the client: %w\n%s", err, out)
	}
	const calls = "1000000"
	seconds := strconv.FormatFloat(interval.Seconds(), 'f', -1, 64)
	return map[string][]string{
		"go":     {binary, calls, interval.String()},
		"java":   {"java", filepath.Join(examples, "java", "Client.java"), calls, seconds},
		"node":   {"node", "--require", collector(examples), filepath.Join(examples, "node", "client.js"), calls, seconds},
		"python": {"python3", filepath.Join(examples, "python", "client.py"), calls, seconds},
		"ruby":   {"ruby", filepath.Join(examples, "ruby", "client.rb"), calls, seconds},
	}, nil
}

// collector returns the path of testdata/collect.js, from that of a folder of examples.
func collector(examples string) string {
	return filepath.Join(examples, "..", "..", "test", "e2e", "testdata", "collect.js")
}

// clientRuntime returns the path of a client's program. Without the program, it returns
// an error in CI. Elsewhere, it logs that the client is not run, and returns no path.
func clientRuntime(name, program string, logf func(format string, args ...any)) (string, error) {
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path, nil
	case inCI():
		return "", fmt.Errorf("%s is not on PATH, so examples/clients/%s would not be run, and this is CI: type make runtimes", program, name)
	default:
		logf("NOT RUN: examples/clients/%s, because %s is not on PATH: type make runtimes", name, program)
		return "", nil
	}
}
