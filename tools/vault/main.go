// SPDX-License-Identifier: MPL-2.0

// Command vault is a Vault server for the end-to-end tests and the demo, built from source so that they need nothing
// but Go. `make vault` builds it.
//
// It is a module of its own because the server brings several hundred modules along, and none of their versions may
// decide what the plugin is built with. The server's licence is BUSL-1.1: it is a tool for tests, never linked into the
// plugin and never shipped with it.
//
// The first build takes about six minutes on two cores and 2 GiB of downloads; a later one takes seconds.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/version"
)

func main() {
	// The date of the release in go.mod, to be changed with it. Left empty, the server takes the current time less one
	// year, another one at each start, and tells that to its plugins.
	version.BuildDate = "2026-01-06T16:33:05Z"
	os.Exit(command.Run(os.Args[1:]))
}
