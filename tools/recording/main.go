// SPDX-License-Identifier: MPL-2.0

// Command recording draws the output of scripts/demo.sh, read from its standard input,
// as an animated SVG terminal.
//
// Each step of the demo is a screen, on which its commands appear one after the other.
// If a reader has turned off animation, or a program does not support it, the picture
// shows the screen of the step given by -still.
package main

import (
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

func main() {
	still := flag.Int("still", 1, "the step to show where animations are off")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *still); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, still int) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	screens := read(string(text))
	if still < 1 || still > len(screens) {
		return fmt.Errorf("-still: the demo has %d steps, so it has no step %d", len(screens), still)
	}
	for _, s := range screens {
		if len(s.blocks) == 0 {
			return errors.New("this step of the demo has no command: " + s.title)
		}
	}
	_, err = io.WriteString(out, draw(screens, still))
	return err
}

// screen is a step of the demo.
type screen struct {
	title  string
	blocks []block
}

// block is a command and its output, line by line.
type block struct{ command, output []string }

// columns is how many characters of a wide font fit into a line.
const columns = 98

var title = regexp.MustCompile(`^\d+\. (.*)`)

// read parses the steps from the output of the demo. A command begins with a dollar
// sign, and continues on the next line after a backslash.
func read(text string) (screens []screen) {
	continued := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if step := title.FindStringSubmatch(line); step != nil {
			screens = append(screens, screen{title: step[1]})
			continue
		}
		line, indented := strings.CutPrefix(line, "   ")
		if !indented || len(screens) == 0 {
			continue // Text before, between and after the steps.
		}
		s := &screens[len(screens)-1]
		command := strings.HasPrefix(line, "$ ")
		if command {
			s.blocks = append(s.blocks, block{})
		}
		if len(s.blocks) == 0 {
			continue
		}
		b := &s.blocks[len(s.blocks)-1]
		if command || continued {
			b.command = append(b.command, wrap(line)...)
			continued = strings.HasSuffix(line, `\`)
		} else {
			b.output = append(b.output, wrap(line)...)
		}
	}
	return screens
}

// wrap breaks a long line, after a space if there is one near its end.
func wrap(line string) (lines []string) {
	for rest := []rune(line); ; {
		if len(rest) <= columns {
			return append(lines, string(rest))
		}
		end := columns
		for at := columns; at > columns*2/3; at-- {
			if rest[at-1] == ' ' {
				end = at
				break
			}
		}
		lines, rest = append(lines, string(rest[:end])), rest[end:]
	}
}

// In pixels.
const (
	width      = 760
	left       = 20
	top        = 66 // Of the first line.
	lineHeight = 17
	gap        = 6 // Between two commands.
)

// shownFor is how long a command is visible before the next one appears.
func (b block) shownFor() time.Duration {
	return min(5*time.Second, 1500*time.Millisecond+time.Duration(len(b.output))*300*time.Millisecond)
}

func (s screen) height() int {
	height := 0
	for _, b := range s.blocks {
		height += (len(b.command)+len(b.output))*lineHeight + gap
	}
	return height
}

func draw(screens []screen, still int) string {
	var style, body strings.Builder
	height, total := 0, time.Duration(0)
	for _, s := range screens {
		height = max(height, s.height())
		for _, b := range s.blocks {
			total += b.shownFor()
		}
	}
	height += top + lineHeight

	// appear returns a class that is visible from one time to another. Nothing moves
	// between its key frames.
	percent := func(at time.Duration) float64 { return 100 * float64(at) / float64(total) }
	names := 0
	appear := func(from, to time.Duration) string {
		names++
		name := fmt.Sprintf("t%d", names)
		begin := ""
		if from > 0 {
			begin = "0% { opacity: 0 } "
		}
		fmt.Fprintf(&style, "@keyframes %s { %s%.3f%% { opacity: 1 } %.3f%% { opacity: 0 } 100%% { opacity: 0 } }\n", name, begin, percent(from), min(percent(to), 99.999))
		fmt.Fprintf(&style, ".%s { animation: %s %.1fs step-end infinite }\n", name, name, total.Seconds())
		return name
	}

	at := time.Duration(0)
	for i, s := range screens {
		end := at
		for _, b := range s.blocks {
			end += b.shownFor()
		}
		class := "screen"
		if i+1 == still {
			class += " still"
		}
		fmt.Fprintf(&body, "<g class=\"%s %s\">\n", class, appear(at, end))
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"26\" class=\"title\">%d/%d  %s</text>\n", left, i+1, len(screens), html.EscapeString(s.title))
		y := top
		for _, b := range s.blocks {
			fmt.Fprintf(&body, "<g class=\"%s\">\n", appear(at, end))
			at += b.shownFor()
			for n, line := range append(append([]string(nil), b.command...), b.output...) {
				class := ""
				if n < len(b.command) {
					class = ` class="command"`
				}
				if line != "" {
					fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", left, y, class, html.EscapeString(line))
				}
				y += lineHeight
			}
			y += gap
			body.WriteString("</g>\n")
		}
		body.WriteString("</g>\n")
	}
	return fmt.Sprintf(head, width, height, width, height, style.String(), width, height, width-1, height-1, width) + body.String() + "</svg>\n"
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title" xml:space="preserve">
<title id="title">A recording of make demo: each step with its commands and what they print</title>
<style>
text { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px; fill: #1f2328; white-space: pre }
.title { font-weight: bold }
.command { font-weight: bold; fill: #2f6fde }
.page { fill: #ffffff }
.frame { fill: none; stroke: #b4bcc6; stroke-width: 1 }
.rule { stroke: #b4bcc6; stroke-width: 1 }
.screen { opacity: 0 }
.still { opacity: 1 }
%s@media (prefers-reduced-motion: reduce) { g { animation: none !important } }
</style>
<rect width="%d" height="%d" class="page"/>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="6" class="frame"/>
<line x1="0" y1="42" x2="%d" y2="42" class="rule"/>
`
