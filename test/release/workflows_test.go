// SPDX-License-Identifier: MPL-2.0

package release

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is the part of a workflow that these tests check. `make lint` checks the
// syntax with actionlint.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Timeout     int `yaml:"timeout-minutes"`
		Strategy    struct {
			Matrix struct{ Include []map[string]string }
		}
		Steps []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	all := map[string]workflow{}
	for _, file := range files {
		var w workflow
		if err := yaml.Unmarshal(read(t, file), &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(w.Jobs) == 0 {
			t.Errorf("%s has no jobs", file)
		}
		all[filepath.Base(file)] = w
	}
	return all
}

// A tag of an action can be moved to other code, which would have the release key.
func TestEveryWorkflowPinsItsActions(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	digests := map[string]string{}
	for name := range workflows(t) {
		uses := regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(string(read(t, "../../.github/workflows/"+name)), -1)
		if len(uses) == 0 {
			t.Errorf("%s uses no action", name)
		}
		for _, found := range uses {
			if !pinned.MatchString(found[1]) {
				t.Errorf("%s: %s is not pinned by a digest, with its version in a comment", name, found[1])
			}
			action, version, _ := strings.Cut(found[1], "@")
			if known := digests[action]; known != "" && known != version {
				t.Errorf("%s: %s has two versions", name, action)
			}
			digests[action] = version
		}
	}
}

// A job has no right that it does not name, and no later step finds the token that the
// checkout used.
func TestNoWorkflowHasMoreRightsThanItNames(t *testing.T) {
	t.Parallel()
	for name, w := range workflows(t) {
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: the jobs inherit the permissions %v", name, w.Permissions)
		}
		for id, job := range w.Jobs {
			if job.Timeout == 0 {
				t.Errorf("%s: %s has no timeout", name, id)
			}
			for right, value := range job.Permissions {
				if name != "release.yml" && (right != "contents" || value != "read") {
					t.Errorf("%s: %s has the permission %s: %s", name, id, right, value)
				}
			}
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
					t.Errorf("%s: %s leaves its token to the next steps", name, id)
				}
			}
		}
	}
}

// With "go-version-file: go.mod", a workflow would build with the oldest release that go.mod
// allows, and not with the newest fixes of the standard library.
func TestEveryWorkflowUsesTheNewestPatchReleaseOfGo(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(read(t, "../../go.mod")))[1] + ".x"
	for name, w := range workflows(t) {
		for id, job := range w.Jobs {
			found := false
			for _, step := range job.Steps {
				if !strings.HasPrefix(step.Uses, "actions/setup-go@") {
					continue
				}
				found = true
				if step.With["go-version"] != want || step.With["check-latest"] != true {
					t.Errorf("%s: %s uses Go %v, want the newest %s", name, id, step.With["go-version"], want)
				}
			}
			if !found {
				t.Errorf("%s: %s uses the Go release of the runner", name, id)
			}
		}
	}
}

