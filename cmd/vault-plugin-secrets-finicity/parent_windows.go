// SPDX-License-Identifier: MPL-2.0

package main

import "os"

// endWithParent calls end when the process that started this one has ended. See
// parent_unix.go. On Windows, an orphan keeps the ID of its parent, but a process can
// wait for any other process.
func endWithParent(parent int, end func()) {
	process, err := os.FindProcess(parent)
	if err == nil {
		_, err = process.Wait()
	}
	if err == nil {
		end()
	}
}
