// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// adminPrefix starts the paths of the stand-in's own endpoint, which has no authentication: whoever reaches it can set
// secrets and have them confirmed. That is why cmd/fake-finicity listens on loopback addresses only.
const adminPrefix = "/_fake/"

func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_fake/health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /_fake/requests", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.Requests())
	})
	mux.HandleFunc("DELETE /_fake/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetLog()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fake/counters", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.allCounters())
	})
	mux.HandleFunc("GET /_fake/held", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]int{"held": s.Held()})
	})
	mux.HandleFunc("POST /_fake/release", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]int{"released": s.Release()})
	})
	mux.HandleFunc("POST /_fake/faults", s.adminOrder)
	mux.HandleFunc("DELETE /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]int{"cleared": s.ClearFaults()})
	})
	mux.HandleFunc("POST /_fake/partners/{id}/unlock", s.onPartner(s.adminUnlock))
	mux.HandleFunc("POST /_fake/partners/{id}/secret", s.onPartner(s.adminSecret))
	mux.HandleFunc("POST /_fake/partners/{id}/app-key", s.onPartner(s.adminAppKey))
	mux.HandleFunc("POST /_fake/partners/{id}/accepts", s.onPartner(s.adminAccepts))
	mux.HandleFunc("POST /_fake/webhooks", s.adminWebhook)
	return mux
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

// faultOrder is a Fault as JSON, with its delay as a duration string such as 1m30s.
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

// adminOrder takes one fault or a list. One bad fault in a list leaves the queue as it was.
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

// onPartner answers 404 unless the partner exists, 400 to an error, and 204 to a change without a result.
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

func (s *Server) adminAccepts(partnerID string, body io.Reader) (any, error) {
	var question struct {
		Secret string `json:"secret"`
		Token  string `json:"token"`
	}
	if err := readJSON(body, &question); err != nil {
		return nil, err
	}
	if (question.Secret == "") == (question.Token == "") {
		return nil, errors.New("either secret or token is wanted")
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

// readJSON takes exactly one JSON value and names a field that does not exist: a misspelt one would make a test pass
// for the wrong reason.
func readJSON(from io.Reader, into any) error {
	decoder := json.NewDecoder(io.LimitReader(from, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	// More would take a stray } or ] for the end.
	if err := decoder.Decode(&json.RawMessage{}); !errors.Is(err, io.EOF) {
		return errors.New("body: something follows the JSON value")
	}
	return nil
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", jsonContentType)
	w.WriteHeader(status)
	// Nobody is left to tell if the client has gone.
	_, _ = w.Write(append(encode(value), '\n'))
}

func replyError(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
