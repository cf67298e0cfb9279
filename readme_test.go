// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"os"
	"regexp"
	"strings"
	"testing"
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
