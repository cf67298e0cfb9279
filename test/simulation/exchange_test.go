// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// exchange is one call to Finicity as seen on the wire: the request of the engine, and
// the answer that the engine received. Finicity's log has the effect of the call.
type exchange struct {
	id     int
	caller caller
	place  string
	change bool
	sent   time.Time

	partner, key, secret, newSecret string
	grace                           bool

	answered time.Time // Zero without a readable answer.
	status   int
	code     string
	verdict  verdict

	retryAfter string
}

// verdict is what an answer means according to Finicity's documentation.
type verdict int

const (
	none     verdict = iota // No verdict.
	success                 // A token, or the 204 of a change.
	refused                 // A refusal without a Finicity code.
	coded                   // A refusal with a Finicity code.
	locked                  // 24302.
	byPolicy                // 24437 in answer to a change.
)

// tap is a connection that the oracle observes.
type tap struct {
	net.Conn
	w *company
	n *node
	e *exchange

	mu       sync.Mutex
	out, in  bytes.Buffer
	sent     bool
	answered bool
}

// outage makes connections fail before anything is sent.
type outage struct {
	mu    sync.Mutex
	count int
	delay time.Duration
	was   bool // At any time.
}

var errUnreachable = errors.New("no route to host")

func (o *outage) take() (delay time.Duration, out bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == 0 {
		return 0, false
	}
	o.count--
	return o.delay, true
}

func (o *outage) none() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count == 0 && !o.was
}

func (o *outage) order(count int, delay time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count, o.delay = count, delay
	o.was = o.was || count > 0
}

// dial is the network of a node.
func (w *company) dial(n *node) func(ctx context.Context, network, address string) (net.Conn, error) {
	reach := w.fake.Dialer()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, known := ctx.Value(callerKey{}).(caller)
		if !known {
			w.violate("a call that belongs to no request")
		}
		if delay, out := w.outage.take(); out {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			w.attempts.unreachable(n, c)
			return nil, errUnreachable
		}
		conn, err := reach(ctx, network, address)
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			panic(err)
		}
		return &tap{Conn: conn, w: w, n: n, e: &exchange{caller: c, place: "http://" + host}}, nil
	}
}

func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.out.Write(b)
	if !t.sent && t.e.readRequest(t.out.Bytes()) {
		t.sent = true
		t.e.sent = time.Now()
		t.w.attempts.send(t.n, t.e)
	}
	t.mu.Unlock()
	return t.Conn.Write(b)
}

// Read records an answer before the engine gets it.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in.Write(b[:n])
	if !t.answered {
		t.answered = t.w.attempts.answer(t.n, t.e, t.in.Bytes(), err != nil)
	}
	return n, err
}

// Close records that the engine no longer waits for an answer.
func (t *tap) Close() error {
	t.mu.Lock()
	if t.sent && !t.answered {
		t.answered = true
		t.w.attempts.unanswered(t.n, t.e)
	}
	t.mu.Unlock()
	return t.Conn.Close()
}

// readRequest reads a request, and reports whether it is complete.
func (e *exchange) readRequest(raw []byte) bool {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return false
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	var sent struct {
		PartnerID, PartnerSecret, NewPartnerSecret string
		Immediate                                  *bool
	}
	if json.Unmarshal(body, &sent) != nil {
		return false
	}
	e.change = req.Method == http.MethodPut
	e.partner, e.key = sent.PartnerID, req.Header.Get("Finicity-App-Key")
	e.secret, e.newSecret = sent.PartnerSecret, sent.NewPartnerSecret
	e.grace = sent.Immediate != nil && !*sent.Immediate
	return true
}

var (
	codeIn  = regexp.MustCompile(`"code":\s*"?([0-9]+)["},]`)
	tokenIn = regexp.MustCompile(`"token":\s*"[A-Z0-9]+"`)
)

// readAnswer reads an answer, and reports whether there is one: a complete answer, or
// the header of an answer whose body broke off.
func (e *exchange) readAnswer(raw []byte, ended bool) bool {
	method := http.MethodPost
	if e.change {
		method = http.MethodPut
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }() // Reading from memory; closing cannot fail.
	body, err := io.ReadAll(resp.Body)
	complete := err == nil
	if !complete && !ended {
		return false
	}
	e.status = resp.StatusCode
	e.retryAfter = resp.Header.Get("Retry-After")
	if found := codeIn.FindSubmatch(body); found != nil {
		e.code = string(found[1])
	}
	e.verdict = e.judge(complete && tokenIn.Match(body))
	return true
}

// ofSecret reports whether a refusal is a verdict on the secret.
func (e *exchange) ofSecret() bool { return e.code == "10001" || e.status == 401 && e.code != "10026" }

func (e *exchange) judge(token bool) verdict {
	const lock, policy = "24302", "24437"
	known := slices.Contains([]string{"10001", "10005", "10021", "10026", "12401", "14020", policy}, e.code)
	switch {
	case e.code == lock:
		return locked
	case e.change:
		switch {
		case e.status == http.StatusNoContent:
			return success
		case e.status == http.StatusBadRequest && e.code == policy:
			return byPolicy
		case !slices.Contains([]int{400, 401, 403, 404}, e.status):
			return none // The result is ambiguous: Finicity does not answer a change this way.
		}
	case e.status == http.StatusOK && token:
		return success
	case known:
	case e.status < 400, e.status > 499, e.status == http.StatusRequestTimeout, e.status == http.StatusTooManyRequests:
		return none
	}
	if known {
		return coded
	}
	return refused
}
