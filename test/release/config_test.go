// SPDX-License-Identifier: MPL-2.0

package release

import (
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

// A tag of an action can be moved to other code, which would have the release key.
func TestTheReleaseWorkflowPinsItsActions(t *testing.T) {
	t.Parallel()
	uses := regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(string(read(t, "../../.github/workflows/release.yml")), -1)
	if len(uses) == 0 {
		t.Error("it uses no action")
	}
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, action := range uses {
		if !pinned.MatchString(action[1]) {
			t.Errorf("%s is not pinned by a digest", action[1])
		}
	}
}
