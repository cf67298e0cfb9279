// SPDX-License-Identifier: MPL-2.0

// Command vault-lts is the oldest Vault server on which the end-to-end tests run, built
// from source like tools/vault. `make e2e-lts` builds it and runs the tests.
//
// It is not part of `make test` or of CI, which would take half an hour longer. The
// server's license is BUSL-1.1: it is a tool for tests, never linked into the plugin and
// never shipped with it.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/version"
)

func main() {
	// When the release in go.mod was committed. Change it with the release: see
	// tools/vault.
	version.BuildDate = "2025-05-29T13:17:06Z"
	os.Exit(command.Run(os.Args[1:]))
}
