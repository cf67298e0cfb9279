// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// adminPrefix is the start of the paths of the admin endpoint. The endpoint has no
// authentication: any client that can connect to it can set secrets, and check them.
// Therefore, cmd/fake-finicity listens only on loopback addresses without -allow-remote,
// and the endpoint refuses requests of web pages, which a browser on the same machine
// would send.
const adminPrefix = "/_fake/"

// route is a path of the admin endpoint.
type route struct {
	pattern string
	body    string // An example, empty without one.
	about   string
	handle  http.HandlerFunc
}

func (s *Server) adminRoutes() []route {
	const partner = "/_fake/partners/{id}/"
	return []route{
		{"GET /_fake/health", "", "answers once the server is ready", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]string{"status": "ok"})
		}},
		{"GET /_fake/requests", "", "the calls so far", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, s.Requests())
		}},
		{"DELETE /_fake/requests", "", "clears the list of calls", func(w http.ResponseWriter, _ *http.Request) {
			s.ResetLog()
			w.WriteHeader(http.StatusNoContent)
		}},
		{"GET /_fake/counters", "", "the totals of each partner", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, s.allCounters())
		}},
		{"POST /_fake/faults", `{"call":"authenticate","kind":"dropped","count":3}`, "orders one fault or a list of faults", s.adminOrder},
		{"DELETE /_fake/faults", "", "cancels the remaining faults", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]int{"cleared": s.ClearFaults()})
		}},
		{"GET /_fake/held", "", "how many calls are held", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]int{"held": s.Held()})
		}},
		{"POST /_fake/release", "", "releases the held calls", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, map[string]int{"released": s.Release()})
		}},
		{"POST " + partner + "lock", "", "locks the partner, as five failed attempts do", s.onPartner(s.adminLock)},
		{"POST " + partner + "unlock", "", "unlocks the partner, as Finicity support does", s.onPartner(s.adminUnlock)},
		{"POST " + partner + "secret", `{"secret":"New-Secret-1"}`, "changes the secret, as the developer portal does", s.onPartner(s.adminSecret)},
		{"POST " + partner + "app-key", `{"appKey":"new-key"}`, "changes the app key, as the developer portal does", s.onPartner(s.adminAppKey)},
		{"POST " + partner + "expire", `{"token":"…"}`, "makes a token expire now; with {}, all tokens of the partner", s.onPartner(s.adminExpire)},
		{"POST " + partner + "accepts", `{"secret":"New-Secret-1"}`, "whether a secret or a token works now", s.onPartner(s.adminAccepts)},
		{"POST /_fake/webhooks", `{"partnerId":"1000000000001","url":"http://127.0.0.1:8300/","eventType":"added"}`, "sends a signed webhook", s.adminWebhook},
	}
}

func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.adminRoutes() {
		mux.HandleFunc(r.pattern, r.handle)
	}
	mux.HandleFunc("GET /_fake/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, Help()) // An error means that the client has disconnected.
	})
	return mux
}

// Help lists the paths of the admin endpoint and the faults that a client can order.
func Help() string {
	var b strings.Builder
	b.WriteString("Admin paths (GET /_fake/ shows this list):\n\n")
	for _, r := range new(Server).adminRoutes() {
		fmt.Fprintf(&b, "  %s\n      %s%s\n", r.pattern, r.about, with(r.body))
	}
	b.WriteString("\nA fault has a kind, and if needed a call (" + strings.Join(calls(), ", ") + "), a count, a delay such as 2s,\n" +
		"a status, retryAfter, header, body and contentType. Its kinds:\n\n")
	for _, k := range kinds() {
		fmt.Fprintf(&b, "  %-12s %s\n", k.kind, k.about)
	}
	return b.String()
}

func with(body string) string {
	if body == "" {
		return ""
	}
	return ", for example " + body
}

// serveAdmin answers a request for the admin endpoint. Browsers add Origin to each request
// that changes something, also if the name of the page's server resolves to a loopback
// address.
func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		replyError(w, http.StatusForbidden, errors.New("a web page must not use the admin paths"))
		return
	}
	s.admin().ServeHTTP(w, r)
}

func (s *Server) allCounters() map[string]Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Counters{}
	for _, p := range s.partners {
		all[p.ID] = p.counters
	}
	return all
}

// faultOrder is a Fault in JSON. Its delay is a duration string such as 1m30s.
type faultOrder struct {
	Call        string            `json:"call"`
	Kind        Kind              `json:"kind"`
	Count       int               `json:"count"`
	Delay       string            `json:"delay"`
	Status      int               `json:"status"`
	RetryAfter  string            `json:"retryAfter"`
	Header      map[string]string `json:"header"`
	Body        string            `json:"body"`
	ContentType string            `json:"contentType"`
}

func (o faultOrder) fault() (Fault, error) {
	f := Fault{
		Call: o.Call, Kind: o.Kind, Count: o.Count, Status: o.Status, RetryAfter: o.RetryAfter,
		Header: o.Header, Body: o.Body, ContentType: o.ContentType,
	}
	if o.Delay != "" {
		var err error
		if f.Delay, err = time.ParseDuration(o.Delay); err != nil {
			return f, fmt.Errorf("delay: %w", err)
		}
	}
	return f, f.Validate()
}

