// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// systemd ignores a setting that it does not know, such as a misspelled one of the
// sandbox. So it must have nothing to say about the units, and something about each
// misspelled setting.
func TestSystemdKnowsEverySettingOfTheUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	switch {
	case err == nil:
	case inCI():
		t.Fatal("systemd-analyze is not on PATH, so examples/systemd would not be checked, and this is CI: type make runtimes")
	default:
		t.Skip("NOT RUN: systemd-analyze is not on PATH: type make runtimes")
	}
	files, err := filepath.Glob("../../examples/systemd/*.service")
	if err != nil || len(files) != 2 {
		t.Fatalf("the units are %v (%v)", files, err)
	}
	verify := func(dir, name, text string) string {
		// The programs need not be installed here.
		text = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAllString(text, "ExecStart=/bin/sh")
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput()
		if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out)
	}
	setting := regexp.MustCompile(`(?m)^(\w+)=`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, dir := filepath.Base(file), t.TempDir()
		if out := verify(dir, name, string(text)); out != "" {
			t.Errorf("%s: %s", name, out)
		}
		for _, at := range setting.FindAllStringSubmatchIndex(string(text), -1) {
			key := string(text[at[2]:at[3]])
			if strings.HasPrefix(key, "Exec") {
				continue // The stories run these.
			}
			misspelled := string(text[:at[2]]) + "Mis" + string(text[at[2]:])
			if out := verify(dir, name, misspelled); !strings.Contains(out, "Mis"+key) {
				t.Errorf("%s: systemd accepts Mis%s: %q", name, key, out)
			}
		}
	}
}

// OpenTofu parses the same language as Nomad. It does not know which settings Nomad has.
func TestTheNomadJobIsFormatted(t *testing.T) {
	t.Parallel()
	job, err := os.ReadFile("../../examples/nomad/my-app.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for text, wrong := range map[string]bool{string(job): false, strings.Replace(string(job), "driver = ", "driver == ", 1): true} {
		cmd := exec.CommandContext(t.Context(), program(t, "FINICITY_E2E_TOFU"), "fmt", "-check", "-diff", "-")
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE=/dev/null")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); (err != nil) != wrong {
			t.Errorf("wrong is %t: %v\n%s", wrong, err, out)
		}
	}
}

// The AWS SDK must know every field of the requests. To show that the check finds
// mistakes, the test misspells each field.
func TestTheAWSSDKKnowsEveryFieldOfTheRequests(t *testing.T) {
	t.Parallel()
	check := func(text, service, command string) (string, error) {
		file := filepath.Join(t.TempDir(), "input.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program(t, "FINICITY_E2E_AWS"), service, command, file).CombinedOutput()
		return string(out), err
	}
	field := regexp.MustCompile(`(?m)^ *"(\w+)":`)
	for file, command := range map[string][2]string{
		"ecs/task-definition.json": {"ecs", "register-task-definition"},
		"lambda/function.json":     {"lambda", "create-function"},
	} {
		text, err := os.ReadFile("../../examples/aws/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := check(string(text), command[0], command[1]); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
		fields := field.FindAllStringSubmatchIndex(string(text), -1)
		if len(fields) < 10 {
			t.Errorf("%s has %d fields", file, len(fields))
		}
		for _, at := range fields {
			name := string(text[at[2]:at[3]])
			if strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "VLE_") {
				continue // Variables: cmdLambda uses some, and AWS accepts all.
			}
			for _, wrong := range []string{name + "s", strings.ToUpper(name)} {
				if _, err := check(string(text[:at[2]])+wrong+string(text[at[3]:]), command[0], command[1]); err == nil {
					t.Errorf("%s: AWS has a field %s", file, wrong)
				}
			}
		}
	}
}
