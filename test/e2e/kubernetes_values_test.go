// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Schemas check the names and types of values, but not the statements in the comments.
// A wrong one of these values would keep the token from the app, or show it to others,
// and no other test would notice.
func TestTheManifestsHaveTheValuesThatTheirCommentsExplain(t *testing.T) {
	t.Parallel()
	annotation := func(name string) []any {
		return []any{"spec", "template", "metadata", "annotations", "vault.hashicorp.com/" + name}
	}
	for _, want := range []struct {
		file, kind string
		path       []any
		value      any
	}{
		{"injector.yaml", "Deployment", annotation("agent-inject"), "true"},
		{"injector.yaml", "Deployment", annotation("role"), "my-app"},
		{"injector.yaml", "Deployment", annotation("auth-path"), "auth/kubernetes"},
		{"injector.yaml", "Deployment", annotation("agent-pre-populate"), "true"},
		{"injector.yaml", "Deployment", annotation("agent-run-as-same-user"), "true"},
		{"injector.yaml", "Deployment", annotation("agent-inject-perms-" + secretName), "0400"},
		{"injector.yaml", "Deployment", annotation("error-on-missing-key-" + secretName), "true"},
		{"injector.yaml", "Deployment", annotation("template-config-exit-on-retry-failure"), "false"},
		{"injector.yaml", "Deployment", annotation("auth-max-backoff"), "10s"},
		{"injector.yaml", "Deployment", annotation("agent-inject-containers"), "app"},
		{"injector.yaml", "Deployment", []any{"spec", "template", "spec", "containers", 0, "name"}, "app"},
		{"injector.yaml", "Deployment", []any{"spec", "template", "spec", "volumes", 0, "projected", "sources", 0, "serviceAccountToken", "expirationSeconds"}, 600},
		{"injector.yaml", "Deployment", []any{"spec", "template", "spec", "serviceAccountName"}, "my-app"},
		{"injector.yaml", "Deployment", []any{"spec", "template", "spec", "automountServiceAccountToken"}, false},
		{"injector.yaml", "Deployment", []any{"spec", "template", "spec", "volumes", 0, "projected", "sources", 0, "serviceAccountToken", "audience"}, "vault"},
		{"app.yaml", "Deployment", []any{"spec", "template", "spec", "automountServiceAccountToken"}, false},
		{"app.yaml", "Deployment", []any{"spec", "template", "spec", "volumes", 0, "secret", "defaultMode"}, 0o440},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "destination", "transformation", "excludes"}, []any{".*"}},
		{"vault-secrets-operator.yaml", "VaultConnection", []any{"spec", "skipTLSVerify"}, false},
		{"vault-secrets-operator.yaml", "VaultAuth", []any{"spec", "mount"}, "kubernetes"},
		{"vault-secrets-operator.yaml", "VaultAuth", []any{"spec", "kubernetes", "role"}, "my-app"},
		{"vault-secrets-operator.yaml", "VaultAuth", []any{"spec", "kubernetes", "serviceAccount"}, "my-app"},
		{"vault-secrets-operator.yaml", "VaultAuth", []any{"spec", "kubernetes", "audiences"}, []any{"vault"}},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "vaultAuthRef"}, "vault"},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "mount"}, "finicity"},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "path"}, "token"},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "params"}, nil},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "revoke"}, false},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "destination", "create"}, true},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "destination", "transformation", "excludeRaw"}, true},
		{"vault-secrets-operator.yaml", "VaultDynamicSecret", []any{"spec", "allowStaticCreds"}, nil},
		{"vault-secrets-operator-static.yaml", "VaultDynamicSecret", []any{"spec", "allowStaticCreds"}, true},
		{"vault-secrets-operator-static.yaml", "VaultDynamicSecret", []any{"spec", "path"}, "static-token"},
		{"vault-secrets-operator-static.yaml", "VaultDynamicSecret", []any{"spec", "renewalPercent"}, nil},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "path"}, "finicity/token"},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "method"}, "GET"},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "resultType"}, "Data"},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "provider", "auth", "kubernetes", "role"}, "my-app"},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "provider", "auth", "kubernetes", "serviceAccountRef", "name"}, "my-app"},
		{"external-secrets.yaml", "VaultDynamicSecret", []any{"spec", "provider", "auth", "kubernetes", "serviceAccountRef", "audiences"}, []any{"vault"}},
		{"external-secrets.yaml", "ExternalSecret", []any{"spec", "dataFrom", 0, "sourceRef", "generatorRef", "name"}, "finicity"},
		{"external-secrets.yaml", "ExternalSecret", []any{"spec", "refreshPolicy"}, "Periodic"},
		{"external-secrets.yaml", "ExternalSecret", []any{"spec", "target", "deletionPolicy"}, "Retain"},
		{"external-secrets.yaml", "ExternalSecret", []any{"spec", "target", "template", "mergePolicy"}, "Replace"},
	} {
		document, err := theOnly(want.file, want.kind)
		if err != nil {
			t.Fatal(err)
		}
		if got := field(document, want.path...); !reflect.DeepEqual(got, want.value) {
			t.Errorf("%s, %s, %v: %v, want %v", want.file, want.kind, want.path, got, want.value)
		}
	}
	// The role that all of them log in with.
	readme, err := os.ReadFile(filepath.Join("..", "..", "examples", "kubernetes", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const role = "vault write auth/kubernetes/role/my-app \\\n" +
		"    bound_service_account_names=my-app bound_service_account_namespaces=my-app audience=vault \\\n" +
		"    token_policies=finicity-reader "
	if !strings.Contains(string(readme), role) {
		t.Error("the README makes another role")
	}
	all, err := manifests("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for file, documents := range all {
		for _, document := range documents {
			if namespace := field(document, "metadata", "namespace"); namespace != "my-app" {
				t.Errorf("%s, %v: in the namespace %v", file, document["kind"], namespace)
			}
		}
	}
}

// Users choose one of the two, and may read only that one.
func TestBothVaultSecretsOperatorManifestsDifferOnlyInTheLease(t *testing.T) {
	t.Parallel()
	const leased, static = "vault-secrets-operator.yaml", "vault-secrets-operator-static.yaml"
	for _, kind := range []string{"VaultConnection", "VaultAuth", "VaultDynamicSecret"} {
		one, err := theOnly(leased, kind)
		if err != nil {
			t.Fatal(err)
		}
		other, err := theOnly(static, kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range []manifest{one, other} {
			if spec, ok := document["spec"].(map[string]any); ok && kind == "VaultDynamicSecret" {
				for _, differs := range []string{"path", "allowStaticCreds", "renewalPercent", "revoke"} {
					delete(spec, differs)
				}
			}
		}
		if !reflect.DeepEqual(one, other) {
			t.Errorf("%s differs:\n%v\n%v", kind, one, other)
		}
	}
}
