// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// software is the program of a server, and the first two numbers of its version.
type software struct {
	name         string // "vault" or "openbao".
	major, minor int
}

var (
	versionLine     = regexp.MustCompile(`^(Vault|OpenBao) v(\d+)\.(\d+)\.`)
	serverCondition = regexp.MustCompile(`^(vault|openbao)(?:<(\d+)\.(\d+))?$`)
)

// softwareOf returns the software of a program, according to its version line.
func softwareOf(bin string) (software, error) {
	out, err := exec.Command(bin, "version").Output() //nolint:noctx // It takes no time.
	if err != nil {
		return software{}, fmt.Errorf("%s version: %w", bin, err)
	}
	parts := versionLine.FindStringSubmatch(string(out))
	if parts == nil {
		return software{}, fmt.Errorf("%s is neither Vault nor OpenBao: %q", bin, out)
	}
	major, err := strconv.Atoi(parts[2])
	minor, alsoErr := strconv.Atoi(parts[3])
	return software{strings.ToLower(parts[1]), major, minor}, cmp.Or(err, alsoErr)
}

// meets reports whether a condition of a script is true: "openbao", or "vault<1.20" for
// a Vault before that version.
func (s software) meets(condition string) (bool, error) {
	parts := serverCondition.FindStringSubmatch(condition)
	if parts == nil {
		return false, fmt.Errorf("unknown: [%s]", condition)
	}
	if parts[1] != s.name || parts[2] == "" {
		return parts[1] == s.name, nil
	}
	major, err := strconv.Atoi(parts[2])
	minor, alsoErr := strconv.Atoi(parts[3])
	return cmp.Or(cmp.Compare(s.major, major), cmp.Compare(s.minor, minor)) < 0, cmp.Or(err, alsoErr)
}

// asOn adapts a text about Vault 1.21 to the server of the tests. It replaces the
// commands that differ, which docs/install.md lists under "OpenBao", and the output that
// the server words differently or omits.
func asOn(t *testing.T, text string) string {
	t.Helper()
	server, err := softwareOf(program(t, "FINICITY_E2E_VAULT"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "vault-plugin-secrets-finicity"
	for condition, replacements := range map[string][]string{
		"openbao": {
			"vault write sys/plugins/pins/secret/" + name + " version=v0.2.0\n",
			"vault secrets tune -plugin-version=v0.2.0 finicity/\nSuccess! Tuned the secrets engine at: finicity/\n",
			"$ vault delete sys/plugins/pins/secret/" + name + "\n", "",
			"vault plugin reload -type=secret ", "vault plugin reload ",
			" -env=HTTPS_PROXY=http://proxy.internal:3128", "",

			`"expire_time":"hmac-sha256:…"`, `"expire_time":"2026-11-22T12:14:43Z"`,
			"vault operator raft snapshot restore after-rotation.snap", "vault operator raft snapshot restore after-rotation.snap 2>/dev/null",
			"Deregistered secret plugin: ", "Deregistered plugin (if it was registered): ",
			"oci_image             n/a\nruntime               n/a\n", "",
			`"auth": null,` + "\n" + `  "mount_type": "` + name + `"`, `"auth": null`,
			`"identifier": true,` + "\n            ", "",
		},
		"vault<1.21": {`"identifier": true,` + "\n            ", ""},
	} {
		applies, err := server.meets(condition)
		if err != nil {
			t.Fatal(err)
		}
		if applies {
			text = strings.NewReplacer(replacements...).Replace(text)
		}
	}
	return text
}

// A condition that is never true would skip a line of a script on every server.
func TestConditionsOfScriptsCompareVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server    software
		condition string
		met       bool
	}{
		{software{"vault", 1, 21}, "openbao", false},
		{software{"openbao", 2, 6}, "openbao", true},
		{software{"openbao", 2, 6}, "vault", false},
		{software{"openbao", 2, 6}, "vault<3.0", false},
		{software{"vault", 1, 19}, "vault<1.20", true},
		{software{"vault", 1, 20}, "vault<1.20", false},
		{software{"vault", 1, 9}, "vault<1.20", true},
		{software{"vault", 2, 0}, "vault<1.20", false},
	} {
		if met, err := c.server.meets(c.condition); err != nil || met != c.met {
			t.Errorf("[%s] on %+v is %v (%v)", c.condition, c.server, met, err)
		}
	}
	for _, condition := range []string{"", "open-bao", "vault>1.20", "vault<1"} {
		if _, err := (software{"vault", 1, 21}).meets(condition); err == nil {
			t.Errorf("[%s] is a condition", condition)
		}
	}
}
