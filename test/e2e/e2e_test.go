// SPDX-License-Identifier: MPL-2.0

// Package e2e runs the plugin in a real Vault server, with raft storage and the vault
// command line, as an operator does. The scripts in testdata read like terminal
// sessions. A mock server replaces Finicity.
//
// The tests need seven programs, which make test builds and names in FINICITY_E2E_… (see
// the Makefile). Without the programs the tests fail, because a skipped test proves
// nothing.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

func TestScripts(t *testing.T) { runScripts(t, "testdata") }

// runScripts runs the scripts of a folder.
func runScripts(t *testing.T, dir string) {
	t.Helper()
	vault, plugin := program(t, "FINICITY_E2E_VAULT"), program(t, "FINICITY_E2E_PLUGIN")
	server, err := softwareOf(vault)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"vault":      cmdVault,
			"await":      cmdAwait,
			"server":     cmdServer,
			"cluster":    cmdCluster,
			"plugin":     cmdPlugin,
			"finicity":   cmdFinicity,
			"field":      cmdField,
			"between":    cmdBetween,
			"readers":    cmdReaders,
			"fleet":      cmdFleet,
			"sleep":      cmdSleep,
			"login":      cmdLogin,
			"stored":     cmdStored,
			"allows":     cmdAllows,
			"unattended": cmdUnattended,
			"receivers":  cmdReceivers,
			"webhook":    cmdWebhook,
			"agent":      cmdAgent,
			"app":        cmdApp,
			"apps":       cmdApps,
			"clients":    cmdClients,
			"systemd":    cmdSystemd,
			"ecs":        cmdECS,
			"lambda":     cmdLambda,
			"nomad":      cmdNomad,
			"proxy":      cmdProxy,
			"impostor":   cmdImpostor,
			"affiliates": cmdAffiliates,
			"headers":    cmdHeaders,
			"pod":        cmdPod,
			"operator":   cmdOperator,
			"kubernetes": cmdKubernetes,
			"kubectl":    cmdKubectl,
			"page":       cmdPage,
			"shell":      cmdShell,
			"terraform":  cmdTerraform,
			"holds":      cmdHolds,
			"json":       cmdJSON,
			"exporter":   cmdExporter,
			"audit":      cmdAudit,
		},
		Condition: server.meets,
		Setup: func(env *testscript.Env) error {
			if dir := filepath.Join(env.WorkDir, ".tmp"); len(dir) > vaulttest.LongestTMPDIR { // The TMPDIR of programs that a script runs.
				return fmt.Errorf("%s is too long a path for the socket of a plugin: set TMPDIR to a folder with a shorter path", dir)
			}
			w, err := newFixture(env.WorkDir, vault, plugin)
			if err != nil {
				return err
			}
			env.Values[fixtureKey{}] = w
			env.Defer(func() {
				w.close()
				if err := w.leaks(); err != nil {
					// Each script also checks that no secret leaks.
					t.Errorf("%s: %v", filepath.Base(env.WorkDir), err)
				}
			})
			for name, value := range w.environment() {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

func program(t *testing.T, variable string) string {
	t.Helper()
	path, err := located(variable)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// located returns the program that make names in this variable.
func located(variable string) (string, error) {
	path := os.Getenv(variable)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s: %w: run the end-to-end tests with make test or make e2e", variable, err)
	}
	return path, nil
}

type fixtureKey struct{}

func fixtureOf(ts *testscript.TestScript) *fixture {
	w, ok := ts.Value(fixtureKey{}).(*fixture)
	if !ok {
		ts.Fatalf("the script has no fixture")
	}
	return w
}

// check fails the script unless err is as the script expects: set or not.
func check(ts *testscript.TestScript, neg bool, err error) {
	switch {
	case neg && err == nil:
		ts.Fatalf("it succeeded, and should not have")
	case !neg && err != nil:
		ts.Fatalf("%v", err)
	case err != nil:
		ts.Logf("failed as expected: %v", err)
	}
}

func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}

func count(text string) (n int, err error) {
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}
