// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Of the shape and alphabet of real ones, with the signs that need escaping somewhere.
const (
	partnerID     = "1000000000001"
	partnerSecret = "aqJ5Ic4S&Vx2+gDQ6oR4"
	appKey        = "0f6c9b1e7d2a43850f6c9b1e7d2a4385"

	otherID     = "1000000000002"
	otherSecret = "OrU7tj!A3tI@pC#b85xV"
	otherKey    = "a1d95e0b3c7f48620b3c7f4862a1d95e"

	// wrongSecret and newKey are nobody's, until a test gives them to Finicity.
	wrongSecret = "Zk3mW9*eYt_1LqN%d7sH"
	newKey      = "5b8e2c4f6a90d7135b8e2c4f6a90d713"

	mount = "finicity/"
)

type fields map[string]any

// harness is a mount as Vault runs it: a backend, its storage and its log, Finicity behind it, and a wall clock. It is to
// be made inside a bubble of testing/synctest, where waiting takes no time.
//
// Whatever the engine answers or logs is searched for secrets and tokens when the test ends.
type harness struct {
	t       *testing.T
	fake    *fakefinicity.Server
	storage *fakeStorage
	view    *logical.StaticSystemView
	words   *words
	ears    *ears
	b       *backend
	mount   string

	// offset is by how much somebody has set the wall clock. The process's own clock goes on as it was.
	offset atomic.Int64
	zone   *time.Location
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessWith(t, fakefinicity.Config{})
}

func newHarnessWith(t *testing.T, cfg fakefinicity.Config) *harness {
	t.Helper()
	if cfg.Partners == nil {
		cfg.Partners = []fakefinicity.Partner{
			{ID: partnerID, Secret: partnerSecret, AppKey: appKey},
			{ID: otherID, Secret: otherSecret, AppKey: otherKey},
		}
	}
	h := &harness{
		t:       t,
		fake:    fakefinicity.New(cfg),
		storage: newFakeStorage(),
		view:    logical.TestSystemView(),
		words:   newWords(partnerSecret, appKey, otherSecret, otherKey, wrongSecret, newKey),
		mount:   mount,
		zone:    time.UTC,
	}
	h.storage.learn = h.words.learn
	h.ears = &ears{words: h.words}
	t.Cleanup(h.fake.Close)
	t.Cleanup(func() { h.words.check(t) })
	h.restart()
	return h
}

// newConfigured is a harness whose mount has its credential, and has shared the token that this brought.
func newConfigured(t *testing.T, extra fields) *harness {
	t.Helper()
	h := newHarness(t)
	h.configure(extra)
	return h
}

