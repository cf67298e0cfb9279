// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pictures calls do for each picture of the documents.
func pictures(t *testing.T, do func(t *testing.T, file string, p *picture)) {
	t.Helper()
	files := 0
	if err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".svg" {
			files++
			t.Run(filepath.Base(path), func(t *testing.T) { do(t, path, drawn(t, path)) })
		}
		return err
	}); err != nil || files < 5 {
		t.Fatalf("only %d pictures were found (%v)", files, err)
	}
}

// A page in dark mode shows through a picture without a background.
func TestEveryPictureHasANameASizeAndABackground(t *testing.T) {
	t.Parallel()
	pictures(t, func(t *testing.T, _ string, p *picture) {
		t.Helper()
		if len(p.name) < 20 {
			t.Errorf("its title is %q", p.name)
		}
		if p.width != 760 || p.height <= 0 {
			t.Errorf("it is %v by %v", p.width, p.height)
		}
		if len(p.boxes) == 0 || !(area{x1: p.width, y1: p.height}).within(p.boxes[0]) {
			t.Error("it has no background")
		}
	})
}

func TestNoTextLeavesItsPictureOrItsBox(t *testing.T) {
	t.Parallel()
	pictures(t, func(t *testing.T, _ string, p *picture) {
		t.Helper()
		if len(p.labels) == 0 {
			t.Error("it has no text")
		}
		for _, l := range p.labels {
			if !l.within(area{x1: p.width, y1: p.height}) {
				t.Errorf("%q may end at %.0f, %.0f", l.text, l.x1, l.y1)
			}
			for _, box := range p.boxes {
				if l.overlaps(box) && !l.within(box) {
					t.Errorf("%q may end at %.0f, and a box begins or ends at %.0f or %.0f", l.text, l.x1, box.x0, box.x1)
				}
			}
		}
	})
}

func TestNoTextIsUnderAnotherTextOrALine(t *testing.T) {
	t.Parallel()
	pictures(t, func(t *testing.T, _ string, p *picture) {
		t.Helper()
		for i, l := range p.labels {
			for _, other := range p.labels[:i] {
				if l.overlaps(other.area) {
					t.Errorf("%q and %q may overlap", other.text, l.text)
				}
			}
			for _, drawn := range p.lines {
				if p.crosses(drawn, l.area) {
					t.Errorf("a line runs through %q", l.text)
				}
			}
		}
	})
}

// crosses reports whether a line is seen inside an area. It looks at every half pixel.
func (p *picture) crosses(l line, a area) bool {
	for i := 1; i < len(l.points) && l.frame == a.frame; i++ {
		from, to := l.points[i-1], l.points[i]
		steps := 2 * max(1, int(max(from[0]-to[0], to[0]-from[0], from[1]-to[1], to[1]-from[1])))
		for step := range steps + 1 {
			at := float64(step) / float64(steps)
			x, y := from[0]+at*(to[0]-from[0]), from[1]+at*(to[1]-from[1])
			if a.contains(x, y) && !p.hides(l, x, y) {
				return true
			}
		}
	}
	return false
}

var shownPicture = regexp.MustCompile(`!\[([^\]]*)\]\(([^)\s]+)\)`)

// agreesWith fails for a number of the text that the picture does not have.
func (p *picture) agreesWith(t *testing.T, text string) {
	t.Helper()
	all := p.name
	for _, l := range p.labels {
		all += " " + l.text
	}
	shown := numberOnly.FindAllString(all, -1)
	for _, number := range regexp.MustCompile(`\d+`).FindAllString(text, -1) {
		if !slices.Contains(shown, number) {
			t.Errorf("the picture does not have the %s of %q", number, text)
		}
	}
}

// A picture that no document shows would become outdated unnoticed. Screen readers read
// the text of a picture.
func TestEveryPictureIsShownWithATextInADocument(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, document := range append(documents, "README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range shownPicture.FindAllStringSubmatch(string(text), -1) {
			file := filepath.Join(filepath.Dir(document), image[2])
			shown[file] = true
			if len(image[1]) < 40 {
				t.Errorf("%s: %s has the text %q", document, image[2], image[1])
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", document, err)
			} else {
				drawn(t, file).agreesWith(t, image[1])
			}
		}
	}
	pictures(t, func(t *testing.T, file string, _ *picture) {
		t.Helper()
		if !shown[file] {
			t.Errorf("no document shows %s", file)
		}
	})
}

// A diagram that the page of a repository draws is seen by no test, and not in an editor.
func TestTheDocumentsHaveNoPictureThatNoTestDraws(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t, ".md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "```mermaid") {
			t.Errorf("%s: draw the diagram as an SVG in docs/pictures, or write a table", file)
		}
	}
}

var demoStep = regexp.MustCompile(`(?m)^(?:step "([^"$]+)"|(?:show|refuse) '([^']+)')`)

// An outdated recording would show output that the demo no longer prints. After a change
// of scripts/demo.sh, type make pictures.
func TestTheRecordingShowsEveryCommandOfTheDemo(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("scripts/demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, l := range drawn(t, "docs/pictures/demo.svg").labels {
		all.WriteString(l.text)
	}
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), "") } // A line can break anywhere.
	shown := squeeze(all.String())
	steps := demoStep.FindAllStringSubmatch(string(script), -1)
	if len(steps) < 20 {
		t.Errorf("only %d steps and commands were found", len(steps))
	}
	for _, step := range steps {
		text := squeeze(step[1] + step[2])
		at := strings.Index(shown, text)
		if at < 0 {
			t.Errorf("it does not show, or not in this place: %s%s", step[1], step[2])
			continue
		}
		shown = shown[at+len(text):]
	}
}

// The secrets of the mock server are public. But a picture that shows one would teach
// readers to show their own.
func TestTheRecordingShowsNoPartnerSecret(t *testing.T) {
	t.Parallel()
	library, err := os.ReadFile("scripts/lib.sh")
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`PARTNER_SECRET(?:_2)?=(\S+)`).FindAllStringSubmatch(string(library), -1)
	if len(known) != 2 {
		t.Errorf("the mock server has %d secrets", len(known))
	}
	for _, l := range drawn(t, "docs/pictures/demo.svg").labels {
		for _, secret := range known {
			if strings.Contains(l.text, secret[1]) {
				t.Errorf("it shows a secret in %q", l.text)
			}
		}
	}
}
