// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/token"
)

// Users copy the policy from docs/apps.md. A policy with only read would refuse clients
// that send min_ttl in a body, such as the templates of Vault Agent.
func TestThePolicyInTheDocumentsIsTheOneOfTheFile(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("docs/apps.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("examples/policies/reader.hcl")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```hcl\n(.*?)^```$").FindAllStringSubmatch(string(document), -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/apps.md has %d blocks of HCL, want 1", len(blocks))
	}
	comment := regexp.MustCompile(`(?m)^#.*\n`)
	if want := strings.TrimSpace(comment.ReplaceAllString(string(file), "")); strings.TrimSpace(blocks[0][1]) != want {
		t.Errorf("docs/apps.md shows\n%s\nand reader.hcl has\n%s", blocks[0][1], want)
	}
}

// found returns what the parts of a pattern match in a file.
func found(t *testing.T, file, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
	if parts == nil {
		t.Fatalf("%s has nothing like %s", file, pattern)
	}
	return parts[1:]
}

// grouped returns a number with a comma between each three digits.
func grouped(digits string) string {
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Readers decide by these figures. Each comes from the code, or from the document that has
// the measurement.
func TestThePromisesHaveTheFiguresOfTheCode(t *testing.T) {
	t.Parallel()
	promises := found(t, "README.md", `(?s)## What it promises\n(.*?)\n## `)[0]
	rest := found(t, "README.md", `(?s)## What it promises\n.*?(\n## .*)`)[0]
	walk := found(t, "docs/testing.md", `depth (\d+): (\d+) sequences, \d+ new states, 0 losses, at most (\d) wrong attempts`)
	depth := found(t, "Makefile", `(?m)^DEPTH := (\d)$`)[0]
	cold := found(t, "docs/performance.md", `\| A cold start with ([\d,]+) readers .* \| (1) authentication, every reader is served \| 1, and all ([\d,]+) \|`)
	if walk[0] != depth || cold[0] != cold[2] {
		t.Errorf("make prove has the depth %s and the documents %s; of %s readers %s are served", depth, walk[0], cold[0], cold[2])
	}
	schedules := 0 // that each run of the simulation's tests draws
	for _, file := range []string{"interruption", "simulation"} {
		n, err := strconv.Atoi(found(t, "test/simulation/"+file+"_test.go", `check\(t, (\d+), func`)[0])
		if err != nil {
			t.Fatal(err)
		}
		schedules += n
	}
	failures, _ := lockOfTheMock(t)
	r, words := theRules(t), cardinals()
	const lifetime = engine.DefaultTokenLifetime
	refresh, served := token.RefreshAge(lifetime), lifetime-token.Margin(lifetime)
	for _, claim := range []string{
		fmt.Sprintf("all %s sequences of %s events", grouped(walk[1]), words[walk[0][0]-'0']),
		"at most " + walk[2] + " wrong attempts",
		"after " + words[failures] + " failed attempts",
		fmt.Sprintf("After %s refusals of the stored credential (%s if an answer has no error code)", words[r.coded], words[r.codeless]),
		"a " + ordinals()[r.operator+1] + " attempt",
		fmt.Sprintf("runs %s random schedules", grouped(strconv.Itoa(schedules))),
		"one authentication per " + minutes(refresh) + " minutes",
		"starts " + cold[0] + " readers at once",
	} {
		if !strings.Contains(promises, claim) {
			t.Errorf("README.md does not promise: %s", claim)
		}
		promises = strings.Replace(promises, claim, "", 1)
	}
	if more := figure.FindString(promises); more != "" {
		t.Errorf("README.md promises another figure, %q, in%s", more, promises)
	}
	for _, claim := range []string{
		"a valid token for at least about " + minutes(served-refresh) + " minutes",
		fmt.Sprintf("at most %s new wrong secrets in %s hours", words[r.written], rounded(r.day, time.Hour)),
		"the engine stops after " + words[r.coded] + " refusals of the stored secret",
		"| one per app per " + minutes(refresh) + " minutes | one per run | one per " + minutes(refresh) + " minutes |",
	} {
		if !strings.Contains(rest, claim) {
			t.Errorf("README.md does not say: %s", claim)
		}
	}
}

func TestTheConceptsHaveTheFiguresOfTheCode(t *testing.T) {
	t.Parallel()
	r, words := theRules(t), cardinals()
	day := rounded(r.day, time.Hour) + " hours"
	const lifetime = engine.DefaultTokenLifetime
	refresh, served := token.RefreshAge(lifetime), lifetime-token.Margin(lifetime)
	for section, claims := range map[string][]string{
		"The shared token": {
			"| 0 to " + minutes(refresh) + " minutes |", "\n| " + minutes(refresh) + " minutes |",
			"| " + minutes(refresh) + " to " + minutes(served) + " minutes |", "\n| " + minutes(served) + " minutes |",
			"\n| " + minutes(lifetime) + " minutes |",
			"with less than " + minutes(served-refresh) + " minutes left",
		},
		"Attempts": {
			"| yes, for " + day,
			fmt.Sprintf("| %s if both refusals have a Finicity error code, otherwise %s |", words[r.coded], words[r.codeless]),
			"| " + words[r.written] + " if Finicity has accepted the stored credential",
			"| " + words[r.operator] + " | `force=true`",
			fmt.Sprintf("%s refused automatic attempts within %s", words[r.automatic], day), "so do " + words[r.all] + " failed attempts",
			"when the oldest of them is " + day + " old",
		},
		"Rotation": {fmt.Sprintf("for %d hours, or %d days with a grace period", kept(false), kept(true)/24)},
	} {
		text := strings.ToLower(found(t, "docs/concepts.md", `(?s)\n## `+section+`\n(.*?)\n## `)[0])
		for _, claim := range claims {
			if !strings.Contains(text, strings.ToLower(claim)) {
				t.Errorf("docs/concepts.md does not say in %q: %s", section, claim)
			}
		}
	}
}