// restart is what a restart of the plugin comes to: nothing is left but storage.
func (h *harness) restart() {
	h.t.Helper()
	h.b = newBackend()
	h.b.now = h.now
	h.b.dial = h.fake.Dialer()
	err := h.b.Setup(h.t.Context(), &logical.BackendConfig{
		Logger: hclog.New(&hclog.LoggerOptions{Output: h.words, Level: hclog.Trace}),
		System: h.view, EventsSender: h.ears, ObservationRecorder: h.ears,
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// now is the wall clock. It has no monotonic reading, as times from storage have none.
func (h *harness) now() time.Time {
	return time.Now().Round(0).Add(time.Duration(h.offset.Load())).In(h.zone)
}

// setClock moves the wall clock alone.
func (h *harness) setClock(by time.Duration) { h.offset.Add(int64(by)) }

// pass lets time go by, on both clocks.
func (h *harness) pass(d time.Duration) { <-time.After(d) }

// send does a request the way that Vault does it.
func (h *harness) send(ctx context.Context, op logical.Operation, path string, data fields) answer {
	h.t.Helper()
	req := &logical.Request{
		Operation: op, Path: path, MountPoint: h.mount, Storage: h.storage, Data: onTheWire(h.t, data),
	}
	if op == logical.UpdateOperation { // Vault asks first whether it is one, or the first write.
		found, exists, err := h.b.HandleExistenceCheck(ctx, req)
		switch {
		case err != nil && !errors.Is(err, logical.ErrUnsupportedPath):
			return h.take(path, nil, err)
		case found && !exists:
			req.Operation = logical.CreateOperation
		}
	}
	resp, err := h.b.HandleRequest(ctx, req)
	if err == nil {
		h.described(h.t, req, resp)
	}
	return h.take(path, resp, err)
}

// tick is what Vault does once a minute.
func (h *harness) tick() {
	h.t.Helper()
	if _, err := h.b.HandleRequest(h.t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.storage}); err != nil {
		h.words.note(err.Error())
		h.t.Logf("once a minute: %s", h.words.hide(err.Error()))
	}
}

func (h *harness) read(path string, data fields) answer {
	h.t.Helper()
	return h.send(h.t.Context(), logical.ReadOperation, path, data)
}

func (h *harness) write(path string, data fields) answer {
	h.t.Helper()
	return h.send(h.t.Context(), logical.UpdateOperation, path, data)
}

func (h *harness) remove(path string, data fields) answer {
	h.t.Helper()
	return h.send(h.t.Context(), logical.DeleteOperation, path, data)
}

func (h *harness) patch(path string, data fields) answer {
	h.t.Helper()
	return h.send(h.t.Context(), logical.PatchOperation, path, data)
}

// background does a request that is to be waited for later.
func (h *harness) background(do func() answer) <-chan answer {
	done := make(chan answer, 1)
	go func() { done <- do() }()
	return done
}

// credentials is what the first write needs, with more or other fields on top.
func credentials(extra fields) fields {
	all := fields{
		"partner_id": partnerID, "partner_secret": partnerSecret, "app_key": appKey, "base_url": "http://127.0.0.1",
	}
	maps.Copy(all, extra)
	return all
}

func (h *harness) configure(extra fields) {
	h.t.Helper()
	h.succeeds(h.write("config", credentials(extra)))
}

// token reads the token, which must succeed.
func (h *harness) token() string {
	h.t.Helper()
	a := h.read("token", nil)
	h.succeeds(a)
	token, isText := a.data["token"].(string)
	if !isText || token == "" {
		h.t.Fatal("a successful read without a token")
	}
	return token
}

// rotate rotates, which must succeed.
func (h *harness) rotate() {
	h.t.Helper()
	h.succeeds(h.write("rotate-root", nil))
}

func (h *harness) succeeds(a answer) {
	h.t.Helper()
	if a.status != http.StatusOK && a.status != http.StatusNoContent {
		h.t.Fatalf("got a %d: %s", a.status, h.words.hide(a.text))
	}
}

// fails checks the status of a failure, and that its text has each of the phrases in it.
func (h *harness) fails(a answer, status int, phrases ...string) {
	h.t.Helper()
	if a.status != status {
		h.t.Fatalf("got a %d, want a %d: %s", a.status, status, h.words.hide(a.text))
	}
	for _, phrase := range phrases {
		if !strings.Contains(a.text, phrase) {
			h.t.Errorf("the error does not say %q: %s", phrase, h.words.hide(a.text))
		}
	}
}

// warned checks that there is one warning, and that it has each of the phrases in it. None means that there must be none.
func (h *harness) warned(a answer, phrases ...string) {
	h.t.Helper()
	want := min(len(phrases), 1)
	if len(a.warnings) != want {
		h.t.Fatalf("%d warnings, want %d: %s", len(a.warnings), want, h.words.hide(strings.Join(a.warnings, "; ")))
	}
	for _, phrase := range phrases {
		if !strings.Contains(a.warnings[0], phrase) {
			h.t.Errorf("the warning does not say %q: %s", phrase, h.words.hide(a.warnings[0]))
		}
	}
}

// stored is the configuration in storage, nil when there is none.
func (h *harness) stored() *config {
	h.t.Helper()
	value, found := h.storage.peek(configKey)
	if !found {
		return nil
	}
	cfg := new(config)
	if err := json.Unmarshal(value, cfg); err != nil {
		h.t.Fatal("the stored configuration cannot be decoded")
	}
	return cfg
}

// calls counts the requests that have reached Finicity.
func (h *harness) calls(name string) int {
	n := 0
	for _, request := range h.fake.Requests() {
		if request.Call == name {
			n++
		}
	}
	return n
}

// called checks how many authentications and changes of the secret have been sent, since the beginning.
func (h *harness) called(authentications, changes int) {
	h.t.Helper()
	gotAuth, gotChanges := h.calls(fakefinicity.CallAuthenticate), h.calls(fakefinicity.CallModifySecret)
	if gotAuth != authentications || gotChanges != changes {
		h.t.Errorf("%d authentications and %d changes of the secret were sent, want %d and %d",
			gotAuth, gotChanges, authentications, changes)
	}
}

// inForce reports which of the stored secrets Finicity takes.
func (h *harness) inForce() (current, pending bool) {
	h.t.Helper()
	cfg := h.stored()
	if cfg == nil {
		h.t.Fatal("nothing is stored")
	}
	cred := cfg.Credential
	current = h.fake.AcceptsSecret(cred.PartnerID, cred.Current)
	pending = cred.Pending != nil && h.fake.AcceptsSecret(cred.PartnerID, cred.Pending.Secret)
	return current, pending
}
