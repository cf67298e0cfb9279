// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// session is a command of a console block in a document, with the output that the document shows.
type session struct {
	command string
	output  []string
}

// sessions reads the console blocks of a Markdown text: lines that begin with "$ " are commands, and what follows is
// their output.
func sessions(text string) []session {
	var found []session
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			found = append(found, session{command: line[2:]})
		default:
			last := &found[len(found)-1]
			last.output = append(last.output, line)
		}
	}
	return found
}

// varying is what differs from one run to the next: times, tokens, IDs of leases, ports.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+Z|\b[0-9A-Z]{20}\b|token/\w{24}|:\d{4,5}\b|1h5\dm\d+s|\b6[89]\d\d\b`)

// The README is what a newcomer types. Each of its commands works, in the order in which they stand there, and prints
// what it says, times and the like aside.
func TestTheReadmeIsTrue(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugins", "vault-plugin-secrets-finicity")
	release := exec.CommandContext(t.Context(), "go", "build", "-trimpath",
		"-ldflags=-X vault-plugin-secrets-finicity.Version=v0.1.0", "-o", plugin, "../cmd/vault-plugin-secrets-finicity")
	release.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := release.CombinedOutput(); err != nil {
		t.Fatalf("building a release: %v\n%s", err, out)
	}
	vault := program(t, "FINICITY_E2E_VAULT")
	w, err := newWorld(dir, vault, plugin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if err := w.server.start(); err != nil {
		t.Fatal(err)
	}
	env := append(withoutVault(os.Environ()), "VAULT_TOKEN="+w.server.rootToken, "PLUGIN_DIR="+filepath.Dir(plugin),
		"PATH="+filepath.Dir(vault)+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, value := range w.environment() {
		if name != "SHA256" { // The README says how to get it.
			env = append(env, name+"="+value)
		}
	}

	commands := sessions(string(readme))
	if len(commands) < 10 {
		t.Fatalf("the README has only %d commands", len(commands))
	}
	// The first one shows what it is all about, before anything is installed.
	commands = append(commands[1:len(commands)-1], commands[0], commands[len(commands)-1])
	variable := regexp.MustCompile(`^([A-Z0-9]+)=`)
	for _, s := range commands {
		command := s.command
		assigned := variable.FindStringSubmatch(command)
		if assigned != nil {
			command += "; printf %s $" + assigned[1]
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, "bash", "-euc", command)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("$ %s\n%v\n%s", s.command, err, out)
		}
		if assigned != nil { // Each command has a shell of its own, so this one's variable is handed on.
			env = append(env, assigned[1]+"="+string(out))
			continue
		}
		have := varying.ReplaceAllString(strings.TrimSpace(string(out)), "…")
		want := varying.ReplaceAllString(strings.Join(s.output, "\n"), "…")
		if have != want {
			t.Errorf("$ %s\nprints\n%s\nand not\n%s", s.command, have, want)
		}
	}
	if err := w.leaks(); err != nil {
		t.Error(err)
	}
}
