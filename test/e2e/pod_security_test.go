// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// unrestricted returns the settings of a pod template that the Pod Security standard
// "restricted" does not allow.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
func unrestricted(pod any) (found []string) {
	spec := field(pod, "spec")
	for _, name := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if value := field(spec, name); value != nil && value != false {
			found = append(found, name)
		}
	}
	volumes, _ := field(spec, "volumes").([]any)
	for _, volume := range volumes {
		named, _ := volume.(map[string]any)
		for _, kind := range slices.Sorted(maps.Keys(named)) {
			if !slices.Contains([]string{
				"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
			}, kind) {
				found = append(found, "a volume of kind "+kind)
			}
		}
	}
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := field(spec, list).([]any)
		for _, container := range containers {
			found = append(found, unrestrictedContainer(spec, container)...)
		}
	}
	return found
}

func unrestrictedContainer(spec, container any) (found []string) {
	own := field(container, "securityContext")
	// If the container does not have a setting, the pod's applies.
	inherited := func(path ...any) any {
		if value := field(own, path...); value != nil {
			return value
		}
		return field(spec, append([]any{"securityContext"}, path...)...)
	}
	report := func(broken bool, what string) {
		if broken {
			found = append(found, fmt.Sprintf("%v: %s", field(container, "name"), what))
		}
	}
	profile := inherited("seccompProfile", "type")
	dropped, _ := field(own, "capabilities", "drop").([]any)
	added, _ := field(own, "capabilities", "add").([]any)
	report(inherited("runAsNonRoot") != true, "runAsNonRoot")
	report(fmt.Sprint(inherited("runAsUser")) == "0", "runAsUser")
	report(profile != "RuntimeDefault" && profile != "Localhost", "seccompProfile")
	report(field(own, "allowPrivilegeEscalation") != false, "allowPrivilegeEscalation")
	report(field(own, "privileged") == true, "privileged")
	report(!slices.Contains(dropped, any("ALL")), "capabilities.drop")
	report(slices.ContainsFunc(added, func(name any) bool { return name != "NET_BIND_SERVICE" }), "capabilities.add")
	ports, _ := field(container, "ports").([]any)
	report(slices.ContainsFunc(ports, func(port any) bool { return field(port, "hostPort") != nil }), "hostPort")
	return found
}

func TestThePodsAreAdmittedUnderPodSecurityRestricted(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"app.yaml", "injector.yaml"} {
		deployment, err := theOnly(file, "Deployment")
		if err != nil {
			t.Fatal(err)
		}
		pod := field(deployment, "spec", "template")
		if field(pod, "spec", "containers", 0, "name") == nil {
			t.Fatalf("%s has no container", file)
		}
		if found := unrestricted(pod); len(found) > 0 {
			t.Errorf("%s: not admitted: %s", file, strings.Join(found, ", "))
		}
	}
}

// For each rule, a violation is detected.
func TestAPodThatIsNotRestrictedIsFound(t *testing.T) {
	t.Parallel()
	restricted := func() map[string]any {
		return map[string]any{"spec": map[string]any{
			"securityContext": map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers": []any{map[string]any{"name": "app", "securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
			}}},
		}}
	}
	if found := unrestricted(restricted()); len(found) > 0 {
		t.Fatalf("a restricted pod has %v", found)
	}
	part := func(pod map[string]any, path ...any) map[string]any {
		part, _ := field(pod, path...).(map[string]any)
		return part
	}
	spec := func(pod map[string]any) map[string]any { return part(pod, "spec") }
	own := func(pod map[string]any) map[string]any { return part(pod, "spec", "containers", 0, "securityContext") }
	for rule, breakIt := range map[string]func(pod map[string]any){
		"hostNetwork":               func(pod map[string]any) { spec(pod)["hostNetwork"] = true },
		"a volume of kind hostPath": func(pod map[string]any) { spec(pod)["volumes"] = []any{map[string]any{"hostPath": "/"}} },
		"runAsNonRoot":              func(pod map[string]any) { own(pod)["runAsNonRoot"] = false },
		"runAsUser":                 func(pod map[string]any) { own(pod)["runAsUser"] = 0 },
		"seccompProfile":            func(pod map[string]any) { own(pod)["seccompProfile"] = map[string]any{"type": "Unconfined"} },
		"allowPrivilegeEscalation":  func(pod map[string]any) { delete(own(pod), "allowPrivilegeEscalation") },
		"privileged":                func(pod map[string]any) { own(pod)["privileged"] = true },
		"capabilities.drop":         func(pod map[string]any) { own(pod)["capabilities"] = map[string]any{} },
		"capabilities.add": func(pod map[string]any) {
			own(pod)["capabilities"] = map[string]any{"drop": []any{"ALL"}, "add": []any{"SYS_ADMIN"}}
		},
	} {
		pod := restricted()
		breakIt(pod)
		if found := unrestricted(pod); len(found) != 1 || !strings.HasSuffix(found[0], rule) {
			t.Errorf("%s: found are %q", rule, found)
		}
	}
}
