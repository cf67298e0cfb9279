// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"gopkg.in/yaml.v3"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// namespace is that of each manifest in examples/kubernetes.
const namespace = "my-app"

// cmdKubernetes drives the script's Kubernetes API server.
//
//	kubernetes start            starts it, and installs the Kubernetes auth method as the plugin $AUTH_PLUGIN with $AUTH_SHA256
//	kubernetes definitions      creates the resource definitions of both operators
//	kubernetes values FILE      creates a pod of the service account vault/vault with examples/kubernetes/server/FILE
//	kubernetes operator         runs the External Secrets Operator
//	kubernetes secret           waits until the Secret has what Vault serves; $HEADERS is the file of a pod of app.yaml
func cmdKubernetes(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "kubernetes start | kubernetes definitions | kubernetes values FILE | kubernetes operator | kubernetes secret")
	w := fixtureOf(ts)
	switch args[0] {
	case "start":
		w.startControlPlane(ts)
		w.installAuthMethod(ts)
	case "definitions":
		w.createDefinitions(ts)
	case "values":
		usage(ts, len(args) == 2, "kubernetes values FILE")
		w.createServerPod(ts, args[1])
	case "operator":
		w.startOperator(ts)
	case "secret":
		w.awaitSecret(ts)
	default:
		ts.Fatalf("unknown: kubernetes %s", args[0])
	}
}

// installAuthMethod copies the Kubernetes auth method into the plugin directory. The
// tests' Vault server does not contain it, unlike a release of Vault.
func (w *fixture) installAuthMethod(ts *testscript.TestScript) {
	plugin, err := located("FINICITY_E2E_AUTH_KUBERNETES")
	ts.Check(err)
	installed, err := vaulttest.Install(context.Background(), plugin, filepath.Dir(w.pluginBin))
	ts.Check(err)
	digest, err := vaulttest.Digest(installed)
	ts.Check(err)
	ts.Setenv("AUTH_PLUGIN", filepath.Base(installed))
	ts.Setenv("AUTH_SHA256", digest)
}

// createDefinitions creates the definitions of the External Secrets Operator, which come
// with its source. The license of the Vault Secrets Operator's own definitions does not
// allow a copy here, so those are made from the handwritten list of its fields.
func (w *fixture) createDefinitions(ts *testscript.TestScript) {
	folder, err := located("FINICITY_E2E_EXTERNAL_SECRETS_DEFINITIONS")
	ts.Check(err)
	files, err := filepath.Glob(filepath.Join(folder, "*external-secrets.io_*.yaml"))
	ts.Check(err)
	args := []string{"apply", "--server-side"} // Without it, kubectl would store each in an annotation, for which some are too long.
	for _, file := range files {
		args = append(args, "-f", file)
	}
	_, err = w.kubectl("", args...)
	ts.Check(err)

	text, err := os.ReadFile(filepath.Join(w.repository, "tools", "kubeconform", "vault-secrets-operator.yaml"))
	ts.Check(err)
	var kinds map[string]map[string]any
	ts.Check(yaml.Unmarshal(text, &kinds))
	var items []any
	for kind, schema := range kinds {
		plural := strings.ToLower(kind) + "s"
		items = append(items, map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": plural + ".secrets.hashicorp.com"},
			"spec": map[string]any{
				"group": "secrets.hashicorp.com", "scope": "Namespaced",
				"names":    map[string]any{"kind": kind, "plural": plural, "singular": strings.ToLower(kind)},
				"versions": []any{map[string]any{"name": "v1beta1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": schema}}},
			},
		})
	}
	w.apply(ts, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	_, err = w.kubectl("", "wait", "--for=condition=established", "--timeout=10m", "customresourcedefinitions", "--all")
	ts.Check(err)
}

func (w *fixture) apply(ts *testscript.TestScript, object any) {
	text, err := json.Marshal(object)
	ts.Check(err)
	_, err = w.kubectl(string(text), "apply", "-f", "-")
	ts.Check(err)
}

// createPod creates a pod from the template of a Deployment, as the controllers of a
// cluster do.
func (w *fixture) createPod(ts *testscript.TestScript, namespace, name string, template any) {
	w.apply(ts, map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": field(template, "spec"),
		"metadata": map[string]any{
			"name": name, "namespace": namespace,
			"labels": field(template, "metadata", "labels"), "annotations": field(template, "metadata", "annotations"),
		},
	})
}

// createServerPod creates a pod with values for Vault's Helm chart.
func (w *fixture) createServerPod(ts *testscript.TestScript, file string) {
	values, err := readValues(file)
	ts.Check(err)
	pod := chartPod(values)
	pod["serviceAccountName"] = "vault"
	w.createPod(ts, "vault", strings.TrimSuffix(file, ".yaml"), map[string]any{"spec": pod})
}

// podToken requests the token that the kubelet would write to the pod's projected
// volume. The token is valid as long as the pod exists.
func (w *fixture) podToken(ts *testscript.TestScript, name string, template any) string {
	source := field(template, "spec", "volumes", 0, "projected", "sources", 0, "serviceAccountToken")
	token, err := w.kubectl("", "create", "token", fmt.Sprint(field(template, "spec", "serviceAccountName")), "--namespace="+namespace,
		fmt.Sprintf("--audience=%v", field(source, "audience")), fmt.Sprintf("--duration=%vs", field(source, "expirationSeconds")),
		"--bound-object-kind=Pod", "--bound-object-name="+name)
	ts.Check(err)
	return strings.TrimSpace(token)
}

