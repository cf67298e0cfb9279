// SPDX-License-Identifier: MPL-2.0

package confidential_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"vault-plugin-secrets-finicity/internal/confidential"
)

const secret = "aqJ5Ic4S&Vx2+gDQ6oR4"

// holder has the text where fmt can call its methods, and where fmt cannot.
type holder struct {
	Shown  confidential.Text
	buried confidential.Text
	List   []confidential.Text
	Map    map[string]confidential.Text
	Ptr    *confidential.Text
}

func newHolder() holder {
	text := confidential.New(secret)
	return holder{text, text, []confidential.Text{text}, map[string]confidential.Text{"a": text}, &text}
}

func TestNoVerbOfFmtPrintsTheText(t *testing.T) {
	t.Parallel()
	h := newHolder()
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "p", "w", "t", "f", "c", "U", "20s", "-5.3q"} {
		for _, value := range []any{h, &h, h.Shown, h.buried, h.List, h.Map, h.Ptr, []any{h}} {
			if printed := fmt.Sprintf("%"+verb, value); leaks(printed) {
				t.Errorf("%%%s of a %T prints the text", verb, value)
			}
		}
	}
	if printed := fmt.Sprint(h, h.Shown) + fmt.Errorf("%w %v", fmt.Errorf("%s", h.Shown), h.Ptr).Error(); leaks(printed) {
		t.Error("Sprint or Errorf prints the text")
	}
	if leaks(h.Shown.String()) || leaks(h.Shown.GoString()) {
		t.Error("String or GoString returns the text")
	}
}

func TestNoEncoderAndNoLogTakesTheText(t *testing.T) {
	t.Parallel()
	h := newHolder()
	if encoded, err := json.Marshal(h); err == nil || leaks(string(encoded)) {
		t.Errorf("JSON takes the text: %v", err)
	}
	if encoded, err := xml.Marshal(h.Shown); err == nil || leaks(string(encoded)) {
		t.Errorf("XML takes the text: %v", err)
	}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		log := hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: asJSON})
		log.Info("message", "shown", h.Shown, "holder", h, "pointer", &h, "list", h.List)
		// JSON encoding fails, so the line is missing.
		if leaks(out.String()) || out.Len() == 0 && !asJSON {
			t.Errorf("the log (JSON: %v) shows the text", asJSON)
		}
	}
}

func TestATextIsItselfWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	text := confidential.New(secret)
	switch {
	case text.Reveal() != secret || text.IsZero():
		t.Error("the text is not revealed")
	case !text.Equal(confidential.New(secret)) || text.Equal(confidential.New(secret+"x")) || text.Equal(confidential.Text{}):
		t.Error("texts are not compared by what they hold")
	case !confidential.New("").IsZero() || confidential.New("").Reveal() != "":
		t.Error("the empty text is not the zero value")
	}
}

func leaks(printed string) bool {
	return strings.Contains(printed, secret[:8]) || strings.Contains(printed, fmt.Sprintf("%x", secret[:8]))
}
