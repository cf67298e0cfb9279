// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
)

// words is everything that the engine says, in answers and in its log, and every secret it must not say. As an io.Writer
// it is the log.
type words struct {
	mu      sync.Mutex
	said    []string
	log     strings.Builder
	secrets []string
}

func newWords(secrets ...string) *words { return &words{secrets: secrets} }

func (w *words) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *words) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *words) add(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(w.secrets, secret) {
			w.secrets = append(w.secrets, secret)
		}
	}
}

// learn adds the secrets in what is written to storage: no test knows beforehand what the engine generates.
func (w *words) learn(value []byte) {
	var token storedToken
	if json.Unmarshal(value, &token) == nil {
		w.add(token.Token)
	}
	var cfg config
	if json.Unmarshal(value, &cfg) != nil {
		return
	}
	cred := cfg.Credential
	w.add(cred.Current, cred.AppKey)
	if cred.Pending != nil {
		w.add(cred.Pending.Secret)
	}
	for _, a := range cred.Abandoned {
		w.add(a.Secret)
	}
}

func (w *words) logged(phrase string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.log.String(), phrase)
}

// hide makes a text fit for a failure message.
func (w *words) hide(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if leaked(text, w.secrets) >= 0 {
		return "(a text with a secret in it)"
	}
	return text
}

// check looks for any ten characters of any secret in all that was said.
func (w *words) check(t *testing.T) {
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

// leaked returns the index of a secret that is in the text, -1 if there is none.
func leaked(text string, secrets []string) int {
	const window = 10
	text = strings.ToLower(text)
	return slices.IndexFunc(secrets, func(secret string) bool {
		inJSON, _ := json.Marshal(secret) // A string always encodes.
		for _, form := range []string{
			secret,
			strings.Trim(string(inJSON), `"`),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)),
		} {
			form = strings.ToLower(form)
			for i := 0; i+window <= len(form); i++ {
				if strings.Contains(text, form[i:i+window]) {
					return true
				}
			}
		}
		return false
	})
}
