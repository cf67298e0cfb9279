// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// exampleReceiver is the address on which the receivers of examples/webhook listen.
const exampleReceiver = "127.0.0.1:8300"

// exampleExporter is the address on which the exporter of examples/monitoring listens.
const exampleExporter = "127.0.0.1:8400"

// exampleVault is where a development server of Vault listens in the documents.
const exampleVault = "127.0.0.1:8200"

// mockServerAddress is where the mock server listens in the documents, by default.
const mockServerAddress = "http://127.0.0.1:8210"

// reader is a person who follows a document, with a Vault server whose plugin directory
// has a release of the plugin.
type reader struct {
	fixture *fixture
	clock   pageClock
	// The pages have the addresses of proxy.hcl, the receivers, the exporter and the servers
	// that they start, and the test has free ones.
	listeners *strings.Replacer
	env       []string
	other     *vaultServer // The server to which the reader moves.
}

func newReader(t *testing.T) *reader {
	t.Helper()
	began, dir := time.Now(), t.TempDir()
	plugin := filepath.Join(dir, "plugins", "vault-plugin-secrets-finicity")
	if _, err := buildRelease("v0.1.0", plugin); err != nil {
		t.Fatal(err)
	}
	w, err := newFixture(dir, program(t, "FINICITY_E2E_VAULT"), plugin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if err := w.server.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAgent(t, dir) })
	if err := errors.Join(provideCurl(dir), provideGo(dir), provideJQ(dir)); err != nil {
		t.Fatal(err)
	}
	free := func() string {
		port, err := vaulttest.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	listener, webhooks := free(), free()
	folders, err := goFolders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := append(withoutVault(os.Environ()), "VAULT_TOKEN="+w.server.RootToken, "PLUGIN_DIR="+filepath.Dir(plugin))
	env = append(append(env, "CGO_ENABLED=0", "LISTENER="+listener, "LISTEN="+webhooks), folders...)
	for name, value := range w.environment() {
		switch name {
		case "SHA256": // The README says how to get it.
		case "PATH":
			env = append(env, "PATH="+value+string(os.PathListSeparator)+dir)
		default:
			env = append(env, name+"="+value)
		}
	}
	listeners := strings.NewReplacer(exampleListener, listener, exampleReceiver, webhooks, exampleExporter, webhooks,
		strings.TrimPrefix(mockServerAddress, "http://"), free(), exampleVault, free())
	return &reader{fixture: w, clock: pageClock{began: began}, listeners: listeners, env: env}
}

// provideGo puts the go command of the test where the commands of a page find it.
func provideGo(dir string) error {
	path, err := exec.LookPath(cmp.Or(os.Getenv("GO"), "go"))
	if err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(dir, "go"))
}

// provideJQ adds a jq to the last folder of PATH, for machines without jq.
func provideJQ(dir string) error {
	path, err := located("FINICITY_E2E_JQ")
	if err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(dir, "jq"))
}

// goFolders are the variables with which go finds its caches and modules in another
// home directory. Otherwise it would build for a minute, and download 700 MB into
// folders that only root can remove. Downloads are disabled.
func goFolders(ctx context.Context) ([]string, error) {
	variables := []string{"GOCACHE", "GOENV", "GOMODCACHE"}
	out, err := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), append([]string{"env"}, variables...)...).Output()
	if err != nil {
		return nil, err
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		variables[i] += "=" + value
	}
	return append(variables, "GOPROXY=off"), nil
}

// stopAgent waits for the end of an agent that a document has started. If the document
// has failed, the agent may still be running.
func stopAgent(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "agent.pid") // The agent removes it when it ends.
	if err := poll(func() (bool, error) {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return true, nil
		}
		pid, failed := count(string(text))
		if err := errors.Join(err, failed); err != nil {
			return false, err
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return false, err
		}
		return false, nil
	}, func() error { return errors.New("the agent does not end") }); err != nil {
		t.Error(err)
	}
}

// install does what the README tells the readers of the other documents to do.
func (d *reader) install(t *testing.T) {
	t.Helper()
	for _, command := range []string{
		"vault plugin register -sha256=" + d.fixture.digest + " -version=v0.1.0 secret vault-plugin-secrets-finicity",
		"vault secrets enable -path=finicity vault-plugin-secrets-finicity",
		"vault write finicity/config base_url=$FINICITY partner_id=$PARTNER_ID partner_secret=$PARTNER_SECRET" +
			" app_key=$APP_KEY",
	} {
		if out, err := d.run(t, command); err != nil {
			t.Fatalf("$ %s\n%v\n%s", command, err, out)
		}
	}
}

var (
	assignment = regexp.MustCompile(`^([A-Z0-9_]+)=`)
	exported   = regexp.MustCompile(`^(\w+)=`)
	plain      = regexp.MustCompile(`^[A-Z0-9_]+=[A-Za-z0-9-]+$`)
)

