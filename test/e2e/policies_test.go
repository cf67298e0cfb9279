// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdLogin uses the token that the last command printed for the following commands.
func cmdLogin(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "login")
	ts.Setenv("VAULT_TOKEN", strings.TrimSpace(ts.ReadFile("stdout")))
}

var policyPath = regexp.MustCompile(`(?m)^\s*"?path"?\s+"([^"]+)"`)

// cmdAllows asks Vault what a policy allows on each path of the mount, and on some
// paths that do not exist. Everything that the script does not list must be denied:
//
//	allows reader token=read rotate-token=update
func cmdAllows(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "allows POLICY PATH=CAPABILITY,… …")
	w := fixtureOf(ts)
	want := map[string]string{}
	for _, path := range []string{
		"config", "config/check", "config/rotate", "config/verify", "token", "static-token", "rotate-root", "rotate-token", "status", "webhook/verify", "",
		"token/x", "config/x",
	} {
		want[path] = "deny"
	}
	for _, arg := range args[1:] {
		path, capabilities, _ := strings.Cut(arg, "=")
		if want[path] == "" {
			ts.Fatalf("there is no path %s", path)
		}
		want[path] = capabilities
	}
	// The policy must also not name any path outside the mount, which Vault is not
	// asked about.
	var policy struct {
		Data struct {
			Policy string `json:"policy"`
		} `json:"data"`
	}
	ts.Check(w.server.call(http.MethodGet, "sys/policies/acl/"+args[0], nil, &policy))
	for _, path := range policyPath.FindAllStringSubmatch(policy.Data.Policy, -1) {
		if name, found := strings.CutPrefix(path[1], "finicity/"); !found || want[name] == "deny" || want[name] == "" {
			ts.Fatalf("%s speaks of %s", args[0], path[1])
		}
	}
	if paths := len(policyPath.FindAllString(policy.Data.Policy, -1)); paths != len(args)-1 {
		ts.Fatalf("%s speaks of %d paths, want %d", args[0], paths, len(args)-1)
	}
	var created struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	ts.Check(w.server.call(http.MethodPost, "auth/token/create",
		map[string]any{"policies": args[:1], "no_default_policy": true}, &created))
	for _, path := range slices.Sorted(maps.Keys(want)) {
		var answer struct {
			Capabilities []string `json:"capabilities"`
		}
		ts.Check(w.server.call(http.MethodPost, "sys/capabilities",
			map[string]string{"token": created.Auth.ClientToken, "path": "finicity/" + path}, &answer))
		slices.Sort(answer.Capabilities)
		if got := strings.Join(answer.Capabilities, ","); got != want[path] {
			ts.Fatalf("%s may on finicity/%s: %s", args[0], path, fmt.Sprint(got, ", want ", want[path]))
		}
	}
}
