// SPDX-License-Identifier: MPL-2.0

package release

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// project is a repository with the script, and with programs in place of goreleaser and
// minisign: they show what the script asks for.
type project struct {
	t           *testing.T
	folder      string
	environment []string
}

func newProject(t *testing.T) project {
	t.Helper()
	p := project{t: t, folder: t.TempDir()}
	for name, text := range map[string]string{
		"scripts/release.sh": string(read(t, "../../scripts/release.sh")),
		"CHANGELOG.md":       "# Changelog\n\n## Unreleased\n\n## v0.1.0 - 2026-12-31\n\n### Added\n",
		".gitignore":         "/bin/\n/dist/\nsecret-id\n",
		"docs/install.md":    "# Install\n",
		"examples/README.md": "# Examples\n",
		"minisign.pub":       "the public key\n",
		"bin/release.key":    "the secret key\n",
		"bin/goreleaser":     "#!/bin/sh\nenv >bin/environment\nmkdir -p dist\necho \"$GORELEASER_CURRENT_TAG $*\" >dist/SHA256SUMS\n",
		"bin/minisign":       "#!/bin/sh\n[ ! -e bin/refuse ] && { [ \"$1\" != -G ] || touch \"$6\"; }\n",
	} {
		p.write(name, text)
	}
	p.git("init", "--quiet")
	p.git("add", ".")
	p.git("commit", "--quiet", "--message=first")
	return p
}

func (p project) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

func (p project) git(args ...string) {
	p.t.Helper()
	args = append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "tag.gpgSign=false", "-c", "commit.gpgSign=false"}, args...)
	if out, err := p.command("git", args...).CombinedOutput(); err != nil {
		p.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

func (p project) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir = p.folder
	cmd.Env = append(os.Environ(), "MINISIGN_KEY_FILE=bin/release.key", "GORELEASER_CURRENT_TAG=v9.9.9")
	cmd.Env = append(cmd.Env, p.environment...)
	return cmd
}

