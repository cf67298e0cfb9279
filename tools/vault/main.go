// SPDX-License-Identifier: MPL-2.0

// Command vault is a Vault server for the end-to-end tests and the demo, built from
// source so that they need only Go. `make vault` builds it.
//
// It is a separate module because the server has several hundred dependencies, and
// their versions must not affect the plugin's build. The server's license is BUSL-1.1:
// it is a tool for tests, never linked into the plugin and never shipped with it.
//
// The first build takes about six minutes on two cores and 2 GiB of downloads. A later
// one takes seconds.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/version"
)

func main() {
	// The date of the release in go.mod. Change it with the release. If it is empty,
	// the server uses the current time less one year, which differs at each start, and
	// passes that to its plugins.
	version.BuildDate = "2026-01-06T16:33:05Z"
	os.Exit(command.Run(os.Args[1:]))
}
