// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// step is a command of a console block in a document, with the output that the document
// shows. Or it is something that must happen before the next command, and that a reader
// of the document does not see.
type step struct {
	command, behind string
	output          []string
}

// hidden is an instruction in a document that readers do not see. It is an action at
// Finicity, as in <!-- finicity secret Changed-It-1 -->, or a command that must succeed
// and whose output is ignored, <!-- $ sleep 10 -->. It can also mean that the next
// block is a file that the reader writes, <!-- file payload.json -->, or that the
// reader switches to the terminal of another Vault server, <!-- at the other Vault -->,
// and back, <!-- at the first Vault -->
var hidden = regexp.MustCompile(`^<!-- (finicity .*|file .*|at the (?:other|first) Vault|\$ .*) -->$`)

// stepsOf parses a Markdown text. In console blocks, lines that begin with "$ " are
// commands. A backslash at the end continues them. The lines after a command are its
// output.
func stepsOf(text string) []step {
	var found []step
	inside, continued, filing := false, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch behind := hidden.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			last := len(found) - 1
			filing = !filing && last >= 0 && strings.HasPrefix(found[last].behind, "file ") && found[last].output == nil
			inside = line == "```console"
		case filing:
			last := &found[len(found)-1]
			last.output = append(last.output, line)
		case behind != nil:
			found = append(found, step{behind: behind[1]})
		case !inside:
		case strings.HasPrefix(line, "$ "):
			found = append(found, step{command: line[2:]})
			continued = strings.HasSuffix(line, `\`)
		case continued:
			found[len(found)-1].command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		default:
			last := &found[len(found)-1]
			last.output = append(last.output, line)
		}
	}
	return found
}

// varying are the parts that differ between runs: times, tokens, IDs of leases and
// requests, ports.
var varying = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:]+Z|\b[0-9A-Z]{20}\b|token/\w{24}|:\d{4,5}\b|1h5\dm\d+s|\b6[89]\d\d\b|\b5[34]\d\d\b`)

// shows reports whether the output matches the document. Line breaks do not count,
// because the document breaks long lines. A varying part counts as one word, so that a
// missing or additional line is detected, and … matches anything.
func (s step) shows(output string) bool {
	words := func(text string) string {
		return strings.Join(strings.Fields(varying.ReplaceAllString(text, "§")), " ")
	}
	indented := func(text string) string { // Vault sends JSON in one line. A document may format it like vault -format=json.
		var pretty bytes.Buffer
		if json.Indent(&pretty, []byte(text), "", "  ") == nil {
			return pretty.String()
		}
		return text
	}
	output = indented(output)
	want := regexp.QuoteMeta(words(indented(strings.Join(s.output, "\n"))))
	want = strings.NewReplacer("…", ".*", "§", `\S+`).Replace(want)
	return regexp.MustCompile("^" + want + "$").MatchString(words(output))
}

// instant is a time in a document or in an output.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// pageClock compares the times on a page with those of the run: the time between two
// events must be the same. Otherwise a page could show a rotation in 30 days for a
// setting that rotates in three.
type pageClock struct {
	began          time.Time // The run of the page.
	shown, printed time.Time // The first time on the page, and in the run.
}

// compare takes the times of an output that matches the page. The tolerance is a minute
// and what the run has taken so far, so that a slow machine fails no test. A whole hour
// comes from a calendar, such as a schedule or a certificate: only the hour is compared.
func (c *pageClock) compare(shown, printed string) (failed error) {
	onPage, inRun := instant.FindAllString(shown, -1), instant.FindAllString(printed, -1)
	if len(onPage) != len(inRun) { // The page abbreviates the output with "…".
		return nil
	}
	for i := range onPage {
		there, err := time.Parse(time.RFC3339, onPage[i])
		here, alsoErr := time.Parse(time.RFC3339, inRun[i])
		if err := errors.Join(err, alsoErr); err != nil {
			return err
		}
		switch {
		case there.Truncate(time.Hour).Equal(there):
			if here.Format(time.TimeOnly) != there.Format(time.TimeOnly) {
				failed = errors.Join(failed, fmt.Errorf("the page has the whole hour %s, and the output has %s", onPage[i], inRun[i]))
			}
		case c.shown.IsZero():
			c.shown, c.printed = there, here
		default:
			onPageAfter, inRunAfter := there.Sub(c.shown), here.Sub(c.printed)
			if (onPageAfter - inRunAfter).Abs() > time.Minute+time.Since(c.began) {
				failed = errors.Join(failed, fmt.Errorf("%s is %s after the first time on the page, %s; in the run, it is %s",
					onPage[i], onPageAfter, c.shown.Format(time.RFC3339), inRunAfter))
			}
		}
	}
	return failed
}

func TestTheTimesOnAPageMustFitTogether(t *testing.T) {
	t.Parallel()
	const page, run = "at 2026-11-22T10:19:43Z, next 2026-12-22T10:19:43Z", "at 2030-01-01T00:00:01Z, next "
	for _, test := range []struct {
		page, run string
		fits      bool
	}{
		{page, run + "2030-01-31T00:00:09Z", true},
		{page, run + "2030-01-04T00:00:01Z", false},
		{page, run + "…", true},
		{"at 2026-11-22T10:19:43Z, next 2026-12-01T03:00:00Z", run + "2030-02-01T03:00:00Z", true},
		{"at 2026-11-22T10:19:43Z, next 2026-12-01T03:00:00Z", run + "2030-02-01T04:00:00Z", false},
	} {
		c := &pageClock{began: time.Now()}
		if err := c.compare(test.page, test.run); (err == nil) != test.fits {
			t.Errorf("%q and %q: %v", test.page, test.run, err)
		}
	}
}

// promise is what a page says of its console blocks.
var promise = regexp.MustCompile(`(?i)every console block (?:on this page )?is run by a test|a test runs (?:every|each) console block`)

// The README is for new users, the other documents are for operators in an emergency,
// and those of the examples are for developers of apps. Each of their commands works,
// in the order of the document, and prints what the document shows, apart from times
// and the like.
func TestTheDocumentsAreTrue(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md", "tools/*/README.md"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("there is no %s (%v)", pattern, err)
		}
		documents = append(documents, found...)
	}
	tried := 0
	const root = "../../README.md"
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(document) == "verify-a-release.md" {
			continue // Its commands need a release: test/release runs them.
		}
		steps := stepsOf(asOn(t, string(text)))
		if !slices.ContainsFunc(steps, func(s step) bool { return s.command != "" }) {
			if promise.MatchString(strings.Join(strings.Fields(string(text)), " ")) {
				t.Errorf("%s says that a test runs its console blocks, and has none", document)
			}
			continue
		}
		tried++
		t.Run(strings.TrimPrefix(document, "../../"), func(t *testing.T) {
			t.Parallel()
			d := newReader(t)
			if document == root {
				// The page begins with what the engine does, before it says how to install it.
				installed := slices.IndexFunc(steps, func(s step) bool { return strings.HasPrefix(s.command, "SHA256=") })
				steps = slices.Concat(steps[installed:], steps[:installed])
			} else {
				d.install(t)
			}
			for _, s := range steps {
				d.follow(t, s)
			}
			if err := d.fixture.leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	if tried < 15 {
		t.Errorf("only %d documents have commands in them", tried)
	}
}

// Vault refuses to register a release under a version other than the one that it
// reports. Without a version, Vault uses the reported one. A release that reports none
// could be registered under any version.
func TestVaultKnowsTheVersionOfARelease(t *testing.T) {
	t.Parallel()
	d := newReader(t)
	register := "vault plugin register -sha256=" + d.fixture.digest
	out, err := d.run(t, register+" -version=v0.2.0 secret vault-plugin-secrets-finicity")
	if err == nil || !strings.Contains(out, "reported version (v0.1.0)") {
		t.Errorf("registered as v0.2.0: %v\n%s", err, out)
	}
	out, err = d.run(t, register+` secret vault-plugin-secrets-finicity
		vault secrets enable -path=finicity vault-plugin-secrets-finicity
		vault secrets list -detailed | grep ^finicity/`)
	// The running version comes before the checksum.
	if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), " v0.1.0 "+d.fixture.digest) {
		t.Errorf("registered without a version: %v\n%s", err, out)
	}
}