// adminOrder orders one fault or a list of faults. If one fault of a list is invalid,
// none is ordered.
func (s *Server) adminOrder(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	var orders []faultOrder
	err := readJSON(r.Body, &raw)
	switch {
	case err != nil:
	case raw[0] == '[':
		err = readJSON(bytes.NewReader(raw), &orders)
	default:
		orders = make([]faultOrder, 1)
		err = readJSON(bytes.NewReader(raw), &orders[0])
	}
	var faults []Fault
	for i := 0; i < len(orders) && err == nil; i++ {
		var f Fault
		f, err = orders[i].fault()
		faults = append(faults, f)
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	s.Order(faults...)
	reply(w, http.StatusOK, map[string]int{"ordered": len(faults)})
}

// onPartner answers 404 if the partner does not exist, 400 to an error, and 204 to a
// change without a result.
func (s *Server) onPartner(handle func(partnerID string, body io.Reader) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		s.mu.Lock()
		exists := s.partner(id) != nil
		s.mu.Unlock()
		if !exists {
			replyError(w, http.StatusNotFound, errNoPartner)
			return
		}
		switch result, err := handle(id, r.Body); {
		case err != nil:
			replyError(w, http.StatusBadRequest, err)
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			reply(w, http.StatusOK, result)
		}
	}
}

func (s *Server) adminLock(partnerID string, _ io.Reader) (any, error) {
	s.Lock(partnerID)
	return nil, nil
}

func (s *Server) adminUnlock(partnerID string, _ io.Reader) (any, error) {
	s.Unlock(partnerID)
	return nil, nil
}

func (s *Server) adminSecret(partnerID string, body io.Reader) (any, error) {
	var order struct {
		Secret string `json:"secret"`
	}
	if err := readJSON(body, &order); err != nil {
		return nil, err
	}
	if order.Secret == "" {
		return nil, errors.New("secret is missing")
	}
	s.SetSecret(partnerID, order.Secret)
	return nil, nil
}

func (s *Server) adminAppKey(partnerID string, body io.Reader) (any, error) {
	var order struct {
		AppKey string `json:"appKey"`
	}
	if err := readJSON(body, &order); err != nil {
		return nil, err
	}
	if order.AppKey == "" {
		return nil, errors.New("appKey is missing")
	}
	s.SetAppKey(partnerID, order.AppKey)
	return nil, nil
}

// adminExpire answers how many tokens have expired. A token that is already invalid is
// an error: the test that sent it would otherwise test nothing.
func (s *Server) adminExpire(partnerID string, body io.Reader) (any, error) {
	var order struct {
		Token *string `json:"token"`
	}
	if err := readJSON(body, &order); err != nil {
		return nil, err
	}
	if order.Token == nil {
		return map[string]int{"expired": s.ExpireTokens(partnerID, "")}, nil
	}
	if *order.Token == "" || s.ExpireTokens(partnerID, *order.Token) == 0 {
		return nil, errors.New("the partner has no such valid token")
	}
	return map[string]int{"expired": 1}, nil
}

func (s *Server) adminAccepts(partnerID string, body io.Reader) (any, error) {
	var question struct {
		Secret string `json:"secret"`
		Token  string `json:"token"`
	}
	if err := readJSON(body, &question); err != nil {
		return nil, err
	}
	if (question.Secret == "") == (question.Token == "") {
		return nil, errors.New("set either secret or token")
	}
	accepted := s.AcceptsToken(partnerID, question.Token)
	if question.Secret != "" {
		accepted = s.AcceptsSecret(partnerID, question.Secret)
	}
	return map[string]bool{"accepted": accepted}, nil
}

func (s *Server) adminWebhook(w http.ResponseWriter, r *http.Request) {
	var order webhookOrder
	if err := readJSON(r.Body, &order); err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	d, err := s.prepareWebhook(order)
	switch {
	case errors.Is(err, errNoPartner), errors.Is(err, errNoDelivery):
		replyError(w, http.StatusNotFound, err)
		return
	case err != nil:
		replyError(w, http.StatusBadRequest, err)
		return
	}
	status, err := d.deliver(r.Context())
	if err != nil {
		reply(w, http.StatusBadGateway, map[string]string{"eventId": d.eventID, "error": err.Error()})
		return
	}
	reply(w, http.StatusOK, map[string]any{"eventId": d.eventID, "status": status})
}

// readJSON reads exactly one JSON value. An unknown field is an error that names the
// field: a misspelled field could make a test pass for the wrong reason.
func readJSON(from io.Reader, into any) error {
	decoder := json.NewDecoder(io.LimitReader(from, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	// More would accept a stray } or ] as the end.
	if err := decoder.Decode(&json.RawMessage{}); !errors.Is(err, io.EOF) {
		return errors.New("body: there is text after the JSON value")
	}
	return nil
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", jsonContentType)
	w.WriteHeader(status)
	// An error means that the client has disconnected.
	_, _ = w.Write(append(encode(value), '\n'))
}

func replyError(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
