// SPDX-License-Identifier: MPL-2.0

// Package mounttest runs a mount as Vault runs it: the backend, its storage and
// its log, Finicity behind it, and a wall clock. Everything that the engine
// answers, logs or announces is searched for secrets when a test ends.
package mounttest

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Of the shape and alphabet of real ones, with the signs that need escaping somewhere.
const (
	PartnerID     = "1000000000001"
	PartnerSecret = "aqJ5Ic4S&Vx2+gDQ6oR4"
	AppKey        = "0f6c9b1e7d2a43850f6c9b1e7d2a4385"

	OtherID     = "1000000000002"
	OtherSecret = "OrU7tj!A3tI@pC#b85xV"
	OtherKey    = "a1d95e0b3c7f48620b3c7f4862a1d95e"

	// WrongSecret and NewKey are nobody's, until a test gives them to Finicity.
	WrongSecret = "Zk3mW9*eYt_1LqN%d7sH"
	NewKey      = "5b8e2c4f6a90d7135b8e2c4f6a90d713"

	DefaultMount = "finicity/"
)

// Fields are the data of a request.
type Fields map[string]any

// Harness is a mount. Make it inside a bubble of testing/synctest, where waiting
// takes no time.
type Harness struct {
	T       *testing.T
	Fake    *fakefinicity.Server
	Storage *Storage
	View    *logical.StaticSystemView
	Leaks   *LeakDetector
	Events  *EventRecorder
	B       logical.Backend
	Mount   string

	// Zone is that of the wall clock, and offset is by how much it was set. The
	// process's own clock continues as it was.
	Zone   *time.Location
	offset atomic.Int64
}

// New is a mount that is not configured.
func New(t *testing.T) *Harness {
	t.Helper()
	return NewWith(t, fakefinicity.Config{})
}

// NewWith is New with another Finicity.
func NewWith(t *testing.T, cfg fakefinicity.Config) *Harness {
	t.Helper()
	if cfg.Partners == nil {
		cfg.Partners = []fakefinicity.Partner{
			{ID: PartnerID, Secret: PartnerSecret, AppKey: AppKey},
			{ID: OtherID, Secret: OtherSecret, AppKey: OtherKey},
		}
	}
	h := &Harness{
		T:       t,
		Fake:    fakefinicity.New(cfg),
		Storage: NewStorage(),
		View:    logical.TestSystemView(),
		Leaks:   NewLeakDetector(PartnerSecret, AppKey, OtherSecret, OtherKey, WrongSecret, NewKey),
		Mount:   DefaultMount,
		Zone:    time.UTC,
	}
	h.Storage.Learn = h.Leaks.Learn
	h.Events = &EventRecorder{leaks: h.Leaks}
	t.Cleanup(h.Fake.Close)
	t.Cleanup(func() { h.Leaks.Check(t) })
	h.Restart()
	return h
}

// NewConfigured is a harness whose mount has its credential, and has shared the token that this brought.
func NewConfigured(t *testing.T, extra Fields) *Harness {
	t.Helper()
	h := New(t)
	h.Configure(extra)
	return h
}

// Restart is what a restart of the plugin comes to: nothing is left but storage.
func (h *Harness) Restart() {
	h.T.Helper()
	h.RestartWith(h.Fake.Dialer())
}

// RestartWith restarts with another network.
func (h *Harness) RestartWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	h.T.Helper()
	var err error
	h.B, err = finicity.NewFactory(engine.Options{Now: h.Now, Dial: dial})(h.T.Context(), &logical.BackendConfig{
		Logger: hclog.New(&hclog.LoggerOptions{Output: h.Leaks, Level: hclog.Trace}),
		System: h.View, EventsSender: h.Events, ObservationRecorder: h.Events,
	})
	if err != nil {
		h.T.Fatal(err)
	}
}

// Now is the wall clock. It has no monotonic reading, as times from storage have none.
func (h *Harness) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(h.offset.Load())).In(h.Zone)
}

// SetClock moves the wall clock alone.
func (h *Harness) SetClock(by time.Duration) { h.offset.Add(int64(by)) }

// Pass lets time go by, on both clocks.
func (h *Harness) Pass(d time.Duration) { <-time.After(d) }

// Send does a request the way that Vault does it.
func (h *Harness) Send(ctx context.Context, op logical.Operation, path string, data Fields) Answer {
	h.T.Helper()
	req := &logical.Request{
		Operation: op, Path: path, MountPoint: h.Mount, Storage: h.Storage, Data: OnTheWire(h.T, data),
	}
	if op == logical.UpdateOperation { // Vault asks first whether it is one, or the first write.
		found, exists, err := h.B.HandleExistenceCheck(ctx, req)
		switch {
		case err != nil && !errors.Is(err, logical.ErrUnsupportedPath):
			return h.Take(path, nil, err)
		case found && !exists:
			req.Operation = logical.CreateOperation
		}
	}
	resp, err := h.B.HandleRequest(ctx, req)
	if err == nil {
		h.Described(h.T, req, resp)
	}
	return h.Take(path, resp, err)
}

// Tick is what Vault does once a minute.
func (h *Harness) Tick() {
	h.T.Helper()
	if _, err := h.B.HandleRequest(h.T.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage}); err != nil {
		h.Leaks.Note(err.Error())
		h.T.Logf("once a minute: %s", h.Leaks.Hide(err.Error()))
	}
}

