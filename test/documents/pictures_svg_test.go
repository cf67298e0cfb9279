// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
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
