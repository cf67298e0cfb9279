// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/testhelpers/schema"
	"github.com/hashicorp/vault/sdk/logical"
)

// told is an event or an observation.
type told struct {
	Kind string
	Data map[string]any
}

// EventRecorder replaces Vault's event bus and its observation system. Everything that
// it receives is searched for secrets.
type EventRecorder struct {
	mu                   sync.Mutex
	events, observations []told
	leaks                *LeakDetector
	// Deaf makes the recorder answer as OpenBao does, which has neither service.
	Deaf bool
	// Stuck makes the recorder answer only after the caller has stopped waiting.
	Stuck bool
}

var errDeaf = errors.New("unimplemented")

func (e *EventRecorder) hear(ctx context.Context, list *[]told, kind string, data map[string]any) error {
	if e.Stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e.leaks.Note(kind + string(text))
	if e.Deaf {
		return errDeaf
	}
	*list = append(*list, told{kind, data})
	return nil
}

// SendEvent records an event.
func (e *EventRecorder) SendEvent(ctx context.Context, kind logical.EventType, event *logical.EventData) error {
	return e.hear(ctx, &e.events, string(kind), event.GetMetadata().AsMap())
}

// RecordObservationFromPlugin records an observation.
func (e *EventRecorder) RecordObservationFromPlugin(ctx context.Context, kind string, data map[string]any) error {
	return e.hear(ctx, &e.observations, kind, data)
}

// Heard returns the kinds of all events so far. Each event must have an observation
// with it.
func (h *Harness) Heard() []string {
	h.T.Helper()
	h.Events.mu.Lock()
	defer h.Events.mu.Unlock()
	kinds := func(list []told) (names []string) {
		for _, each := range list {
			names = append(names, each.Kind)
		}
		return names
	}
	events := kinds(h.Events.events)
	if !slices.Equal(events, kinds(h.Events.observations)) {
		h.T.Error("events and observations differ")
	}
	return events
}

// Described checks the data of an answer against the schema of the path.
func (h *Harness) Described(t *testing.T, req *logical.Request, resp *logical.Response) {
	t.Helper()
	b, ok := h.B.(interface {
		Route(path string) *framework.Path
	})
	if !ok {
		t.Fatal("the backend has no paths")
	}
	path := b.Route(req.Path)
	if path == nil || resp == nil || resp.IsError() {
		return
	}
	operation := path.Operations[req.Operation]
	if operation == nil {
		return
	}
	var described *framework.Response
	for _, responses := range operation.Properties().Responses {
		described = &responses[0]
	}
	if described == nil {
		t.Errorf("%s %s does not say what it answers", req.Operation, req.Path)
		return
	}
	schema.ValidateResponse(t, described, resp, true)
}

// Recorded returns the events of a kind so far, without their observations.
func (h *Harness) Recorded(kind string) (data []map[string]any) {
	h.Events.mu.Lock()
	defer h.Events.mu.Unlock()
	for _, each := range h.Events.events {
		if each.Kind == kind {
			data = append(data, each.Data)
		}
	}
	return data
}

// Observed returns the observations of a kind so far.
func (h *Harness) Observed(kind string) (data []map[string]any) {
	h.Events.mu.Lock()
	defer h.Events.mu.Unlock()
	for _, each := range h.Events.observations {
		if each.Kind == kind {
			data = append(data, each.Data)
		}
	}
	return data
}
