// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// install copies this program to a file, from where Vault can start it. An init container
// does that: the image has no other program that could copy it.
//
// The last step is a rename, so that Vault never sees a part of the program, and a running
// plugin with the same name keeps its file.
func install(target string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self) //nolint:gosec // It is this program.
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // It was only read.
	to, err := os.CreateTemp(filepath.Dir(target), ".new-")
	if err != nil {
		return fmt.Errorf("%w: -install needs the path of a file in a folder that exists, such as "+
			"-install=/usr/local/libexec/vault/vault-plugin-secrets-finicity", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to.Name())) //nolint:gosec // The operator chose the folder.
		}
	}()
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	// Vault runs as another user, and no user may change the program.
	if err := os.Chmod(to.Name(), 0o555); err != nil { //nolint:gosec // A program must be executable.
		return err
	}
	return os.Rename(to.Name(), target) //nolint:gosec // The operator chose the path.
}
