// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// caller is what a call to Finicity is labelled with: the user agent carries the version of Vault.
type caller struct {
	request, node int
	memory        int64
	by            string // automatic, person or forced
}

type callerKey struct{}

// tellingView is a Vault whose version names the request that asks for it, so that Finicity's log tells who is behind
// each call.
type tellingView struct{ *logical.StaticSystemView }

func (tellingView) PluginEnv(ctx context.Context) (*logical.PluginEnvironment, error) {
	c, known := ctx.Value(callerKey{}).(caller)
	if !known {
		return nil, errors.New("a call that no request is behind")
	}
	return &logical.PluginEnvironment{VaultVersion: fmt.Sprintf("%d/%d/%d/%s", c.request, c.node, c.memory, c.by)}, nil
}

func callerOf(r fakefinicity.Request) caller {
	var c caller
	_, label, _ := strings.Cut(r.UserAgent, "Vault/")
	if n, err := fmt.Sscanf(label, "%d/%d/%d/%s", &c.request, &c.node, &c.memory, &c.by); n != 4 || err != nil {
		panic("a call whose user agent names no request")
	}
	return c
}

// request is one that the simulation makes of the engine.
type request struct {
	op   logical.Operation
	path string
	data fields
}

// do makes a request of a node, and waits for its answer.
func (w *world) do(ctx context.Context, n *node, r request) answer {
	w.mu.Lock()
	w.requests++
	c := caller{request: w.requests, node: n.id, memory: n.memory.Load(), by: "person"}
	w.mu.Unlock()
	switch {
	case r.path == "token", r.op == minuteOp:
		c.by = "automatic"
	case r.path == "config/verify" && r.data["force"] != nil:
		c.by = "forced"
	}
	ctx, leave := context.WithCancel(context.WithValue(ctx, callerKey{}, c))
	defer leave()
	go func() {
		select {
		case <-n.gone:
			leave()
		case <-ctx.Done():
		}
	}()
	settled, begun := *w.settled.Load(), time.Now()

	req := &logical.Request{Operation: r.op, Path: r.path, MountPoint: mount, Storage: n, Data: r.data}
	if r.op == logical.UpdateOperation { // Vault asks first whether it is one, or the first write.
		found, exists, err := n.b.HandleExistenceCheck(ctx, req)
		switch {
		case err != nil && !errors.Is(err, logical.ErrUnsupportedPath):
			return w.take(n, c, r, nil, err)
		case found && !exists:
			req.Operation = logical.CreateOperation
		}
	}
	resp, err := n.b.HandleRequest(ctx, req)
	a := w.take(n, c, r, resp, err)
	if a.status == http.StatusOK && r.path == "token" {
		w.watchToken(a, settled, begun)
	}
	return a
}

// take turns a response into an answer, and keeps its words for the search for secrets.
func (w *world) take(n *node, c caller, r request, resp *logical.Response, err error) answer {
	status, text := outcome(resp, err)
	a := answer{status: status, text: text}
	if resp != nil {
		a.data, a.warnings, a.secret = resp.Data, resp.Warnings, resp.Secret
	}
	w.words.note(text + "\n" + strings.Join(a.warnings, "\n"))
	public := map[string]any{}
	for name, value := range a.data {
		if token, isText := value.(string); r.path == "token" && name == "token" && isText {
			w.words.add(token)
		} else if r.path != "token" || name != "app_key" {
			public[name] = value
		}
	}
	if len(public) > 0 {
		shown, err := json.Marshal(public)
		if err != nil {
			w.violate("an answer of %s cannot be encoded", r.path)
		}
		w.words.note(string(shown))
	}
	w.disk.mu.Lock()
	failed := w.disk.failed
	w.disk.mu.Unlock()
	if status == http.StatusInternalServerError && !failed {
		w.violate("%s answers 500 although storage has always worked: %s", r.path, text)
	}
	said := fmt.Sprintf("%s on node %d: %s %d %s %s", c.by, n.id, r.path, status, text, strings.Join(a.warnings, "; "))
	w.mu.Lock()
	defer w.mu.Unlock()
	if said != w.said { // Reads in a row all say the same.
		w.trace = append(w.trace, fmt.Sprintf("    %d %s", c.request, said))
		w.said = said
	}
	return a
}

// ask makes a request of the node in charge, and waits for its answer.
func (w *world) ask(r request) answer { return w.do(context.Background(), w.inCharge(), r) }

// inBackground makes a request that is not waited for.
func (w *world) inBackground(ctx context.Context, r request) <-chan answer {
	done := make(chan answer, 1)
	n := w.inCharge() //nolint:contextcheck // A node that starts is no part of the request.
	w.running.Add(1)
	n.busy.Add(1)
	go func() {
		defer w.running.Done()
		defer n.busy.Add(-1)
		done <- w.do(ctx, n, r)
	}()
	return done
}
