// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

const openAPIFile = "testdata/openapi.json"

var update = flag.Bool("update", false, "rewrite "+openAPIFile)

// surface is the part of Vault's OpenAPI document about one mount.
type surface struct {
	Paths   map[string]map[string]any `json:"paths"`
	Schemas map[string]any            `json:"schemas"`
}

// Clients are generated from Vault's OpenAPI document, and its web interface uses it. A
// change of the document is a change of the public API, which a review must show.
func TestTheOpenAPIDocumentOfVaultIsTheOneInReview(t *testing.T) {
	got := surfaceOf(t)
	text, err := json.MarshalIndent(got, "", "  ") // With sorted keys.
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(openAPIFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	want = []byte(asOn(t, string(want)))
	if bytes.Equal(text, want) {
		return
	}
	var before surface
	if err := json.Unmarshal(want, &before); err != nil {
		t.Fatalf("%s: %v", openAPIFile, err)
	}
	t.Errorf("Vault's OpenAPI document is not as in %s. If that is meant: make openapi", openAPIFile)
	for _, difference := range slices.Sorted(maps.Keys(differences(flat(before), flat(got)))) {
		t.Error(difference)
	}
}

// surfaceOf returns the part of the document that is only about the mount.
func surfaceOf(t *testing.T) surface {
	t.Helper()
	w, err := newFixture(t.TempDir(), program(t, "FINICITY_E2E_VAULT"), program(t, "FINICITY_E2E_PLUGIN"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if err := w.server.start(); err != nil {
		t.Fatal(err)
	}
	if err := w.mountPlugin("finicity"); err != nil {
		t.Fatal(err)
	}
	var all struct {
		Paths      map[string]map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := w.server.call(http.MethodGet, "sys/internal/specs/openapi", nil, &all); err != nil {
		t.Fatal(err)
	}
	// Vault's own paths and schemas depend on its version.
	maps.DeleteFunc(all.Paths, func(path string, _ map[string]any) bool { return !strings.HasPrefix(path, "/finicity/") })
	maps.DeleteFunc(all.Components.Schemas, func(name string, _ any) bool { return !strings.HasPrefix(name, "Finicity") })
	for _, item := range all.Paths {
		withoutReferences(item)
	}
	return surface{all.Paths, all.Components.Schemas}
}

// withoutReferences empties the references to schemas. Vault 1.21 loses them when it
// reads them from a plugin: it looks for "Ref" where JSON has "$ref". A Vault version
// without that bug must give the same document.
func withoutReferences(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "$ref")
		for _, inner := range value {
			withoutReferences(inner)
		}
	case []any:
		for _, inner := range value {
			withoutReferences(inner)
		}
	}
}

// flat returns a line for each value of a document, with its path.
func flat(document any) map[string]bool {
	lines := map[string]bool{}
	var walk func(way string, value any)
	walk = func(way string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				walk(way+"/"+name, inner)
			}
		default:
			text, _ := json.Marshal(value) // It was JSON a moment ago.
			lines[way+": "+string(text)] = true
		}
	}
	var plain map[string]any
	text, _ := json.Marshal(document) // It was JSON a moment ago.
	_ = json.Unmarshal(text, &plain)  // It was JSON a moment ago.
	walk("", plain)
	return lines
}

func differences(before, after map[string]bool) map[string]bool {
	found := map[string]bool{}
	for line := range before {
		if !after[line] {
			found[line+" (gone)"] = true
		}
	}
	for line := range after {
		if !before[line] {
			found[line+" (new)"] = true
		}
	}
	return found
}
