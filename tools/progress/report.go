// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// shown is how long a test must take to get its own line.
	shown = 2.0
	// quiet is the longest time without output.
	quiet = 30 * time.Second
	// named is the highest number of running tests in a line.
	named = 4
)

// event is a line of go test -json, see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// test is a test or, without a name, its package.
type test struct{ pkg, name string }

type report struct {
	out     io.Writer
	module  string
	now     func() time.Time
	verbose bool // Shows all output at once, as go test -v does.
	begun   time.Time
	printed time.Time // When something was last printed.

	output  map[test]*strings.Builder
	running map[test]time.Time // Since when.
	parents map[test]bool      // Those that have subtests.
	failed  []test             // In the order in which they failed.
	passed  int
	skipped int
}

func newReport(out io.Writer, module string, now func() time.Time) *report {
	return &report{
		out: out, module: module, now: now, begun: now(), printed: now(),
		output: map[test]*strings.Builder{}, running: map[test]time.Time{}, parents: map[test]bool{},
	}
}

func (r *report) print(format string, args ...any) {
	r.printed = r.now()
	_, _ = fmt.Fprintf(r.out, format+"\n", args...) // An error of the terminal cannot be reported.
}

// line processes a line of go test -json. A line that is not JSON is printed unchanged.
func (r *report) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		r.print("%s", bytes.TrimRight(line, "\n"))
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.print("%s", strings.TrimRight(e.Output, "\n"))
	case "output":
		if r.verbose {
			r.printed = r.now()
			_, _ = io.WriteString(r.out, e.Output) // As in print.
			return
		}
		if r.output[t] == nil {
			r.output[t] = &strings.Builder{}
		}
		r.output[t].WriteString(e.Output)
	case "run", "cont":
		r.running[t] = r.now()
		for i, letter := range e.Test { // A name may contain a slash.
			if letter == '/' {
				r.parents[test{e.Package, e.Test[:i]}] = true
			}
		}
	case "pause":
		delete(r.running, t)
	case "pass", "fail", "skip":
		delete(r.running, t)
		if e.Test == "" {
			r.packageEnds(e)
		} else {
			r.testEnds(t, e)
		}
		delete(r.output, t)
	}
}

func (r *report) testEnds(t test, e event) {
	parent := r.parents[t]
	switch {
	case e.Action == "fail":
		r.failed = append(r.failed, t)
		r.status("FAIL", t, e.Elapsed, "")
		r.show(t)
	case e.Action == "skip":
		r.skipped++
		r.status("skip", t, e.Elapsed, "")
		r.show(t)
	case parent: // Its subtests have been counted.
	default:
		r.passed++
		if e.Elapsed >= shown {
			r.status("ok", t, e.Elapsed, "")
		}
	}
}

func (r *report) packageEnds(e event) {
	t := test{pkg: e.Package}
	text := ""
	if r.output[t] != nil {
		text = r.output[t].String()
	}
	switch e.Action {
	case "fail":
		// A crash, or the timeout of go test, ends the running tests, and its message
		// is part of their output.
		for _, other := range r.runningTests() {
			if other.pkg == e.Package {
				r.failed = append(r.failed, other)
				r.status("FAIL", other, r.now().Sub(r.running[other]).Seconds(), " (did not finish)")
				r.show(other)
				delete(r.running, other)
			}
		}
		r.status("FAIL", t, e.Elapsed, "")
		r.show(t)
		if !slices.ContainsFunc(r.failed, func(f test) bool { return f.pkg == e.Package }) {
			r.failed = append(r.failed, t)
		}
	case "pass":
		note := ""
		if strings.Contains(text, "(cached)") {
			note = " (cached)"
		}
		r.status("ok", t, e.Elapsed, note)
	}
}

func (r *report) status(word string, t test, seconds float64, note string) {
	if r.verbose {
		return
	}
	r.print("%-4s %7.1fs  %s%s", word, seconds, r.title(t), note)
}

func (r *report) folder(pkg string) string {
	if pkg == r.module {
		return "."
	}
	return strings.TrimPrefix(pkg, r.module+"/")
}

func (r *report) title(t test) string { return strings.TrimSpace(r.folder(t.pkg) + " " + t.name) }

// framing are the lines that go test prints around the output of tests.
var framing = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) .*|\s*--- (PASS|FAIL|SKIP): .*|PASS|FAIL|FAIL\t.*|ok  \t.*)$`)

// show prints the output of a test, without the framing.
func (r *report) show(t test) {
	if r.output[t] == nil {
		return
	}
	for line := range strings.Lines(r.output[t].String()) {
		if line = strings.TrimRight(line, "\n"); !framing.MatchString(line) {
			r.print("    %s", line)
		}
	}
}

// runningTests returns the running tests without their parents, the longest one first.
func (r *report) runningTests() []test {
	all := slices.DeleteFunc(slices.Collect(maps.Keys(r.running)), func(t test) bool { return r.parents[t] })
	slices.SortFunc(all, func(a, b test) int {
		return cmp.Or(r.running[a].Compare(r.running[b]), strings.Compare(a.pkg, b.pkg), strings.Compare(a.name, b.name))
	})
	return all
}

// tick prints the running tests if nothing else was printed for a while.
func (r *report) tick() {
	if r.now().Sub(r.printed) < quiet {
		return
	}
	doing := "building"
	if all := r.runningTests(); len(all) > 0 {
		var names []string
		for _, t := range all[:min(named, len(all))] {
			names = append(names, fmt.Sprintf("%s (%s)", r.title(t), r.now().Sub(r.running[t]).Round(time.Second)))
		}
		if more := len(all) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		doing = "running: " + strings.Join(names, ", ")
	}
	r.print("...  %7.0fs  %s", r.now().Sub(r.begun).Seconds(), doing)
}

func (r *report) interrupted() {
	r.print("interrupted: waiting for the tests to clean up")
}

// end prints the summary, with the command for each failed top-level test.
func (r *report) end() {
	took := r.now().Sub(r.begun).Round(time.Second)
	summary := fmt.Sprintf("%d passed", r.passed)
	if r.skipped > 0 {
		summary += fmt.Sprintf(", %d skipped", r.skipped)
	}
	var again []string
	for _, t := range r.failed {
		if command := r.again(t); command != "" && !slices.Contains(again, command) {
			again = append(again, command)
		}
	}
	if len(again) == 0 {
		r.print("%s, in %s", summary, took)
		return
	}
	r.print("%s, in %s. To rerun what failed:", summary, took)
	for _, command := range again {
		r.print("    %s", command)
	}
}

// again returns the command that runs a test alone. It is empty for the parent of tests
// with commands of their own.
func (r *report) again(t test) string {
	folder := r.folder(t.pkg)
	name, subtest, _ := strings.Cut(t.name, "/")
	switch {
	case folder == "test/e2e" && name == "TestScripts":
		if subtest == "" {
			return ""
		}
		return "make e2e SCRIPT=" + subtest
	case name == "" && folder == "test/e2e":
		return "make e2e"
	case name == "":
		return "make unit PKG=" + path(folder)
	case folder == "test/e2e":
		return "make e2e TEST=" + name
	default:
		return fmt.Sprintf("make unit TEST=%s PKG=%s", name, path(folder))
	}
}

func path(folder string) string {
	if folder == "." {
		return folder
	}
	return "./" + folder
}
