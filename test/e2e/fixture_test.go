// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// The two partners of each script, for example for the sandbox and for production, and
// many of another company.
var partners = append([]fakefinicity.Partner{
	{ID: "1000000000001", Secret: "Fake-Sandbox-Secret-1", AppKey: "fake-sandbox-app-key"},
	{ID: "2000000000002", Secret: "Fake-Production-Secret-2", AppKey: "fake-production-app-key"},
}, affiliates()...)

// fixture is the environment of a script: a mock server for Finicity and a Vault server.
type fixture struct {
	vaultBin, pluginBin string
	dir                 string
	repository          string // Its root folder, for the examples.
	fake                *fakefinicity.Server
	plain, tls          *httptest.Server
	server              *vaultServer   // The one that VAULT_ADDR names at the start.
	others              []*vaultServer // The rest of its cluster, or the server to move to.
	digest              string         // Of the plugin.

	asides    []*aside    // The vault commands in the background.
	receivers []*receiver // Of webhooks.
	children  map[string]*child
	watch     *watch
	apps      *apps
	proxy     *proxy
	impostor  *impostor
	cluster   *controlPlane
	page      *page

	mu         sync.Mutex
	secrets    map[string]struct{} // Every partner secret that was sent.
	tokens     map[string]struct{}
	transcript bytes.Buffer // The output of the vault commands, of the documents' commands, and of the receivers.
}

func newFixture(dir, vaultBin, pluginBin string) (*fixture, error) {
	w := &fixture{vaultBin: vaultBin, dir: dir, secrets: map[string]struct{}{}, tokens: map[string]struct{}{}}
	var err error
	if w.pluginBin, err = vaulttest.Install(context.Background(), pluginBin, filepath.Join(dir, "plugins")); err != nil {
		return nil, err
	}
	if w.digest, err = vaulttest.Digest(w.pluginBin); err != nil {
		return nil, err
	}
	if w.repository, err = filepath.Abs("../.."); err != nil { // A test runs in the folder of its package.
		return nil, err
	}
	w.fake = fakefinicity.New(fakefinicity.Config{Partners: partners})
	w.plain = httptest.NewServer(w.overhear(w.fake))
	w.tls = httptest.NewTLSServer(w.overhear(w.fake))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.tls.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		return nil, err
	}
	w.server, err = newVaultServer(vaultBin, filepath.Join(dir, "vault"), filepath.Dir(w.pluginBin), nil)
	return w, err
}

// buildRelease builds the plugin as make build VERSION=… does, and returns its
// checksum.
func buildRelease(version, plugin string) (digest string, err error) {
	return buildReleaseWith(version, plugin)
}

func buildReleaseWith(version, plugin string, flags ...string) (digest string, err error) {
	return buildPlugin("../../cmd/vault-plugin-secrets-finicity", "main.release="+version, plugin, flags...)
}

// buildAhead builds the plugin with a wall clock that is ahead by the given time.
func buildAhead(ahead, plugin string) (digest string, err error) {
	return buildPlugin("./aheadplugin", "main.ahead="+ahead, plugin)
}

func buildPlugin(command, variable, plugin string, flags ...string) (digest string, err error) {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X " + variable, "-o", plugin}, flags...)
	build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append(args, command)...) //nolint:noctx // The timeout of go test bounds it.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", command, err, out)
	}
	return vaulttest.Digest(plugin)
}

func (w *fixture) environment() map[string]string {
	return map[string]string{
		"VAULT_ADDR":       w.server.Address,
		"HOME":             w.dir,
		"REPOSITORY":       w.repository,
		"PATH":             filepath.Dir(w.vaultBin) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"PLUGIN":           filepath.Base(w.pluginBin),
		"SHA256":           w.digest,
		"FINICITY":         w.plain.URL,
		"FINICITY_TLS":     w.tls.URL,
		"PARTNER_ID":       partners[0].ID,
		"PARTNER_SECRET":   partners[0].Secret,
		"APP_KEY":          partners[0].AppKey,
		"PARTNER_ID_2":     partners[1].ID,
		"PARTNER_SECRET_2": partners[1].Secret,
		"APP_KEY_2":        partners[1].AppKey,
	}
}

func (w *fixture) servers() []*vaultServer { return append([]*vaultServer{w.server}, w.others...) }

