// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/test/vso"
)

// secretName is the name of the secret in the injector's annotations, and so the name
// of the file.
const secretName = "finicity.headers"

// cmdPod simulates a pod of examples/kubernetes/injector.yaml with what the injector
// adds to it. $HEADERS is the file that the app's container reads.
//
//	pod create   creates the pod in the script's cluster, and writes the token of its service account
//	pod init     Vault Agent as in the init container: it ends once the file exists
//	pod start    Vault Agent as in the sidecar container
//	pod stop
//
// The configuration of the agent is made from the annotations as the injector makes it.
// Only the address is the script's own, and without pod create also the login: the
// role-id and secret-id of AppRole.
func cmdPod(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "pod create | pod init | pod start | pod stop")
	w := fixtureOf(ts)
	deployment, err := theOnly("injector.yaml", "Deployment")
	ts.Check(err)
	pod := field(deployment, "spec", "template")
	root := ts.MkAbs("pod")
	headers := filepath.Join(root, headersOf(pod))
	switch args[0] {
	case "create":
		w.createPod(ts, namespace, "my-app", pod)
		ts.Check(os.MkdirAll(root, 0o700))
		ts.Check(os.WriteFile(filepath.Join(root, "token"), []byte(w.podToken(ts, "my-app", pod)), 0o600))
	case "init":
		ts.Check(os.MkdirAll(filepath.Join(root, "vault", "secrets"), 0o700))
		ts.Setenv("HEADERS", headers)
		w.launchAgent(ts, pod, root, "init")
		c := w.children["init"]
		select {
		case <-c.exited:
			log, _ := os.ReadFile(c.logFile) // For the reader of a failure.
			if c.err != nil {
				ts.Fatalf("the init container: %v\n%s", c.err, log)
			}
		case <-time.After(patience):
			ts.Fatalf("the init container does not end")
		}
		mode, err := strconv.ParseUint(annotation(pod, "agent-inject-perms-"+secretName), 8, 32)
		ts.Check(err)
		info, err := os.Stat(headers)
		ts.Check(err)
		if got := info.Mode().Perm(); got != fs.FileMode(mode) {
			ts.Fatalf("the file has the permissions %s", got)
		}
	case "start":
		w.launchAgent(ts, pod, root, "sidecar")
	case "stop":
		w.endChild(ts, "sidecar")
	default:
		ts.Fatalf("unknown: pod %s", args[0])
	}
}

func annotation(pod any, name string) string {
	value, _ := field(pod, "metadata", "annotations", "vault.hashicorp.com/"+name).(string)
	return value
}

// headersOf returns the path that the app's container reads.
func headersOf(pod any) string {
	env, _ := field(pod, "spec", "containers", 0, "env").([]any)
	for _, variable := range env {
		if field(variable, "name") == "FINICITY_HEADERS" {
			path, _ := field(variable, "value").(string)
			return path
		}
	}
	return ""
}

func (w *fixture) launchAgent(ts *testscript.TestScript, pod any, root, name string) {
	exitOnFailure, err := strconv.ParseBool(annotation(pod, "template-config-exit-on-retry-failure"))
	ts.Check(err)
	errorOnMissing, err := strconv.ParseBool(annotation(pod, "error-on-missing-key-"+secretName))
	ts.Check(err)
	home := filepath.Join(root, "home", "vault")
	ts.Check(os.MkdirAll(home, 0o700))
	method := map[string]any{
		"type":        "approle",
		"max_backoff": annotation(pod, "auth-max-backoff"),
		"config": map[string]any{
			"role_id_file_path": ts.MkAbs("role-id"), "secret_id_file_path": ts.MkAbs("secret-id"),
			"remove_secret_id_file_after_reading": false,
		},
	}
	if w.cluster != nil {
		method["type"], method["mount_path"] = "kubernetes", annotation(pod, "auth-path")
		method["config"] = map[string]any{"role": annotation(pod, "role"), "token_path": filepath.Join(root, "token")}
	}
	config, err := json.Marshal(map[string]any{
		"exit_after_auth": name == "init",
		"vault":           map[string]any{"address": ts.Getenv("VAULT_ADDR")},
		"auto_auth": map[string]any{
			"method": method,
			"sink": []any{map[string]any{
				"type": "file", "config": map[string]any{"path": filepath.Join(home, ".vault-token")},
			}},
		},
		"template": []any{map[string]any{
			"contents":             annotation(pod, "agent-inject-template-"+secretName),
			"destination":          filepath.Join(root, "vault", "secrets", secretName),
			"left_delimiter":       "{{",
			"right_delimiter":      "}}",
			"perms":                annotation(pod, "agent-inject-perms-"+secretName),
			"error_on_missing_key": errorOnMissing,
		}},
		"template_config": map[string]any{"exit_on_retry_failure": exitOnFailure},
	})
	ts.Check(err)
	file := ts.MkAbs(name + ".json")
	ts.Check(os.WriteFile(file, config, 0o600))
	w.launch(ts, name, w.vaultBin, "agent", "-config="+file)
}

