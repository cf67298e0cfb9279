// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// terraformFolder is where a script has its copy of examples/terraform, next to a copy
// of examples/policies, which the files read.
const terraformFolder = "examples/terraform"

// cmdTerraform runs OpenTofu with the unchanged files of examples/terraform, and with a
// substitute for HashiCorp's provider that makes the same requests
// (tools/terraform-provider). make test builds both. Variables are in TF_VAR_….
//
//	terraform copy               a fresh copy of the files
//	terraform copy write-only    the same, with write-only/credential.tf instead of credential.tf
//	terraform copy read          only read/main.tf, and the app that it runs
//	terraform plan -detailed-exitcode
func cmdTerraform(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) > 0, "terraform copy [write-only | read] | terraform COMMAND …")
	w := fixtureOf(ts)
	if args[0] == "copy" {
		from := filepath.Join(w.repository, "examples")
		ts.Check(os.CopyFS(ts.MkAbs("examples/policies"), os.DirFS(filepath.Join(from, "policies"))))
		files, err := filepath.Glob(filepath.Join(from, "terraform", "*.tf"))
		ts.Check(err)
		if len(args) > 1 && args[1] == "read" {
			files = nil
		}
		if len(args) > 1 {
			more, err := filepath.Glob(filepath.Join(from, "terraform", args[1], "*.tf"))
			ts.Check(err)
			files = append(files, more...)
		}
		ts.Check(os.MkdirAll(ts.MkAbs(terraformFolder), 0o700))
		for _, file := range files {
			text, err := os.ReadFile(file)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(filepath.Join(terraformFolder, filepath.Base(file))), text, 0o600))
		}
		if len(args) > 1 && args[1] == "read" {
			w.buildApp(ts, filepath.Join(terraformFolder, "app"))
		}
		provider, err := located("FINICITY_E2E_TERRAFORM_PROVIDER")
		ts.Check(err)
		config := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"hashicorp/vault\" = %q\n  }\n}\n", filepath.Dir(provider))
		ts.Check(os.WriteFile(ts.MkAbs("tofurc"), []byte(config), 0o600))
		return
	}
	ts.Setenv("TF_CLI_CONFIG_FILE", ts.MkAbs("tofurc"))
	ts.Setenv("TF_IN_AUTOMATION", "1")
	ts.Setenv("TF_INPUT", "0")
	tofu, err := located("FINICITY_E2E_TOFU")
	ts.Check(err)
	err = ts.Exec(tofu, append([]string{"-chdir=" + terraformFolder}, append(args, "-no-color")...)...)
	w.overheard(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	check(ts, neg, err)
}

// cmdHolds searches a file of Terraform for a text: a state, or a plan, which is a ZIP
// archive:
//
//	holds examples/terraform/terraform.tfstate $PARTNER_SECRET
func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 2 && args[1] != "", "holds FILE TEXT")
	content, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil {
		for _, file := range archive.File {
			reader, err := file.Open()
			ts.Check(err)
			unpacked, err := io.ReadAll(reader)
			ts.Check(err)
			content = append(content, unpacked...)
		}
	}
	err = errors.New("the text is not in it")
	for _, written := range notations(args[1]) {
		if bytes.Contains(content, []byte(written)) {
			err = nil
		}
	}
	check(ts, neg, err)
}

// cmdJSON stores its arguments in a variable as a JSON object: json TF_VAR_plugin
// version=v0.1.0 sha256=$SHA256
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "json NAME FIELD=VALUE …")
	object := map[string]string{}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		object[name] = value
	}
	text, err := json.Marshal(object)
	ts.Check(err)
	ts.Setenv(args[0], string(text))
}
