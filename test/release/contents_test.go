// SPDX-License-Identifier: MPL-2.0

package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An SBOM that omits a module hides its vulnerabilities. One that names others causes
// false alarms.
func TestEachSBOMNamesTheModulesOfItsBinary(t *testing.T) {
	t.Parallel()
	licenses := string(read(t, dist(t, "THIRD_PARTY_LICENSES.txt")))
	binaries := sums(t, dist(t, "BINARY_SHA256SUMS"))
	for _, name := range []string{plugin, fake} {
		for _, platform := range platforms() {
			info, err := buildinfo.ReadFile(dist(t, binary(name, platform)))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"std@" + info.GoVersion}
			for _, module := range info.Deps {
				want = append(want, module.Path+"@"+module.Version)
				if !strings.Contains(licenses, "\n"+module.Path+" "+module.Version+": ") {
					t.Errorf("THIRD_PARTY_LICENSES.txt has no text for %s", module.Path)
				}
			}
			var sbom struct {
				Metadata struct {
					Component  struct{ Name, Version, PURL string }
					Properties []struct{ Name, Value string }
					Tools      []struct{ Hashes []any }
				}
				Components []struct{ Name, Version string }
			}
			if err := json.Unmarshal(read(t, dist(t, fmt.Sprintf("%s_%s_%s.cdx.json", name, number, platform))), &sbom); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, component := range sbom.Components {
				got = append(got, component.Name+"@"+component.Version)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: the SBOM names\n%q\nand the binary has\n%q", name, platform, got, want)
			}
			// Other binaries have the same modules.
			of := ""
			for _, property := range sbom.Metadata.Properties {
				if property.Name == "cdx:gomod:binary:hash:SHA-256" {
					of = property.Value
				}
			}
			if of != binaries[binary(name, platform)] {
				t.Errorf("%s, %s: the SBOM is for a binary with the checksum %q", name, platform, of)
			}
			system, architecture, _ := strings.Cut(platform, "_")
			c := sbom.Metadata.Component
			if c.Version != version || !strings.Contains(c.PURL, "?goarch="+architecture+"&goos="+system+"&") || !strings.HasSuffix(c.PURL, "#cmd/"+name) {
				t.Errorf("%s, %s: the SBOM is for %v", name, platform, c)
			}
			// On another system, the tool has another checksum.
			if len(sbom.Metadata.Tools) != 1 || len(sbom.Metadata.Tools[0].Hashes) > 0 {
				t.Errorf("%s, %s: the SBOM depends on the machine: %v", name, platform, sbom.Metadata.Tools)
			}
		}
	}
}

// A module can have copied a package from elsewhere, with the license of that package.
func TestTheLicensesOfThePackagesInAModuleAreThere(t *testing.T) {
	t.Parallel()
	licenses := read(t, dist(t, "THIRD_PARTY_LICENSES.txt"))
	cmd := exec.CommandContext(t.Context(), goProgram(), "list", "-deps", "-f", "{{$package := .Dir}}{{with .Module}}{{$package}}\t{{.Dir}}{{end}}", "./cmd/...")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		for folder, module, _ := strings.Cut(strings.TrimSpace(line), "\t"); folder != module; folder = filepath.Dir(folder) {
			file := filepath.Join(folder, "LICENSE")
			if _, err := os.Stat(file); err != nil {
				continue
			}
			found++
			if text := bytes.ReplaceAll(read(t, file), []byte("\r\n"), []byte("\n")); !bytes.Contains(licenses, bytes.TrimSpace(text)) {
				t.Errorf("THIRD_PARTY_LICENSES.txt does not have %s", file)
			}
		}
	}
	if found == 0 {
		t.Error("no package has a license of its own, so this test checks nothing")
	}
}

// commit returns the digest and the time of the commit that was built.
func commit(t *testing.T) (string, time.Time) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", dist(t, ".."), "show", "-s", "--format=%H %ct").Output()
	if err != nil {
		t.Fatal(err)
	}
	var digest string
	var seconds int64
	if _, err := fmt.Sscan(string(out), &digest, &seconds); err != nil {
		t.Fatal(err)
	}
	return digest, time.Unix(seconds, 0)
}

// entry is a file of an archive.
type entry struct {
	mode     int64
	owner    string
	modified time.Time
	content  []byte
}

func TestTheArchivesHaveTheBinaryItsLicensesAndTheDocuments(t *testing.T) {
	t.Parallel()
	_, committed := commit(t)
	binaries := sums(t, dist(t, "BINARY_SHA256SUMS"))
	for path, sum := range binaries {
		root, program, _ := strings.Cut(path, "/")
		files := unpack(t, root)
		want := []string{program, "LICENSE", "THIRD_PARTY_LICENSES.txt"}
		if strings.HasPrefix(root, plugin) {
			want = append(want, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
				"docs/install.md", "docs/pictures/overview.svg", "examples/policies/reader.hcl")
		} else {
			want = append(want, "docs/mock-server.md")
		}
		for _, name := range want {
			if _, there := files[root+"/"+name]; !there {
				t.Errorf("%s has no %s", root, name)
			}
		}
		if digest(files[path].content) != sum {
			t.Errorf("%s has another binary than BINARY_SHA256SUMS names", root)
		}
		for name, file := range files {
			mode := int64(0o644)
			if name == path {
				mode = 0o755
			}
			if !strings.HasPrefix(name, root+"/") || file.mode != mode || file.owner != "root:root" || !file.modified.Equal(committed) {
				t.Errorf("%s: %s has mode %o, owner %s and time %s", root, name, file.mode, file.owner, file.modified)
			}
		}
	}
}

func unpack(t *testing.T, root string) map[string]entry {
	t.Helper()
	files := map[string]entry{}
	if strings.Contains(root, "windows") {
		archive, err := zip.OpenReader(dist(t, root+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = archive.Close() }() // It was only read.
		for _, f := range archive.File {
			opened, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(opened)
			if err != nil {
				t.Fatal(err)
			}
			files[f.Name] = entry{int64(f.Mode().Perm()), "root:root", f.Modified, content} // A zip archive has no owners.
		}
		return files
	}
	compressed, err := gzip.NewReader(bytes.NewReader(read(t, dist(t, root+".tar.gz"))))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			files[header.Name] = entry{header.Mode, header.Uname + ":" + header.Gname, header.ModTime, content}
		}
	}
}
