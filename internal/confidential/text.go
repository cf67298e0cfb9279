// SPDX-License-Identifier: MPL-2.0

// Package confidential holds a text that must never be printed: a partner
// secret, an app key or a token.
//
// A [Text] hides itself under every fmt verb, in logs and in JSON. Code that
// needs the text itself calls [Text.Reveal], so a search for that name finds
// every place where a secret leaves the engine: the two calls to Finicity, the
// answer of the token paths, the signature check and the storage encoding.
package confidential

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

const hidden = "[confidential]"

var errEncoded = errors.New("a confidential text has no encoding: reveal it where it is meant to leave the engine")

// Text is a text that hides itself. The zero value is the empty text.
//
// The text is behind a pointer because fmt prints an unexported struct field without
// calling its methods. It then prints an address instead of the secret.
type Text struct{ text *string }

// New hides a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{&text}
}

// Reveal returns the text itself.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.text == nil }

// Equal compares two texts in a time that depends on their lengths alone.
func (t Text) Equal(other Text) bool {
	if t.text == other.text {
		return true
	}
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// Format hides the text under every verb and flag of fmt.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String hides the text from code that does not go through fmt.
func (t Text) String() string { return hidden }

// GoString does the same for test failures.
func (t Text) GoString() string { return hidden }

// MarshalJSON always fails. Storage has its own encoding, and a secret in any other JSON
// is a leak.
func (t Text) MarshalJSON() ([]byte, error) { return nil, errEncoded }

// MarshalText always fails too, because other encoders call it.
func (t Text) MarshalText() ([]byte, error) { return nil, errEncoded }
