// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"vault-plugin-secrets-finicity/internal/engine"
)

// leaks collects everything that the engine says, in answers, in events and in its log,
// and every secret that it must not say. As an io.Writer, it is the log. The detector
// of mounttest has the same task, but is too slow for a million schedules.
type leaks struct {
	mu      sync.Mutex
	said    strings.Builder
	secrets []string
}

func newLeaks(secrets ...string) *leaks { return &leaks{secrets: secrets} }

func (l *leaks) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(line)
}

func (l *leaks) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.WriteString(text + "\n")
}

func (l *leaks) add(secrets ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(l.secrets, secret) {
			l.secrets = append(l.secrets, secret)
		}
	}
}

// learn adds the secrets in a value that is about to be stored, because the engine
// generates secrets that the test does not know in advance.
func (l *leaks) learn(st *engine.State) {
	if st == nil {
		return
	}
	l.add(st.AppKey.Reveal())
	l.add(secretsOf(st)...)
	if st.Token != nil {
		l.add(st.Token.Value.Reveal())
	}
}

// find searches all texts for any ten consecutive characters of any secret, in the
// encodings that an echo is likely to have. It returns the number of the secret,
// starting at 1, and 0 if there is none.
func (l *leaks) find() int {
	const window = 10
	l.mu.Lock()
	defer l.mu.Unlock()
	windows := map[string]int{}
	for i, secret := range l.secrets {
		inJSON, _ := json.Marshal(secret) // A string always encodes.
		for _, form := range []string{
			secret,
			strings.Trim(string(inJSON), `"`),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)),
		} {
			form = strings.ToLower(form)
			for at := 0; at+window <= len(form); at++ {
				windows[form[at:at+window]] = i + 1
			}
		}
	}
	text := strings.ToLower(l.said.String())
	for at := 0; at+window <= len(text); at++ {
		if which, found := windows[text[at:at+window]]; found {
			return which
		}
	}
	return 0
}
