// SPDX-License-Identifier: MPL-2.0

package layers

import (
	"encoding/xml"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const picture = "../../docs/pictures/packages.svg"

// shape is the part of the picture for a package or for an import.
type shape struct {
	Package     *string `xml:"data-package,attr"`
	TestPackage *string `xml:"data-test-package,attr"`
	From        *string `xml:"data-from,attr"`
	To          *string `xml:"data-to,attr"`
	Class       string  `xml:"class,attr"`
	Points      string  `xml:"points,attr"`
	X           float64 `xml:"x,attr"`
	Y           float64 `xml:"y,attr"`
	Width       float64 `xml:"width,attr"`
	Height      float64 `xml:"height,attr"`
}

// drawing is the picture of the packages.
type drawing struct {
	Boxes  []shape `xml:"rect"`
	Texts  []shape `xml:"text"`
	Arrows []shape `xml:"polyline"`
}

func drawn(t *testing.T) (d drawing) {
	t.Helper()
	text, err := os.ReadFile(picture)
	if err == nil {
		err = xml.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// boxes returns the plugin's packages in the picture.
func (d drawing) boxes() map[string]shape {
	boxes := map[string]shape{}
	for _, box := range d.Boxes {
		if box.Package != nil {
			boxes[*box.Package] = box
		}
	}
	return boxes
}

// ofThePlugin returns the packages that the plugin consists of.
func ofThePlugin(t *testing.T) map[string]*listed {
	t.Helper()
	own := map[string]*listed{}
	for _, p := range list(t, "-deps", "./cmd/vault-plugin-secrets-finicity") {
		if p.own() {
			own[p.name()] = p
		}
	}
	return own
}

func TestThePictureHasThePackagesOfThePlugin(t *testing.T) {
	t.Parallel()
	d := drawn(t)
	want := slices.Sorted(maps.Keys(ofThePlugin(t)))
	if got := slices.Sorted(maps.Keys(d.boxes())); !slices.Equal(got, want) {
		t.Errorf("it has %q, and the plugin is made of %q", got, want)
	}
	for name, box := range d.boxes() {
		if green := strings.Contains(box.Class, "pure"); green != slices.Contains(pure(), name) {
			t.Errorf("%q: whether it is pure is drawn as %v", name, green)
		}
	}
	var others []string
	for _, p := range list(t, "./internal/...") {
		if _, drawn := d.boxes()[p.name()]; !drawn {
			others = append(others, p.name())
		}
	}
	var named []string
	for _, text := range d.Texts {
		if text.TestPackage != nil {
			named = append(named, *text.TestPackage)
		}
	}
	slices.Sort(others)
	slices.Sort(named)
	if !slices.Equal(named, others) {
		t.Errorf("for tests it has %q, and there are %q", named, others)
	}
}

// If an arrow ended nowhere, or at another box than its attributes say, the test would
// accept the picture and readers would misread it.
func TestThePictureHasTheImportsOfThePlugin(t *testing.T) {
	t.Parallel()
	d := drawn(t)
	var want, got []string
	for name, p := range ofThePlugin(t) {
		for _, path := range p.Imports {
			if imported := (&listed{ImportPath: path}); imported.own() {
				want = append(want, name+" imports "+imported.name())
			}
		}
	}
	boxes := d.boxes()
	for _, arrow := range d.Arrows {
		from, to := *arrow.From, *arrow.To
		got = append(got, from+" imports "+to)
		var points []float64
		for _, number := range regexp.MustCompile(`[\d.]+`).FindAllString(arrow.Points, -1) {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatal(err)
			}
			points = append(points, n)
		}
		last := len(points) - 2
		if !boxes[from].borders(points[0], points[1]) || !boxes[to].borders(points[last], points[last+1]) {
			t.Errorf("the arrow from %q to %q begins or ends elsewhere", from, to)
		}
		if points[1] > points[last+1] {
			t.Errorf("the arrow from %q to %q goes up", from, to)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("it has\n%s\nand the code has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// borders reports whether a point is on the border of a box.
func (s shape) borders(x, y float64) bool {
	right, bottom := s.X+s.Width, s.Y+s.Height
	within := x >= s.X && x <= right && y >= s.Y && y <= bottom
	return within && (x == s.X || x == right || y == s.Y || y == bottom)
}
