// SPDX-License-Identifier: MPL-2.0

//go:build !windows

package main

import (
	"cmp"
	"fmt"
	"os"
	"syscall"
)

// roomForSocket returns an error if the path of the plugin's socket would be longer
// than the system allows. The plugin could not start, and Vault would ask whether it
// was compiled for this architecture.
func roomForSocket() error {
	dir := cmp.Or(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), os.TempDir())
	if most := len(syscall.RawSockaddrUnix{}.Path) - len("/plugin1234567890") - 1; len(dir) > most {
		return fmt.Errorf("the path of the folder for sockets has %d characters, and may have %d: set TMPDIR of the Vault server "+
			"to a folder with a shorter path (it is %s)", len(dir), most, dir)
	}
	return nil
}
