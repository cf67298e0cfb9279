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
