// SPDX-License-Identifier: MPL-2.0

// Package mounttest runs a mount as Vault runs it: the backend with its storage and its
// log, Finicity behind it, and a wall clock. When a test ends, everything that the
// engine has answered, logged or published is searched for secrets.
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

// Values with the shape and alphabet of real ones, with the characters that encodings
// escape.
const (
	PartnerID     = "1000000000001"
	PartnerSecret = "aqJ5Ic4S&Vx2+gDQ6oR4"
	AppKey        = "0f6c9b1e7d2a43850f6c9b1e7d2a4385"

	OtherID     = "1000000000002"
	OtherSecret = "OrU7tj!A3tI@pC#b85xV"
	OtherKey    = "a1d95e0b3c7f48620b3c7f4862a1d95e"

	// WrongSecret and NewKey are wrong until a test changes Finicity to use them.
	WrongSecret = "Zk3mW9*eYt_1LqN%d7sH"
	NewKey      = "5b8e2c4f6a90d7135b8e2c4f6a90d713"

	DefaultMount = "finicity/"
)

// Fields are the data of a request.
type Fields map[string]any

// Harness is a mount. Create it inside a bubble of testing/synctest, where waiting
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

	// Zone is the time zone of the wall clock, and offset is how far the wall clock was
	// set ahead. The process clock is not affected.
	Zone   *time.Location
	offset atomic.Int64
}

// New returns a mount that is not configured.
func New(t *testing.T) *Harness {
	t.Helper()
	return NewWith(t, fakefinicity.Config{})
}

// NewWith is New with a different Finicity configuration.
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

// NewConfigured returns a harness whose mount has its credential and a shared token.
func NewConfigured(t *testing.T, extra Fields) *Harness {
	t.Helper()
	h := New(t)
	h.Configure(extra)
	return h
}

// Restart restarts the plugin: only storage remains.
func (h *Harness) Restart() {
	h.T.Helper()
	h.RestartWith(h.Fake.Dialer())
}

// RestartWith restarts with a different network.
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

// Now returns the time of the wall clock. It has no monotonic reading, like times from
// storage.
func (h *Harness) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(h.offset.Load())).In(h.Zone)
}

// SetClock moves only the wall clock.
func (h *Harness) SetClock(by time.Duration) { h.offset.Add(int64(by)) }

// Pass lets time pass, on both clocks.
func (h *Harness) Pass(d time.Duration) { <-time.After(d) }

// Send makes a request in the same way as Vault.
func (h *Harness) Send(ctx context.Context, op logical.Operation, path string, data Fields) Answer {
	h.T.Helper()
	req := &logical.Request{
		Operation: op, Path: path, MountPoint: h.Mount, Storage: h.Storage, Data: OnTheWire(h.T, data),
	}
	if op == logical.UpdateOperation { // Vault first asks whether the entry exists.
		found, exists, err := h.B.HandleExistenceCheck(ctx, req)
		switch {
		case err != nil && !errors.Is(err, logical.ErrUnsupportedPath):
			return h.Take(path, nil, errors.New("internal error")) // Vault hides the error.
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

// Tick makes the call that Vault makes once a minute.
func (h *Harness) Tick() {
	h.T.Helper()
	if _, err := h.B.HandleRequest(h.T.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage}); err != nil {
		h.Leaks.Note(err.Error())
		h.T.Logf("once a minute: %s", h.Leaks.Hide(err.Error()))
	}
}

// Read makes a read request.
func (h *Harness) Read(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.ReadOperation, path, data)
}

// Write makes a write request, which is a create request if the entry does not exist.
func (h *Harness) Write(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.UpdateOperation, path, data)
}

// Remove makes a delete request.
func (h *Harness) Remove(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.DeleteOperation, path, data)
}

// Patch makes a patch request.
func (h *Harness) Patch(path string, data Fields) Answer {
	h.T.Helper()
	return h.Send(h.T.Context(), logical.PatchOperation, path, data)
}

// Background makes a request that the test waits for later.
func (h *Harness) Background(do func() Answer) <-chan Answer {
	done := make(chan Answer, 1)
	go func() { done <- do() }()
	return done
}

// Credentials returns the fields of the first write, with additional or changed fields.
func Credentials(extra Fields) Fields {
	all := Fields{
		"partner_id": PartnerID, "partner_secret": PartnerSecret, "app_key": AppKey, "base_url": "http://127.0.0.1",
	}
	maps.Copy(all, extra)
	return all
}

// Configure makes the first write, which must succeed, with additional or changed
// fields.
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

// Refreshed returns the token after the refresh that an earlier read has started. No
// read of a usable token waits for a refresh.
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

// Fails checks the status of a failure, and that its text contains each of the phrases.
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

// Warned checks that there is one warning, which contains each of the phrases. Without
// phrases, there must be no warning.
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

// Stored returns the state in storage, nil if there is none.
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

// Calls returns the number of requests that have reached Finicity.
func (h *Harness) Calls(name string) int {
	n := 0
	for _, request := range h.Fake.Requests() {
		if request.Call == name {
			n++
		}
	}
	return n
}

// Called checks how many authentications and changes of the secret were sent in total.
func (h *Harness) Called(authentications, changes int) {
	h.T.Helper()
	gotAuth, gotChanges := h.Calls(fakefinicity.CallAuthenticate), h.Calls(fakefinicity.CallModifySecret)
	if gotAuth != authentications || gotChanges != changes {
		h.T.Errorf("%d authentications and %d changes of the secret were sent, want %d and %d",
			gotAuth, gotChanges, authentications, changes)
	}
}

// InEffect reports whether Finicity accepts the stored secrets: the current one, and
// the pending one if there is one.
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
