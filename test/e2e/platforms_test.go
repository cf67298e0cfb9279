// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func (w *fixture) example(ts *testscript.TestScript, path ...string) string {
	text, err := os.ReadFile(filepath.Join(append([]string{w.repository, "examples"}, path...)...))
	ts.Check(err)
	return string(text)
}

// cmdSystemd runs the commands of the units of examples/systemd in their order, as
// systemd does. Their absolute paths are folders of the script here, where role-id and
// secret-id are the script's own. $HEADERS is the file that the app reads.
//
//	systemd start
//	systemd stop
func cmdSystemd(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "systemd start | stop")
	w := fixtureOf(ts)
	const agent, app = "finicity-agent", "my-app"
	if args[0] == "stop" {
		w.endChild(ts, app)
		w.endChild(ts, agent)
		return
	}
	etc, run, credentials := ts.MkAbs("etc"), ts.MkAbs("run"), ts.MkAbs("credentials")
	for _, dir := range []string{etc, run, credentials} {
		ts.Check(os.Mkdir(dir, 0o700))
	}
	w.buildApp(ts, "systemd-app")
	here := strings.NewReplacer("/usr/bin/vault", w.vaultBin, "/usr/local/bin/my-app", ts.MkAbs("systemd-app"),
		"/run/credentials/finicity-agent.service", credentials, "/run/finicity", run, "/etc/finicity", etc)
	for file, text := range map[string]string{
		filepath.Join(etc, "agent.hcl"):         here.Replace(w.example(ts, "systemd", "agent.hcl")),
		filepath.Join(etc, "role-id"):           ts.ReadFile("role-id"),
		filepath.Join(credentials, "secret-id"): ts.ReadFile("secret-id"),
	} {
		ts.Check(os.WriteFile(file, []byte(text), 0o600))
	}
	ts.Setenv("HEADERS", filepath.Join(run, "finicity.headers"))

	unit := here.Replace(w.example(ts, "systemd", agent+".service"))
	command := strings.Fields(directive(ts, unit, "ExecStart"))
	w.launch(ts, agent, command[0], command[1:]...)
	before, script, found := strings.Cut(directive(ts, unit, "ExecStartPost"), ` -c "`)
	usage(ts, found && before == "/bin/sh", `ExecStartPost=/bin/sh -c "…"`)
	w.awaitShell(ts, agent, strings.TrimSuffix(script, `"`))
	checkHeaders(ts, ts.Getenv("HEADERS"), 0o640)

	unit = here.Replace(w.example(ts, "systemd", app+".service"))
	command = strings.Fields(directive(ts, unit, "ExecStart"))
	w.launch(ts, app, command[0], append(command[1:], "-every=100ms")...)
}