func (d *reader) follow(t *testing.T, s step) {
	t.Helper()
	if variable, found := strings.CutPrefix(s.behind, "$ export "); found { // Each command has its own shell.
		d.env = append(d.env, variable)
		return
	}
	if command, found := strings.CutPrefix(s.behind, "$ "); found {
		if out, err := d.run(t, command); err != nil {
			t.Fatalf("<!-- %s -->\nends with %v\n%s", s.behind, err, out)
		}
		return
	}
	if name, found := strings.CutPrefix(s.behind, "file "); found {
		content := strings.ReplaceAll(strings.Join(s.output, "\n"), mockServerAddress, d.fixture.plain.URL)
		if err := os.WriteFile(filepath.Join(d.fixture.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if what, found := strings.CutPrefix(s.behind, "finicity "); found {
		if err := d.behind(what); err != nil {
			t.Fatalf("<!-- %s -->: %v", s.behind, err)
		}
		return
	}
	if which, found := strings.CutPrefix(s.behind, "at the "); found {
		if err := d.goTo(which); err != nil {
			t.Fatalf("<!-- %s -->: %v", s.behind, err)
		}
		return
	}
	command := s.command
	if plain.MatchString(command) { // It may be a secret, which no log may contain.
		d.env = append(d.env, command)
		return
	}
	if exports, found := strings.CutPrefix(command, "export "); found {
		d.export(t, exports)
		return
	}
	assigned := assignment.FindStringSubmatch(command)
	if assigned != nil {
		command += "; printf %s $" + assigned[1]
	}
	out, err := d.run(t, command)
	if failed, should := err != nil, strings.Contains(strings.Join(s.output, "\n"), "Code: "); failed != should {
		t.Fatalf("$ %s\nends with %v\n%s", s.command, err, out)
	}
	if assigned != nil { // Each command has its own shell, so a variable of this one is passed on.
		d.env = append(d.env, assigned[1]+"="+out)
		return
	}
	shown := strings.Join(s.output, "\n")
	if !s.shows(out) {
		t.Errorf("$ %s\nprints\n%s\nand not\n%s", s.command, out, shown)
	} else if err := d.clock.compare(shown, out); err != nil {
		t.Errorf("$ %s\n%v", s.command, err)
	}
}

// export sets variables for the following commands. Their values may be secrets, which
// no log may contain.
func (d *reader) export(t *testing.T, exports string) {
	t.Helper()
	var names []string
	for word := range strings.FieldsSeq(exports) {
		if name := exported.FindStringSubmatch(word); name != nil {
			names = append(names, name[1])
		}
	}
	out, err := d.shell(t, "export "+exports+`; for name in `+strings.Join(names, " ")+`; do printf '%s=%s\n' "$name" "${!name}"; done`)
	if err != nil {
		t.Fatalf("$ export %s\nends with %v", exports, err)
	}
	d.env = append(d.env, strings.Split(strings.TrimSuffix(out, "\n"), "\n")...)
}

// goTo sends the following commands to the first Vault server, or to the other one,
// which is started when it is first used.
func (d *reader) goTo(which string) (err error) {
	server := d.fixture.server
	if which == "other Vault" {
		if d.other == nil {
			d.other, err = d.fixture.startOther()
		}
		server = d.other
	}
	if err == nil {
		d.env = append(d.env, "VAULT_ADDR="+server.Address, "VAULT_TOKEN="+server.RootToken)
	}
	return err
}

func (d *reader) run(t *testing.T, command string) (string, error) {
	t.Helper()
	out, err := d.shell(t, command)
	d.fixture.overheard(out)
	if info, _ := os.Stat(filepath.Join(d.fixture.dir, "secret-id")); info != nil && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("after %q others may read the secret-id", command)
	}
	return out, err
}

func (d *reader) shell(t *testing.T, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", d.listeners.Replace(command))
	cmd.Env, cmd.Dir = d.env, d.fixture.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// behind carries out a hidden action at Finicity:
//
//	secret VALUE    it was changed in the portal, where the reader finds it as $PARTNER_SECRET
//	app-key VALUE   the same for the app key, as $APP_KEY
//	fault JSON      see fakefinicity.Fault
//	unlock now      as Finicity's support does
//	webhook FILE BODY   Finicity has sent one: FILE has its body, and a file next to it the signature
func (d *reader) behind(what string) error {
	fake, id := d.fixture.fake, partners[0].ID
	verb, rest, _ := strings.Cut(what, " ")
	switch verb {
	case "secret":
		fake.SetSecret(id, rest)
		d.env = append(d.env, "PARTNER_SECRET="+rest)
	case "app-key":
		fake.SetAppKey(id, rest)
		d.env = append(d.env, "APP_KEY="+rest)
	case "fault":
		var fault fakefinicity.Fault
		if err := json.Unmarshal([]byte(rest), &fault); err != nil {
			return fmt.Errorf("reading the fault: %w", err)
		}
		fake.Order(fault)
	case "unlock":
		fake.Unlock(id)
	case "webhook":
		name, body, _ := strings.Cut(rest, " ")
		signature, err := fake.SignWebhook(id, []byte(body))
		if err != nil {
			return err
		}
		file := filepath.Join(d.fixture.dir, name)
		return errors.Join(os.WriteFile(file, []byte(body), 0o600), os.WriteFile(file+".signature", []byte(signature), 0o600))
	default:
		return errors.New("it is not known what that is")
	}
	return nil
}
