// SPDX-License-Identifier: MPL-2.0

package storytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// failing is a T whose Fatalf panics with the message.
type failing struct{}

func (failing) Helper()                           {}
func (failing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestAStoryThatDiffersFails(t *testing.T) {
	t.Parallel()
	for story, line := range map[string]string{
		"add\n----\nb\n":        ":3:",
		"add\n----\n":           ":3:",
		"add\n----":             ":3:",
		"add\n----\na\n\n\nx\n": ":7:",
		"add\n----\na\nb\n":     ":4:",
	} {
		path := filepath.Join(t.TempDir(), "story.txt")
		if err := os.WriteFile(path, []byte(story), 0o600); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if message := fmt.Sprint(recover()); !strings.Contains(message, line) {
					t.Errorf("%q fails with %q, want line %q", story, message, line)
				}
			}()
			Check(failing{}, path, func([]string) string { return "a" })
		}()
	}
}
