// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Some developers have a link to bin/vault on PATH. A build takes minutes, so the script
// must not remove that Vault and then find nothing.
func TestALinkToTheVaultOfTheCloneIsNoOtherVault(t *testing.T) {
	t.Parallel()
	clone, links, others := t.TempDir(), t.TempDir(), t.TempDir()
	text, err := os.ReadFile("../../scripts/build-vault.sh")
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, path string) {
		t.Helper()
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	ours, other := filepath.Join(clone, "bin", "vault"), filepath.Join(others, "vault")
	write(filepath.Join(clone, "scripts/build-vault.sh"), string(text))
	write(ours, "#!/bin/sh\necho Vault v1.0.0\n")
	write(other, "#!/bin/sh\necho Vault v2.0.0\n")
	link(ours, filepath.Join(links, "second"))
	link("second", filepath.Join(links, "vault"))

	run := func(variables ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(clone, "scripts/build-vault.sh"))
		cmd.Env = append(append(os.Environ(), "VAULT_BIN=", "PATH="+links+":"+others+":"+os.Getenv("PATH")), variables...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("VAULT_BIN=" + filepath.Join(links, "vault")); err == nil || !strings.Contains(out, "Leave VAULT_BIN unset") {
		t.Errorf("the link as VAULT_BIN: %v\n%s", err, out)
	}
	if text, err := os.ReadFile(ours); err != nil || !strings.Contains(string(text), "v1.0.0") {
		t.Errorf("the script has changed bin/vault: %v\n%s", err, text)
	}
	for range 2 { // The second time, the link on PATH leads to the other Vault, through bin/vault.
		if out, err := run(); err != nil {
			t.Errorf("the link on PATH: %v\n%s", err, out)
		}
		if target, err := os.Readlink(ours); err != nil || target != other {
			t.Errorf("bin/vault is a link to %q (%v), want %q", target, err, other)
		}
	}
}
