// SPDX-License-Identifier: MPL-2.0

// Command vulncheck runs govulncheck with a database on disk, and prints one line for
// each known vulnerability whose code is called. govulncheck itself prints up to 200
// traces for each.
//
//	vulncheck [-std=fail] DATABASE GOVULNCHECK_ARGUMENT...
//
// The exit status is 3 if it finds one in a module. One in the standard library needs
// another Go release, which this repository cannot choose. So it is only a warning, except
// with -std=fail.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/vuln/scan"
)

// standardLibrary is the name that govulncheck gives the module of the standard library.
const standardLibrary = "stdlib"

// message is the part of govulncheck's JSON output that this program reads.
type message struct {
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV   string  `json:"osv"`
		Fixed string  `json:"fixed_version"`
		Trace []frame `json:"trace"`
	} `json:"finding"`
}

// frame is a call. The first one of a trace is the vulnerable function, or only its
// module or package if it is not called.
type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Package  string `json:"package"`
	Function string `json:"function"`
	Receiver string `json:"receiver"`
}

func (f frame) String() string {
	return strings.TrimPrefix(f.Package+"."+strings.TrimPrefix(f.Receiver+".", "."), ".") + f.Function
}

// called is a vulnerability that the code can reach.
type called struct{ id, summary, module, found, fixed, function, caller string }

func main() {
	std := flag.String("std", "warn", "`what` a vulnerability of the standard library does: warn or fail")
	flag.Parse()
	if flag.NArg() < 2 || *std != "warn" && *std != "fail" {
		fmt.Fprintln(os.Stderr, "usage: vulncheck [-std=fail] DATABASE GOVULNCHECK_ARGUMENT...")
		os.Exit(2)
	}
	output, err := run("file://"+flag.Arg(0), flag.Args()[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
	vulnerabilities, err := read(bytes.NewReader(output))
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
	failed := false
	for _, v := range vulnerabilities {
		kind := "vulnerable"
		if v.module == standardLibrary && *std == "warn" {
			kind = "warning, use another Go release"
		} else {
			failed = true
		}
		fmt.Printf("%s: %s: %s %s, fixed in %s: %s\n", kind, v.id, v.module, v.found, v.fixed, v.summary)
		if v.caller != v.function { // A binary has no callers.
			fmt.Printf("    %s calls %s\n", v.caller, v.function)
		}
		fmt.Printf("    https://pkg.go.dev/vuln/%s\n", v.id)
	}
	if failed {
		os.Exit(3)
	}
	if len(vulnerabilities) == 0 {
		fmt.Println("no known vulnerability is called")
	}
}

// run returns the JSON output of govulncheck.
func run(database string, arguments []string) ([]byte, error) {
	var out, log bytes.Buffer
	command := scan.Command(context.Background(), append([]string{"-format=json", "-db=" + database}, arguments...)...)
	command.Stdout, command.Stderr = &out, &log
	err := command.Start()
	if err == nil {
		err = command.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	return out.Bytes(), nil
}

// read returns the vulnerabilities that are called, one for each module that has it.
func read(output io.Reader) ([]called, error) {
	summaries, found, scanned := map[string]string{}, map[string]called{}, false
	for decoder := json.NewDecoder(output); ; {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		scanned = true
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
		if m.Finding == nil || len(m.Finding.Trace) == 0 || m.Finding.Trace[0].Function == "" {
			continue
		}
		trace := m.Finding.Trace
		key := m.Finding.OSV + " " + trace[0].Module
		if _, known := found[key]; !known {
			found[key] = called{
				m.Finding.OSV, "", trace[0].Module, trace[0].Version, m.Finding.Fixed, trace[0].String(), trace[len(trace)-1].String(),
			}
		}
	}
	if !scanned {
		return nil, errors.New("govulncheck has printed nothing")
	}
	var all []called
	for _, key := range slices.Sorted(maps.Keys(found)) {
		v := found[key]
		v.summary = summaries[v.id]
		all = append(all, v)
	}
	return all, nil
}
