// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Operators choose a server by docs/compatibility.md. Each version there is the one that
// the tests run, build or read.
func TestTheVersionsInCompatibilityAreThoseOfTheTools(t *testing.T) {
	t.Parallel()
	const page = "docs/compatibility.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	version := func(file, pattern string) string { return found(t, file, pattern)[0] }
	vault := version("tools/vault/go.mod", `(?m)^require github.com/hashicorp/vault v(\S+)$`)
	oldest := version("tools/vault-lts/go.mod", `(?m)^require github.com/hashicorp/vault v(\S+)$`)
	bao := version("docs/install.md", `OpenBao.*?(\d+\.\d+\.\d+)`)
	release := func(version string) string { return version[:strings.LastIndex(version, ".")] }
	for _, claim := range []string{
		"| Vault " + vault + ", Community | **run**",
		"| Vault " + oldest + ", Community | **run**",
		"builds Vault " + oldest + ", and runs them on it",
		"The oldest supported server is Vault " + release(oldest) + ", or OpenBao " + release(bao) + ".",
		"| OpenBao " + bao + " | **run once**",
		"| OpenTofu " + version("tools/opentofu/go.mod", `opentofu/opentofu v(\S+)`) + " |",
		"| Vault Secrets Operator " + version("test/vso/vso.go", `version (\d+\.\d+\.\d+)`) + " |",
		"| External Secrets Operator " + version("tools/kubeconform/main.go", `external-secrets@v([\d.]+)"`) + " |",
		"| External Secrets Operator " + version("tools/external-secrets/go.mod", `external-secrets/external-secrets v([\d.]+)`) + " | **run**",
		"| Kubernetes " + version("tools/kubeconform/main.go", `k8s.io/kubernetes@v([\d.]+)"`) + " |",
		"\nGo " + version("go.mod", `(?m)^go (\d+\.\d+)`) + " or newer builds the plugin.",
	} {
		if !strings.Contains(string(text), claim) {
			t.Errorf("%s does not say: %s", page, claim)
		}
	}
	for _, file := range []string{"README.md", "docs/install.md"} {
		if said := version(file, `You need Vault (\S+) or newer`); said != release(oldest) {
			t.Errorf("%s says that you need Vault %s or newer, and %s is tested", file, said, oldest)
		}
	}
}

// A storage version without a row, or without golden files, would be one that no one
// promises to read.
func TestEveryStorageVersionHasARowAndGoldenFiles(t *testing.T) {
	t.Parallel()
	newest, err := strconv.Atoi(found(t, "internal/engine/encoding.go", `(?m)^const storedVersion = (\d+)$`)[0])
	if err != nil {
		t.Fatal(err)
	}
	section := found(t, "docs/compatibility.md", `(?s)\n## What stays: stored data\n(.*?)\n## `)[0]
	for v := range newest {
		number := strconv.Itoa(v + 1)
		if !strings.Contains(section, "\n| "+number+" | ") {
			t.Errorf("docs/compatibility.md has no row for storage version %s", number)
		}
		files, err := filepath.Glob("internal/engine/testdata/v" + number + "/*.json")
		if err != nil || len(files) < 10 {
			t.Errorf("storage version %s has %d golden files (%v)", number, len(files), err)
		}
	}
	if strings.Contains(section, "\n| "+strconv.Itoa(newest+1)+" | ") {
		t.Errorf("docs/compatibility.md has a row for a storage version that does not exist")
	}
}
