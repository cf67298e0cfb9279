// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// buildNewer builds a release of the future, with a storage version of its own. It reads
// what this version has stored, and this version must refuse what it stores.
func buildNewer(version, plugin string) (digest string, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(plugin)), "newer")
	if err != nil {
		return "", err
	}
	replaced := map[string]string{}
	for file, change := range map[string][2]string{
		"encoding.go": {"const storedVersion = 2\n", "const storedVersion = 3\n"},
		"storage.go":  {"case version == storedVersion:\n", "case version == 2, version == storedVersion:\n"},
	} {
		path, err := filepath.Abs(filepath.Join("../../internal/engine", file))
		if err != nil {
			return "", err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if strings.Count(string(text), change[0]) != 1 {
			return "", fmt.Errorf("%s does not have this line once: %s", file, change[0])
		}
		replaced[path] = filepath.Join(dir, file)
		if err := os.WriteFile(replaced[path], []byte(strings.Replace(string(text), change[0], change[1], 1)), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", err
	}
	return buildReleaseWith(version, plugin, "-overlay="+overlay)
}
