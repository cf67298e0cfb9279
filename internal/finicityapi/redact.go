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

// window is how many consecutive characters of a secret are recognized as a part of it.
// A smaller window would hide ordinary words of a message. A run of up to seven
// characters may stay visible, which is too little to be useful to a reader.
const window = 8

const (
	redacted = "[redacted]"
	notShown = "[not shown, because it repeats the secret or the app key]"
)

// tokenName finds the name of a token in front of its value. The redactor knows the
// secrets that were sent, but not a token in the answer, so only its name identifies
// it. The value continues until one of valueEnds. A value of up to seven characters is
// not a token.
var tokenName = regexp.MustCompile(`(?i)token[\\"']*\s*(?:[:=>]|%3[ad])+\s*(?:<!\[CDATA\[)?[\\"'\[{(<]*(?:bearer\s+)?[\\"']*`)

const valueEnds = "\\\"' \t\r\n\v\f,;&<>{}()[]"

// escapes are characters as JSON and many loggers write them. A text that was quoted
// twice has more backslashes, and a text that was cut off may end within an escape.
var escapes = regexp.MustCompile(`\\+u(?:[0-9a-fA-F]{4}|[0-9a-fA-F]{0,3}$)`)

// byteEscapes are bytes and line breaks as programming languages, URLs and standards
// write them.
var byteEscapes = regexp.MustCompile(`(?i)(?:%|%u00|\\+x|\\+u00|0x|u\+00)[0-9a-f]{2}|\\+[nrt]`)

// redactor removes the secrets of a call from the text of its answer. Gateways and
// servers in debug mode echo requests.
type redactor struct {
	whole   []string            // The secrets shorter than a window.
	windows map[string]struct{} // All windows of the longer secrets and of their bones, in lower case.
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
			html.UnescapeString(secret), // A secret may contain "&lt", which is an entity in a page.
			inQuery,
			url.PathEscape(secret),
			strings.ReplaceAll(inQuery, "%2A", "*"), // As browsers and Java encode a form.
			strings.NewReplacer("%2A", "*", "%21", "!").Replace(inQuery), // As JavaScript encodes a part of a URL.
			hex.EncodeToString([]byte(secret)),
			base32.StdEncoding.EncodeToString([]byte(secret)),
			fmt.Sprintf("%d", []byte(secret)),
		}
		for shift := range 3 { // In base64, the text before a secret shifts the secret's encoding.
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

// show prepares a text from outside for an error: one short line without the secrets. It
// returns the substitute if it cannot tell where in the text a secret is.
func (r *redactor) show(text, substitute string) string {
	line := readable(r.clean(text))
	if slices.ContainsFunc(strings.Split(line, redacted), r.repeatedIn) {
		return substitute
	}
	return line
}

// repeatedIn reports whether a line still repeats a secret after clean. It finds a
// secret whose characters are separated by anything but letters and digits, or that is
// escaped character by character, in up to three layers. It cannot tell where the
// secret is, so the whole text is hidden. That also hides a text which has the words of
// a secret in a row: with the secret Partner-Not-Found-1, it hides "partner not found".
//
// It does not find a secret with letters or digits in between (a numbered list),
// backwards, in look-alike letters, in octal, compressed, in base64 twice or in base64
// of UTF-16. Nor does it find parts shorter than a window.
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

// bones returns a text without the separators that an echo may have between its
// characters: once with only its letters and digits, and once also with the other
// characters that a secret can contain, for a secret with few letters.
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

// clean replaces every part of a secret in a text, in any encoding that an echo is
// likely to have.
func (r *redactor) clean(text string) string {
	text = escapes.ReplaceAllStringFunc(text, func(escape string) string {
		// An incomplete escape at the end becomes empty, which loses nothing.
		character, _ := strconv.Unquote(`"\` + escape[strings.IndexByte(escape, 'u'):] + `"`)
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

// tokensIn returns the positions of tokens that follow their name. A name within a
// token is a part of that token.
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
