// SPDX-License-Identifier: MPL-2.0

package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Otherwise a build from source would have another checksum than the release. These tests
// need no release, so they notice it with each run of go test.
func TestAReleaseIsBuiltWithTheFlagsOfMake(t *testing.T) {
	t.Parallel()
	var config struct {
		Builds []struct {
			ID, Main            string
			Env, Flags, Ldflags []string
		}
	}
	if err := yaml.Unmarshal(read(t, "../../.goreleaser.yaml"), &config); err != nil {
		t.Fatal(err)
	}
	makefile := string(read(t, "../../Makefile"))
	makefile = strings.ReplaceAll(makefile, "$(LDFLAGS)", regexp.MustCompile(`(?m)^LDFLAGS := (.*)$`).FindStringSubmatch(makefile)[1])
	makefile = regexp.MustCompile(`\$\(if \$\(VERSION\),(.*?)\$\(VERSION\)\)`).ReplaceAllString(makefile, "${1}v{{ .Version }}")
	if len(config.Builds) != 2 {
		t.Errorf("goreleaser builds %d programs", len(config.Builds))
	}
	for _, build := range config.Builds {
		want := "\t" + strings.Join(build.Env, " ") + " $(GO) build " + strings.Join(build.Flags, " ") +
			" -ldflags '" + strings.Join(build.Ldflags, " ") + "' -o bin/" + filepath.Base(build.Main) + " " + build.Main + "\n"
		if !strings.Contains(makefile, want) {
			t.Errorf("the Makefile has no %q", want)
		}
	}
}

// Vault refuses a plugin whose version is not a semantic one, and only when it is registered.
func TestMakeRefusesWhatIsNoVersion(t *testing.T) {
	t.Parallel()
	build := func(version string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "make", "-n", "build", "VERSION="+version)
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "MAKEFLAGS=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, version := range []string{"v0.1.0", "v0.1.0-rc.1"} {
		if out, err := build(version); err != nil || !strings.Contains(out, "-X main.release="+version+"'") {
			t.Errorf("%q: %v\n%s", version, err, out)
		}
	}
	for _, version := range []string{"0.1.0", "v1", "v0.1", "latest", "v0.1.0 x", "v0.1.0;id", "v0.1.0-"} {
		if out, err := build(version); err == nil || !strings.Contains(out, "but must look like v0.1.0") {
			t.Errorf("%q: %v\n%s", version, err, out)
		}
	}
}
