// SPDX-License-Identifier: MPL-2.0

package finicity

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
	kind string
	data map[string]any
}

// ears take the place of Vault's event bus and of its observation system. What they hear is searched for secrets.
type ears struct {
	mu                   sync.Mutex
	events, observations []told
	words                *words
	deaf                 bool // as OpenBao is
}

var errDeaf = errors.New("unimplemented")

func (e *ears) hear(list *[]told, kind string, data map[string]any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e.words.note(kind + string(text))
	if e.deaf {
		return errDeaf
	}
	*list = append(*list, told{kind, data})
	return nil
}

func (e *ears) SendEvent(_ context.Context, kind logical.EventType, event *logical.EventData) error {
	return e.hear(&e.events, string(kind), event.GetMetadata().AsMap())
}

func (e *ears) RecordObservationFromPlugin(_ context.Context, kind string, data map[string]any) error {
	return e.hear(&e.observations, kind, data)
}

// heard are the kinds of all events so far, each of which must have an observation beside it.
func (h *harness) heard() []string {
	h.t.Helper()
	h.ears.mu.Lock()
	defer h.ears.mu.Unlock()
	kinds := func(list []told) (names []string) {
		for _, each := range list {
			names = append(names, each.kind)
		}
		return names
	}
	events := kinds(h.ears.events)
	if !slices.Equal(events, kinds(h.ears.observations)) {
		h.t.Error("events and observations differ")
	}
	return events
}

// described checks an answer's data against what the path says of it.
func (h *harness) described(t *testing.T, req *logical.Request, resp *logical.Response) {
	t.Helper()
	path := h.b.Route(req.Path)
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
