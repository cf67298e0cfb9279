// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// child is a process that runs alongside a script, in its own folder.
type child struct {
	dir, logFile string
	cmd          *exec.Cmd
	exited       chan struct{} // Closed once err is set.
	err          error
}

// launch starts a program in the folder of that name, with the environment of the
// script.
func (w *fixture) launch(ts *testscript.TestScript, name, bin string, args ...string) {
	if w.children[name] != nil {
		ts.Fatalf("there is a %s already", name)
	}
	c := &child{dir: ts.MkAbs(name), logFile: ts.MkAbs(name + ".log"), exited: make(chan struct{})}
	ts.Check(os.MkdirAll(c.dir, 0o700))
	log, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	c.cmd = exec.Command(bin, args...) //nolint:noctx // Ended by stop.
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = c.dir, log, log
	for _, name := range []string{"HOME", "PATH", "VAULT_ADDR"} {
		c.cmd.Env = append(c.cmd.Env, name+"="+ts.Getenv(name))
	}
	c.cmd.Env = append(c.cmd.Env, "FINICITY_URL="+w.plain.URL)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Otherwise a killed agent would leave its app behind.
	ts.Check(c.cmd.Start())
	go func() {
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	if w.children == nil {
		w.children = map[string]*child{}
	}
	w.children[name] = c
}

// stop ends the child as an operator does. An error means that it had ended before, or
// that it ends with one.
func (c *child) stop() error {
	select {
	case <-c.exited:
		return fmt.Errorf("it has ended unexpectedly: %w", cmp.Or(c.err, errors.New("without an error")))
	default:
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
		return c.err
	case <-time.After(patience):
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.exited
		return errors.New("it did not end when it was told to")
	}
}

// endChild ends a child that the script no longer needs. The child must not have failed
// before.
func (w *fixture) endChild(ts *testscript.TestScript, name string) {
	c := w.children[name]
	if c == nil {
		ts.Fatalf("there is no %s", name)
	}
	err := c.stop()
	log, _ := os.ReadFile(c.logFile) // For the reader of a failure.
	if err != nil {
		ts.Fatalf("%s: %v\n%s", name, err, log)
	}
}

// exampleListener is the address on which proxy.hcl listens.
const exampleListener = "127.0.0.1:8100"

// cmdAgent runs Vault Agent or Vault Proxy with an unchanged file of examples/agent, in
// a folder with copies of all of them. The role-id and secret-id are the script's own,
// and so is the app that the agent may start. $LISTENER is for proxy.hcl.
//
//	agent start one agent.hcl
//	agent start one agent.hcl '"finicity/token" "min_ttl=80m"'    its template reads that instead of "finicity/token"
//	agent serves $LISTENER    waits until it does, for clients that send the header of proxy.hcl
//	agent again one agent.hcl  stops it, and starts it again in the same folder
//	agent stop one
func cmdAgent(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "agent start NAME FILE | agent serves ADDRESS | agent stop NAME")
	w := fixtureOf(ts)
	name := args[1]
	switch {
	case args[0] == "start" && (len(args) == 3 || len(args) == 4):
		ts.Check(os.MkdirAll(ts.MkAbs(name), 0o700))
		examples, err := filepath.Glob(filepath.Join(w.repository, "examples", "agent", "*"))
		ts.Check(err)
		port, err := vaulttest.FreePort()
		ts.Check(err)
		listener := fmt.Sprintf("127.0.0.1:%d", port)
		for _, file := range append(examples, ts.MkAbs("role-id"), ts.MkAbs("secret-id")) {
			text, err := os.ReadFile(file)
			ts.Check(err)
			text = []byte(strings.ReplaceAll(string(text), exampleListener, listener))
			if len(args) == 4 && filepath.Ext(file) == ".ctmpl" {
				text = []byte(strings.ReplaceAll(string(text), `"finicity/token"`, args[3]))
			}
			ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(name), filepath.Base(file)), text, 0o600))
		}
		if args[2] == "exec.hcl" {
			w.buildApp(ts, filepath.Join(name, "app"))
		}
		mode := "agent"
		if args[2] == "proxy.hcl" {
			ts.Setenv("LISTENER", "http://"+listener)
			mode = "proxy"
		}
		w.launch(ts, name, w.vaultBin, mode, "-config="+args[2])
	case args[0] == "again" && len(args) == 3:
		w.endChild(ts, name)
		delete(w.children, name)
		w.launch(ts, name, w.vaultBin, "agent", "-config="+args[2])
	case args[0] == "serves":
		var err error
		ts.Check(poll(func() (bool, error) {
			err = serves(args[1])
			return err == nil, nil
		}, func() error { return err }))
	case args[0] == "stop":
		w.endChild(ts, name)
	default:
		ts.Fatalf("unknown: agent %s", args[0])
	}
}

