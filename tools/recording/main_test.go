// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const demo = `Starting a server.

1. Write, and <see>.

   $ vault write \
       a=b
   Success! Data written

2. Read it twice.

   $ vault read -field=token finicity/token
   AAAA   BBBB
   Said by the demo itself
   $ vault read finicity/status

That was all.
`

func recorded(t *testing.T, text string, still int) string {
	t.Helper()
	var out strings.Builder
	if err := run(strings.NewReader(text), &out, still); err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(strings.NewReader(out.String())); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return out.String()
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestARecordingHasEachStepWithItsCommandsAndTheirOutput(t *testing.T) {
	t.Parallel()
	svg := recorded(t, demo, 2)
	at := 0
	for _, text := range []string{
		"1/2  Write, and &lt;see&gt;.", `"command">$ vault write \<`, `"command">    a=b<`, ">Success! Data written<",
		"2/2  Read it twice.", ">AAAA   BBBB<", ">Said by the demo itself<", `"command">$ vault read finicity/status<`,
	} {
		found := strings.Index(svg[at:], text)
		if found < 0 {
			t.Fatalf("%q is missing, or out of order, in\n%s", text, svg)
		}
		at += found
	}
	if !strings.Contains(svg, "white-space: pre") || !strings.Contains(svg, `xml:space="preserve"`) {
		t.Error("tables fall together: browsers want one of the two, other programs the other")
	}
	for _, text := range []string{"Starting", "That was all"} {
		if strings.Contains(svg, text) {
			t.Errorf("%q is no step", text)
		}
	}
	if strings.Count(svg, `"screen still `) != 1 || !strings.Contains(svg[strings.Index(svg, `"screen still `):], "2/2") {
		t.Error("the second step is not shown without animation")
	}
}

func TestALongLineIsBrokenAfterASpaceOrElseAtTheMargin(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("é", 150)
	for line, want := range map[string]string{
		"$ " + word:                     ">$ " + word[:2*(columns-2)] + "<",
		"$ " + word[:2*80] + " " + word: ">$ " + word[:2*80] + " <",
	} {
		if svg := recorded(t, "1. Long.\n\n   "+line+"\n", 1); !strings.Contains(svg, want) {
			t.Errorf("%s is not in\n%s", want, svg)
		}
	}
}

func TestADemoWithoutStepsIsNotDrawn(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "The demo has failed\n", "1. A step without a command.\n"} {
		if err := run(strings.NewReader(text), io.Discard, 1); err == nil {
			t.Errorf("%q was drawn", text)
		}
	}
}
