// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// manifest is one document of a file in examples/kubernetes.
type manifest = map[string]any

// manifests reads a file of examples/kubernetes, or all of them.
func manifests(pattern string) (map[string][]manifest, error) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "kubernetes", pattern))
	if err != nil {
		return nil, err
	}
	all := map[string][]manifest{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var m manifest
			if err := documents.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all[filepath.Base(file)] = append(all[filepath.Base(file)], m)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no %s", pattern)
	}
	return all, nil
}

// field returns the value at this path. A number is an index of a list, from 0.
func field(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := value.(map[string]any)
			value = fields[step]
		case int:
			items, _ := value.([]any)
			if step >= len(items) {
				return nil
			}
			value = items[step]
		}
	}
	return value
}

// theOnly returns the only manifest of this kind in a file of examples/kubernetes.
func theOnly(file, kind string) (manifest, error) {
	all, err := manifests(file)
	if err != nil {
		return nil, err
	}
	var found []manifest
	for _, m := range all[file] {
		if m["kind"] == kind {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s has %d of kind %s", file, len(found), kind)
	}
	return found[0], nil
}

// kubeconform returns its result for each document of the files. It uses only the
// schemas in tools/kubeconform.
func kubeconform(t *testing.T, files ...string) map[string][]string {
	t.Helper()
	schemas, err := filepath.Abs("../../tools/kubeconform/schemas")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t, "FINICITY_E2E_KUBECONFORM"), append([]string{
		"-strict", "-verbose", "-output=json",
		"-schema-location=" + schemas + "/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
	}, files...)...)
	out, err := cmd.Output()
	if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var said struct {
		Resources []struct{ Filename, Status, Msg string }
	}
	if failed := json.Unmarshal(out, &said); failed != nil {
		t.Fatalf("%v: %v\n%s", err, failed, out)
	}
	verdicts := map[string][]string{}
	for _, r := range said.Resources {
		verdicts[r.Filename] = append(verdicts[r.Filename], strings.TrimSpace(r.Status+" "+r.Msg))
	}
	return verdicts
}

const valid = "statusValid"

func TestTheManifestsForKubernetesMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	all, err := manifests("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, documents := range all {
		file := filepath.Join("..", "..", "examples", "kubernetes", name)
		verdicts := kubeconform(t, file)[file]
		if len(verdicts) != len(documents) {
			t.Errorf("%s has %d documents, and %d were checked", name, len(documents), len(verdicts))
		}
		for _, verdict := range verdicts {
			if verdict != valid {
				t.Errorf("%s: %s", name, verdict)
			}
		}
	}
}

// free are the maps in which any name is allowed, so that kubeconform cannot detect a
// wrong one.
var free = []string{"annotations", "labels", "matchLabels", "requests", "limits", "templates", "data"}

// The test above would also pass if the schemas allowed everything. So this test
// misspells each field of each document, one at a time, and replaces each value with
// one of another type. kubeconform must refuse all of these, except for names that are
// free.
func TestAMisspelledFieldOfAManifestIsRefused(t *testing.T) {
	t.Parallel()
	all, err := manifests("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files []string
	what, allowed := map[string]string{}, map[string]bool{}
	for name, documents := range all {
		for i, document := range documents {
			misspell := func(place string, isFree bool) {
				text, err := yaml.Marshal(document)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, fmt.Sprintf("%d.yaml", len(files)))
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				files = append(files, file)
				what[file], allowed[file] = fmt.Sprintf("%s, document %d: %s", name, i+1, place), isFree
			}
			eachMistake(document, "", "", misspell)
		}
	}
	verdicts := kubeconform(t, files...)
	refused := 0
	for _, file := range files {
		verdict := verdicts[file]
		if len(verdict) != 1 {
			t.Errorf("%s: checked %d times", what[file], len(verdict))
			continue
		}
		if (verdict[0] == valid) != allowed[file] {
			t.Errorf("%s: %s", what[file], verdict[0])
		}
		if verdict[0] != valid {
			refused++
		}
	}
	t.Logf("%d mistakes, %d refused", len(files), refused)
	if refused < 200 {
		t.Errorf("only %d mistakes were refused", refused)
	}
}

// eachMistake makes one mistake after the other in the value of this name, and reverts
// it.
func eachMistake(value any, name, place string, made func(place string, isFree bool)) {
	switch value := value.(type) {
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(value)) {
			inner, here := value[field], place+"."+field
			delete(value, field)
			value[field+"x"] = inner
			made(here+" misspelled", slices.Contains(free, name))
			delete(value, field+"x")
			switch inner.(type) {
			case map[string]any, []any:
				value[field] = "something else"
			default:
				value[field] = []any{map[string]any{"something": "else"}}
			}
			made(here+" of another kind", false)
			value[field] = inner
			eachMistake(inner, field, here, made)
		}
	case []any:
		for i, inner := range value {
			eachMistake(inner, name, fmt.Sprintf("%s[%d]", place, i), made)
		}
	}
}

func TestAManifestOfAKindWithoutASchemaIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pod.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if verdicts := kubeconform(t, file)[file]; len(verdicts) != 1 || !strings.Contains(verdicts[0], "could not find schema") {
		t.Errorf("%q", verdicts)
	}
}

// annotations are those that the injector supports, after vault.hashicorp.com/,
// according to its documentation for Vault 1.21:
// https://developer.hashicorp.com/vault/docs/v1.21.x/deploy/kubernetes/injector/annotations.
// It silently ignores all others. Those with a hyphen at the end are for one secret or
// one setting, whose name follows.
const annotations = `
agent-inject agent-inject-status agent-configmap agent-image agent-init-first agent-inject-command- agent-inject-secret-
agent-inject-template- agent-template-left-delim- agent-template-right-delim- error-on-missing-key- agent-inject-containers
secret-volume-path secret-volume-path- agent-inject-file- agent-inject-perms- agent-inject-template-file-
agent-inject-default-template template-config-exit-on-retry-failure template-static-secret-render-interval
template-max-connections-per-host template-lease-renewal-threshold agent-extra-secret agent-inject-token agent-limits-cpu
agent-limits-mem agent-limits-ephemeral agent-requests-cpu agent-requests-mem agent-requests-ephemeral
agent-revoke-on-shutdown agent-revoke-grace agent-pre-populate agent-pre-populate-only preserve-secret-case
agent-run-as-user agent-run-as-group agent-set-security-context agent-run-as-same-user agent-share-process-namespace
agent-cache-enable agent-cache-use-auto-auth-token agent-cache-listener-port agent-copy-volume-mounts
agent-service-account-token-volume-name agent-enable-quit agent-telemetry- go-max-procs agent-json-patch
agent-init-json-patch auth-config- auth-path auth-type auth-min-backoff auth-max-backoff agent-auto-auth-exit-on-err ca-cert
ca-key client-cert client-key client-max-retries client-timeout log-level log-format namespace proxy-address role service
tls-secret tls-server-name tls-skip-verify agent-disable-idle-connections agent-disable-keep-alives`

func TestTheInjectorKnowsEachAnnotation(t *testing.T) {
	t.Parallel()
	deployment, err := theOnly("injector.yaml", "Deployment")
	if err != nil {
		t.Fatal(err)
	}
	given, _ := field(deployment, "spec", "template", "metadata", "annotations").(map[string]any)
	if len(given) == 0 {
		t.Fatal("there are no annotations")
	}
	// Kubernetes itself has rules for the part after the slash, which kubeconform does
	// not check.
	allowed := regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	for key := range given {
		prefix, name, _ := strings.Cut(key, "/")
		known := slices.ContainsFunc(strings.Fields(annotations), func(one string) bool {
			return name == one || strings.HasSuffix(one, "-") && name == one+secretName
		})
		if prefix != "vault.hashicorp.com" || !allowed.MatchString(name) || !known {
			t.Errorf("the injector does not support %s", key)
		}
	}
	// The objects that the annotations name must exist.
	volume := field(deployment, "spec", "template", "spec", "volumes", 0)
	if got := given["vault.hashicorp.com/agent-service-account-token-volume-name"]; got != field(volume, "name") ||
		field(volume, "projected", "sources", 0, "serviceAccountToken", "path") != "token" {
		t.Errorf("no volume %v with a token", got)
	}
	app := field(deployment, "spec", "template", "spec", "containers", 0)
	if got := given["vault.hashicorp.com/agent-inject-containers"]; got != field(app, "name") {
		t.Errorf("no container %v", got)
	}
	if field(app, "securityContext", "runAsUser") == nil {
		t.Error("agent-run-as-same-user needs the user of the first container")
	}
}

// When the operators read again, according to the comments in the files, for a token of
// two hours.
func TestTheOperatorsReadAgainInTime(t *testing.T) {
	t.Parallel()
	const due, leaseEnds, dies = 90 * time.Minute, 115 * time.Minute, 120 * time.Minute
	vso, err := theOnly("vault-secrets-operator.yaml", "VaultDynamicSecret")
	if err != nil {
		t.Fatal(err)
	}
	percent, _ := field(vso, "spec", "renewalPercent").(int)
	for age := time.Duration(0); age < due; age += time.Minute { // The age of the token when the operator reads.
		lease := leaseEnds - age
		earliest := age + lease*time.Duration(percent)/100
		latest := earliest + lease/10
		if earliest < due {
			t.Errorf("read at %s, it reads in vain after %s", age, earliest)
		}
		if age == 0 && latest > 104*time.Minute {
			t.Errorf("reading a new token, it reads again after %s", latest)
		}
		if dies-latest < 7*time.Minute {
			t.Errorf("read at %s, it reads again only %s before the token dies", age, dies-latest)
		}
	}
	eso, err := theOnly("external-secrets.yaml", "ExternalSecret")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := field(eso, "spec", "refreshInterval").(string)
	if every, err := time.ParseDuration(text); err != nil || every <= 0 || every > dies-leaseEnds {
		t.Errorf("refreshInterval is %q, and a token may have as little as %s left", text, dies-leaseEnds)
	}
}