// startOther starts a Vault server outside the cluster of the first server.
func (w *fixture) startOther() (*vaultServer, error) {
	bin := cmp.Or(os.Getenv("FINICITY_E2E_OTHER_VAULT"), w.vaultBin)
	server, err := newVaultServer(bin, filepath.Join(w.dir, "other"), filepath.Dir(w.pluginBin), nil)
	if err != nil {
		return nil, err
	}
	w.others = append(w.others, server)
	return server, server.start()
}

// overheard adds to the transcript.
func (w *fixture) overheard(output string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transcript.WriteString(output)
}

func (w *fixture) close() {
	for _, a := range w.asides {
		a.cancel()
		<-a.ended
	}
	w.stopReceivers()
	if w.watch != nil {
		_ = w.watch.end() // Only a failed script leaves one behind.
	}
	if w.cluster != nil {
		w.cluster.stop(w)
	}
	for _, c := range w.children {
		_ = c.stop() // A failed app is reported earlier.
	}
	if w.apps != nil {
		w.apps.halt()
	}
	for _, server := range w.servers() {
		_ = server.Stop() // Only a failed script leaves one behind.
	}
	if w.impostor != nil {
		w.impostor.server.Close()
		w.impostor.elsewhere.Close()
	}
	if w.proxy != nil {
		w.proxy.server.Close()
	}
	w.fake.Close()
	w.plain.Close()
	w.tls.Close()
}

// overhear records each secret and token that passes, so that leaks can search for
// them.
func (w *fixture) overhear(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, "unreadable", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &heard{ResponseWriter: rw}
		defer func() {
			var sent struct{ PartnerSecret, NewPartnerSecret string }
			var got struct{ Token string }
			_ = json.Unmarshal(body, &sent)               // A request without a body has no secret either.
			_ = json.Unmarshal(answer.body.Bytes(), &got) // An answer without a body has no token either.
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, secret := range []string{sent.PartnerSecret, sent.NewPartnerSecret} {
				w.secrets[secret] = struct{}{}
			}
			w.tokens[got.Token] = struct{}{}
		}()
		next.ServeHTTP(answer, r)
	})
}

type heard struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.body.Write(p)
	return h.ResponseWriter.Write(p)
}

func (h *heard) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// latestSecret returns the secret that is in effect at Finicity, empty if no request
// has contained it.
func (w *fixture) latestSecret(partnerID string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for secret := range w.secrets {
		if secret != "" && w.fake.AcceptsSecret(partnerID, secret) {
			return secret
		}
	}
	return ""
}

// notations are the ways in which a log or a program may write a text: as it is,
// escaped, and escaped twice, as in a JSON log line with an error that quotes a JSON
// answer.
func notations(text string) []string {
	all := map[string]struct{}{text: {}}
	for range 2 {
		for _, known := range slices.Collect(maps.Keys(all)) {
			for _, escape := range []func(string) string{
				func(s string) string { return jsonString(s, true) },
				func(s string) string { return jsonString(s, false) },
				html.EscapeString, url.QueryEscape, url.PathEscape,
			} {
				all[escape(known)] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// jsonString returns the text as in a JSON string, without the quotation marks. Some
// encoders also escape &, < and >.
func jsonString(text string, escapeHTML bool) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(escapeHTML)
	if err := encoder.Encode(text); err != nil {
		panic(err) // A string always encodes.
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

// leaks searches for secrets where none may be. Its error says which kind was found and
// where, not the value.
func (w *fixture) leaks() error {
	places := map[string]string{}
	for _, server := range w.servers() {
		for _, file := range []string{server.LogFile, server.AuditFile} {
			text, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			places[filepath.Base(file)+" of "+filepath.Base(filepath.Dir(file))] = string(text)
		}
	}

	for _, c := range w.children {
		text, err := os.ReadFile(c.logFile)
		if err != nil {
			return err
		}
		places[filepath.Base(c.logFile)] = string(text)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.secrets, "")
	delete(w.tokens, "")
	var found []error
	search := func(kind, value string, places map[string]string) {
		written := notations(value)
		for place, text := range places {
			if slices.ContainsFunc(written, func(value string) bool { return strings.Contains(text, value) }) {
				found = append(found, fmt.Errorf("%s is in %s", kind, place))
			}
		}
	}
	for secret := range w.secrets {
		search("a partner secret", secret, places)
		search("a partner secret", secret, map[string]string{"what was printed": w.transcript.String()})
	}
	for token := range w.tokens {
		search("a Finicity token", token, places)
	}
	for _, partner := range partners {
		search("an app key", partner.AppKey, places)
	}
	return errors.Join(found...)
}
