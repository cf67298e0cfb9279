// SPDX-License-Identifier: MPL-2.0

// Command aheadplugin is the plugin with a wall clock that is ahead, for the end-to-end
// tests. It simulates hours in which no engine was running.
package main

import (
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/plugin"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
)

// ahead is a duration such as 7h. The linker sets it.
var ahead string

func main() {
	log := hclog.New(&hclog.LoggerOptions{})
	by, err := time.ParseDuration(ahead)
	if err != nil {
		log.Error("the plugin was built without a duration to be ahead by", "error", err)
		os.Exit(1)
	}
	factory := finicity.NewFactory(engine.Options{Now: func() time.Time { return time.Now().Add(by) }})
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory}); err != nil {
		log.Error("the plugin is shutting down", "error", err)
		os.Exit(1)
	}
}
