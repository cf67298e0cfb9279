// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

const (
	readOp   = logical.ReadOperation
	updateOp = logical.UpdateOperation
	deleteOp = logical.DeleteOperation
	minuteOp = logical.RollbackOperation // Vault makes it once a minute.
)

// trigger is what makes a request, according to examples/policies. An app reads the
// token and replaces it. A job rotates the secret, and Vault calls once a minute. An
// operator writes config.
type trigger string

const (
	app      trigger = "app"
	job      trigger = "job"
	operator trigger = "operator"
	forced   trigger = "operator with force"
)

// automatic reports whether an attempt is one of those that all apps and jobs share.
func (t trigger) automatic() bool { return t == app || t == job }

// caller is the request for which a call to Finicity is made.
type caller struct {
	request int
	node    int
	by      trigger
	op      logical.Operation
	path    string
	minTTL  bool
}

type callerKey struct{}

// request is a request that the simulation makes of the engine.
type request struct {
	op   logical.Operation
	path string
	data fields
}

func (r request) by() trigger {
	switch {
	case r.op == minuteOp, r.rotates():
		return job
	case r.path == "token", r.path == "rotate-token":
		return app
	case r.path == "config/verify" && r.data["force"] == true:
		return forced
	default:
		return operator
	}
}

func (r request) rotates() bool { return r.path == "rotate-root" || r.path == "config/rotate" }

type answer struct {
	mounttest.Answer
	number int // Of the request.
}

func (a answer) ok() bool { return a.Status == http.StatusOK || a.Status == http.StatusNoContent }

// do makes a request to a node, and waits for its answer.
func (w *company) do(ctx context.Context, n *node, r request) answer {
	w.mu.Lock()
	w.requests++
	c := caller{request: w.requests, node: n.id, by: r.by(), op: r.op, path: r.path, minTTL: r.data["min_ttl"] != nil}
	w.mu.Unlock()
	before := w.expect(n, r)
	w.active.Add(1)
	defer w.active.Add(-1)
	begun := time.Now()
	ctx, leave := w.newContext(ctx, n, c)
	defer leave()

	req := &logical.Request{Operation: r.op, Path: r.path, MountPoint: mounttest.DefaultMount, Storage: n, Data: r.data}
	if r.op == logical.UpdateOperation { // Vault first asks whether the entry exists.
		found, exists, err := n.b.HandleExistenceCheck(ctx, req)
		switch {
		case err != nil && !errors.Is(err, logical.ErrUnsupportedPath):
			return w.take(n, c, begun, nil, err)
		case found && !exists:
			req.Operation = logical.CreateOperation
		}
	}
	resp, err := n.b.HandleRequest(ctx, req)
	a := w.take(n, c, begun, resp, err)
	before.left = ctx.Err() != nil
	w.meets(n, r, before, a)
	return a
}

// take turns a response into an answer, and records its text for the search for
// secrets.
func (w *company) take(n *node, c caller, begun time.Time, resp *logical.Response, err error) answer {
	status, text := mounttest.Outcome(resp, err)
	a := answer{mounttest.Answer{Status: status, Text: text}, c.request}
	public := map[string]any{}
	if resp != nil {
		a.Data, a.Warnings, a.Secret = resp.Data, resp.Warnings, resp.Secret
	}
	for name, value := range a.Data {
		if token, isText := value.(string); c.path == "token" && name == "token" && isText {
			w.leaks.add(token)
		} else if c.path != "token" || name != "app_key" {
			public[name] = value
		}
	}
	shown, failed := json.Marshal(public)
	if failed != nil {
		w.violate("an answer of %s cannot be encoded", c.path)
	}
	w.leaks.note(text + "\n" + strings.Join(a.Warnings, "\n") + "\n" + string(shown))
	if status == http.StatusInternalServerError && !w.disk.failedSince(begun) {
		w.violate("%s answers 500 although storage worked: %s", c.path, text)
	}
	said := fmt.Sprintf("%s on node %d: %s %s %d %s %s", c.by, n.id, c.op, c.path, status, text, strings.Join(a.Warnings, "; "))
	w.mu.Lock()
	defer w.mu.Unlock()
	if said != w.said { // Consecutive reads all give the same answer.
		w.trace = append(w.trace, fmt.Sprintf("    %d %s", c.request, said))
		w.said = said
	}
	return a
}

// ask makes a request to the active node, and waits for its answer.
func (w *company) ask(r request) answer { return w.do(context.Background(), w.aliveNode(), r) }

// inBackground makes a request and does not wait for it.
func (w *company) inBackground(ctx context.Context, r request) <-chan answer {
	done := make(chan answer, 1)
	n := w.aliveNode() //nolint:contextcheck // A starting node is not part of the request.
	w.running.Add(1)
	n.busy.Add(1)
	go func() {
		defer w.running.Done()
		defer n.busy.Add(-1)
		done <- w.do(ctx, n, r)
	}()
	return done
}

func read() request   { return request{op: readOp, path: "token"} }
func minute() request { return request{op: minuteOp} }
func status() request { return request{op: readOp, path: "status"} }
func verify() request { return request{op: updateOp, path: "config/verify"} }
