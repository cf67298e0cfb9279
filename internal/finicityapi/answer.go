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

// answer is what came back. Its body is trusted in nothing: it may be JSON in three layouts, text, XML, a gateway's
// HTML, empty or cut short.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	broken  string // why the body is not complete; empty when it is
	secrets func() *redactor
}

// maxMessage is how many characters of Finicity's text an error keeps.
const maxMessage = 300

// refusal turns an answer that is not the expected one into an error of the class that classify finds for it.
func (a *answer) refusal(classify func(status int, code, message string) Class) *Error {
	var code, message string
	switch {
	case a.status < 300, a.status == http.StatusNotModified:
		// No verdict: what it did is unknown. A success that lost its way may hold a token.
		message = "not the expected answer"
	case a.status < 400:
		message = "a redirect, which is not followed because it would carry the secret along; check base_url"
	default:
		code, message = reason(a.body)
		message = cmp.Or(message, a.broken)
	}
	said := html.UnescapeString(signBeforeToken.ReplaceAllString(message, "$1 $2"))
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
	// Out of its range ParseInt returns the nearest number, which is as good here.
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(max(seconds, 0), int64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

var (
	codeFormat = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)
	// These two read XML, and JSON that was cut off before its end. Finicity's own codes are numbers; one that nothing
	// follows may be cut off itself, and be another one then.
	looseCode = regexp.MustCompile(`(?i)["'\s<:](?:reason|error)?_?code` +
		`(?:\\*["']\s*:\s*\\*["']?|\s*=\s*["']|(?:\s[^<>]*)?>)\s*([0-9]{1,32})\s*[\\"',}\]<]`)
	looseMessage = regexp.MustCompile(`(?i)["\s<:](?:error)?_?(?:message|description)` +
		`(?:"\s*:\s*"|\s*=\s*"|(?:\s[^<>]*)?>)([^"<]*)`)
	// The contents of some elements go with their tags, and before all other tags: what begins with a stray "<" would take
	// the tag of a token with it, and leave the token. One that is never closed ends with the text: if it did not match,
	// each one would be searched to the end of the text in vain.
	elements = regexp.MustCompile(`(?is)<(?:[\w.-]+:)?(?:style|script|token)\b.*?(?:</(?:[\w.-]+:)?(?:style|script|token)>|\z)`)
	tags     = regexp.MustCompile(`<[^>]*>`)
	// A sign of HTML would take the first letters of a token's name with it: "&not" those of "&notoken=".
	signBeforeToken = regexp.MustCompile(`(?i)(&[a-z]+)(token)`)
)

// reason finds Finicity's code and message in the body of an error. The message may hold signs of HTML.
func reason(body []byte) (code, message string) {
	// Without its NULs UTF-16 can be read, less an apostrophe or two, and without its CDATA an element is like any other.
	text := strings.NewReplacer("\x00", "", "<![CDATA[", "", "]]>", "").Replace(string(body))
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber() // The code comes as a number or as a string, and both must read the same.
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
	// A gateway may put its own code around Finicity's, or the whole answer into its message.
	for _, m := range codes {
		if verdict(m[1]) > verdict(code) {
			code = m[1]
		}
	}
	return code, message
}

// findReason looks for the first object with a code in it: Finicity sends {"code","message"} flat, or an object or a
// list below "Errors", there with the names "ReasonCode" and "Description". Without a code, the first message counts.
func findReason(value any, depth int) (code, message string) {
	if depth == 0 {
		return "", ""
	}
	var inner []any
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) { // Sorted, so that the same body gives the same error.
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

// readable makes one short line of text from outside: it goes into logs and terminals.
func readable(text string) string {
	text = strings.ToValidUTF8(text, " ")
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	runes := []rune(strings.Join(words, " "))
	if len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return string(runes)
}
