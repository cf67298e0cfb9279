// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
	"vault-plugin-secrets-finicity/internal/token"
)

// picture is an SVG file: its name for screen readers, and what it draws.
type picture struct {
	name          string
	width, height float64
	labels        []label
	boxes         []area
	lines         []line
}

// area is a rectangle, with its place in the order of drawing. What is drawn later
// covers what was drawn before. A frame is what an animation shows at the same time.
type area struct {
	x0, y0, x1, y1 float64
	order, frame   int
}

// label is a text, and the area that it takes up with a wide font. Readers have other
// fonts than the author, so the area is an estimate.
type label struct {
	area
	text string
}

// line is a polyline, point by point.
type line struct {
	points       [][2]float64
	order, frame int
}

func (a area) contains(x, y float64) bool { return a.x0 < x && x < a.x1 && a.y0 < y && y < a.y1 }

func (a area) within(b area) bool {
	return b.x0 <= a.x0 && a.x1 <= b.x1 && b.y0 <= a.y0 && a.y1 <= b.y1
}

func (a area) overlaps(b area) bool {
	return a.frame == b.frame && a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1
}

// hides reports whether a box that is drawn later covers the line at a point.
func (p *picture) hides(l line, x, y float64) bool {
	for _, box := range p.boxes {
		if box.order > l.order && box.contains(x, y) {
			return true
		}
	}
	return false
}

// font is the style of a text.
type font struct {
	size   float64
	bold   bool
	mono   bool
	anchor string
}

// width is an upper bound for a text: most characters of a wide font are narrower.
func (f font) width(text string) float64 {
	em := 0.6
	switch {
	case f.mono:
		em = 0.61
	case f.bold:
		em = 0.65
	}
	return float64(len([]rune(text))) * f.size * em
}

var (
	cssRule    = regexp.MustCompile(`([.\w-]+)\s*\{([^{}]*)\}`)
	cssSize    = regexp.MustCompile(`font(?:-size)?:[^;]*?([\d.]+)px`)
	cssAnchor  = regexp.MustCompile(`text-anchor:\s*(\w+)`)
	numberOnly = regexp.MustCompile(`[\d.]+`)
)

// with returns the font with the declarations of a style applied.
func (f font) with(declarations string) font {
	if size := cssSize.FindStringSubmatch(declarations); size != nil {
		f.size, _ = strconv.ParseFloat(size[1], 64)
	}
	if anchor := cssAnchor.FindStringSubmatch(declarations); anchor != nil {
		f.anchor = anchor[1]
	}
	f.bold = f.bold || strings.Contains(declarations, "bold")
	f.mono = f.mono || strings.Contains(declarations, "monospace")
	return f
}

// drawn reads a picture. It supports only the elements that these pictures use, and
// fails for an element that would move a text, because its position would be wrong.
func drawn(t *testing.T, file string) *picture {
	t.Helper()
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	p, styles, frame, depth, order := &picture{}, map[string]string{}, 0, 0, 0
	hidden := 0 // depth of the definitions, which are not drawn themselves
	for decoder := xml.NewDecoder(opened); ; {
		read, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p
		} else if err != nil {
			t.Fatalf("%s is not well-formed: %v", file, err)
		}
		if _, end := read.(xml.EndElement); end {
			if depth--; depth < hidden {
				hidden = 0
			}
		}
		element, start := read.(xml.StartElement)
		if !start {
			continue
		}
		depth++
		order++
		attributes := map[string]string{}
		for _, a := range element.Attr {
			attributes[a.Name.Local] = a.Value
		}
		number := func(name string) float64 {
			n, _ := strconv.ParseFloat(attributes[name], 64)
			return n
		}
		if attributes["transform"] != "" {
			t.Errorf("%s: %s has a transform", file, element.Name.Local)
		}
		content := func() string {
			var inside string
			if err := decoder.DecodeElement(&inside, &element); err != nil {
				t.Fatalf("%s: %s: %v", file, element.Name.Local, err)
			}
			depth--
			return inside
		}
		switch name := element.Name.Local; {
		case hidden > 0:
		case name == "svg":
			p.name, p.width, p.height = attributes["aria-label"], number("width"), number("height")
			size := numberOnly.FindAllString(attributes["viewBox"], -1)
			if strings.Join(size, " ") != strings.Join([]string{"0", "0", attributes["width"], attributes["height"]}, " ") {
				t.Errorf("%s: the viewBox is %q", file, attributes["viewBox"])
			}
			if attributes["role"] != "img" {
				t.Errorf("%s: screen readers do not see an image", file)
			}
		case name == "title":
			p.name = content()
		case name == "style":
			for _, rule := range cssRule.FindAllStringSubmatch(content(), -1) {
				styles[rule[1]] += rule[2] + ";"
			}
		case name == "defs":
			hidden = depth
		case name == "g" && strings.HasPrefix(attributes["class"], "screen"):
			frame++ // Only one of them is seen at a time.
		case name == "g":
		case name == "rect":
			box := area{x0: number("x"), y0: number("y"), order: order, frame: frame}
			box.x1, box.y1 = box.x0+number("width"), box.y0+number("height")
			if attributes["width"] == "100%" {
				box.x1, box.y1 = p.width, p.height
			}
			p.boxes = append(p.boxes, box)
		case name == "line":
			p.lines = append(p.lines, line{
				[][2]float64{{number("x1"), number("y1")}, {number("x2"), number("y2")}}, order, frame,
			})
		case name == "polyline":
			l := line{order: order, frame: frame}
			numbers := numberOnly.FindAllString(attributes["points"], -1)
			for i := 0; i+1 < len(numbers); i += 2 {
				x, _ := strconv.ParseFloat(numbers[i], 64)
				y, _ := strconv.ParseFloat(numbers[i+1], 64)
				l.points = append(l.points, [2]float64{x, y})
			}
			p.lines = append(p.lines, l)
		case name == "text":
			f := font{size: 16}.with(styles["text"])
			for class := range strings.FieldsSeq(attributes["class"]) {
				f = f.with(styles["."+class])
			}
			if attributes["text-anchor"] != "" {
				f.anchor = attributes["text-anchor"]
			}
			p.labels = append(p.labels, labeled(content(), number("x"), number("y"), f, frame))
		case name == "circle":
		default:
			t.Errorf("%s: this test does not know %s", file, name)
		}
	}
}

