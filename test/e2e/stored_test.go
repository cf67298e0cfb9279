// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdStored searches the files of the server's storage and the given snapshots. None may
// have a partner secret, an app key or a token of Finicity in plain text:
//
//	stored encrypted after.snap
func cmdStored(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0 && args[0] == "encrypted", "stored encrypted [SNAPSHOT…]")
	w := fixtureOf(ts)
	var files []string
	ts.Check(filepath.WalkDir(filepath.Join(filepath.Dir(w.server.LogFile), "raft"), func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, file)
		}
		return err
	}))
	for _, snapshot := range args[1:] {
		files = append(files, ts.MkAbs(snapshot))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.secrets) < 2 || len(w.tokens) == 0 {
		ts.Fatalf("this script has not rotated the secret, or has read no token")
	}
	searched := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		ts.Check(err)
		searched += len(content)
		ts.Check(w.inPlainText(filepath.Base(file), content))
	}
	// Storage has more than that as soon as a server is initialized.
	if searched < 100_000 {
		ts.Fatalf("only %d bytes in %d files were searched", searched, len(files))
	}
}

// inPlainText reports what must be encrypted and is in the content as it is, or after it
// is decompressed.
func (w *fixture) inPlainText(name string, content []byte) error {
	texts := [][]byte{content}
	if compressed, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		text, err := io.ReadAll(compressed)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		texts = append(texts, text)
	}
	values := map[string]string{}
	for secret := range w.secrets {
		values[secret] = "a partner secret"
	}
	for token := range w.tokens {
		values[token] = "a Finicity token"
	}
	for _, partner := range partners {
		values[partner.AppKey] = "an app key"
	}
	delete(values, "")
	var found []error
	for value, kind := range values {
		for _, text := range texts {
			if bytes.Contains(text, []byte(value)) {
				found = append(found, fmt.Errorf("%s is in %s", kind, name))
			}
		}
	}
	return errors.Join(found...)
}

func TestASecretInAStoredFileIsFound(t *testing.T) {
	w := logs(t, "", "")
	var snapshot bytes.Buffer
	compress := gzip.NewWriter(&snapshot)
	if _, err := io.WriteString(compress, "before\x00"+awkward+"\x00after"); err != nil {
		t.Fatal(err)
	}
	if err := compress.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a database": []byte("\x01" + awkward + "\x02"), "a snapshot": snapshot.Bytes()} {
		if err := w.inPlainText(name, content); err == nil {
			t.Errorf("in %s: not found", name)
		}
	}
	if err := w.inPlainText("a database", []byte("something else")); err != nil {
		t.Errorf("something else was taken for it: %v", err)
	}
}