// Read does a read.
func (h *Harness) Read(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.ReadOperation, path, data)
}

// Write does a write, which is a create where nothing exists.
func (h *Harness) Write(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.UpdateOperation, path, data)
}

// Remove does a delete.
func (h *Harness) Remove(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.DeleteOperation, path, data)
}

// Patch does a patch.
func (h *Harness) Patch(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.PatchOperation, path, data)
}

// Background does a request that is to be waited for later.
func (h *Harness) Background(do func() Answer) <-chan Answer {
	done := make(chan Answer, 1)
	go func() { done <- do() }()
	return done
}

// Credentials is what the first write needs, with more or other Fields on top.
func Credentials(extra Fields) Fields {
	all := Fields{
		"partner_id": PartnerID, "partner_secret": PartnerSecret, "app_key": AppKey, "base_url": "http://127.0.0.1",
	}
	maps.Copy(all, extra)
	return all
}

// Configure does the first write, which must succeed, with more or other fields.
func (h *Harness) Configure(extra Fields) {
	h.T.Helper()
	h.Succeeds(h.Write("config", Credentials(extra)))
}

// Token reads the token, which must succeed.
func (h *Harness) Token() string {
	h.T.Helper()
	a := h.Read("token", nil)
	h.Succeeds(a)
	token, isText := a.Data["token"].(string)
	if !isText || token == "" {
		h.T.Fatal("a successful read without a token")
	}
	return token
}

// Refreshed is what a read gets after the refresh that an earlier read has begun:
// no read of a usable token waits for one.
func (h *Harness) Refreshed() Answer {
	h.T.Helper()
	h.Token()
	synctest.Wait()
	a := h.Read("token", nil)
	h.Succeeds(a)
	return a
}

// Rotate rotates, which must succeed.
func (h *Harness) Rotate() {
	h.T.Helper()
	h.Succeeds(h.Write("rotate-root", nil))
}

// Succeeds checks that an answer is a success.
func (h *Harness) Succeeds(a Answer) {
	h.T.Helper()
	if a.Status != http.StatusOK && a.Status != http.StatusNoContent {
		h.T.Fatalf("got a %d: %s", a.Status, h.Leaks.Hide(a.Text))
	}
}

// Fails checks the status of a failure, and that its text has each of the phrases in it.
func (h *Harness) Fails(a Answer, status int, phrases ...string) {
	h.T.Helper()
	if a.Status != status {
		h.T.Fatalf("got a %d, want a %d: %s", a.Status, status, h.Leaks.Hide(a.Text))
	}
	for _, phrase := range phrases {
		if !strings.Contains(a.Text, phrase) {
			h.T.Errorf("the error does not say %q: %s", phrase, h.Leaks.Hide(a.Text))
		}
	}
}

// Warned checks that there is one warning, and that it has each of the phrases in it. None means that there must be none.
func (h *Harness) Warned(a Answer, phrases ...string) {
	h.T.Helper()
	want := min(len(phrases), 1)
	if len(a.Warnings) != want {
		h.T.Fatalf("%d warnings, want %d: %s", len(a.Warnings), want, h.Leaks.Hide(strings.Join(a.Warnings, "; ")))
	}
	for _, phrase := range phrases {
		if !strings.Contains(a.Warnings[0], phrase) {
			h.T.Errorf("the warning does not say %q: %s", phrase, h.Leaks.Hide(a.Warnings[0]))
		}
	}
}

// Stored is the state in storage, nil when there is none.
func (h *Harness) Stored() *engine.State {
	h.T.Helper()
	value, found := h.Storage.Peek("config")
	if !found {
		return nil
	}
	st, err := engine.Decode(value)
	if err != nil {
		h.T.Fatal("the stored state cannot be decoded")
	}
	return st
}

// Calls counts the requests that have reached Finicity.
func (h *Harness) Calls(name string) int {
	n := 0
	for _, request := range h.Fake.Requests() {
		if request.Call == name {
			n++
		}
	}
	return n
}

// Called checks how many authentications and changes of the secret have been sent, since the beginning.
func (h *Harness) Called(authentications, changes int) {
	h.T.Helper()
	gotAuth, gotChanges := h.Calls(fakefinicity.CallAuthenticate), h.Calls(fakefinicity.CallModifySecret)
	if gotAuth != authentications || gotChanges != changes {
		h.T.Errorf("%d authentications and %d changes of the secret were sent, want %d and %d",
			gotAuth, gotChanges, authentications, changes)
	}
}

// InEffect reports whether Finicity accepts the stored secrets: the current one,
// and the pending one if there is one.
func (h *Harness) InEffect() (current, pending bool) {
	h.T.Helper()
	st := h.Stored()
	if st == nil {
		h.T.Fatal("nothing is stored")
	}
	if s, found := st.Secrets.Current(); found {
		current = h.Fake.AcceptsSecret(st.PartnerID, s.Value.Reveal())
	}
	if s, found := st.Secrets.Pending(); found {
		pending = h.Fake.AcceptsSecret(st.PartnerID, s.Value.Reveal())
	}
	return current, pending
}
