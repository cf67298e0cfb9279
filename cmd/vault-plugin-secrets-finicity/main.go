// SPDX-License-Identifier: MPL-2.0

// Command vault-plugin-secrets-finicity is the plugin that Vault starts. Started by hand it answers -version and
// nothing else.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/plugin"

	finicity "vault-plugin-secrets-finicity"
)

func main() {
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *version {
		fmt.Println("vault-plugin-secrets-finicity", cmp.Or(finicity.Version, "(development build)"))
		return
	}

	// One process serves every mount of this plugin. Vault sets up TLS between the two by itself.
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: finicity.Factory}); err != nil {
		hclog.New(&hclog.LoggerOptions{}).Error("the plugin is shutting down", "error", err)
		os.Exit(1)
	}
}
