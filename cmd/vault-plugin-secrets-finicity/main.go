// SPDX-License-Identifier: MPL-2.0

// Command vault-plugin-secrets-finicity is the plugin that Vault starts. If you start
// it yourself, it only answers -version, and copies itself with -install.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/plugin"

	finicity "vault-plugin-secrets-finicity"
)

// release is the release, such as v0.1.0. The linker sets it, and it is empty in
// development builds.
var release string

func main() {
	parent := os.Getppid() // This must come first: see endWithParent.
	// Vault logs lines in this format at their own level, and all others at level
	// debug.
	log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: startedByVault()})
	version, target, ignored, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		log.Error("the plugin does not start: register it without this argument", "error", err)
		os.Exit(2)
	case version:
		fmt.Println("vault-plugin-secrets-finicity", cmp.Or(release, "(development build)"))
		return
	case target != "":
		if err := install(target); err != nil {
			log.Error("the plugin was not installed", "error", err)
			os.Exit(1)
		}
		return
	}
	if len(ignored) > 0 {
		log.Info("these arguments have no effect, because Vault and the plugin agree on TLS themselves", "arguments", ignored)
	}
	if err := roomForSocket(); err != nil {
		log.Error("the plugin does not start", "error", err)
		os.Exit(1)
	}
	go endWithParent(parent, func() {
		log.Error("the Vault server has ended, so the plugin ends too")
		os.Exit(1)
	})

	// One process serves every mount of this plugin.
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: finicity.FactoryOfRelease(release)}); err != nil {
		log.Error("the plugin does not start", "error", err)
		os.Exit(1)
	}
}

func startedByVault() bool { return os.Getenv(plugin.HandshakeConfig.MagicCookieKey) != "" }

// parse reads the arguments. It accepts those of HashiCorp's own plugins, because many
// guides register every plugin with them, and returns them in ignored.
func parse(args []string) (version bool, target string, ignored []string, err error) {
	flags := flag.NewFlagSet("vault-plugin-secrets-finicity", flag.ContinueOnError)
	flags.BoolVar(&version, "version", false, "print the version and exit")
	flags.StringVar(&target, "install", "", "copy this program to a `file` and exit, for an init container")
	const ignore = "ignored: Vault and the plugin agree on TLS themselves"
	for _, name := range []string{"ca-cert", "ca-path", "client-cert", "client-key", "tls-server-name"} {
		flags.String(name, "", ignore)
	}
	flags.Bool("tls-skip-verify", false, ignore)
	if startedByVault() {
		flags.SetOutput(io.Discard) // The returned error says the same.
	}
	if err = flags.Parse(args); err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "version" && f.Name != "install" {
			ignored = append(ignored, "-"+f.Name)
		}
	})
	return version, target, ignored, err
}
