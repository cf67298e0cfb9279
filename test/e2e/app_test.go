// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

func (w *fixture) buildApp(ts *testscript.TestScript, to string) {
	build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", ts.MkAbs(to), "./examples/app") //nolint:noctx // Seconds.
	build.Dir = w.repository
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("building the app: %v\n%s", err, out)
	}
}

// cmdApp runs examples/app with the headers that an agent writes, and stops it. The app
// must not have failed:
//
//	app start app one/finicity.headers
//	app stop app 100                   it has made at least 100 calls
//	app made one 10                    waits until the app of an agent has made 10 calls
//	app begun one 2                    waits until it was started twice
func cmdApp(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "app start NAME FILE | app stop NAME CALLS | app made NAME CALLS | app begun NAME TIMES")
	w := fixtureOf(ts)
	name := args[1]
	if args[0] == "start" {
		bin := filepath.Join(name, "app")
		w.buildApp(ts, bin)
		w.launch(ts, name, ts.MkAbs(bin), "-every=100ms", "-headers="+ts.MkAbs(args[2]))
		return
	}
	least, err := count(args[2])
	ts.Check(err)
	switch args[0] {
	case "stop":
		w.endChild(ts, name)
		ts.Check(w.children[name].printed(": HTTP 200\n", least))
	case "made":
		ts.Check(w.children[name].await(": HTTP 200\n", least))
	case "begun":
		ts.Check(w.children[name].await("call 1: HTTP 200\n", least))
	default:
		ts.Fatalf("unknown: app %s", args[0])
	}
}

// await waits until the app has printed the text n times, as long as the app runs.
func (c *child) await(text string, least int) error {
	return poll(func() (bool, error) {
		select {
		case <-c.exited:
			log, _ := os.ReadFile(c.logFile) // For the reader of a failure.
			return false, fmt.Errorf("it has ended unexpectedly: %w\n%s", cmp.Or(c.err, errors.New("without an error")), log)
		default:
			return c.printed(text, least) == nil, nil
		}
	}, func() error { return c.printed(text, least) })
}

func (c *child) printed(text string, least int) error {
	log, err := os.ReadFile(c.logFile)
	if times := strings.Count(string(log), text); err == nil && times < least {
		err = fmt.Errorf("%q was printed %d times, want at least %d", text, times, least)
	}
	return err
}
