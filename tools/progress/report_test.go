// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// shownFor returns the output for a run of go test. Each of its lines is an event,
// after the given number of seconds.
func shownFor(t *testing.T, events ...string) string {
	t.Helper()
	now := time.Unix(0, 0)
	var out strings.Builder
	r := newReport(&out, "example", func() time.Time { return now })
	for _, line := range events {
		if wait, found := strings.CutPrefix(line, "wait "); found {
			d, err := time.ParseDuration(wait)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(d)
			r.tick()
			continue
		}
		r.line([]byte(line + "\n"))
	}
	r.end()
	return out.String()
}

func said(pkg, name, output string) string {
	text, err := json.Marshal(map[string]string{"Action": "output", "Package": pkg, "Test": name, "Output": output})
	if err != nil {
		panic(err) // A map of strings always encodes.
	}
	return string(text)
}

func did(action, pkg, name, elapsed string) string {
	return `{"Action":"` + action + `","Package":"` + pkg + `","Test":"` + name + `","Elapsed":` + elapsed + `}`
}

func compare(t *testing.T, got string, want ...string) {
	t.Helper()
	if want := strings.Join(want, "\n") + "\n"; got != want {
		t.Errorf("progress prints\n%s\nand not\n%s", got, want)
	}
}

func TestALineIsPrintedForEachPackageAndEachLongTest(t *testing.T) {
	t.Parallel()
	compare(t, shownFor(t,
		did("run", "example/test/e2e", "TestScripts", "0"),
		did("run", "example/test/e2e", "TestScripts/tour", "0"),
		did("run", "example/test/e2e", "TestScripts/short", "0"),
		said("example/test/e2e", "TestScripts/tour", "no one wants to see this\n"),
		did("pass", "example/test/e2e", "TestScripts/short", "0.2"),
		did("run", "example/test/e2e", "TestDocuments", "0"),
		did("run", "example/test/e2e", "TestDocuments/docs/api.md", "0"),
		did("pass", "example/test/e2e", "TestDocuments/docs/api.md", "3"),
		did("pass", "example/test/e2e", "TestDocuments", "3"),
		did("pass", "example/test/e2e", "TestScripts/tour", "12.34"),
		did("pass", "example/test/e2e", "TestScripts", "12.5"),
		did("pass", "example/test/e2e", "", "13"),
		said("example", "", "ok  \texample\t(cached)\n"),
		did("pass", "example", "", "0"),
		did("skip", "example/empty", "", "0"),
	),
		"ok       3.0s  test/e2e TestDocuments/docs/api.md",
		"ok      12.3s  test/e2e TestScripts/tour",
		"ok      13.0s  test/e2e",
		"ok       0.0s  . (cached)",
		"3 passed, in 0s",
	)
}

func TestAFailureIsShownAtOnceWithACommandToRepeatIt(t *testing.T) {
	t.Parallel()
	compare(t, shownFor(t,
		did("run", "example/test/e2e", "TestScripts", "0"),
		did("run", "example/test/e2e", "TestScripts/tour", "0"),
		said("example/test/e2e", "TestScripts/tour", "=== RUN   TestScripts/tour\n"),
		said("example/test/e2e", "TestScripts/tour", "    it broke\n"),
		said("example/test/e2e", "TestScripts/tour", "    --- FAIL: TestScripts/tour (1.00s)\n"),
		did("fail", "example/test/e2e", "TestScripts/tour", "1"),
		said("example/test/e2e", "TestScripts", "--- FAIL: TestScripts (1.00s)\n"),
		did("fail", "example/test/e2e", "TestScripts", "1"),
		did("run", "example/test/e2e", "TestDev", "0"),
		did("fail", "example/test/e2e", "TestDev", "1"),
		said("example/test/e2e", "", "FAIL\n"),
		did("fail", "example/test/e2e", "", "2"),
		did("run", "example/test/mount", "TestReads/a", "0"),
		did("fail", "example/test/mount", "TestReads/a", "0"),
		did("fail", "example/test/mount", "TestReads", "0"),
		did("run", "example", "TestSkipped", "0"),
		said("example", "TestSkipped", "no node\n"),
		did("skip", "example", "TestSkipped", "0"),
		did("run", "example", "TestBackend", "0"),
		did("fail", "example", "TestBackend", "0"),
	),
		"FAIL     1.0s  test/e2e TestScripts/tour",
		"        it broke",
		"FAIL     1.0s  test/e2e TestScripts",
		"FAIL     1.0s  test/e2e TestDev",
		"FAIL     2.0s  test/e2e",
		"FAIL     0.0s  test/mount TestReads/a",
		"FAIL     0.0s  test/mount TestReads",
		"skip     0.0s  . TestSkipped",
		"    no node",
		"FAIL     0.0s  . TestBackend",
		"0 passed, 1 skipped, in 0s. To rerun what failed:",
		"    make e2e SCRIPT=tour",
		"    make e2e TEST=TestDev",
		"    make unit TEST=TestReads PKG=./test/mount",
		"    make unit TEST=TestBackend PKG=.",
	)
}

// A crash has the least output in go test: the running tests have no end event.
func TestACrashIsShownWithTheTestsThatItEnded(t *testing.T) {
	t.Parallel()
	compare(t, shownFor(t,
		did("run", "example/a", "TestCrash", "0"),
		said("example/a", "TestCrash", "panic: no\n"),
		"wait 3s",
		said("example/a", "", "FAIL\texample/a\t3.0s\n"),
		did("fail", "example/a", "", "3"),
		`{"ImportPath":"example/b","Action":"build-output","Output":"b.go:1: no such thing\n"}`,
		`{"ImportPath":"example/b","Action":"build-fail"}`,
		did("fail", "example/b", "", "0"),
		"this is not JSON",
	),
		"FAIL     3.0s  a TestCrash (did not finish)",
		"    panic: no",
		"FAIL     3.0s  a",
		"b.go:1: no such thing",
		"FAIL     0.0s  b",
		"this is not JSON",
		"0 passed, in 3s. To rerun what failed:",
		"    make unit TEST=TestCrash PKG=./a",
		"    make unit PKG=./b",
	)
}

func TestItIsNeverSilentForLong(t *testing.T) {
	t.Parallel()
	events := []string{"wait 29s", "wait 1s", "wait 29s", did("run", "example/a", "TestParent", "0")}
	for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
		events = append(events, did("run", "example/a", "TestParent/"+name, "0"), "wait 1ms")
	}
	events = append(events, did("pause", "example/a", "TestParent/1", "0"), "wait 1s", "wait 29s",
		did("cont", "example/a", "TestParent/1", "0"), "wait 900ms")
	compare(t, shownFor(t, events...),
		"...       30s  building",
		"...       60s  running: a TestParent/2 (1s), a TestParent/3 (1s), a TestParent/4 (1s), a TestParent/5 (1s), 1 more",
		"0 passed, in 1m30s",
	)
}
