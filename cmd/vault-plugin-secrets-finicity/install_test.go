// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An init container installs the plugin at each start of a pod, over the last copy.
func TestInstallReplacesTheFileWithThisProgram(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(target, []byte("older"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := install(target); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(target)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("it has %d bytes, want %d (%v)", len(got), len(want), err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode() != 0o555 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(target)); err != nil || len(entries) != 1 {
		t.Errorf("other files are left: %v (%v)", entries, err)
	}
}

func TestInstallSaysWhatToType(t *testing.T) {
	t.Parallel()
	err := install(filepath.Join(t.TempDir(), "missing", "plugin"))
	if err == nil || !strings.Contains(err.Error(), "-install=/usr/local/") {
		t.Errorf("it returns %v", err)
	}
}
