// SPDX-License-Identifier: MPL-2.0

// Package release checks what users download: it builds two snapshots of the last commit,
// in two folders, and verifies them as docs/verify-a-release.md tells users to.
//
// `make release-check` runs it. Without the flag -build, the tests of the files are
// skipped.
package release

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

const (
	version = "v0.1.0"
	number  = "0.1.0" // As in the names of files.
	plugin  = "vault-plugin-secrets-finicity"
	fake    = "fake-finicity"
)

var (
	build  = flag.Bool("build", false, "build two snapshots, which takes minutes")
	keep   = flag.String("keep", "", "build in this folder and keep it; if it has snapshots, use these")
	folder string // With the clones "one" and "two".
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if !*build {
		return m.Run(), nil
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	if folder = kept(source, *keep); folder == "" {
		// The path is short: Vault creates sockets in it.
		if folder, err = vaulttest.ShortFolder("release", os.TempDir(), "/tmp"); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		// Ctrl-C also ends the builds and the servers. Their files are some 500 MB.
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
		go func() {
			<-interrupted
			<-time.After(time.Second)
			_ = os.RemoveAll(folder) // Nothing else can be done now.
			os.Exit(130)             //nolint:revive // No test may go on without its files.
		}()
	}
	for _, name := range []string{"one", "two"} {
		clone := filepath.Join(folder, name)
		if err := snapshot(source, clone, name == "two"); err != nil {
			return 1, fmt.Errorf("building in folder %s: %w", name, err)
		}
		source = clone // Not a commit that was made meanwhile.
	}
	return m.Run(), nil
}

// kept returns the folder that -keep names. A path is relative to the folder of the
// Makefile, where make runs, and not to that of this test.
func kept(root, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(root, name)
}

func TestTheFolderToKeepIsRelativeToTheMakefile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, want := range map[string]string{"": "", root: root, "../keep": filepath.Join(filepath.Dir(root), "keep")} {
		if got := kept(root, name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// snapshot builds a release of the last commit of source in a clone. Elsewhere means a
// machine of another user: with another time zone, language and umask, and no access to
// a module proxy.
func snapshot(source, clone string, elsewhere bool) error {
	if _, err := os.Stat(filepath.Join(clone, "dist", "minisign.pub")); err == nil {
		return nil // Kept from the last run.
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	if err := command(root, "git", "clone", "--quiet", source, clone).Run(); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(clone, "bin"), 0o700); err != nil {
		return err
	}
	for _, tool := range []string{"goreleaser", "cyclonedx-gomod", "minisign", "licenses", "image"} {
		built := filepath.Join(root, "bin", tool)
		if _, err := os.Stat(built); err != nil {
			return fmt.Errorf("%w: type make release-check, which builds the tools", err)
		}
		if err := os.Symlink(built, filepath.Join(clone, "bin", tool)); err != nil {
			return err
		}
	}
	cmd := command(clone, "bash", "scripts/release.sh", "snapshot", version)
	if elsewhere {
		cmd = command(clone, "bash", "-c", `umask 077; exec bash scripts/release.sh snapshot "$0"`, version)
		cmd.Env = append(os.Environ(), "TZ=Asia/Kathmandu", "LC_ALL=C", "GOPROXY=off")
	}
	return cmd.Run()
}

// command shows the output, because a build of minutes without output looks as if it
// hangs.
func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // Ctrl-C ends it, and make waits for it.
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	return cmd
}

// dist returns the path of a file of the release that was built in the folder "one".
func dist(t *testing.T, path ...string) string {
	t.Helper()
	if !*build {
		t.Skip("it needs a release, which make release-check builds")
	}
	return filepath.Join(append([]string{folder, "one", "dist"}, path...)...)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func digest(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

// sums reads a file in the format of sha256sum. The key is the path.
func sums(t *testing.T, file string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(string(read(t, file))) {
		sum, path, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found {
			t.Fatalf("%s has the line %q", file, line)
		}
		all[path] = sum
	}
	return all
}

func platforms() (all []string) {
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		all = append(all, system+"_amd64", system+"_arm64")
	}
	return all
}

// binary returns the path of a program in dist/ and in its archive.
func binary(name, platform string) string {
	extension := ""
	if strings.HasPrefix(platform, "windows") {
		extension = ".exe"
	}
	return fmt.Sprintf("%s_%s_%s/%s%s", name, number, platform, name, extension)
}

// What a user downloads is in SHA256SUMS, and nothing else is.
func TestTheChecksumsAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	want := []string{"BINARY_SHA256SUMS", "IMAGE_DIGESTS", "THIRD_PARTY_LICENSES.txt"}
	var binaries []string
	for _, name := range []string{plugin, fake} {
		for _, platform := range platforms() {
			archive := ".tar.gz"
			if strings.HasPrefix(platform, "windows") {
				archive = ".zip"
			}
			want = append(want, fmt.Sprintf("%s_%s_%s%s", name, number, platform, archive), fmt.Sprintf("%s_%s_%s.cdx.json", name, number, platform))
			binaries = append(binaries, binary(name, platform))
		}
	}
	for file, want := range map[string][]string{"SHA256SUMS": want, "BINARY_SHA256SUMS": binaries} {
		got := sums(t, dist(t, file))
		for path, sum := range got {
			if sum != digest(read(t, dist(t, path))) {
				t.Errorf("%s: the checksum of %s is wrong", file, path)
			}
			if !slices.Contains(want, path) {
				t.Errorf("%s: %s is not a part of a release", file, path)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s has %d files, want %d: %q", file, len(got), len(want), want)
		}
	}
}

// Two people who build the same commit can compare all files, down to the modification
// times in the archives. Only the signatures differ, and files that are not published.
func TestTwoFoldersGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	one, two := dist(t), filepath.Join(folder, "two", "dist")
	differ := []string{"SHA256SUMS.minisig", "minisign.pub", "artifacts.json", "config.yaml", "metadata.json"}
	files := func(root string) (all []string) {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path) // It is below root.
			if err == nil && !entry.IsDir() && !slices.Contains(differ, name) {
				all = append(all, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got, want := files(two), files(one); !slices.Equal(got, want) || len(got) < 60 {
		t.Errorf("the files are\n%q\nand\n%q", got, want)
	}
	for _, name := range files(one) {
		if !bytes.Equal(read(t, filepath.Join(one, name)), read(t, filepath.Join(two, name))) {
			t.Errorf("%s differs", name)
		}
	}
}

// A user who does not trust the release compares it with `make build`.
func TestABuildFromSourceGivesTheReleasedBinary(t *testing.T) {
	t.Parallel()
	released := dist(t, binary(plugin, "linux_amd64"))
	clone := filepath.Join(folder, "two")
	cmd := command(clone, "make", "build", "fake", "VERSION="+version, "GO="+goProgram())
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "MAKEFLAGS=")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for name, released := range map[string]string{plugin: released, fake: dist(t, binary(fake, "linux_amd64"))} {
		if !bytes.Equal(read(t, released), read(t, filepath.Join(clone, "bin", name))) {
			t.Errorf("make builds another %s than the release has", name)
		}
	}
}

func goProgram() string {
	if program := os.Getenv("GO"); program != "" {
		return program
	}
	return "go"
}