// Otherwise a check that was renamed would fail only on the site that hosts the project.
func TestEveryMakeCommandOfAWorkflowNamesATarget(t *testing.T) {
	t.Parallel()
	makefile := string(read(t, "../../Makefile"))
	called := map[string]bool{}
	for name, w := range workflows(t) {
		for id, job := range w.Jobs {
			var scripts []string
			for _, step := range job.Steps {
				scripts = append(scripts, step.Run)
			}
			for _, values := range job.Strategy.Matrix.Include {
				scripts = append(scripts, values["run"])
			}
			for _, command := range regexp.MustCompile(`(?m)\bmake ([^|&;\n]+)`).FindAllStringSubmatch(strings.Join(scripts, "\n"), -1) {
				for word := range strings.FieldsSeq(command[1]) {
					variable, _, sets := strings.Cut(word, "=")
					found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`).MatchString(makefile)
					if sets { // Some variables are those of the scripts.
						found = regexp.MustCompile(`\b` + regexp.QuoteMeta(variable) + `\b`).MatchString(makefile)
					}
					if !found {
						t.Errorf("%s: %s: the Makefile has no %s", name, id, word)
					}
					called[word] = true
				}
			}
		}
	}
	for _, target := range []string{"lint", "test", "e2e", "vulncheck", "release", "release-check", "prove", "mutants", "bench-fleet"} {
		if !called[target] {
			t.Errorf("no workflow calls make %s", target)
		}
	}
}

// A tag can have a name that make would run as a command, beside the release key. Anyone who
// may push a tag could release a commit that no one has reviewed.
func TestTheWorkflowReleasesOnlyVersionsThatWereMerged(t *testing.T) {
	t.Parallel()
	first := ""
	for _, step := range workflows(t)["release.yml"].Jobs["release"].Steps {
		if first = step.Run; first != "" {
			break
		}
	}
	p := newProject(t)
	p.git("update-ref", "refs/remotes/origin/main", "HEAD")
	passes := func(tag string) bool {
		cmd := p.command("bash", "-e", "-c", first)
		cmd.Env = append(cmd.Env, "GITHUB_REF_NAME="+tag)
		return cmd.Run() == nil
	}
	for _, tag := range []string{"v0.1.0", "v12.3.45", "v0.1.0-rc.1"} {
		if !passes(tag) {
			t.Errorf("the tag %q is refused", tag)
		}
	}
	for _, tag := range []string{"v1", "latest", "v0.1", "v0.1.0+1", "v0.1.0-$(id)", "v0.1.0-${IFS}", "v0.1.0;id", "v0.1.0'", "xv0.1.0", "v0.1.0\nid"} {
		if passes(tag) {
			t.Errorf("the tag %q is released", tag)
		}
	}
	p.git("commit", "--quiet", "--allow-empty", "--message=not merged")
	if passes("v0.1.0") {
		t.Error("a commit that was not merged is released")
	}
}

// A module that is not listed would never get a security fix.
func TestDependabotKnowsEveryModule(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
			Allow       []struct {
				Name string `yaml:"dependency-name"`
				Type string `yaml:"dependency-type"`
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "../../.github/dependabot.yml"), &config); err != nil {
		t.Fatal(err)
	}
	var got []string
	allowed, actions := map[string]string{}, false
	for _, update := range config.Updates {
		switch update.Ecosystem {
		case "gomod":
			got = append(got, update.Directories...)
			if update.Directory != "" {
				got = append(got, update.Directory)
			}
			for _, allow := range update.Allow {
				allowed[allow.Name] = allow.Type
			}
		case "github-actions":
			actions = true
		}
	}
	if !actions {
		t.Error("it does not know the actions")
	}
	var want []string
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && slices.Contains([]string{".git", "bin", "dist", "testdata"}, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.Name() == "go.mod" {
			folder, _ := filepath.Rel("../..", filepath.Dir(path))
			want = append(want, strings.TrimSuffix("/"+filepath.ToSlash(folder), "."))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The file says why these are left to a person.
	byHand := []string{"/tools/kubernetes", "/tools/opentofu", "/tools/vault", "/tools/vault-lts"}
	want = slices.DeleteFunc(want, func(folder string) bool { return slices.Contains(byHand, folder) })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it has the modules\n%q, want\n%q", got, want)
	}

	// Dependabot ignores indirect modules, and Go marks the module of a tool as one.
	for _, folder := range want {
		goMod := string(read(t, "../.."+folder+"/go.mod"))
		for _, tool := range regexp.MustCompile(`(?m)^tool (\S+)$`).FindAllStringSubmatch(goMod, -1) {
			pinned := ""
			for _, require := range regexp.MustCompile(`(?m)^(?:\t|require )(\S+) v\S+( // indirect)?$`).FindAllStringSubmatch(goMod, -1) {
				if strings.HasPrefix(tool[1]+"/", require[1]+"/") {
					pinned = require[1]
				}
			}
			if pinned == "" || allowed[pinned] != "all" {
				t.Errorf("%s: it never proposes a version of %s (%s)", folder, tool[1], pinned)
			}
		}
	}
	if allowed[""] != "direct" {
		t.Error("it never proposes a version of a direct dependency of a tool")
	}
}

// The forge ignores a form that it can't read, and offers an empty page instead: without
// the warning, and without the status.
func TestTheFormsForIssuesWarnOfSecrets(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d forms, %v", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(file) == "config.yml" {
			continue
		}
		var form struct {
			Name, Description string
			Body              []struct {
				Type, ID   string
				Attributes struct {
					Label, Value string
					Options      []any
				}
			}
		}
		if err := yaml.Unmarshal(read(t, file), &form); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if form.Name == "" || form.Description == "" || len(form.Body) < 2 {
			t.Fatalf("%s has no name, no description or no questions", file)
		}
		if first := form.Body[0]; first.Type != "markdown" || !strings.Contains(first.Attributes.Value, "Never paste a partner secret") {
			t.Errorf("%s does not begin with the warning", file)
		}
		ids, labels := map[string]bool{}, map[string]bool{}
		for _, field := range form.Body {
			a := field.Attributes
			switch field.Type {
			case "markdown":
				continue
			case "dropdown", "checkboxes":
				if len(a.Options) == 0 {
					t.Errorf("%s: %s has no options", file, field.ID)
				}
			case "input", "textarea":
			default:
				t.Errorf("%s: there is no type %s", file, field.Type)
			}
			if field.ID == "" || ids[field.ID] || a.Label == "" || labels[a.Label] {
				t.Errorf("%s: the field %q with the label %q is not unique", file, field.ID, a.Label)
			}
			ids[field.ID], labels[a.Label] = true, true
		}
		if filepath.Base(file) == "bug.yml" && !labels["Output of `vault read finicity/status`"] {
			t.Error("the form for bugs does not ask for the status")
		}
	}
	if _, err := os.Stat("../../SECURITY.md"); err != nil {
		t.Error("the form for bugs refers to a policy that is not there")
	}
}
