// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	linked      = regexp.MustCompile(`(?:^|[^!])\[([^\]]*)\]\(([^()\s]*)\)`) // A picture is no link.
	unslugly    = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchorsOf lists the anchors of a document, as GitHub derives them from its
// headings. Nothing links to the second of two equal headings.
func anchorsOf(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, found := range headingLine.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
		anchors[anchorOf(found[1])] = true
	}
	return anchors
}

func anchorOf(heading string) string {
	return strings.ReplaceAll(unslugly.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// A reader in an emergency follows a link to the fix. A heading that is renamed
// breaks it without a trace.
func TestEveryLinkInTheDocumentsLeadsToAHeading(t *testing.T) {
	t.Parallel()
	count := 0
	for _, file := range sources(t, ".md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			words, to := link[1], link[2]
			if strings.Contains(to, ":") {
				continue
			}
			count++
			if strings.Contains(words, ".md") {
				t.Errorf("%s: the text of a link is a title, not the name of a file: %s", file, words)
			}
			path, anchor, _ := strings.Cut(to, "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			info, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s: %s is not there", file, to)
				continue
			}
			if info.IsDir() {
				target = filepath.Join(target, "README.md")
			}
			if anchor != "" && !anchorsOf(t, target)[anchor] {
				t.Errorf("%s: %s has no heading for %s", file, target, to)
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d links were found", count)
	}
}

// The index would otherwise lack a page that was added later.
func TestTheIndexLinksEveryDocumentAndEveryExample(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]bool{"README.md": true}
	for _, found := range linked.FindAllStringSubmatch(string(index), -1) {
		links[found[2]] = true
	}
	for _, pattern := range []string{"docs/*.md", "examples/*/README.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files match %s: %v", pattern, err)
		}
		for _, file := range files {
			link := strings.TrimSuffix("../"+filepath.ToSlash(file), "/README.md")
			link = strings.TrimPrefix(link, "../docs/")
			if link != "../docs" && !links[link] {
				t.Errorf("docs/README.md has no link to %s", link)
			}
		}
	}
}