// serves returns an error until the listener uses the agent's token. It must refuse a
// request without the protecting header.
func serves(listener string) error {
	for header, want := range map[string]int{"X-Vault-Request": http.StatusOK, "X-Other": http.StatusPreconditionFailed} {
		req, err := http.NewRequest(http.MethodGet, listener+"/v1/auth/token/lookup-self", nil) //nolint:noctx // Loopback.
		if err != nil {
			return err
		}
		req.Header.Set(header, "true")
		resp, err := (&http.Client{}).Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // Only the status counts.
		if resp.StatusCode != want {
			return fmt.Errorf("with the header %s: HTTP %d, want %d", header, resp.StatusCode, want)
		}
	}
	return nil
}

// cmdHeaders watches files that agents write: at every moment, Finicity must accept the
// headers in each file.
//
//	headers watch one/finicity.headers two/finicity.headers    waits until they exist, and watches them until the end
//	headers tokens 3                                           waits until each file has contained 3 tokens
//	headers end 3                                              all files together have contained 3 tokens
func cmdHeaders(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "headers watch FILE … | headers tokens N | headers end N")
	w := fixtureOf(ts)
	if args[0] == "watch" {
		var files []string
		for _, name := range args[1:] {
			files = append(files, ts.MkAbs(name))
		}
		ts.Check(poll(func() (bool, error) {
			return !slices.ContainsFunc(files, func(file string) bool { _, err := os.Stat(file); return err != nil }), nil
		}, func() error { return errors.New("the agents have not written their files") }))
		w.watch = &watch{fixture: w, stopped: make(chan struct{}), begun: time.Now(), seen: map[string][]string{}}
		for _, file := range files {
			w.watch.watchers.Go(func() { w.watch.look(file) })
		}
		return
	}
	n, err := count(args[1])
	ts.Check(err)
	switch args[0] {
	case "tokens":
		ts.Check(poll(func() (bool, error) { return w.watch.least() >= n, w.watch.failure() }, func() error {
			return fmt.Errorf("a file has held %d tokens, want %d", w.watch.least(), n)
		}))
	case "end":
		ts.Check(w.watch.end())
		ts.Logf("%s", strings.Join(w.watch.story, "\n"))
		if all := w.watch.different(); all != n {
			ts.Fatalf("the files have held %d tokens, want %d", all, n)
		}
	default:
		ts.Fatalf("unknown: headers %s", args[0])
	}
}

// watch calls the API with the content of each file, all the time.
type watch struct {
	fixture  *fixture
	watchers sync.WaitGroup
	stopped  chan struct{}
	stopOnce sync.Once
	begun    time.Time

	mu    sync.Mutex
	err   error
	calls int
	seen  map[string][]string // The tokens of each file, in their order.
	story []string
}

func (w *watch) look(file string) {
	for {
		appKey, token, err := readHeaders(file)
		if err == nil {
			err = w.fixture.customers(appKey, token)
		}
		if info, _ := os.Stat(file); err == nil && info != nil && info.Mode().Perm()&0o077 != 0 {
			err = errors.New("others may read them")
		}
		if w.note(file, token, err); err != nil {
			return
		}
		select {
		case <-w.stopped:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (w *watch) note(file, token string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	after := time.Since(w.begun).Round(time.Millisecond)
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("after %s, with the headers in %s: %w", after, file, err))
		return
	}
	w.calls++
	tokens := w.seen[file]
	if len(tokens) == 0 || tokens[len(tokens)-1] != token {
		w.seen[file] = append(tokens, token)
		w.story = append(w.story, fmt.Sprintf("%8s: token %d in %s", after, len(tokens)+1, filepath.Base(filepath.Dir(file))))
	}
}

func (w *watch) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watch) least() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	least := 0
	for _, tokens := range w.seen {
		if least == 0 || len(tokens) < least {
			least = len(tokens)
		}
	}
	return least
}

func (w *watch) different() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]struct{}{}
	for _, tokens := range w.seen {
		for _, token := range tokens {
			all[token] = struct{}{}
		}
	}
	return len(all)
}

func (w *watch) end() error {
	w.stopOnce.Do(func() { close(w.stopped) })
	w.watchers.Wait()
	return w.failure()
}

func readHeaders(file string) (appKey, token string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	if _, err := fmt.Sscanf(string(text), "Finicity-App-Key: %s\nFinicity-App-Token: %s\n", &appKey, &token); err != nil {
		return "", "", errors.New("these are not two headers") // The content may include the token.
	}
	return appKey, token, nil
}