func (p project) releases(want string, args ...string) {
	p.t.Helper()
	out, err := p.command("bash", append([]string{"scripts/release.sh"}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Errorf("%q: %v\n%s", args, err, out)
		return
	}
	if got := strings.TrimSpace(string(read(p.t, filepath.Join(p.folder, "dist/SHA256SUMS")))); got != want {
		p.t.Errorf("%q: goreleaser was called with %q, want %q", args, got, want)
	}
}

func (p project) refuses(want string, args ...string) {
	p.t.Helper()
	out, err := p.command("bash", append([]string{"scripts/release.sh"}, args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		p.t.Errorf("%q: %v, want the error %q\n%s", args, err, want, out)
	}
}

// goreleaser prefers v0.1.0-rc.1 to v0.1.0. The release would then have a version that
// differs from that of its page.
func TestAReleaseIsThatOfItsTag(t *testing.T) {
	t.Parallel()
	const options = " release --clean --skip=publish,announce"
	p := newProject(t)
	p.refuses("has no tag", "release")
	p.refuses("has no tag v0.1.0", "release", "v0.1.0")
	p.git("tag", "v0.1.0-rc.1")
	p.git("tag", "latest")
	p.releases("v0.1.0-rc.1"+options, "release")
	p.git("tag", "--annotate", "--message=final", "v0.1.0")
	p.refuses("several tags", "release")
	p.releases("v0.1.0"+options, "release", "v0.1.0")
	p.releases("v0.1.0-rc.1"+options, "release", "v0.1.0-rc.1")
	p.refuses("has no tag v0.2.0", "release", "v0.2.0")
}

func TestAReleaseHasItsChanges(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.git("tag", "v0.2.0")
	p.refuses(`the line "## v0.2.0" in CHANGELOG.md`, "release")
}

// The pages in the archives of a release say how to get it.
func TestAReleaseHasNoPageThatDeniesIt(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write("docs/install.md", "# Install\n\nThere is no release\nyet: build the plugin.\n")
	p.git("commit", "--quiet", "--all", "--message=second")
	p.git("tag", "v0.1.0-rc.1")
	p.releases("v0.1.0-rc.1 release --clean --skip=publish,announce", "release")
	p.git("tag", "v0.1.0")
	p.refuses("before the tag: docs/install.md\n", "release", "v0.1.0")
}

func TestAReleaseThatUsersCannotVerifyFails(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.git("tag", "v0.1.0")
	p.write("bin/refuse", "")
	p.refuses("does not verify the signature", "release")
	p.git("rm", "--quiet", "minisign.pub")
	p.refuses("minisign.pub is not in the repository", "release")
	if err := os.Remove(filepath.Join(p.folder, "bin/release.key")); err != nil {
		t.Fatal(err)
	}
	p.refuses("MINISIGN_KEY_FILE must name the file", "release")
}

// The same commit would give other bytes.
func TestNoReleaseHasExperimentsOfGo(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.git("tag", "v0.1.0")
	p.write("bin/go", "#!/bin/sh\necho jsonv2\n")
	p.environment = []string{"GO=bin/go"}
	p.refuses("GOEXPERIMENT is jsonv2", "release")
}

// Other flags could change the bytes of the programs, and a workspace their dependencies.
func TestAReleaseIsBuiltWithItsOwnFlags(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.environment = []string{"GOFLAGS=-tags=other", "GOWORK=" + filepath.Join(p.folder, "go.work"), "GOFIPS140=latest"}
	p.releases("v0.1.0 release --clean --skip=publish,announce --snapshot", "snapshot", "v0.1.0")
	environment := strings.Split(string(read(t, filepath.Join(p.folder, "bin/environment"))), "\n")
	for _, want := range []string{"GOFLAGS=-trimpath", "GOWORK=off", "GOFIPS140=off"} {
		if !slices.Contains(environment, want) {
			t.Errorf("goreleaser runs without %s", want)
		}
	}
}

// docs/verify-a-release.md says that a snapshot deletes its key.
func TestASnapshotDeletesItsKey(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	temporary := t.TempDir()
	p.environment = []string{"TMPDIR=" + temporary}
	empty := func() {
		t.Helper()
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("these files are left: %v (%v)", left, err)
		}
	}
	p.releases("v0.1.0 release --clean --skip=publish,announce --snapshot", "snapshot", "v0.1.0")
	if key := "MINISIGN_KEY_FILE=" + temporary; !strings.Contains(string(read(t, filepath.Join(p.folder, "bin/environment"))), key) {
		t.Errorf("its key was not in %s", temporary)
	}
	empty()
	p.write("bin/goreleaser", "#!/bin/sh\nexit 1\n")
	p.refuses("dist/ is incomplete", "snapshot", "v0.1.0")
	empty()
}

// Readers of the documents create such files beside the examples.
func TestNoReleaseHasFilesThatGitIgnores(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.git("tag", "v0.1.0")
	p.write("examples/agent/secret-id", "a credential\n")
	p.refuses("examples/agent/secret-id", "release")
	p.refuses("examples/agent/secret-id", "snapshot", "v0.1.0")
}

// With this setting, goreleaser does not see that the folder has other files than the commit.
func TestNoReleaseHasFilesThatAreNotInGit(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.git("tag", "v0.1.0")
	p.git("config", "status.showUntrackedFiles", "no")
	p.write("docs/draft.md", "# Draft\n")
	p.refuses("not in git: docs/draft.md", "release")
	head, err := p.command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	p.releases("v0.0.0-snapshot.g"+strings.TrimSpace(string(head))+".changed release --clean --skip=publish,announce --snapshot", "snapshot")
}

// Right after make rename, hundreds of files have changed. Their list is longer than the
// buffer of a pipe, which holds 64 KiB on Linux.
func TestASnapshotMayHaveManyChanges(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	for i := range 500 {
		p.write(fmt.Sprintf("docs/%s-%d.md", strings.Repeat("long", 40), i), "")
	}
	p.releases("v0.1.0 release --clean --skip=publish,announce --snapshot", "snapshot", "v0.1.0")
}

// notes returns the release notes of a version, with programs in place of those that write
// the images.
func notes(t *testing.T, number, changelog string) string {
	t.Helper()
	p := project{t: t, folder: t.TempDir()}
	for name, text := range map[string]string{
		"scripts/release-files.sh":             string(read(t, "../../scripts/release-files.sh")),
		"CHANGELOG.md":                         changelog,
		"bin/image":                            "#!/bin/sh\necho sha256:0\n",
		"bin/go":                               "#!/bin/sh\necho program: go1.26.8\n",
		"bin/release/THIRD_PARTY_LICENSES.txt": "",
	} {
		p.write(name, text)
	}
	for _, name := range []string{plugin, fake} {
		for _, architecture := range []string{"amd64", "arm64"} {
			p.write(fmt.Sprintf("dist/%s_%s_linux_%s/%s", name, number, architecture, name), architecture)
		}
	}
	cmd := p.command("bash", "../scripts/release-files.sh", number, "0123456789", "1000000000", "../bin/go")
	cmd.Dir = filepath.Join(p.folder, "dist")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(read(t, filepath.Join(p.folder, "dist/RELEASE_NOTES.md")))
}

// Git for Windows writes CRLF line endings by default, and the checksum of a program depends
// on those of its source.
func TestAFileHasTheSameBytesInEveryClone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	want := map[string]string{"main.go": "package main\n", "LICENSE": "Mozilla\n", "docs/overview.svg": "<svg/>\n"}
	for name, text := range want {
		p.write(name, text)
	}
	p.write(".gitattributes", string(read(t, "../../.gitattributes")))
	p.git("add", ".")
	p.git("commit", "--quiet", "--message=second")
	p.git("clone", "--quiet", "--config=core.autocrlf=true", ".", "bin/clone")
	for name, text := range want {
		if got := string(read(t, filepath.Join(p.folder, "bin/clone", name))); got != text {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// Links of the changelog are relative to the repository, and the notes are on another page.
func TestEachLinkOfTheReleaseNotesHasAnAddress(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\]\([^)]*\)`).FindAllString(notes(t, number, string(read(t, "../../CHANGELOG.md"))), -1)
	if len(links) < 3 {
		t.Errorf("the notes have %d links", len(links))
	}
	for _, link := range links {
		if !strings.HasPrefix(link, "](https://") {
			t.Errorf("the link %s leads nowhere", link)
		}
	}
}

// A commit that is tagged as v0.1.0-rc.1 might have the heading of v0.1.0 already.
func TestTheReleaseNotesHaveTheChangesOfTheVersion(t *testing.T) {
	t.Parallel()
	const older = "## v0.0.9 - 2026-11-30\n\n- older\n"
	for heading, numbers := range map[string][]string{
		"v0.1.0 - 2026-12-31": {"0.1.0", "0.1.0-rc.1"},
		"v0.1.0-rc.1":         {"0.1.0-rc.1"},
		"Unreleased":          {"0.1.0-rc.1", "0.0.0-snapshot.g0123456789ab"},
	} {
		for _, number := range numbers {
			_, changes, _ := strings.Cut(notes(t, number, "# Changelog\n\n## "+heading+"\n\n- newer\n\n"+older), "\n## Changes\n")
			if got := strings.TrimSpace(changes); got != "- newer" {
				t.Errorf("%s, with the heading %q: the changes are %q", number, heading, got)
			}
		}
	}
}
