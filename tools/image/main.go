// SPDX-License-Identifier: MPL-2.0

// Command image writes an OCI image with one program and nothing else to run, as an OCI
// layout. It needs no Docker daemon, and the same programs give the same bytes.
//
//	image -out DIR -name NAME -version v0.1.0 -revision COMMIT -created SECONDS [-argument ARGUMENT] [-license FILE] amd64=FILE arm64=FILE
//
// Besides the program, the image has the certificate authorities of Mozilla, in the
// version that go.mod pins: a plugin in a container of its own cannot use those of Vault.
// In /licenses it has the texts that must come with every copy of the program.
// It prints the digest of the image, which refers to all architectures.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the "nonroot" user of many base images. It needs no entry in /etc/passwd.
const user = "65532:65532"

type image struct {
	name, version, revision string
	arguments               []string // The program gets them before those of the container.
	licenses                []string // They are names of files.
	created                 time.Time
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	var i image
	out := flag.String("out", "", "`folder` to write")
	flag.StringVar(&i.name, "name", "", "name of the program")
	flag.StringVar(&i.version, "version", "", "version, like v0.1.0")
	flag.StringVar(&i.revision, "revision", "", "commit")
	flag.Func("created", "time of the commit, in Unix `seconds`", func(text string) error {
		seconds, err := strconv.ParseInt(text, 10, 64)
		i.created = time.Unix(seconds, 0).UTC()
		return err
	})
	flag.Func("argument", "`argument` that the program always gets first, repeatable", func(text string) error {
		i.arguments = append(i.arguments, text)
		return nil
	})
	flag.Func("license", "`file` to add to /licenses, repeatable", func(text string) error {
		i.licenses = append(i.licenses, text)
		return nil
	})
	flag.Parse()
	if *out == "" || i.name == "" || flag.NArg() == 0 {
		flag.Usage()
		return errors.New("type image -out DIR -name NAME -version VERSION -revision COMMIT -created SECONDS amd64=FILE arm64=FILE")
	}

	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, argument := range flag.Args() {
		architecture, file, _ := strings.Cut(argument, "=")
		built, err := i.build(architecture, file)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        built,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	annotated, ok := mutate.Annotations(index, i.labels()).(v1.ImageIndex)
	if !ok {
		return errors.New("an index with annotations is no index")
	}
	path, err := layout.Write(*out, empty.Index)
	if err != nil {
		return err
	}
	// Tools that copy images find it under this name in the layout.
	tag := map[string]string{"org.opencontainers.image.ref.name": i.version}
	if err := path.AppendIndex(annotated, layout.WithAnnotations(tag)); err != nil {
		return err
	}
	digest, err := annotated.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func (i image) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    i.name,
		"org.opencontainers.image.version":  i.version,
		"org.opencontainers.image.revision": i.revision,
		"org.opencontainers.image.created":  i.created.Format(time.RFC3339),
		"org.opencontainers.image.licenses": "MPL-2.0",
	}
}

func (i image) build(architecture, file string) (v1.Image, error) {
	content, err := i.files(file)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	built, err := mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: i.created}, CreatedBy: "tools/image"},
	})
	if err != nil {
		return nil, err
	}
	config, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: i.created}
	config.Config = v1.Config{User: user, Entrypoint: append([]string{"/" + i.name}, i.arguments...), WorkingDir: "/", Labels: i.labels()}
	return mutate.ConfigFile(built, config)
}

// files returns a tar archive. All files belong to root, so that the user of the
// container can execute the program, and cannot replace it.
func (i image) files(program string) ([]byte, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		// PEM cannot express these constraints, and without them the root would be
		// trusted for more than Mozilla trusts it.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	type file struct {
		name    string
		mode    int64
		content []byte
	}
	files := []file{
		{name: "etc/", mode: 0o755},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{"etc/ssl/certs/ca-certificates.crt", 0o444, roots.Bytes()},
		{name: "licenses/", mode: 0o755},
		{name: "tmp/", mode: 0o1777},
		{i.name, 0o555, binary},
	}
	for _, name := range i.licenses {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{"licenses/" + filepath.Base(name), 0o444, text})
	}
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: i.created, Format: tar.FormatPAX}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil { // It writes the end of the archive.
		return nil, err
	}
	return out.Bytes(), nil
}
