// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/engine"
)

// wired returns a backend that was not set up. That is enough to inspect its paths.
func wired() *backend { return newBackend(engine.Options{}) }

// Vault also starts the plugin just to read its metadata, and then provides neither
// storage nor a system view.
func TestTheFactoryNeedsNeitherStorageNorSystemView(t *testing.T) {
	t.Parallel()
	b, err := Factory(t.Context(), &logical.BackendConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Type() != logical.TypeLogical {
		t.Errorf("the type is %s", b.Type())
	}
	special := b.SpecialPaths()
	// For Vault, only a path that ends with a slash is a prefix.
	if special == nil || !slices.Equal(special.SealWrapStorage, []string{"config", "token", "attempts/"}) {
		t.Error("config, token and the attempt records are not seal-wrapped")
	}
	if special != nil && len(special.Unauthenticated) > 0 {
		t.Error("a path needs no Vault token")
	}
	for version, factory := range map[string]logical.Factory{"": Factory, "v0.1.0": FactoryOfRelease("v0.1.0")} {
		b, err := factory(t.Context(), &logical.BackendConfig{})
		if err != nil {
			t.Fatal(err)
		}
		versioner, ok := b.(logical.PluginVersioner)
		if !ok || versioner.PluginVersion().Version != version {
			t.Errorf("it does not report the version %q", version)
		}
	}
}

// Another node would show an older state, or fail because it must not write.
func TestEachPathGoesToTheNodeInCharge(t *testing.T) {
	t.Parallel()
	alone := map[string]bool{"read config": true, "update webhook/verify": true} // Storage, read only.
	byThemselves := map[string]bool{"token": true, "static-token": true}         // See vaultView.
	for _, path := range wired().Paths {
		for op, handler := range path.Operations {
			properties := handler.Properties()
			want := !alone[string(op)+" "+path.Pattern] && !byThemselves[path.Pattern]
			if properties.ForwardPerformanceStandby != want || properties.ForwardPerformanceSecondary != want {
				t.Errorf("%s %s is not forwarded as it should be", op, path.Pattern)
			}
		}
	}
}

// The help tells operators what to type. A test in test/documents checks the commands.
func TestTheHelpSaysWhatToType(t *testing.T) {
	t.Parallel()
	b := wired()
	for _, path := range b.Paths {
		command := regexp.MustCompile(`(?m)^    vault (read|write)[a-z_= -]* finicity/` + path.Pattern + `( |$)`)
		for where, help := range map[string]string{"the mount": b.Help, path.Pattern: path.HelpDescription} {
			if !command.MatchString(help) {
				t.Errorf("the help of %s has no command for %s", where, path.Pattern)
			}
			for line := range strings.Lines(help) {
				if utf8.RuneCountInString(line) > 125 {
					t.Errorf("the help of %s has a line that is too long for a terminal: %s", where, line)
				}
			}
		}
	}
}

// Reads and deletes have no body, so their fields are in the URL. A secret must never be
// there, because proxies log URLs.
func TestOnlyTheFieldsOfReadsAndDeletesAreInTheQueryString(t *testing.T) {
	t.Parallel()
	for _, path := range wired().Paths {
		for name, field := range path.Fields {
			_, written := path.Operations[logical.UpdateOperation]
			_, deleted := path.Operations[logical.DeleteOperation]
			want := name == "min_ttl" || name == "force" && deleted
			if field.Query != want || !written && !field.Query {
				t.Errorf("%s: %s is in the query string: %v, want %v", path.Pattern, name, field.Query, want)
			}
		}
	}
}

// Vault hides sensitive fields in its UI, and marks them in its OpenAPI document.
func TestSecretFieldsAreMarkedSensitive(t *testing.T) {
	t.Parallel()
	for name, field := range configFields() {
		want := name == "partner_secret" || name == "app_key"
		if got := field.DisplayAttrs != nil && field.DisplayAttrs.Sensitive; got != want {
			t.Errorf("%s is marked: %v, want %v", name, got, want)
		}
		if want && (field.Query || field.Default != nil || field.Type != framework.TypeString) {
			t.Errorf("%s is not a plain text in the body", name)
		}
	}
}

func TestEveryPathHasHelpThatSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	b := wired()
	for _, path := range b.Paths {
		if path.HelpSynopsis == "" || path.HelpDescription == "" {
			t.Errorf("%s has no help", path.Pattern)
		}
		for name, field := range path.Fields {
			if field.Description == "" {
				t.Errorf("%s: %s has no description", path.Pattern, name)
			}
		}
		for op, handler := range path.Operations {
			if handler.Properties().Summary == "" {
				t.Errorf("%s of %s has no summary", op, path.Pattern)
			}
		}
		resp, err := b.HandleRequest(t.Context(), &logical.Request{Operation: logical.HelpOperation, Path: strings.Trim(path.Pattern, "^$")})
		if err != nil || resp == nil || resp.Data["help"] == "" {
			t.Errorf("help for %s: %v", path.Pattern, err)
		}
	}
}

func TestEveryFieldHasATypeThatCanBeNamed(t *testing.T) {
	t.Parallel()
	for _, path := range wired().Paths {
		for name, schema := range path.Fields {
			if typeName(schema.Type) == "a text" && schema.Type != framework.TypeString {
				t.Errorf("%s: %s is a %s, and an error would call it a text", path.Pattern, name, schema.Type)
			}
		}
	}
}

// The caller cannot correct the data that Vault sends with its own operations.
func TestVaultsOwnOperationsAreNotHeldToTheFields(t *testing.T) {
	t.Parallel()
	b := wired()
	for _, op := range []logical.Operation{logical.RevokeOperation, logical.RenewOperation, logical.RollbackOperation} {
		req := &logical.Request{Operation: op, Path: "token", Data: map[string]any{"anything": nil}}
		if err := b.checkFields(req); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
}