// startOperator runs the External Secrets Operator with the rights of an administrator.
func (w *fixture) startOperator(ts *testscript.TestScript) {
	bin, err := located("FINICITY_E2E_EXTERNAL_SECRETS")
	ts.Check(err)
	port, err := vaulttest.FreePort()
	ts.Check(err)
	w.launch(ts, "external-secrets", bin, fmt.Sprintf("--metrics-addr=127.0.0.1:%d", port))
}

// awaitSecret waits until the Secret that app.yaml mounts has the token that Vault
// serves, and writes the Secret as the kubelet does.
func (w *fixture) awaitSecret(ts *testscript.TestScript) {
	var served struct {
		Data struct {
			AppKey string `json:"app_key"`
			Token  string `json:"token"`
		} `json:"data"`
	}
	ts.Check(w.server.call(http.MethodGet, "finicity/token", nil, &served))
	want := fmt.Sprintf("Finicity-App-Key: %s\nFinicity-App-Token: %s\n", served.Data.AppKey, served.Data.Token)
	deployment, err := theOnly("app.yaml", "Deployment")
	ts.Check(err)
	pod := field(deployment, "spec", "template")
	path := headersOf(pod)
	secret := fmt.Sprint(field(pod, "spec", "volumes", 0, "secret", "secretName"))
	var content struct{ Data map[string]string }
	failure := errors.New("the Secret has other headers") // Not its content, which is a token.
	ts.Check(poll(func() (bool, error) {
		if c := w.children["external-secrets"]; c.failed() != nil {
			return false, c.failed()
		}
		text, err := w.kubectl("", "get", "secret", secret, "--namespace="+namespace, "--output=json", "--ignore-not-found")
		if err != nil || text == "" {
			return false, err
		}
		content.Data = nil
		if err := json.Unmarshal([]byte(text), &content); err != nil {
			return false, err
		}
		headers, err := base64.StdEncoding.DecodeString(content.Data[filepath.Base(path)])
		return string(headers) == want, err
	}, func() error { return failure }))
	if len(content.Data) != 1 {
		ts.Fatalf("the Secret has %d keys, want only %s", len(content.Data), filepath.Base(path))
	}
	file := filepath.Join(ts.MkAbs("app-pod"), path)
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o700))
	ts.Check(os.WriteFile(file, []byte(want), 0o600))
	ts.Setenv("HEADERS", file)
}

// page is examples/kubernetes/README.md, as a user follows it.
type page struct {
	text  string
	ran   []string
	shell []string // The commands in its sh blocks.
}

// cmdPage runs a command of examples/kubernetes/README.md in that folder. The page must
// have the command.
//
//	page 'kubectl create namespace my-app'
//	page leaves 'kubectl -n my-app logs …'    the script does not run this command, for the reason in its comment
//	page end                                  the script has run all other commands of the sh blocks
func cmdPage(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 1 || len(args) == 2 && args[0] == "leaves"), "page COMMAND | page leaves COMMAND | page end")
	w := fixtureOf(ts)
	folder := filepath.Join(w.repository, "examples", "kubernetes")
	if w.page == nil {
		text, err := os.ReadFile(filepath.Join(folder, "README.md"))
		ts.Check(err)
		w.page = &page{text: string(text), shell: shellCommands(string(text))}
	}
	if args[0] == "end" {
		left := slices.DeleteFunc(w.page.shell, func(command string) bool { return slices.Contains(w.page.ran, command) })
		if len(left) > 0 {
			ts.Fatalf("the script does not run:\n%s", strings.Join(left, "\n"))
		}
		return
	}
	command := args[len(args)-1]
	if !slices.Contains(w.page.shell, command) && !strings.Contains(w.page.text, "`"+command+"`") {
		ts.Fatalf("the page does not have: %s\nIt has:\n%s", command, strings.Join(w.page.shell, "\n"))
	}
	w.page.ran = append(w.page.ran, command)
	if len(args) == 1 {
		ts.Check(w.shell(ts, "cd "+folder+" && "+command))
	}
}

// cmdKubectl runs kubectl in the script's cluster: kubectl -n my-app get secrets
func cmdKubectl(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	err := ts.Exec(w.cluster.kubectl, args...)
	w.overheard(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	check(ts, neg, err)
}

// cmdShell runs a command with pipes: shell 'kubectl -n my-app create token my-app >token'
func cmdShell(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 1, "shell COMMAND")
	check(ts, neg, fixtureOf(ts).shell(ts, args[0]))
}

func (w *fixture) shell(ts *testscript.TestScript, command string) error {
	err := ts.Exec("bash", "-c", "set -o pipefail; "+command)
	w.overheard(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	return err
}

// shellCommands returns the commands of the sh blocks, each in one line and without its
// comment. Alternatives are in comments: # or: COMMAND.
func shellCommands(text string) (found []string) {
	inside, continued := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inside, continued = line == "```sh", false
			continue
		}
		if !inside {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "# or: "), " #")
		line, again := strings.CutSuffix(strings.TrimSpace(line), `\`)
		if line = strings.TrimSpace(line); continued {
			found[len(found)-1] += " " + line
		} else {
			found = append(found, line)
		}
		continued = again
	}
	return found
}
