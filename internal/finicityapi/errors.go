// SPDX-License-Identifier: MPL-2.0

package finicityapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// AddressHint is the hint in the error of a 404 without a Finicity code.
const AddressHint = "check base_url"

// Class says what a failed call means for the credential.
type Class int

const (
	// Unavailable means that there is no verdict on the credential: no answer, or an answer
	// that says nothing about the credential. It is the zero value, so that an unforeseen
	// failure never counts as a verdict.
	Unavailable Class = iota
	// Rejected means that the credential or the request was refused. The call counts toward
	// the lockout.
	Rejected
	// Locked means that the partner is locked. Only Finicity's support can unlock it.
	Locked
	// RefusedByPolicy means that the new secret of [Client.ModifySecret] violates Finicity's
	// rules for secrets. Nothing has changed.
	RefusedByPolicy
)

func (c Class) String() string {
	switch c {
	case Rejected:
		return "rejected"
	case Locked:
		return "locked"
	case RefusedByPolicy:
		return "refused by policy"
	default:
		return "unavailable"
	}
}

// Error is a failed call.
//
// Each of its texts is one short line, regardless of what the server sent. The texts
// contain neither the secret nor the app key, in any encoding that an echo is likely to
// have. They also contain no token that follows its name, as in "token: …".
type Error struct {
	Class Class
	// NotSent means that no connection was made, so the call cannot have had any effect.
	NotSent bool
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Code is Finicity's error code, empty if the answer contained none.
	Code string
	// Message is Finicity's message, or what prevented an answer.
	Message string
	// RetryAfter is how long the server asked callers to wait, at most [MaxRetryAfter]. It
	// is 0 if the server did not ask.
	RetryAfter time.Duration

	appKey bool // The message names the app key. Finicity may say so without a code.
}

// MaxRetryAfter is the longest Retry-After that a call obeys, also without a token. A token
// that is due for a refresh can be served for 25 minutes.
const MaxRetryAfter = 20 * time.Minute

// Ambiguous reports whether Finicity may have changed the secret although the call
// failed.
func (e *Error) Ambiguous() bool { return e.Class == Unavailable && !e.NotSent }

// SecretRefused reports whether the answer is a verdict on the secret, and not on the app
// key, the request or the caller's location. sure means that the answer has code 10001,
// invalid credentials.
func (e *Error) SecretRefused() (refused, sure bool) {
	sure = e.Class == Rejected && e.Code == codeInvalidCredentials
	return sure || e.Class == Rejected && e.Status == http.StatusUnauthorized && !e.AppKeyRefused(), sure
}

// AppKeyRefused reports whether the app key is missing or wrong. Then nothing has
// changed.
func (e *Error) AppKeyRefused() bool { return e.Code == codeAppKey || e.appKey }

// FromFinicity reports whether the answer has a Finicity code, or says that the partner
// is locked. Any other answer may come from a gateway that never called Finicity.
func (e *Error) FromFinicity() bool { return e.Class == Locked || verdict(e.Code) != Unavailable }

// CredentialRefused reports whether the answer is a verdict on the whole credential, so
// that Finicity would refuse the same credential again.
func (e *Error) CredentialRefused() bool {
	return e.Class == Rejected && (e.Status == http.StatusUnauthorized ||
		e.Code == codeInvalidCredentials || e.Code == codeAppKey || e.Code == codePartnerNotFound)
}

func (e *Error) Error() string {
	switch {
	case e.NotSent:
		return "Finicity could not be reached: " + e.Message
	case e.Status == 0:
		return "Finicity gave no readable answer: " + e.Message
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Finicity answered HTTP %d", e.Status)
	if e.Code != "" {
		fmt.Fprintf(&b, ", code %s", e.Code)
	}
	hint := e.hint()
	if e.Message != "" {
		b.WriteString(": " + strings.TrimSuffix(e.Message, "."))
	}
	if hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	return b.String()
}

// hint says what an answer means for the reader. It is empty if Finicity's own message
// says so, or if the cause is unknown.
func (e *Error) hint() string {
	switch {
	case e.Code == codeInvalidCredentials:
		return "the partner secret is wrong"
	case e.AppKeyRefused():
		return "the app key is wrong"
	case e.Code == codePartnerNotFound:
		return "the partner ID is wrong"
	case e.FromFinicity():
		return ""
	case e.Status == http.StatusTooManyRequests:
		return "a rate limit, or the app key is invalid"
	case e.Status == http.StatusForbidden:
		return "often a geographic block: call from an accepted country, such as the US"
	case e.Status == http.StatusNotFound:
		return AddressHint
	case e.Class == Rejected && e.Code == "":
		return "no Finicity code: the answer might come from a proxy or a gateway"
	default:
		return ""
	}
}

// Finicity's error codes that decide something here.
const (
	codeInvalidCredentials = "10001"
	codeMissingParameter   = "10005"
	codeNotAuthorized      = "10021"
	codeAppKey             = "10026"
	codePartnerNotFound    = "12401"
	codeBadRequest         = "14020"
	codeAccountLocked      = "24302"
	codeSecretPolicy       = "24437"
)

// verdict returns the class of a code alone, for any status.
func verdict(code string) Class {
	switch code {
	case codeAccountLocked:
		return Locked
	case codeInvalidCredentials, codeMissingParameter, codeNotAuthorized, codeAppKey, codePartnerNotFound,
		codeBadRequest, codeSecretPolicy:
		return Rejected
	default:
		return Unavailable
	}
}

// classifyAuthenticate trusts the code more than the status, because Finicity reports a
// lock as HTTP 500. An undocumented 4xx counts as a rejection: if that is wrong, a
// token is delayed. The opposite mistake could lock the partner.
func classifyAuthenticate(status int, code, message string) Class {
	if class := verdict(code); class != Unavailable {
		return class
	}
	if saysLocked(status, code, message) {
		return Locked
	}
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return Unavailable
	case status >= 400 && status < 500:
		return Rejected
	default:
		return Unavailable
	}
}

// classifyModify counts only documented answers as a refusal. Wrongly assuming that
// nothing has changed would lose the secret. The opposite mistake costs one more
// attempt when the engine resolves the rotation. So a gateway's page that mentions a
// lock proves nothing here.
func classifyModify(status int, code, message string) Class {
	if code == codeAccountLocked {
		return Locked
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
	default:
		return Unavailable
	}
	switch {
	case saysLocked(status, code, message):
		return Locked
	case status == http.StatusBadRequest && code == codeSecretPolicy:
		return RefusedByPolicy
	default:
		return Rejected
	}
}

// lockedText requires both words, whole and close together: the pages of many gateways
// contain "blocked" and "account".
var lockedText = regexp.MustCompile(`(?is)\blocked\b.{0,40}\baccount\b|\baccount\b.{0,40}\blocked\b`)

// saysLocked reports whether an answer without a code says that the partner is locked. A
// gateway that rewrites errors as text removes the code.
func saysLocked(status int, code, message string) bool {
	return status >= 400 && code == "" && lockedText.MatchString(message)
}
