// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// step is a command of a console block in a document, with the output that the document shows; or something that must
// happen before the next one, and that a reader of the document does not see.
type step struct {
	command, behind string
	output          []string
}

// hidden is how a document says what happens behind the scenes: at Finicity, <!-- finicity secret Changed-It-1 -->, or by a
// command that must not fail, and whose output does not matter, <!-- $ sleep 10 -->, or that the block after it is what the reader has put into a file,
// <!-- file payload.json -->, or that the reader goes to the terminal of another Vault server, <!-- at the other Vault -->, and
// back, <!-- at the first Vault -->
var hidden = regexp.MustCompile(`^<!-- (finicity .*|file .*|at the (?:other|first) Vault|\$ .*) -->$`)

// stepsOf reads a Markdown text. In console blocks, lines that begin with "$ " are commands, a backslash at the end
// continues them, and what follows is their output.
func stepsOf(text string) []step {
	var found []step
	inside, continued, filing := false, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch behind := hidden.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			last := len(found) - 1
			filing = !filing && last >= 0 && strings.HasPrefix(found[last].behind, "file ") && found[last].output == nil
			inside = line == "```console"
		case filing:
			last := &found[len(found)-1]
			last.output = append(last.output, line)
		case behind != nil:
			found = append(found, step{behind: behind[1]})
		case !inside:
		case strings.HasPrefix(line, "$ "):
			found = append(found, step{command: line[2:]})
			continued = strings.HasSuffix(line, `\`)
		case continued:
			found[len(found)-1].command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		default:
			last := &found[len(found)-1]
			last.output = append(last.output, line)
		}
	}
	return found
}

// varying is what differs from one run to the next: times, tokens, IDs of leases and requests, ports.
var varying = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:]+Z|\b[0-9A-Z]{20}\b|token/\w{24}|:\d{4,5}\b|1h5\dm\d+s|\b6[89]\d\d\b|\b5[34]\d\d\b`)

// shows reports whether the output is what the document says. Line breaks don't count, since the document breaks long
// lines. What varies stands for one word, so that a line more or less is seen, and … for anything.
func (s step) shows(output string) bool {
	words := func(text string) string {
		return strings.Join(strings.Fields(varying.ReplaceAllString(text, "§")), " ")
	}
	indented := func(text string) string { // Vault sends JSON in one line. A document may have it like vault -format=json.
		var pretty bytes.Buffer
		if json.Indent(&pretty, []byte(text), "", "  ") == nil {
			return pretty.String()
		}
		return text
	}
	output = indented(output)
	want := regexp.QuoteMeta(words(indented(strings.Join(s.output, "\n"))))
	want = strings.NewReplacer("…", ".*", "§", `\S+`).Replace(want)
	return regexp.MustCompile("^" + want + "$").MatchString(words(output))
}

// The README is what a newcomer types, the other documents are what an operator types in an emergency, and those of the
// examples what somebody types who has an app. Each command
// of theirs works, in the order in which they stand there, and prints what they say, times and the like aside.
func TestTheDocumentsAreTrue(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	const root = "../../README.md"
	for _, document := range append(documents, root, "../../examples/agent/README.md", "../../examples/kubernetes/README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		steps := stepsOf(openBaos(t, string(text)))
		if len(steps) == 0 {
			continue
		}
		tried++
		t.Run(strings.TrimPrefix(document, "../../"), func(t *testing.T) {
			t.Parallel()
			d := newReader(t)
			if document == root {
				// The page begins with what the engine does, before it says how to install it.
				installed := slices.IndexFunc(steps, func(s step) bool { return strings.HasPrefix(s.command, "SHA256=") })
				steps = slices.Concat(steps[installed:], steps[:installed])
			} else {
				d.install(t)
			}
			for _, s := range steps {
				d.follow(t, s)
			}
			if err := d.world.leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	if tried < 2 {
		t.Errorf("only %d documents have commands in them", tried)
	}
}

// Vault refuses to register a release under another version than the one it reports, and takes that one where none is
// named. A release that reported none would be taken for any.
func TestVaultKnowsTheVersionOfARelease(t *testing.T) {
	t.Parallel()
	d := newReader(t)
	register := "vault plugin register -sha256=" + d.world.digest
	out, err := d.run(t, register+" -version=v0.2.0 secret vault-plugin-secrets-finicity")
	if err == nil || !strings.Contains(out, "reported version (v0.1.0)") {
		t.Errorf("registered as v0.2.0: %v\n%s", err, out)
	}
	out, err = d.run(t, register+` secret vault-plugin-secrets-finicity
		vault secrets enable -path=finicity vault-plugin-secrets-finicity
		vault secrets list -detailed | grep ^finicity/`)
	// The running version stands before the checksum.
	if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), " v0.1.0 "+d.world.digest) {
		t.Errorf("registered without a version: %v\n%s", err, out)
	}
}

// standInAddress is where the stand-in listens in the documents, by default.
const standInAddress = "http://127.0.0.1:8210"

// reader is somebody who follows a document, at a Vault server with a release of the plugin in its plugin directory.
type reader struct {
	world *world
	env   []string
	other *vaultServer // to which it moves
}

func newReader(t *testing.T) *reader {
	t.Helper()
	dir := t.TempDir()
	plugin := filepath.Join(dir, "plugins", "vault-plugin-secrets-finicity")
	if _, err := buildRelease("v0.1.0", plugin); err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(dir, program(t, "FINICITY_E2E_VAULT"), plugin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if err := w.server.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAgent(t, dir) })
	if err := provideCurl(dir); err != nil {
		t.Fatal(err)
	}
	folders, err := goFolders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := append(withoutVault(os.Environ()), "VAULT_TOKEN="+w.server.RootToken, "PLUGIN_DIR="+filepath.Dir(plugin))
	env = append(env, folders...)
	for name, value := range w.environment() {
		switch name {
		case "SHA256": // The README says how to get it.
		case "PATH":
			env = append(env, "PATH="+value+string(os.PathListSeparator)+dir)
		default:
			env = append(env, name+"="+value)
		}
	}
	return &reader{world: w, env: env}
}

// goFolders are the variables with which a go that runs in another home finds what is built and downloaded already. Otherwise
// it builds for a minute, and downloads 700 MB into folders that only root can remove. So it may download nothing.
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

// stopAgent waits for the end of an agent that a document has started. It need not have told it to, when it has failed.
func stopAgent(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "agent.pid") // The agent removes it at its end.
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

// install is what the README has told the readers of the other documents.
func (d *reader) install(t *testing.T) {
	t.Helper()
	for _, command := range []string{
		"vault plugin register -sha256=" + d.world.digest + " -version=v0.1.0 secret vault-plugin-secrets-finicity",
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
	plain      = regexp.MustCompile(`^[A-Z0-9_]+=[A-Za-z0-9-]+$`)
)

func (d *reader) follow(t *testing.T, s step) {
	t.Helper()
	if variable, found := strings.CutPrefix(s.behind, "$ export "); found { // Each command has a shell of its own.
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
		content := strings.ReplaceAll(strings.Join(s.output, "\n"), standInAddress, d.world.plain.URL)
		if err := os.WriteFile(filepath.Join(d.world.dir, name), []byte(content), 0o600); err != nil {
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
	if plain.MatchString(command) { // It may be a secret, which nothing may print.
		d.env = append(d.env, command)
		return
	}
	assigned := assignment.FindStringSubmatch(command)
	if assigned != nil {
		command += "; printf %s $" + assigned[1]
	}
	out, err := d.run(t, command)
	if failed, shown := err != nil, strings.Contains(strings.Join(s.output, "\n"), "Code: "); failed != shown {
		t.Fatalf("$ %s\nends with %v\n%s", s.command, err, out)
	}
	if assigned != nil { // Each command has a shell of its own, so this one's variable is handed on.
		d.env = append(d.env, assigned[1]+"="+out)
		return
	}
	if !s.shows(out) {
		t.Errorf("$ %s\nprints\n%s\nand not\n%s", s.command, out, strings.Join(s.output, "\n"))
	}
}

// goTo has the commands that follow go to the first Vault, or to the other one, which is started when it is first named.
func (d *reader) goTo(which string) (err error) {
	server := d.world.server
	if which == "other Vault" {
		if d.other == nil {
			d.other, err = d.world.startOther()
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euc", command)
	cmd.Env, cmd.Dir = d.env, d.world.dir
	out, err := cmd.CombinedOutput()
	d.world.overheard(string(out))
	if info, _ := os.Stat(filepath.Join(d.world.dir, "secret-id")); info != nil && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("after %q others may read the secret-id", command)
	}
	return string(out), err
}

// behind does what happens at Finicity while nobody looks:
//
//	secret VALUE    somebody has changed it in the portal, where the reader finds it as $PARTNER_SECRET
//	app-key VALUE   likewise, as $APP_KEY
//	fault JSON      see fakefinicity.Fault
//	unlock now      by Finicity's support
//	webhook FILE BODY   it has sent one, whose body is in the file, and whose signature beside it
func (d *reader) behind(what string) error {
	fake, id := d.world.fake, partners[0].ID
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
		file := filepath.Join(d.world.dir, name)
		return errors.Join(os.WriteFile(file, []byte(body), 0o600), os.WriteFile(file+".signature", []byte(signature), 0o600))
	default:
		return errors.New("it is not known what that is")
	}
	return nil
}
