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
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// step is a command of a console block in a document, with the output that the document
// shows. Or it is something that must happen before the next command, and that a reader
// of the document does not see.
type step struct {
	command, behind string
	output          []string
}

// hidden is an instruction in a document that readers do not see. It is an action at
// Finicity, as in <!-- finicity secret Changed-It-1 -->, or a command that must succeed
// and whose output is ignored, <!-- $ sleep 10 -->. It can also mean that the next
// block is a file that the reader writes, <!-- file payload.json -->, or that the
// reader switches to the terminal of another Vault server, <!-- at the other Vault -->,
// and back, <!-- at the first Vault -->
var hidden = regexp.MustCompile(`^<!-- (finicity .*|file .*|at the (?:other|first) Vault|\$ .*) -->$`)

// stepsOf parses a Markdown text. In console blocks, lines that begin with "$ " are
// commands. A backslash at the end continues them. The lines after a command are its
// output.
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

// varying are the parts that differ between runs: times, tokens, IDs of leases and
// requests, ports.
var varying = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:]+Z|\b[0-9A-Z]{20}\b|token/\w{24}|:\d{4,5}\b|1h5\dm\d+s|\b6[89]\d\d\b|\b5[34]\d\d\b`)

// shows reports whether the output matches the document. Line breaks do not count,
// because the document breaks long lines. A varying part counts as one word, so that a
// missing or additional line is detected, and … matches anything.
func (s step) shows(output string) bool {
	words := func(text string) string {
		return strings.Join(strings.Fields(varying.ReplaceAllString(text, "§")), " ")
	}
	indented := func(text string) string { // Vault sends JSON in one line. A document may format it like vault -format=json.
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

// instant is a time in a document or in an output.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// pageClock compares the times on a page with those of the run: the time between two
// events must be the same. Otherwise a page could show a rotation in 30 days for a
// setting that rotates in three.
type pageClock struct {
	began          time.Time // The run of the page.
	shown, printed time.Time // The first time on the page, and in the run.
}

// compare takes the times of an output that matches the page. The tolerance is a minute
// and what the run has taken so far, so that a slow machine fails no test. A whole hour
// comes from a calendar, such as a schedule or a certificate: only the hour is compared.
func (c *pageClock) compare(shown, printed string) (failed error) {
	onPage, inRun := instant.FindAllString(shown, -1), instant.FindAllString(printed, -1)
	if len(onPage) != len(inRun) { // The page abbreviates the output with "…".
		return nil
	}
	for i := range onPage {
		there, err := time.Parse(time.RFC3339, onPage[i])
		here, alsoErr := time.Parse(time.RFC3339, inRun[i])
		if err := errors.Join(err, alsoErr); err != nil {
			return err
		}
		switch {
		case there.Truncate(time.Hour).Equal(there):
			if here.Format(time.TimeOnly) != there.Format(time.TimeOnly) {
				failed = errors.Join(failed, fmt.Errorf("the page has the whole hour %s, and the output has %s", onPage[i], inRun[i]))
			}
		case c.shown.IsZero():
			c.shown, c.printed = there, here
		default:
			onPageAfter, inRunAfter := there.Sub(c.shown), here.Sub(c.printed)
			if (onPageAfter - inRunAfter).Abs() > time.Minute+time.Since(c.began) {
				failed = errors.Join(failed, fmt.Errorf("%s is %s after the first time on the page, %s; in the run, it is %s",
					onPage[i], onPageAfter, c.shown.Format(time.RFC3339), inRunAfter))
			}
		}
	}
	return failed
}

func TestTheTimesOnAPageMustFitTogether(t *testing.T) {
	t.Parallel()
	const page, run = "at 2026-11-22T10:19:43Z, next 2026-12-22T10:19:43Z", "at 2030-01-01T00:00:01Z, next "
	for _, test := range []struct {
		page, run string
		fits      bool
	}{
		{page, run + "2030-01-31T00:00:09Z", true},
		{page, run + "2030-01-04T00:00:01Z", false},
		{page, run + "…", true},
		{"at 2026-11-22T10:19:43Z, next 2026-12-01T03:00:00Z", run + "2030-02-01T03:00:00Z", true},
		{"at 2026-11-22T10:19:43Z, next 2026-12-01T03:00:00Z", run + "2030-02-01T04:00:00Z", false},
	} {
		c := &pageClock{began: time.Now()}
		if err := c.compare(test.page, test.run); (err == nil) != test.fits {
			t.Errorf("%q and %q: %v", test.page, test.run, err)
		}
	}
}

// promise is what a page says of its console blocks.
var promise = regexp.MustCompile(`(?i)every console block (?:on this page )?is run by a test|a test runs (?:every|each) console block`)

// The README is for new users, the other documents are for operators in an emergency,
// and those of the examples are for developers of apps. Each of their commands works,
// in the order of the document, and prints what the document shows, apart from times
// and the like.
func TestTheDocumentsAreTrue(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md", "tools/*/README.md"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("there is no %s (%v)", pattern, err)
		}
		documents = append(documents, found...)
	}
	tried := 0
	const root = "../../README.md"
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(document) == "verify-a-release.md" {
			continue // Its commands need a release: test/release runs them.
		}
		steps := stepsOf(asOn(t, string(text)))
		if !slices.ContainsFunc(steps, func(s step) bool { return s.command != "" }) {
			if promise.MatchString(strings.Join(strings.Fields(string(text)), " ")) {
				t.Errorf("%s says that a test runs its console blocks, and has none", document)
			}
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
			if err := d.fixture.leaks(); err != nil {
				t.Error(err)
			}
		})
	}
	if tried < 15 {
		t.Errorf("only %d documents have commands in them", tried)
	}
}

// Vault refuses to register a release under a version other than the one that it
// reports. Without a version, Vault uses the reported one. A release that reports none
// could be registered under any version.
func TestVaultKnowsTheVersionOfARelease(t *testing.T) {
	t.Parallel()
	d := newReader(t)
	register := "vault plugin register -sha256=" + d.fixture.digest
	out, err := d.run(t, register+" -version=v0.2.0 secret vault-plugin-secrets-finicity")
	if err == nil || !strings.Contains(out, "reported version (v0.1.0)") {
		t.Errorf("registered as v0.2.0: %v\n%s", err, out)
	}
	out, err = d.run(t, register+` secret vault-plugin-secrets-finicity
		vault secrets enable -path=finicity vault-plugin-secrets-finicity
		vault secrets list -detailed | grep ^finicity/`)
	// The running version comes before the checksum.
	if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), " v0.1.0 "+d.fixture.digest) {
		t.Errorf("registered without a version: %v\n%s", err, out)
	}
}

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
