// SPDX-License-Identifier: MPL-2.0

package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// These are parts of https://github.com/opencontainers/image-spec. The test reads them
// without the library that wrote them.
const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType, Digest string
	Size              int
	Annotations       map[string]string
	Platform          struct{ OS, Architecture string }
}

type manifest struct {
	MediaType   string
	Manifests   []descriptor
	Config      descriptor
	Layers      []descriptor
	Annotations map[string]string
}

// layout is an OCI layout whose blobs are read by their digest.
type layout struct {
	name string
	used []string
}

func (l *layout) blob(t *testing.T, d descriptor, mediaType string) []byte {
	t.Helper()
	sum, found := strings.CutPrefix(d.Digest, "sha256:")
	content := read(t, dist(t, "images", l.name, "blobs", "sha256", sum))
	if !found || digest(content) != sum || len(content) != d.Size || d.MediaType != mediaType {
		t.Errorf("%s: the blob %s has another digest, size or type than %+v says", l.name, d.Digest, d)
	}
	l.used = append(l.used, sum)
	return content
}

func parse(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestTheImagesHaveTheReleasedBinaries(t *testing.T) {
	t.Parallel()
	digests := sums(t, dist(t, "IMAGE_DIGESTS"))
	binaries := sums(t, dist(t, "BINARY_SHA256SUMS"))
	for _, name := range []string{plugin, fake} {
		l := layout{name: name}
		var top, index manifest
		if got := string(read(t, dist(t, "images", name, "oci-layout"))); !strings.Contains(got, `"imageLayoutVersion": "1.0.0"`) {
			t.Errorf("%s: oci-layout is %s", name, got)
		}
		parse(t, read(t, dist(t, "images", name, "index.json")), &top)
		if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != version {
			t.Fatalf("%s: index.json is %+v", name, top)
		}
		if listed := digests["images/"+name]; top.Manifests[0].Digest != listed {
			t.Errorf("%s: IMAGE_DIGESTS has %q, index.json %q", name, listed, top.Manifests[0].Digest)
		}
		parse(t, l.blob(t, top.Manifests[0], mediaIndex), &index)
		var architectures []string
		for _, d := range index.Manifests {
			architectures = append(architectures, d.Platform.OS+"/"+d.Platform.Architecture)
			files := l.check(t, d)
			if got, want := digest(files[name]), binaries[binary(name, "linux_"+d.Platform.Architecture)]; got != want {
				t.Errorf("%s, %s: the binary has the checksum %s, in BINARY_SHA256SUMS it is %s", name, d.Platform.Architecture, got, want)
			}
			for file, released := range map[string]string{
				"LICENSE": filepath.Join("..", "..", "LICENSE"), "THIRD_PARTY_LICENSES.txt": dist(t, "THIRD_PARTY_LICENSES.txt"),
			} {
				if !bytes.Equal(files["licenses/"+file], read(t, released)) {
					t.Errorf("%s, %s: /licenses/%s is not the text of the release", name, d.Platform.Architecture, file)
				}
			}
			// Mozilla has more than a hundred.
			authorities := bytes.Count(files["etc/ssl/certs/ca-certificates.crt"], []byte("-----BEGIN CERTIFICATE-----"))
			if !x509.NewCertPool().AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"]) || authorities < 100 {
				t.Errorf("%s, %s: there are %d certificate authorities", name, d.Platform.Architecture, authorities)
			}
		}
		if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(architectures, want) {
			t.Errorf("%s is for %q", name, architectures)
		}
		entries, err := os.ReadDir(dist(t, "images", name, "blobs", "sha256"))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if !slices.Contains(l.used, entry.Name()) {
				t.Errorf("%s: nothing refers to the blob %s", name, entry.Name())
			}
		}
	}
}

// check reads the image of one architecture, and returns the files in it.
func (l *layout) check(t *testing.T, d descriptor) map[string][]byte {
	t.Helper()
	var image manifest
	var config struct {
		OS, Architecture string
		Config           struct {
			User       string
			WorkingDir string
			Entrypoint []string
			Cmd, Env   []string
			Labels     map[string]string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	parse(t, l.blob(t, d, mediaManifest), &image)
	parse(t, l.blob(t, image.Config, mediaConfig), &config)
	if config.OS != d.Platform.OS || config.Architecture != d.Platform.Architecture {
		t.Errorf("%s: the configuration is for %s/%s, the index says %+v", l.name, config.OS, config.Architecture, d.Platform)
	}
	entrypoint := []string{"/" + l.name}
	if l.name == fake { // Otherwise it would listen on the loopback interface of its container.
		entrypoint = append(entrypoint, "-allow-remote")
	}
	if c := config.Config; c.User != "65532:65532" || c.WorkingDir != "/" || !slices.Equal(c.Entrypoint, entrypoint) || len(c.Cmd)+len(c.Env) > 0 {
		t.Errorf("%s: the configuration is %+v", l.name, c)
	}
	labels := config.Config.Labels
	commit, created := commit(t)
	for label, want := range map[string]string{
		"title": l.name, "version": version, "licenses": "MPL-2.0", "revision": commit, "created": created.UTC().Format(time.RFC3339),
	} {
		if got := labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("%s: the label %s is %q", l.name, label, got)
		}
	}
	if len(image.Layers) != 1 || len(config.RootFS.DiffIDs) != 1 {
		t.Fatalf("%s has the layers %+v", l.name, image.Layers)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(l.blob(t, image.Layers[0], mediaLayer)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if config.RootFS.DiffIDs[0] != "sha256:"+digest(content) {
		t.Errorf("%s: the configuration names the layer %s", l.name, config.RootFS.DiffIDs[0])
	}
	// Go's reader accepts an archive without an end, container runtimes do not.
	if !bytes.HasSuffix(content, make([]byte, 1024)) {
		t.Errorf("%s: the layer is not a complete archive", l.name)
	}
	files, modes := map[string][]byte{}, map[string]int64{}
	for archive := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s: %s belongs to user %d", l.name, header.Name, header.Uid)
		}
		modes[header.Name] = header.Mode
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
	// The user of the container may not write to any of these, except in /tmp.
	if want := map[string]int64{
		"etc/": 0o755, "etc/ssl/": 0o755, "etc/ssl/certs/": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o444,
		"licenses/": 0o755, "licenses/LICENSE": 0o444, "licenses/THIRD_PARTY_LICENSES.txt": 0o444,
		"tmp/": 0o1777, l.name: 0o555,
	}; !reflect.DeepEqual(modes, want) {
		t.Errorf("%s has the files %v", l.name, modes)
	}
	return files
}
