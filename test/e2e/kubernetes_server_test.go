// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const pluginDirectory = "/usr/local/libexec/vault"

// readValues reads values for Vault's Helm chart.
func readValues(name string) (values map[string]any, err error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "kubernetes", "server", name))
	if err != nil {
		return nil, err
	}
	err = yaml.Unmarshal(text, &values)
	return values, err
}

func helmValues(t *testing.T, name string) map[string]any {
	t.Helper()
	values, err := readValues(name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// chartPod returns the pod of the Vault server. The chart copies these values into it as
// they are.
func chartPod(values map[string]any) map[string]any {
	pod := map[string]any{
		"volumes":    field(values, "server", "volumes"),
		"containers": []any{map[string]any{"name": "vault", "image": "vault", "volumeMounts": field(values, "server", "volumeMounts")}},
	}
	if init := field(values, "server", "extraInitContainers"); init != nil {
		pod["initContainers"] = init
	}
	return pod
}

// A Deployment has the same pod as the chart's StatefulSet, and its schema is there for the
// other manifests.
func TestTheValuesForVaultsChartMakeAValidPod(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"image-volume.yaml", "init-container.yaml"} {
		values := helmValues(t, name)
		labels := map[string]any{"app": "vault"}
		text, err := yaml.Marshal(map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "vault"},
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": labels},
				"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": chartPod(values)},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name)
		misspelled := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(misspelled, bytes.Replace(text, []byte("readOnly: "), []byte("readonly: "), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if verdict := kubeconform(t, file)[file]; len(verdict) != 1 || verdict[0] != valid {
			t.Errorf("%s: %q\n%s", name, verdict, text)
		}
		if verdict := kubeconform(t, misspelled)[misspelled]; len(verdict) != 1 || verdict[0] == valid {
			t.Errorf("%s: a misspelled field is not noticed", name)
		}
		// Otherwise Vault would not find the plugin.
		if path := field(values, "server", "volumeMounts", 0, "mountPath"); path != pluginDirectory {
			t.Errorf("%s mounts the plugin at %v", name, path)
		}
		config, _ := field(values, "server", "ha", "raft", "config").(string)
		if !strings.Contains(config, "plugin_directory = \""+pluginDirectory+"\"\n") {
			t.Errorf("%s configures another plugin directory:\n%s", name, config)
		}
	}
}

func TestTheInitContainerInstallsThePlugin(t *testing.T) {
	t.Parallel()
	container := field(helmValues(t, "init-container.yaml"), "server", "extraInitContainers", 0)
	argument, _ := field(container, "args", 0).(string)
	target, found := strings.CutPrefix(argument, "-install="+pluginDirectory)
	if !found || field(container, "volumeMounts", 0, "mountPath") != pluginDirectory {
		t.Fatalf("it does not install into the plugin directory: %v", container)
	}
	plugin := program(t, "FINICITY_E2E_PLUGIN")
	installed := filepath.Join(t.TempDir(), target)
	if out, err := exec.CommandContext(t.Context(), plugin, "-install="+installed).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(plugin)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(installed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the installed file differs from the plugin (%v)", err)
	}
}
