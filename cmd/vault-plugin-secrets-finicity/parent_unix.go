// SPDX-License-Identifier: MPL-2.0

//go:build !windows

package main

import (
	"os"
	"time"
)

// endWithParent calls end when the process that started this one has ended. A killed
// Vault server cannot end its plugins, and each would run forever with the credential
// in its memory. While the server runs, a reload starts and ends plugins.
//
// parent is the process ID of the parent. If the parent ended before the ID was read,
// the plugin ends when it prints its address, because no process reads it.
func endWithParent(parent int, end func()) {
	for range time.Tick(time.Second) {
		if os.Getppid() != parent { // The system gives an orphan another parent.
			end()
		}
	}
}