// cmdOperator simulates an operator that writes the result of the last command, vault
// read -format=json, to the Secret that the pods of examples/kubernetes/app.yaml mount.
// $HEADERS is the file that the app's container reads.
//
//	operator vault-secrets-operator.yaml
//	! operator vault-secrets-operator-static.yaml    it would never read again
func cmdOperator(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 1, "operator FILE")
	response := []byte(ts.ReadFile("stdout"))
	err := readsAgain(args[0], response)
	check(ts, neg, err)
	if err != nil {
		return
	}
	var read struct{ Data map[string]any }
	ts.Check(json.Unmarshal(response, &read))
	secret, data, err := rendered(args[0], read.Data)
	ts.Check(err)

	deployment, err := theOnly("app.yaml", "Deployment")
	ts.Check(err)
	pod := field(deployment, "spec", "template")
	volume, mount := field(pod, "spec", "volumes", 0), field(pod, "spec", "containers", 0, "volumeMounts", 0)
	if field(volume, "secret", "secretName") != secret || field(volume, "name") != field(mount, "name") {
		ts.Fatalf("app.yaml does not mount %s", secret)
	}
	path, _ := field(mount, "mountPath").(string)
	root := ts.MkAbs(strings.TrimSuffix(args[0], ".yaml"))
	for name, text := range data {
		file := filepath.Join(root, path, name)
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o700))
		ts.Check(os.WriteFile(file, []byte(text), 0o600))
	}
	ts.Setenv("HEADERS", filepath.Join(root, headersOf(pod)))
}

// readsAgain returns an error if the operator would not update the Secret after this
// response.
func readsAgain(file string, response []byte) error {
	dynamic, err := theOnly(file, "VaultDynamicSecret")
	if err != nil {
		return err
	}
	if field(dynamic, "spec", "allowStaticCreds") != true {
		return nil // The operator uses the lease, or refreshInterval: see TestTheOperatorsReadAgainInTime.
	}
	rotation, err := vso.Of(response)
	if err != nil {
		return err
	}
	if !rotation.ReadsAgain() {
		return fmt.Errorf("not static credentials: %+v", rotation)
	}
	return nil
}

// rendered returns the Secret that an operator makes from Vault's response.
func rendered(file string, answer map[string]any) (secret string, data map[string]string, err error) {
	var found manifest
	var input any
	texts := map[string]any{}
	switch file {
	case "vault-secrets-operator.yaml", "vault-secrets-operator-static.yaml":
		if found, err = theOnly(file, "VaultDynamicSecret"); err != nil {
			return "", nil, err
		}
		secret, _ = field(found, "spec", "destination", "name").(string)
		templates, _ := field(found, "spec", "destination", "transformation", "templates").(map[string]any)
		for name, one := range templates {
			texts[name] = field(one, "text")
		}
		input = map[string]any{"Secrets": answer}
	case "external-secrets.yaml":
		if found, err = theOnly(file, "ExternalSecret"); err != nil {
			return "", nil, err
		}
		secret, _ = field(found, "spec", "target", "name").(string)
		texts, _ = field(found, "spec", "target", "template", "data").(map[string]any)
		all := map[string]string{}
		for name, value := range answer {
			all[name] = fmt.Sprint(value)
		}
		input = all
	default:
		return "", nil, errors.New("no operator has such a file")
	}
	data = map[string]string{}
	for name, text := range texts {
		source, _ := text.(string)
		parsed, err := template.New(name).Option("missingkey=error").Parse(source)
		if err != nil {
			return "", nil, err
		}
		var b strings.Builder
		if err := parsed.Execute(&b, input); err != nil {
			return "", nil, err
		}
		data[name] = b.String()
	}
	return secret, data, nil
}