func labeled(text string, x, y float64, f font, frame int) label {
	width := f.width(text)
	switch f.anchor {
	case "middle":
		x -= width / 2
	case "end":
		x -= width
	}
	return label{area{x0: x, y0: y - 0.8*f.size, x1: x + width, y1: y + 0.25*f.size, frame: frame}, text}
}

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

// The bars of the time line begin and end where the engine changes what it does.
func TestTheTimeLineHasTheTimesOfTheCode(t *testing.T) {
	t.Parallel()
	const lifetime = 2 * time.Hour
	p := drawn(t, "docs/pictures/token.svg")
	shown := func(minutes string) bool {
		return slices.ContainsFunc(p.labels, func(l label) bool { return l.text == minutes })
	}
	x := func(age time.Duration) float64 { return 60 + 5.4*age.Minutes() }
	refresh, served := token.RefreshAge(lifetime), lifetime-token.Margin(lifetime)
	for name, bar := range map[string]struct{ from, to time.Duration }{
		"served from memory":     {0, refresh},
		"due for a refresh":      {refresh, served},
		"not served any more":    {served, lifetime},
		"the largest min_ttl":    {0, served - token.MaxMinTTL(lifetime)},
		"served with a warning":  {refresh, served},
		"guide at the refresh":   {refresh, refresh},
		"guide at the last read": {served, served},
		"guide at the end":       {lifetime, lifetime},
	} {
		box := slices.ContainsFunc(p.boxes, func(b area) bool { return b.x0 == x(bar.from) && b.x1 == x(bar.to) })
		guide := slices.ContainsFunc(p.lines, func(l line) bool { return l.points[0][0] == x(bar.from) && l.points[1][0] == x(bar.to) })
		if !box && !guide {
			t.Errorf("nothing is drawn from %s to %s: %s", bar.from, bar.to, name)
		}
	}
	for _, text := range []string{
		fmt.Sprintf("%.0f min", refresh.Minutes()), fmt.Sprintf("%.0f", served.Minutes()), fmt.Sprintf("%.0f min", lifetime.Minutes()),
		fmt.Sprintf("min_ttl=%.0fm", token.MaxMinTTL(lifetime).Minutes()),
	} {
		if !shown(text) {
			t.Errorf("it has no %q", text)
		}
	}
}

// The four names are what the status shows and what alerts compare with.
func TestThePictureOfTheAttemptsHasTheStatesOfTheCode(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, l := range drawn(t, "docs/pictures/attempts.svg").labels {
		names[l.text] = true
	}
	for _, state := range []attempts.State{attempts.OK, attempts.Held, attempts.Stopped, attempts.Locked} {
		if !names[string(state)] {
			t.Errorf("it has no %q", state)
		}
	}
}

// What storage has between the steps of a rotation is what the rules of secrets say.
func TestThePictureOfARotationHasTheListOfTheCode(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list, old, next := secrets.List{Place: "here"}, confidential.New("old"), confidential.New("new")
	var want []string
	stored := func() {
		for _, s := range list.Secrets {
			fact := "sent"
			switch {
			case !s.Superseded.IsZero():
				fact = "superseded"
			case !s.Proven.IsZero():
				fact = "proven"
			case !s.Acknowledged.IsZero():
				fact = "204"
			}
			want = append(want, s.Value.Reveal()+": "+fact)
		}
		now = now.Add(time.Second)
	}
	list.Bring(old, now)
	list.Accept(old, now)
	stored() // Crash 1.
	list.Propose(next, false, now.Add(30*time.Second), now)
	stored() // Crash 2, before the call, and crash 3, after it.
	stored()
	list.Acknowledge(next, now)
	stored() // Crash 4, before the proof, and crash 5, after it.
	stored()
	list.Accept(next, now)
	stored()
	var got []string
	for _, l := range drawn(t, "docs/pictures/rotation.svg").labels {
		if strings.HasPrefix(l.text, "old: ") || strings.HasPrefix(l.text, "new: ") {
			got = append(got, l.text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it has\n%q\nand the code has\n%q", got, want)
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
