// SPDX-License-Identifier: MPL-2.0

package vaulttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderForPluginsIsShort(t *testing.T) {
	t.Parallel()
	short, err := os.MkdirTemp("", "t") //nolint:usetesting // t.TempDir has the name of the test in its path.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) }) // It is nearly empty.
	long := filepath.Join(short, strings.Repeat("x", LongestTMPDIR))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := ShortFolder("e2e", long, short)
	if err != nil || filepath.Dir(dir) != short {
		t.Errorf("it is %q (%v)", dir, err)
	}
	if _, err = ShortFolder("e2e", long, filepath.Join(short, "missing")); err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("without one: %v", err)
	}
	if files, err := os.ReadDir(long); err != nil || len(files) > 0 {
		t.Errorf("files are left: %v (%v)", files, err)
	}
}

// A server that refuses its configuration ends at once. A test must not wait for it
// until Patience is over.
func TestAServerThatEndsAtOnceIsReportedWithItsLog(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\necho no\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Bin: bin, Dir: filepath.Join(t.TempDir(), "vault"), PluginDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "see "+s.LogFile) {
		t.Errorf("it says %v", err)
	}
	if log, err := os.ReadFile(s.LogFile); err != nil || string(log) != "no\n" {
		t.Errorf("the log is %q (%v)", log, err)
	}
	if err := s.Stop(); err != nil || s.Running() {
		t.Errorf("stopping it: %v", err)
	}
}
