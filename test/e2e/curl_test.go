// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// provideCurl adds a curl as the last folder of PATH, and makes the real curl report
// the bodies that it fetches.
func provideCurl(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Symlink(self, filepath.Join(dir, "curl")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nnoproxy = \"*\"\n"), 0o600)
}

// curl implements curl, as far as the documents need it.
func curl(out io.Writer, args []string) error {
	method, address := http.MethodGet, ""
	var body io.Reader
	header := http.Header{}
	transport := &http.Transport{}
	for len(args) > 1 {
		if args[0] == "--insecure" {
			transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // As the page says.
			args = args[1:]
			continue
		}
		value := args[1]
		switch args[0] {
		case "--header":
			lines := value
			if name, file := strings.CutPrefix(value, "@"); file {
				content, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				lines = string(content)
			}
			for line := range strings.Lines(lines) {
				name, content, _ := strings.Cut(line, ":")
				header.Set(name, strings.TrimSpace(content))
			}
		case "--request":
			method = value
		case "--data":
			body = strings.NewReader(value)
			if name, file := strings.CutPrefix(value, "@"); file {
				content, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				body = strings.NewReader(string(content))
			}
		default:
			return fmt.Errorf("%s is not known here", args[0])
		}
		args = args[2:]
	}
	if len(args) == 1 {
		address = args[0]
	}
	req, err := http.NewRequest(method, address, body) //nolint:noctx // Loopback.
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	return err
}
