// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// isOpenBao reports whether the program is OpenBao, according to its version line.
func isOpenBao(bin string) (bool, error) {
	version, err := exec.Command(bin, "version").Output() //nolint:noctx // It takes no time.
	return strings.HasPrefix(string(version), "OpenBao v"), err
}

// openBaos adapts a text to OpenBao, if the tests run on OpenBao. It replaces the
// commands that differ, which docs/install.md lists under "OpenBao", and the output
// that OpenBao words differently or omits.
func openBaos(t *testing.T, text string) string {
	t.Helper()
	onIt, err := isOpenBao(program(t, "FINICITY_E2E_VAULT"))
	if err != nil {
		t.Fatal(err)
	}
	if !onIt {
		return text
	}
	const name = "vault-plugin-secrets-finicity"
	return strings.NewReplacer(
		"vault write sys/plugins/pins/secret/"+name+" version=v0.2.0\n",
		"vault secrets tune -plugin-version=v0.2.0 finicity/\nSuccess! Tuned the secrets engine at: finicity/\n",
		"vault plugin reload -type=secret ", "vault plugin reload ",
		" -env=HTTPS_PROXY=http://proxy.internal:3128", "",

		`"expire_time":"hmac-sha256:…"`, `"expire_time":"2026-11-22T12:14:43Z"`,
		"vault operator raft snapshot restore after-rotation.snap", "vault operator raft snapshot restore after-rotation.snap 2>/dev/null",
		"Deregistered secret plugin: ", "Deregistered plugin (if it was registered): ",
		"oci_image             n/a\nruntime               n/a\n", "",
		`"auth": null,`+"\n"+`  "mount_type": "`+name+`"`, `"auth": null`,
		`"identifier": true,`+"\n            ", "",
	).Replace(text)
}
