// SPDX-License-Identifier: MPL-2.0

// Command progress runs go test, and shows its progress in plain lines, because a CI
// log is not a terminal. It prints a line for each package, and for each test of two
// seconds or more. It prints the output of a failed test at once. After half a minute
// without output, it prints the running tests. At the end, it prints the commands that
// run the failed tests again.
//
//	progress -race -count=1 ./...    the arguments are those of go test
//	progress -v ./test/mount         shows all output at once
//
// Ctrl-C and SIGTERM end the tests too. The command waits until the tests have cleaned
// up.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "progress:", err)
	}
	os.Exit(code)
}

// run returns the exit code of go test, or that of a program which a signal has ended.
func run(args []string, out io.Writer) (code int, err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	test := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append([]string{"test", "-json"}, args...)...) //nolint:gosec,noctx // The caller's own arguments; ended below.
	test.Stderr = os.Stderr
	// A separate group, so that a signal reaches each test once.
	test.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := test.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := test.Start(); err != nil {
		return 1, err
	}

	lines := make(chan []byte)
	broken := make(chan error, 1)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(stdout)
		for {
			line, err := reader.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					broken <- err
				}
				return
			}
		}
	}()

	module := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Path
	}
	r := newReport(out, module, time.Now)
	r.verbose = slices.Contains(args, "-v")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	interrupted := 0
	for open := true; open; {
		select {
		case line, more := <-lines:
			if open = more; more {
				r.line(line)
			}
		case <-tick.C:
			r.tick()
		case got := <-signals:
			number, _ := got.(syscall.Signal)
			// On SIGTERM, go test ends at once and leaves its tests running. On SIGINT,
			// it waits for them.
			with := syscall.SIGINT
			if interrupted != 0 {
				with = syscall.SIGKILL // The second signal.
			} else {
				r.interrupted()
			}
			interrupted = 128 + int(number)
			_ = syscall.Kill(-test.Process.Pid, with) // It may have ended by now.
		}
	}
	err = test.Wait()
	if interrupted == 0 {
		r.end()
	}
	select {
	case err := <-broken:
		return 1, err
	default:
	}
	exit := new(exec.ExitError)
	switch {
	case interrupted != 0:
		return interrupted, nil
	case errors.As(err, &exit):
		return max(1, exit.ExitCode()), nil
	case err != nil:
		return 1, err
	}
	return 0, nil
}
