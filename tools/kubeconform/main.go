// SPDX-License-Identifier: MPL-2.0

// Command schemas writes the JSON schemas with which kubeconform checks the manifests
// in examples/kubernetes. `make schemas` runs it. The schemas are committed, so that a
// check downloads nothing.
//
// They allow only the fields that they name. Their sources leave that to the API
// server: a misspelled field would pass the check, and a cluster would drop it.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	kubernetes      = "k8s.io/kubernetes@v1.37.2"
	externalSecrets = "github.com/external-secrets/external-secrets@v1.3.2"
	// Written by hand; see that file.
	vaultSecretsOperator = "vault-secrets-operator.yaml"

	objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run() error {
	core, err := download(kubernetes)
	if err != nil {
		return err
	}
	operator, err := download(externalSecrets)
	if err != nil {
		return err
	}
	if err := os.RemoveAll("schemas"); err != nil {
		return err
	}
	var swagger struct {
		Definitions map[string]schema `json:"definitions"`
	}
	if err := read(filepath.Join(core, "api", "openapi-spec", "swagger.json"), &swagger); err != nil {
		return err
	}
	known := swagger.Definitions
	for name, definition := range known {
		known[name] = strict(definition)
	}
	// Both are strings in the specification, but the API server accepts numbers too.
	for _, name := range []string{"io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString"} {
		known[name] = schema{"type": []any{"string", "number"}}
	}
	origin := "api/openapi-spec/swagger.json in " + kubernetes + ", Apache-2.0"
	for _, k := range []kind{
		{"apps", "v1", "Deployment", known["io.k8s.api.apps.v1.Deployment"]},
		{"", "v1", "ServiceAccount", known["io.k8s.api.core.v1.ServiceAccount"]},
	} {
		if err := k.write(origin, known); err != nil {
			return err
		}
	}

	for file, version := range map[string]string{
		"external-secrets.io_externalsecrets.yaml":                "v1",
		"generators.external-secrets.io_vaultdynamicsecrets.yaml": "v1alpha1",
	} {
		name := filepath.Join("config", "crds", "bases", file)
		k, err := fromCRD(filepath.Join(operator, name), version)
		if err != nil {
			return err
		}
		if err := k.write(filepath.ToSlash(name)+" in "+externalSecrets+", Apache-2.0", known); err != nil {
			return err
		}
	}

	var written map[string]schema
	if err := read(vaultSecretsOperator, &written); err != nil {
		return err
	}
	for name, s := range written {
		if err := (kind{"secrets.hashicorp.com", "v1beta1", name, strict(s)}).write(vaultSecretsOperator+" beside this folder, MPL-2.0", known); err != nil {
			return err
		}
	}
	return writeLicense(operator)
}

// download makes the go command verify the module with the checksum database, as for a
// dependency.
func download(module string) (dir string, err error) {
	out, err := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w\n%s", module, err, out)
	}
	var got struct{ Dir string }
	err = json.Unmarshal(out, &got)
	return got.Dir, err
}

// read also accepts JSON, which is YAML.
func read(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

type schema = map[string]any

type kind struct {
	group, version, name string
	schema               schema
}

func fromCRD(file, version string) (kind, error) {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := read(file, &crd); err != nil {
		return kind{}, err
	}
	for _, v := range crd.Spec.Versions {
		if v.Name == version {
			return kind{crd.Spec.Group, version, crd.Spec.Names.Kind, strict(v.Schema.OpenAPIV3Schema)}, nil
		}
	}
	return kind{}, fmt.Errorf("%s has no version %s", file, version)
}

// strict returns a copy without the parts that do not constrain anything. Its objects
// allow only the named fields.
func strict(s schema) schema {
	out := schema{}
	for key, value := range s {
		switch {
		case strings.HasPrefix(key, "x-kubernetes-"), key == "description", key == "default", key == "example":
		case key == "properties":
			fields, _ := value.(schema)
			named := schema{}
			for name, field := range fields {
				inner, _ := field.(schema)
				named[name] = strict(inner)
			}
			out[key] = named
		default:
			out[key] = strictValue(value)
		}
	}
	if s["x-kubernetes-int-or-string"] == true {
		out["type"] = []any{"string", "number"}
		delete(out, "anyOf")
	}
	_, named := s["properties"]
	if _, others := s["additionalProperties"]; named && !others && s["x-kubernetes-preserve-unknown-fields"] != true {
		out["additionalProperties"] = false
	}
	return out
}

func strictValue(value any) any {
	switch value := value.(type) {
	case schema:
		return strict(value)
	case []any:
		out := make([]any, len(value))
		for i, inner := range value {
			out[i] = strictValue(inner)
		}
		return out
	default:
		return value
	}
}

// write writes a self-contained file, with the definitions that it references, one per
// line.
func (k kind) write(origin string, known map[string]schema) error {
	fields, _ := k.schema["properties"].(schema)
	if fields == nil {
		return fmt.Errorf("the schema has no fields for the kind %s of the group %s", k.name, k.group)
	}
	fields = maps.Clone(fields)
	apiVersion := strings.TrimPrefix(k.group+"/"+k.version, "/")
	fields["apiVersion"] = schema{"const": apiVersion}
	fields["kind"] = schema{"const": k.name}
	fields["metadata"] = schema{"$ref": "#/definitions/" + objectMeta}
	delete(fields, "status") // The cluster sets it, not a manifest.
	root := maps.Clone(k.schema)
	root["properties"] = fields
	root["required"] = []any{"apiVersion", "kind", "metadata", "spec"}
	if fields["spec"] == nil {
		root["required"] = []any{"apiVersion", "kind", "metadata"}
	}

	definitions := map[string]schema{k.name: root}
	for todo := refs(root); len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if definitions[name] != nil {
			continue
		}
		if known[name] == nil {
			return fmt.Errorf("%s refers to %s, which does not exist", k.name, name)
		}
		definitions[name] = known[name]
		todo = append(todo, refs(known[name])...)
	}

	var b bytes.Buffer
	head, err := json.Marshal("Written by `make schemas`. From " + origin + ". Changed: no descriptions and defaults, no fields but the named ones.")
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "{\n\"$comment\": %s,\n\"$ref\": \"#/definitions/%s\",\n\"definitions\": {\n", head, k.name)
	for i, name := range slices.Sorted(maps.Keys(definitions)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		text, err := json.Marshal(definitions[name])
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%q: %s", name, text)
	}
	b.WriteString("\n}}\n")
	// kubeconform uses the version as the group if there is no group.
	dir := filepath.Join("schemas", cmp.Or(k.group, k.version))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, strings.ToLower(k.name)+"_"+k.version+".json"), b.Bytes(), 0o644)
}

func refs(value any) []string {
	var found []string
	switch value := value.(type) {
	case schema:
		for key, inner := range value {
			if target, is := inner.(string); is && key == "$ref" {
				found = append(found, strings.TrimPrefix(target, "#/definitions/"))
			} else {
				found = append(found, refs(inner)...)
			}
		}
	case []any:
		for _, inner := range value {
			found = append(found, refs(inner)...)
		}
	}
	return found
}

// writeLicense writes the license text next to the files that it covers, as the license
// requires.
func writeLicense(module string) error {
	text, err := os.ReadFile(filepath.Join(module, "LICENSE"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("schemas", "LICENSE-Apache-2.0"), text, 0o644)
}
