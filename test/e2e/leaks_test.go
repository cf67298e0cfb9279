// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// Every character that a secret may contain and that some encoding changes.
const awkward = `Fake&Secret<1>%"\/+ #'2`

// logs returns a fixture without processes, with these texts in its server's log and in
// its transcript.
func logs(t *testing.T, logged, printed string) *fixture {
	t.Helper()
	dir := t.TempDir()
	w := &fixture{
		server:  &vaultServer{&vaulttest.Server{LogFile: filepath.Join(dir, "server.log"), AuditFile: filepath.Join(dir, "audit.log")}},
		secrets: map[string]struct{}{awkward: {}, "": {}}, tokens: map[string]struct{}{"": {}},
	}
	if err := os.WriteFile(w.server.LogFile, []byte(logged), 0o600); err != nil {
		t.Fatal(err)
	}
	w.transcript.WriteString(printed)
	return w
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}

func TestASecretIsFoundHoweverItIsWritten(t *testing.T) {
	unescaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(awkward)
	for name, written := range map[string]string{
		"as it is":            awkward,
		"in JSON":             quoted(t, awkward),
		"in JSON inside JSON": quoted(t, quoted(t, awkward)),
		"in JSON with & < >":  `{"error":"` + unescaped + `"}`,
		"in HTML":             html.EscapeString(awkward),
		"in a query":          url.QueryEscape(awkward),
		"in a path":           url.PathEscape(awkward),
		"in a query in JSON":  quoted(t, "POST /?secret="+url.QueryEscape(awkward)),
	} {
		text := "something\n" + written + "\nsomething else"
		for place, w := range map[string]*fixture{"a log": logs(t, text, ""), "the transcript": logs(t, "", text)} {
			err := w.leaks()
			if err == nil {
				t.Errorf("%s, in %s: not found", name, place)
			} else if strings.Contains(err.Error(), awkward) {
				t.Errorf("%s, in %s: the error repeats it", name, place)
			}
		}
	}
	if err := logs(t, "Fake-Secret-12", "Fake&amp;").leaks(); err != nil {
		t.Errorf("something else was taken for it: %v", err)
	}
}

// The transcript does not have the output of exec, so no test would search it for
// secrets.
func TestScriptsRunNothingThatIsNotOverheard(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	onKubernetes, alsoErr := filepath.Glob("testdata/kubernetes/*.txtar")
	if err := errors.Join(err, alsoErr); err != nil || len(scripts) == 0 || len(onKubernetes) == 0 {
		t.Fatalf("%d scripts, %d on Kubernetes, %v", len(scripts), len(onKubernetes), err)
	}
	scripts = append(scripts, onKubernetes...)
	exec := regexp.MustCompile(`(?m)^[!\[].*\bexec\b.*|^exec\b.*`)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range exec.FindAllString(string(text), -1) {
			t.Errorf("%s: %s: use vault, with & at the end for the background", filepath.Base(script), line)
		}
	}
}
