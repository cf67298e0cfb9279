// SPDX-License-Identifier: MPL-2.0

package finicityapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// answer is an HTTP response. Its body can be anything: JSON in three layouts, plain
// text, XML, a gateway's HTML page, empty or cut short.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	broken  string // Why the body is incomplete. Empty for a complete body.
	secrets func() *redactor
}

// maxMessage is how many characters of Finicity's text an error keeps.
const maxMessage = 300

// refusal turns an unexpected answer into an error. classify determines its class.
func (a *answer) refusal(classify func(status int, code, message string) Class) *Error {
	var code, message string
	switch {
	case a.status < 300, a.status == http.StatusNotModified:
		// The effect of the call is unknown. The body of a success may contain a token, so
		// it is not quoted.
		message = "not the expected answer"
	case a.status < 400:
		message = "a redirect, which is not followed because that would forward the secret; check base_url"
	default:
		code, message = reason(a.body)
		message = cmp.Or(message, a.broken)
	}
	said := html.UnescapeString(entityBeforeToken.ReplaceAllString(message, "$1 $2"))
	return &Error{
		Class:      classify(a.status, code, said), // Before anything is hidden or cut off.
		Status:     a.status,
		Code:       a.secrets().show(code, redacted),
		Message:    a.secrets().show(said, notShown),
		RetryAfter: retryAfter(a.header.Get("Retry-After")),
		appKey:     code == "" && strings.Contains(strings.ToLower(said), "finicity-app-key"),
	}
}

func retryAfter(value string) time.Duration {
	wait := time.Duration(0)
	// For a number out of range, ParseInt returns the nearest one, which is good enough.
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(max(seconds, 0), int64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

var (
	codeFormat = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)
	// These two expressions read XML, and JSON that was cut off. Finicity's codes are
	// numbers. A number at the end of the text does not count: it may be cut off, and then
	// it is a different code.
	looseCode = regexp.MustCompile(`(?i)["'\s<:](?:reason|error)?_?code` +
		`(?:\\*["']\s*:\s*\\*["']?|\s*=\s*["']|(?:\s[^<>]*)?>)\s*([0-9]{1,32})\s*[\\"',}\]<]`)
	looseMessage = regexp.MustCompile(`(?i)["\s<:](?:error)?_?(?:message|description)` +
		`(?:"\s*:\s*"|\s*=\s*"|(?:\s[^<>]*)?>)([^"<]*)`)
	// These elements are removed with their contents, and before all other tags. Otherwise
	// a stray "<" would swallow the opening tag of a token and leave the token itself. An
	// element that is never closed ends with the text. If it did not match, the search
	// for its end would run through the whole text again for every such element.
	elements = regexp.MustCompile(`(?is)<(?:[\w.-]+:)?(?:style|script|token)\b.*?(?:</(?:[\w.-]+:)?(?:style|script|token)>|\z)`)
	tags     = regexp.MustCompile(`<[^>]*>`)
	// Decoding an HTML entity would swallow the first letters of a token's name: "&not" is
	// an entity, so "&notoken=" would become "¬oken=".
	entityBeforeToken = regexp.MustCompile(`(?i)(&[a-z]+)(token)`)
)

// reason finds Finicity's code and message in the body of an error. The message may
// contain HTML entities.
func reason(body []byte) (code, message string) {
	// Without its NULs, UTF-16 is readable apart from an apostrophe or two. Without its
	// CDATA, an XML element looks like any other.
	text := strings.NewReplacer("\x00", "", "<![CDATA[", "", "]]>", "").Replace(string(body))
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // The code is a number or a string, and both must give the same text.
	var value any
	if decoder.Decode(&value) == nil {
		code, message = findReason(value, 5)
	}
	codes := looseCode.FindAllStringSubmatch(text, -1)
	if code == "" && message == "" {
		if codes != nil {
			code = codes[0][1]
		}
		if m := looseMessage.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
			message = m[1]
		} else {
			message = tags.ReplaceAllString(elements.ReplaceAllString(text, " "), " ")
		}
	}
	// A gateway may wrap Finicity's code in its own, or put the whole answer into its
	// message.
	for _, m := range codes {
		if verdict(m[1]) > verdict(code) {
			code = m[1]
		}
	}
	return code, message
}

// findReason looks for the first object that contains a code. Finicity sends
// {"code","message"} at the top level, or an object or a list below "Errors" with the
// names "ReasonCode" and "Description". If there is no code, the first message counts.
func findReason(value any, depth int) (code, message string) {
	if depth == 0 {
		return "", ""
	}
	var inner []any
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) { // The same body gives the same error.
			switch strings.ToLower(key) {
			case "code", "reasoncode", "errorcode", "error_code":
				if c := scalar(value[key]); codeFormat.MatchString(c) {
					code = c
				}
			case "message", "description", "errormessage", "error_message":
				message = scalar(value[key])
			}
			inner = append(inner, value[key])
		}
	case []any:
		inner = value
	}
	if code != "" {
		return code, message
	}
	for _, value := range inner {
		c, m := findReason(value, depth-1)
		if c != "" {
			return c, cmp.Or(m, message)
		}
		message = cmp.Or(message, m)
	}
	return "", message
}

func scalar(value any) string {
	switch value := value.(type) {
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	default:
		return ""
	}
}

// readable turns text from outside into one short line, because errors end up in logs and
// terminals.
func readable(text string) string {
	text = strings.ToValidUTF8(text, " ")
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	runes := []rune(strings.Join(words, " "))
	if len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return string(runes)
}
