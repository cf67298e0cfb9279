// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// openAPI returns the document that the backend generates. A test in e2e checks what
// Vault makes of it.
func openAPI(t *testing.T) *framework.OASDocument {
	t.Helper()
	resp, err := wired().HandleRequest(t.Context(), &logical.Request{Operation: logical.HelpOperation})
	if err != nil {
		t.Fatal(err)
	}
	doc, ok := resp.Data["openapi"].(*framework.OASDocument)
	if !ok {
		t.Fatalf("the help has no OpenAPI document, but %T", resp.Data["openapi"])
	}
	return doc
}

// Generated clients have a function for each operation, so a changed or duplicate name
// breaks them.
func TestEachOperationHasANameOfItsOwnThatReadsWell(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"POST /config":         "finicity-configure",
		"PATCH /config":        "finicity-patch-configuration",
		"GET /config":          "finicity-read-configuration",
		"DELETE /config":       "finicity-delete-configuration",
		"GET /config/check":    "finicity-check-connection",
		"POST /config/check":   "finicity-check-address",
		"POST /config/rotate":  "finicity-rotate-to-chosen-secret",
		"POST /config/verify":  "finicity-verify-configuration",
		"GET /static-token":    "finicity-read-static-token",
		"GET /token":           "finicity-read-token",
		"POST /token":          "finicity-read-token-with-parameters",
		"POST /rotate-root":    "finicity-rotate-root",
		"POST /rotate-token":   "finicity-rotate-token",
		"GET /status":          "finicity-read-status",
		"POST /webhook/verify": "finicity-verify-webhook",
	}
	got := map[string]string{}
	for path, item := range openAPI(t).Paths {
		for method, op := range map[string]*framework.OASOperation{
			"GET": item.Get, "POST": item.Post, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if op != nil {
				got[method+" "+path] = op.OperationID
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the operations are named %v, and not %v", got, want)
	}
	if ids := slices.Sorted(maps.Values(got)); len(slices.Compact(ids)) != len(got) {
		t.Errorf("a name is there twice: %v", ids)
	}
}

// Vault's web interface shows the name and the group of each field.
func TestEachFieldHasANameAndAGroup(t *testing.T) {
	t.Parallel()
	for _, path := range wired().Paths {
		names := map[string]string{}
		for name, field := range path.Fields {
			attrs := field.DisplayAttrs
			if attrs == nil || attrs.Name == "" || attrs.Group == "" || strings.Contains(attrs.Name, "_") {
				t.Errorf("%s: %s has no name or no group", path.Pattern, name)
				continue
			}
			if other, taken := names[attrs.Name]; taken {
				t.Errorf("%s: %s and %s have the same name", path.Pattern, name, other)
			}
			names[attrs.Name] = name
		}
	}
}
