// SPDX-License-Identifier: MPL-2.0

package release

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

func TestTheSignatureVerifiesAndAChangedByteDoesNot(t *testing.T) {
	t.Parallel()
	minisign, err := filepath.Abs("../../bin/minisign")
	if err != nil {
		t.Fatal(err)
	}
	verify := func(file, signature, key string) error {
		return exec.CommandContext(t.Context(), minisign, "-V", "-p", key, "-x", signature, "-m", file).Run()
	}
	file, signature, key := dist(t, "SHA256SUMS"), dist(t, "SHA256SUMS.minisig"), dist(t, "minisign.pub")
	if err := verify(file, signature, key); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	changed := filepath.Join(t.TempDir(), "changed")
	for name, offset := range map[string]int{file: 0, signature: len(read(t, signature)) - 40} {
		content := read(t, name)
		content[offset] ^= 1
		if err := os.WriteFile(changed, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if name == file && verify(changed, signature, key) == nil || name == signature && verify(file, changed, key) == nil {
			t.Errorf("a changed byte in %s is not noticed", filepath.Base(name))
		}
	}
	if err := verify(file, signature, filepath.Join(folder, "two", "dist", "minisign.pub")); err == nil {
		t.Error("the key of another release verifies the signature")
	}
}

// The secret key of a snapshot is thrown away, and that of a release stays where it is.
func TestNoReleaseHasASecretKey(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(dist(t, ".."), func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && !strings.Contains(path, "/bin/") &&
			strings.Contains(string(read(t, path)), "untrusted comment: minisign encrypted "+"secret key") {
			t.Errorf("%s has a secret key", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An operator pastes the line from the release notes.
func TestVaultLoadsTheReleaseUnderItsVersionOnly(t *testing.T) {
	t.Parallel()
	notes := string(read(t, dist(t, "RELEASE_NOTES.md")))
	lines := regexp.MustCompile(`(?m)^vault plugin register .*$`).FindAllString(notes, -1)
	if len(lines) != 2 {
		t.Fatalf("the release notes have the commands %q", lines)
	}
	arm64 := sums(t, dist(t, "BINARY_SHA256SUMS"))[binary(plugin, "linux_arm64")]
	if !strings.Contains(lines[1], "-sha256="+arm64+" -version="+version+" ") {
		t.Errorf("the line for arm64 is %q", lines[1])
	}
	if relative := regexp.MustCompile(`\]\((?:[^h].*?)?\)`).FindAllString(notes, -1); len(relative) > 0 {
		t.Errorf("links of the release notes lead nowhere: %q", relative)
	}
	server := start(t)
	if out, err := server.run(t, strings.Replace(lines[0], version, "v0.2.0", 1)); err == nil || !strings.Contains(out, "reported version ("+version+")") {
		t.Errorf("registering it as v0.2.0: %v\n%s", err, out)
	}
	amd64 := sums(t, dist(t, "BINARY_SHA256SUMS"))[binary(plugin, "linux_amd64")]
	other := digest([]byte("another program"))
	enable := "\nvault secrets enable -path=finicity " + plugin
	if out, err := server.run(t, strings.Replace(lines[0], amd64, other, 1)+enable); err == nil || !strings.Contains(out, "checksums did not match") {
		t.Errorf("using it under another checksum: %v\n%s", err, out)
	}
	out, err := server.run(t, lines[0]+enable+
		"\nvault secrets list -detailed | grep ^finicity/\nvault read -field=version finicity/status")
	if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), " "+version+" "+version+" ") || !strings.HasSuffix(strings.TrimSpace(out), version) {
		t.Errorf("using it: %v\n%s", err, out)
	}
}

// Each command on the page works on a release, in the order of the page, and prints what
// the page shows.
func TestThePageAboutVerifyingIsTrue(t *testing.T) {
	t.Parallel()
	downloads := t.TempDir() // The commands unpack archives.
	for _, name := range []string{
		"SHA256SUMS", "SHA256SUMS.minisig", "minisign.pub", "BINARY_SHA256SUMS", "IMAGE_DIGESTS", "THIRD_PARTY_LICENSES.txt",
		plugin + "_" + number + "_linux_amd64.tar.gz", plugin + "_" + number + "_linux_amd64.cdx.json",
	} {
		if err := os.WriteFile(filepath.Join(downloads, name), read(t, dist(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := string(read(t, "../../docs/verify-a-release.md"))
	tools, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		for _, step := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			count++
			typed, shown, _ := strings.Cut(step, "\n")
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", typed)
			cmd.Dir, cmd.Env = downloads, append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "LC_ALL=C")
			out, err := cmd.CombinedOutput()
			want := strings.ReplaceAll(regexp.QuoteMeta(words(shown)), "…", ".*")
			if err != nil || !regexp.MustCompile("^"+want+"$").MatchString(words(string(out))) {
				t.Errorf("$ %s\nends with %v and prints\n%s\nand not\n%s", typed, err, out, shown)
			}
		}
	}
	if count < 8 {
		t.Errorf("the page has only %d commands", count)
	}
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

type server struct {
	*vaulttest.Server
	bin string
}

// start starts a Vault server that has the plugin of the release in its plugin directory.
func start(t *testing.T) server {
	t.Helper()
	released := dist(t, binary(plugin, "linux_amd64"))
	dir, err := vaulttest.ShortFolder("release", os.TempDir(), "/tmp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // The server has ended by then.
	plugins := filepath.Join(dir, "plugins")
	if _, err := vaulttest.Install(t.Context(), released, plugins); err != nil {
		t.Fatal(err)
	}
	vault, err := filepath.Abs("../../bin/vault")
	if err != nil {
		t.Fatal(err)
	}
	s, err := vaulttest.New(vaulttest.Config{Bin: vault, Dir: filepath.Join(dir, "vault"), PluginDir: plugins, Storage: vaulttest.InMemory, TMPDIR: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server{s, vault}
}

// run types a command at a shell of the server's administrator.
func (s server) run(t *testing.T, command string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
	cmd.Env = append(os.Environ(), "VAULT_ADDR="+s.Address, "VAULT_TOKEN="+s.RootToken, "HOME="+t.TempDir(),
		"PATH="+filepath.Dir(s.bin)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// App teams download the mock server for their own tests.
func TestTheMockServerOfTheReleaseAnswers(t *testing.T) {
	t.Parallel()
	program := dist(t, binary(fake, "linux_amd64"))
	if out, err := exec.CommandContext(t.Context(), program, "-version").Output(); err != nil || string(out) != fake+" "+version+"\n" {
		t.Errorf("it reports %q (%v)", out, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = cmd.Wait() // It was killed.
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address, found := strings.CutPrefix(strings.TrimSpace(string(line[:n])), "fake-finicity listens on ")
	if !found {
		t.Fatalf("it prints %q", line[:n])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/aggregation/v2/partners/authentication",
		strings.NewReader(`{"partnerId":"1000000000001","partnerSecret":"Fake-Sandbox-Secret-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Finicity-App-Key", "fake-sandbox-app-key")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := (&http.Client{Timeout: vaulttest.Patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // Only the status counts.
	if resp.StatusCode != http.StatusOK {
		t.Errorf("it answers %s", resp.Status)
	}
}
