// SPDX-License-Identifier: MPL-2.0

package finicityapi

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// window is how many characters of a secret in a row are recognised as a part of it. Fewer would hide ordinary words
// of a message; a run of seven or less may stay visible, which is useless to whoever reads it.
const window = 8

const (
	redacted = "[redacted]"
	notShown = "[not shown, because it repeats the secret or the app key]"
)

// tokenName finds where a token stands beside its name. What Finicity hands out is not known beforehand, as the secrets are
// that were sent. It goes on until one of the valueEnds, and one of seven characters or less is none.
var tokenName = regexp.MustCompile(`(?i)token[\\"']*\s*(?:[:=>]|%3[ad])+\s*(?:<!\[CDATA\[)?[\\"'\[{(<]*(?:bearer\s+)?[\\"']*`)

const valueEnds = "\\\"' \t\r\n\v\f,;&<>{}()[]"

// escapes are characters as JSON and many loggers write them; a text that was quoted twice has more backslashes, and one
// that was cut off may end within one.
var escapes = regexp.MustCompile(`\\+u(?:[0-9a-fA-F]{4}|[0-9a-fA-F]{0,3}$)`)

// byteEscapes are bytes and line breaks as programming languages, addresses and standards write them.
var byteEscapes = regexp.MustCompile(`(?i)(?:%|%u00|\\+x|\\+u00|0x|u\+00)[0-9a-f]{2}|\\+[nrt]`)

// redactor removes what this call sent in confidence from text that came back: gateways and debug modes echo requests.
type redactor struct {
	whole   []string            // secrets shorter than a window, to be found as they are
	windows map[string]struct{} // every run of window characters of the longer ones and their bones, lower case
}

func newRedactor(secrets ...string) *redactor {
	r := &redactor{windows: map[string]struct{}{}}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		inJSON, _ := json.Marshal(secret) // A string always encodes.
		inQuery := url.QueryEscape(secret)
		forms := []string{
			secret,
			strings.Trim(string(inJSON), `"`),
			html.EscapeString(secret),
			html.UnescapeString(secret), // "&lt" may stand in a secret, and is a sign when the text is taken for a page.
			inQuery,
			url.PathEscape(secret),
			strings.ReplaceAll(inQuery, "%2A", "*"), // as browsers and Java encode a form
			strings.NewReplacer("%2A", "*", "%21", "!").Replace(inQuery), // as JavaScript encodes a part of an address
			hex.EncodeToString([]byte(secret)),
			base32.StdEncoding.EncodeToString([]byte(secret)),
			fmt.Sprintf("%d", []byte(secret)),
		}
		for shift := range 3 { // What stands before it in the encoded text decides how a secret looks in base64.
			padded := []byte("\x00\x00"[:shift] + secret)
			forms = append(forms, base64.StdEncoding.EncodeToString(padded), base64.URLEncoding.EncodeToString(padded))
		}
		for _, form := range forms {
			form = lower(form)
			if len(form) < window {
				r.whole = append(r.whole, form)
			}
			for _, form := range append(bones(form), form) {
				for i := 0; i+window <= len(form); i++ {
					r.windows[form[i:i+window]] = struct{}{}
				}
			}
		}
	}
	return r
}

// show makes a text from outside fit for an error: one short line, without what was sent in confidence, or else the
// substitute.
func (r *redactor) show(text, substitute string) string {
	line := readable(r.clean(text))
	if slices.ContainsFunc(strings.Split(line, redacted), r.repeatedIn) {
		return substitute
	}
	return line
}

// repeatedIn is the coarse net behind clean, and looks at no more than what is to be shown. It finds a secret that is taken apart, by whatever is no letter or digit, or
// written character by character, in up to three layers. It can't say where, so the text is lost as a whole; and a text
// that only has the words of a secret in a row, like "partner not found" those of Partner-Not-Found-1, is lost with it.
//
// It does not find a secret with letters or digits in between (a numbered list), backwards, in look-alike letters, in
// octal, compressed, or in base64 twice or of UTF-16; nor parts of less than a window.
func (r *redactor) repeatedIn(line string) bool {
	for range 4 {
		for _, text := range []string{line, tags.ReplaceAllString(line, "")} {
			if slices.ContainsFunc(bones(text), r.hasWindow) {
				return true
			}
		}
		line = byteEscapes.ReplaceAllStringFunc(html.UnescapeString(line), func(escape string) string {
			character, _ := hex.DecodeString(escape[len(escape)-2:]) // Empty for a line break.
			return string(character)
		})
	}
	return false
}

func (r *redactor) hasWindow(text string) bool {
	for i := 0; i+window <= len(text); i++ {
		if _, found := r.windows[text[i:i+window]]; found {
			return true
		}
	}
	return false
}

// bones are what is left of a text without what may stand between the characters of an echo: its letters and digits, and
// these with the other characters that a secret can have, for one that has few letters.
func bones(text string) []string {
	only := func(keep string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(keep, r) {
				return r
			}
			return -1
		}, lower(text))
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return []string{only(letters), only(letters + "!@#$%&*_-+")}
}

// clean replaces every part of a secret in text, in any of the encodings that an echo is likely to have.
func (r *redactor) clean(text string) string {
	text = escapes.ReplaceAllStringFunc(text, func(escape string) string {
		character, _ := strconv.Unquote(`"\` + escape[strings.IndexByte(escape, 'u'):] + `"`) // Empty for a part of one, which is no loss.
		return character
	})
	folded := lower(text)
	hidden := make([]bool, len(text))
	hide := func(from, length int) {
		for i := from; i < from+length; i++ {
			hidden[i] = true
		}
	}
	for _, token := range tokensIn(text) {
		hide(token.from, token.to-token.from)
	}
	for i := 0; i+window <= len(folded); i++ {
		if _, found := r.windows[folded[i:i+window]]; found {
			hide(i, window)
		}
	}
	for _, secret := range r.whole {
		for from := 0; ; {
			at := strings.Index(folded[from:], secret)
			if at < 0 {
				break
			}
			hide(from+at, len(secret))
			from += at + len(secret)
		}
	}

	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

type span struct{ from, to int }

// tokensIn are the places of tokens that stand beside their name. What stands beside another name within one goes with it.
func tokensIn(text string) (found []span) {
	end := 0
	for _, name := range tokenName.FindAllStringIndex(text, -1) {
		if name[1] < end {
			continue
		}
		end = len(text)
		if length := strings.IndexAny(text[name[1]:], valueEnds); length >= 0 {
			end = name[1] + length
		}
		if end-name[1] >= window {
			found = append(found, span{name[1], end})
		}
	}
	return found
}

// lower folds ASCII only, so that positions in the folded text are positions in the text.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
