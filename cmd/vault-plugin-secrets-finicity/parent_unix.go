// SPDX-License-Identifier: MPL-2.0

//go:build !windows

package main

import (
	"os"
	"time"
)

// endWithParent calls end when the process that started this one is gone. A Vault that is killed cannot end its plugins,
// and each would go on for ever with the credential in its memory. A reload starts and ends plugins while the server runs.
//
// parent is the ID of that process. If it was gone before the ID was read, the plugin ends when it prints its address:
// nobody reads that.
func endWithParent(parent int, end func()) {
	for range time.Tick(time.Second) {
		if os.Getppid() != parent { // The system gives an orphan another parent.
			end()
		}
	}
}