// awaitShell waits until a command of a shell succeeds, as long as the child runs.
func (w *fixture) awaitShell(ts *testscript.TestScript, child, script string) {
	ts.Check(poll(func() (bool, error) {
		if err := w.children[child].await("", 0); err != nil {
			return false, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // It may wait itself.
		defer cancel()
		return exec.CommandContext(ctx, "sh", "-c", script).Run() == nil, nil
	}, func() error { return fmt.Errorf("this does not succeed: %s", script) }))
}

// checkHeaders compares the file with what a header file for curl looks like. The
// indentation of a heredoc depends on the parser.
func checkHeaders(ts *testscript.TestScript, file string, mode fs.FileMode) {
	text, err := os.ReadFile(file)
	ts.Check(err)
	info, err := os.Stat(file)
	ts.Check(err)
	if !twoHeaders.Match(text) || info.Mode().Perm() != mode {
		ts.Fatalf("the file of the agent does not consist of two headers, or has the permissions %s", info.Mode())
	}
}

var twoHeaders = regexp.MustCompile(`^Finicity-App-Key: \S+\nFinicity-App-Token: \S+\n$`)

// directive returns the value of a setting that a unit has once.
func directive(ts *testscript.TestScript, unit, name string) string {
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(found) != 1 {
		ts.Fatalf("the unit has %d lines with %s=, want 1", len(found), name)
	}
	return found[0][1]
}

// appRole is the login of the script, for an agent whose own login needs a platform.
func appRole(ts *testscript.TestScript) string {
	return fmt.Sprintf("method \"approle\" {\n config = {\n role_id_file_path = %q\n secret_id_file_path = %q\n"+
		"remove_secret_id_file_after_reading = false\n}\n}", ts.MkAbs("role-id"), ts.MkAbs("secret-id"))
}

var awsLogin = regexp.MustCompile(`(?s)method "aws" \{.*?\n  \}`)

// cmdECS runs the containers of examples/aws/ecs in their order, with AppRole instead of
// the login of AWS. Their volume is a folder of the script.
//
//	ecs start
//	ecs stop
func cmdECS(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "ecs start | stop")
	w := fixtureOf(ts)
	type container struct {
		Name                string
		EntryPoint, Command []string
		Environment         []struct{ Name, Value string }
		MountPoints         []struct{ SourceVolume, ContainerPath string }
		HealthCheck         struct{ Command []string }
		DependsOn           []struct{ ContainerName, Condition string }
	}
	var task struct {
		Volumes              []struct{ Name string }
		ContainerDefinitions []container
	}
	ts.Check(json.Unmarshal([]byte(w.example(ts, "aws", "ecs", "task-definition.json")), &task))
	usage(ts, len(task.ContainerDefinitions) == 2 && len(task.Volumes) == 1, "two containers, one volume")
	agent, app := task.ContainerDefinitions[0], task.ContainerDefinitions[1]
	if args[0] == "stop" {
		w.endChild(ts, app.Name)
		w.endChild(ts, agent.Name)
		return
	}
	for _, c := range task.ContainerDefinitions {
		if len(c.MountPoints) != 1 || len(c.Environment) != 1 || c.MountPoints[0].SourceVolume != task.Volumes[0].Name {
			ts.Fatalf("the container %s is %+v", c.Name, c)
		}
	}
	if d := app.DependsOn; len(d) != 1 || d[0].ContainerName != agent.Name || d[0].Condition != "HEALTHY" {
		ts.Fatalf("the app depends on %+v", d)
	}
	config := agent.Environment[0].Value
	if config != w.example(ts, "aws", "ecs", "agent.hcl") {
		ts.Fatalf("task-definition.json does not contain agent.hcl")
	}
	if len(awsLogin.FindAllString(config, -1)) != 1 {
		ts.Fatalf("agent.hcl does not log in with AWS")
	}
	volume := ts.MkAbs("volume")
	ts.Check(os.Mkdir(volume, 0o700))
	// The path begins a string, or a word of a command.
	here := strings.NewReplacer(`"`+agent.MountPoints[0].ContainerPath+`/`, `"`+volume+`/`, "/tmp/", ts.MkAbs(".")+"/", " "+agent.MountPoints[0].ContainerPath+"/", " "+volume+"/")
	config = awsLogin.ReplaceAllLiteralString(here.Replace(config), appRole(ts))
	command := append([]string{agent.Environment[0].Name + "=" + config}, agent.EntryPoint...)
	for _, argument := range agent.Command {
		command = append(command, here.Replace(argument))
	}
	w.launch(ts, agent.Name, "env", command...)
	check := agent.HealthCheck.Command
	usage(ts, len(check) == 2 && check[0] == "CMD-SHELL", "a health check with CMD-SHELL")
	w.awaitShell(ts, agent.Name, here.Replace(check[1]))
	checkHeaders(ts, filepath.Join(volume, "finicity.headers"), 0o444)
	headers := app.Environment[0]
	w.buildApp(ts, "ecs-app")
	w.launch(ts, app.Name, "env", headers.Name+"="+strings.Replace(headers.Value, app.MountPoints[0].ContainerPath, volume, 1),
		ts.MkAbs("ecs-app"), "-every=100ms")
}

