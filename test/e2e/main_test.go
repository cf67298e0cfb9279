// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// inside is set for the process that runs the tests.
const inside = "FINICITY_E2E_INSIDE"

// TestMain runs the tests in a child process, in their own folder. However that process
// ends (Ctrl-C, a panic, the timeout of go test), its servers are stopped and the
// folder is removed. Only another process can do that.
//
// On machines without curl, this binary acts as curl.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "curl":
		if err := curl(os.Stdout, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "curl:", err)
			os.Exit(2)
		}
	case os.Getenv(inside) != "":
		os.Exit(m.Run())
	default:
		code, err := supervise()
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	}
}

// longestTMPDIR is the longest path of a TMPDIR in which a run works. The tests create
// folders in it, and folders in these. OpenTofu's provider is a plugin too.
const longestTMPDIR = 14

// supervise runs the tests in a child process, and cleans up after them. It returns
// their exit code.
func supervise() (code int, err error) {
	signals, broken := make(chan os.Signal, 8), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(broken, syscall.SIGPIPE) // Otherwise a message to a go test process that has ended would end the cleanup.

	parents := []string{os.TempDir(), "/tmp"}
	if len(os.TempDir()) > longestTMPDIR {
		slices.Reverse(parents)
	}
	dir, err := vaulttest.ShortFolder("e2e", parents...)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	child := exec.Command(self, os.Args[1:]...) //nolint:noctx // Ended below.
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	// testscript puts its scripts in GOTMPDIR.
	child.Env = append(os.Environ(), inside+"=1", "TMPDIR="+dir, "GOTMPDIR="+dir)
	// The session identifies all processes that were started in it. Only this process
	// gets signals.
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return 1, err
	}
	ended := make(chan struct{})
	var failure error
	go func() {
		failure = child.Wait()
		close(ended)
	}()

	select {
	case <-ended:
		if failure != nil {
			code = max(1, child.ProcessState.ExitCode())
		}
		left, err := endFamily(child.Process.Pid, nil, 10*time.Second)
		if err == nil && left > 0 && code == 0 {
			err = fmt.Errorf("the tests have left %d processes behind", left)
		}
		return code, err
	case got := <-signals:
		number, _ := got.(syscall.Signal)
		fmt.Fprintf(os.Stderr, "e2e: %s: stopping the servers, and removing %s\n", got, dir)
		if number == syscall.SIGQUIT { // go test sends it to show what hangs.
			_ = child.Process.Signal(number)
			<-time.After(time.Second)
		}
		// From here on, it starts no process, and its children are still known as its
		// children.
		_ = child.Process.Signal(syscall.SIGSTOP)
		known, err := family(child.Process.Pid, nil)
		_ = child.Process.Kill()
		<-ended
		_, failed := endFamily(child.Process.Pid, known, 0)
		return 128 + int(number), errors.Join(err, failed)
	}
}

// family returns the processes that a process has started, directly or indirectly: its
// descendants, and all in its session or in a process group of one of them. known are
// those found before, of which family keeps the running ones.
func family(root int, known []int) ([]int, error) {
	all, err := vaulttest.Processes()
	if err != nil {
		return nil, err
	}
	members, groups := map[int]bool{root: true}, map[int]bool{root: true}
	for _, p := range all {
		if slices.Contains(known, p.ID) {
			members[p.ID], groups[p.Group] = true, true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !members[p.ID] && p.ID != os.Getpid() && (members[p.Parent] || groups[p.Group] || p.Session == root) {
				members[p.ID], groups[p.Group], grown = true, true, true
			}
		}
	}
	var found []int
	for _, p := range all {
		if members[p.ID] && p.ID != root {
			found = append(found, p.ID)
		}
	}
	return found, nil
}

// endFamily ends the processes that the tests have started. A process that does not end
// within the grace period gets SIGTERM, and ten seconds later SIGKILL. It returns how
// many processes needed a signal.
func endFamily(root int, known []int, grace time.Duration) (told int, err error) {
	begun := time.Now()
	for {
		if known, err = family(root, known); err != nil || len(known) == 0 {
			return told, err
		}
		if after := time.Since(begun); after >= grace {
			told = max(told, len(known))
			with := syscall.SIGTERM
			if after > grace+10*time.Second {
				with = syscall.SIGKILL
			}
			for _, pid := range known {
				_ = syscall.Kill(pid, with) // It may have ended by now.
			}
		}
		<-time.After(100 * time.Millisecond)
	}
}

// removeAll removes a folder, including read-only folders in it, such as Go's module
// cache.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // Removing the content of a folder needs the x permission.
		}
		return nil
	})
	return os.RemoveAll(dir)
}
