// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"vault-plugin-secrets-finicity/internal/engine"
)

// LeakDetector collects everything that the engine says, in answers and in its log, and
// every secret that it must not say. As an io.Writer, it is the log.
type LeakDetector struct {
	mu      sync.Mutex
	said    []string
	log     strings.Builder
	secrets []string
}

// NewLeakDetector returns a detector for these secrets.
func NewLeakDetector(secrets ...string) *LeakDetector { return &LeakDetector{secrets: secrets} }

func (w *LeakDetector) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

// Note records a text.
func (w *LeakDetector) Note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// Add adds secrets that must not be said.
func (w *LeakDetector) Add(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(w.secrets, secret) {
			w.secrets = append(w.secrets, secret)
		}
	}
}

// Learn adds the secrets of a storage entry, because no test knows in advance which
// secrets the engine generates.
func (w *LeakDetector) Learn(value []byte) {
	st, err := engine.Decode(value)
	if err != nil {
		return
	}
	w.Add(st.AppKey.Reveal())
	if st.Token != nil {
		w.Add(st.Token.Value.Reveal())
	}
	for _, s := range st.Secrets.Secrets {
		w.Add(s.Value.Reveal())
	}
}

// Logged reports whether the log contains a phrase.
func (w *LeakDetector) Logged(phrase string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.log.String(), phrase)
}

// Log returns everything that was logged so far.
func (w *LeakDetector) Log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// Hide removes the secrets from a text for a failure message.
func (w *LeakDetector) Hide(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if leaked(text, w.secrets) >= 0 {
		return "(a text with a secret in it)"
	}
	return text
}

// Check searches all texts for any ten consecutive characters of any secret.
func (w *LeakDetector) Check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	said := append(slices.Clone(w.said), w.log.String())
	if leaked(strings.Join(said, "\n"), w.secrets) < 0 {
		return
	}
	for i, text := range said {
		if n := leaked(text, w.secrets); n >= 0 {
			t.Errorf("secret %d of %d is in what was said, text %d of %d (the last one is the log)",
				n+1, len(w.secrets), i+1, len(said))
		}
	}
}

// leaked returns the index of a secret in the text, -1 if there is none. It scans the
// text once, however many secrets a test has.
func leaked(text string, secrets []string) int {
	const window = 10
	parts := map[string]int{}
	for n, secret := range secrets {
		inJSON, _ := json.Marshal(secret) // A string always encodes.
		for _, form := range []string{
			secret,
			strings.Trim(string(inJSON), `"`),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)),
		} {
			form = strings.ToLower(form)
			for i := 0; i+window <= len(form); i++ {
				parts[form[i:i+window]] = n
			}
		}
	}
	text = strings.ToLower(text)
	for i := 0; i+window <= len(text); i++ {
		if n, found := parts[text[i:i+window]]; found {
			return n
		}
	}
	return -1
}