// cmdLambda invokes the function of examples/aws/lambda several times in one process.
// Vault Proxy at $LISTENER takes the place of the extension: both forward requests, and
// add a Vault token. But the extension adds it after a token of the request, even an empty
// one, and Vault reads only the first.
//
//	lambda invoke 3
func cmdLambda(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2 && args[0] == "invoke", "lambda invoke N")
	w := fixtureOf(ts)
	times, err := count(args[1])
	ts.Check(err)
	var function struct {
		Handler     string
		Environment struct{ Variables map[string]string }
	}
	ts.Check(json.Unmarshal([]byte(w.example(ts, "aws", "lambda", "function.json")), &function))
	module, handler, _ := strings.Cut(function.Handler, ".")
	python, err := exec.LookPath("python3")
	if err != nil {
		if inCI() {
			ts.Fatalf("python3 is not on PATH, so examples/aws/lambda would not be run, and this is CI: type make runtimes")
		}
		ts.Logf("NOT RUN: examples/aws/lambda, because python3 is not on PATH: type make runtimes")
		return
	}
	listener, err := url.Parse(ts.Getenv("LISTENER"))
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(listener)
	extension := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["X-Vault-Token"]; sent {
			http.Error(rw, "the request has a Vault token of its own", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	defer extension.Close()
	folder := ts.MkAbs("function")
	ts.Check(os.MkdirAll(folder, 0o700))
	ts.Check(os.WriteFile(filepath.Join(folder, module+".py"), []byte(w.example(ts, "aws", "lambda", "handler.py")), 0o600))
	ts.Check(os.WriteFile(filepath.Join(folder, "client.py"), []byte(w.example(ts, "clients", "python", "client.py")), 0o600))
	cmd := exec.Command(python, "-c", fmt.Sprintf("import %[1]s\nfor _ in range(%[3]d): print(%[1]s.%[2]s({}, None))", module, handler, times)) //nolint:noctx // It ends soon.
	cmd.Dir = folder
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "FINICITY_URL=" + w.plain.URL}
	for name, value := range function.Environment.Variables {
		if value == "http://127.0.0.1:8200" { // The address of the extension's proxy, according to its documentation.
			value = extension.URL
		}
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	w.overheard(string(out))
	if calls, reads := bytes.Count(out, []byte("{'customers': 0}\n")), bytes.Count(out, []byte("token: again in")); err != nil || calls != times || reads != 1 {
		ts.Fatalf("%d calls with %d reads of the token: %v\n%s", calls, reads, err, out)
	}
}

var nomadTemplate = regexp.MustCompile(`(?s)template \{\n +data += <<-END\n(.*?\n +END)\n +destination += "(.*?)"\n +error_on_missing_key = true\n +perms += "(\d+)"`)

// cmdNomad runs the template of examples/nomad with Vault Agent, which has the same
// template engine as Nomad, and starts the app with the file.
//
//	nomad start
//	nomad stop
func cmdNomad(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "nomad start | stop")
	w := fixtureOf(ts)
	if args[0] == "stop" {
		w.endChild(ts, "my-app")
		w.endChild(ts, "nomad")
		return
	}
	job := w.example(ts, "nomad", "my-app.nomad.hcl")
	found := nomadTemplate.FindStringSubmatch(job)
	if found == nil || !strings.Contains(job, `FINICITY_HEADERS = "`+found[2]+`"`) {
		ts.Fatalf("the job has no template for the file that the app reads")
	}
	file := strings.Replace(found[2], "${NOMAD_SECRETS_DIR}", ts.MkAbs("secrets"), 1)
	config := fmt.Sprintf("auto_auth {\n%s\n}\ntemplate {\n contents = <<-END\n%s\n destination = %q\n perms = %q\n error_on_missing_key = true\n}\n",
		appRole(ts), found[1], file, found[3])
	ts.Check(os.WriteFile(ts.MkAbs("nomad.hcl"), []byte(config), 0o600))
	w.launch(ts, "nomad", w.vaultBin, "agent", "-config="+ts.MkAbs("nomad.hcl"))
	w.awaitShell(ts, "nomad", "test -e "+file)
	checkHeaders(ts, file, 0o444)
	w.buildApp(ts, "nomad-app")
	w.launch(ts, "my-app", ts.MkAbs("nomad-app"), "-every=100ms", "-headers="+file)
}
