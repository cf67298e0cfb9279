// SPDX-License-Identifier: MPL-2.0

package finicityapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// AddressHint is what the error of a 404 without a code of Finicity's says.
const AddressHint = "check base_url"

// Class says what an unsuccessful call means for the credential.
type Class int

const (
	// Unavailable is no verdict on the credential: no answer, or one that says nothing about it. The zero value, so
	// that a failure nobody thought of is never taken for a verdict.
	Unavailable Class = iota
	// Rejected is a verdict: the credential or the request was refused, and it counts towards the lock-out.
	Rejected
	// Locked is the verdict that the partner is locked. Only Finicity's support unlocks it.
	Locked
	// RefusedByPolicy is Finicity's no to the new secret of [Client.ModifySecret]. Nothing has changed.
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

// Error is an unsuccessful call. Whatever the server sent, its texts are one short line without secret or app key, in
// any encoding that an echo is likely to have, and without a token that stands beside its name.
type Error struct {
	Class Class
	// NotSent means that no connection was made, so that the call cannot have had any effect.
	NotSent bool
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Code is Finicity's own error code, empty when the answer held none.
	Code string
	// Message is Finicity's message, or what went wrong on the way.
	Message string
	// RetryAfter is how long the server asked to be left alone, at most [MaxRetryAfter]; 0 when it did not ask.
	RetryAfter time.Duration

	appKey bool // The message is about the app key. Finicity also says it without a code.
}

// MaxRetryAfter bounds what a server's Retry-After can hold up. Tokens live two hours; a longer wait would turn a
// mistyped header into an outage.
const MaxRetryAfter = time.Hour

// Ambiguous reports whether a change of secret may have been carried out although the call failed.
func (e *Error) Ambiguous() bool { return e.Class == Unavailable && !e.NotSent }

// SecretRefused reports whether the answer is a verdict on the secret, and not on something else about the call, like
// the app key, the request, or the place it came from. sure means that it says so in so many words.
func (e *Error) SecretRefused() (refused, sure bool) {
	sure = e.Class == Rejected && e.Code == codeInvalidCredentials
	return sure || e.Class == Rejected && e.Status == http.StatusUnauthorized && !e.AppKeyRefused(), sure
}

// AppKeyRefused reports whether the app key is missing or wrong. Then nothing was carried out.
func (e *Error) AppKeyRefused() bool { return e.Code == codeAppKey || e.appKey }

// FromFinicity reports whether the answer has one of Finicity's own codes. Without one it may come from a gateway that
// never asked Finicity.
func (e *Error) FromFinicity() bool { return e.Class == Locked || verdict(e.Code) != Unavailable }

// CredentialRefused reports whether the answer is a verdict on the credential as a whole: the same one, sent again,
// would be refused again.
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
		message := e.Message
		if hint != "" {
			message = strings.TrimSuffix(message, ".")
		}
		b.WriteString(": " + message)
	}
	if hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	return b.String()
}

// hint says what an answer means for the reader. Empty if Finicity's own words do, and if the cause is unknown.
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
		return "often a geographic block: call from a country that Finicity takes calls from, such as the US or Canada"
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

// verdict is what a code says by itself.
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

// classifyAuthenticate trusts the code before the status, since Finicity reports a lock as HTTP 500. A 4xx that nobody
// has described counts as a rejection: to think so wrongly delays a token, the opposite locks the company out.
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

// classifyModify takes only described answers for a refusal. To think wrongly that nothing has changed loses the
// secret; the opposite costs one more attempt when the rotation is settled. So a page of a gateway that speaks of a lock
// proves nothing here.
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

// lockedText wants both words close together and whole: many a gateway's page has "blocked" in it, and an account.
var lockedText = regexp.MustCompile(`(?is)\blocked\b.{0,40}\baccount\b|\baccount\b.{0,40}\blocked\b`)

// saysLocked finds the lock in an answer that lost its code on the way, say in a gateway that rewrites errors as text.
func saysLocked(status int, code, message string) bool {
	return status >= 400 && code == "" && lockedText.MatchString(message)
}
