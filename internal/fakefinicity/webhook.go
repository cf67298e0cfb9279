// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// SignatureHeader is the header with the signature of a Connect webhook: the hex
// HMAC-SHA256 of the raw body, keyed with the partner secret (Finicity partner
// documentation).
const SignatureHeader = "X-Finicity-Signature"

const (
	webhookTimeout = 10 * time.Second
	maxDeliveries  = 100 // How many webhooks can still be retried.
)

var (
	errNoPartner  = errors.New("there is no such partner")
	errNoDelivery = errors.New("there is no such webhook to retry")
)

// SignWebhook returns the value of SignatureHeader for a body, signed with the
// partner's current secret. It fails if the partner does not exist.
func (s *Server) SignWebhook(partnerID string, body []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partner(partnerID)
	if p == nil {
		return "", errNoPartner
	}
	mac := hmac.New(sha256.New, []byte(p.Secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// webhookOrder is the body of the admin call: a new webhook, or the eventId of an
// earlier one to send again.
type webhookOrder struct {
	PartnerID  string          `json:"partnerId"`
	URL        string          `json:"url"`
	EventType  string          `json:"eventType"`
	CustomerID string          `json:"customerId"`
	Payload    json.RawMessage `json:"payload"`
	Retry      string          `json:"retry"`
}

// delivery is a signed webhook, with its original signature. Finicity retries for three
// days, and a retry after a rotation still has the signature of the old secret.
type delivery struct {
	eventID   string
	url       string
	body      []byte
	signature string
}

func (s *Server) prepareWebhook(order webhookOrder) (delivery, error) {
	if order.Retry != "" {
		return s.earlierWebhook(order)
	}
	if err := checkLoopback(order.URL); err != nil {
		return delivery{}, err
	}
	suffix := make([]byte, 12)
	if _, err := rand.Read(suffix); err != nil {
		return delivery{}, err
	}
	d := delivery{eventID: fmt.Sprintf("%d-%x", s.now().UnixMilli(), suffix), url: order.URL}
	if len(order.Payload) == 0 {
		order.Payload = json.RawMessage("{}")
	}
	d.body = encode(struct {
		CustomerID string          `json:"customerId"`
		EventType  string          `json:"eventType"`
		EventID    string          `json:"eventId"`
		Payload    json.RawMessage `json:"payload"`
	}{order.CustomerID, order.EventType, d.eventID, order.Payload})
	var err error
	if d.signature, err = s.SignWebhook(order.PartnerID, d.body); err != nil {
		return delivery{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deliveries) == maxDeliveries {
		s.deliveries = slices.Delete(s.deliveries, 0, 1)
	}
	s.deliveries = append(s.deliveries, d)
	return d, nil
}

func (s *Server) earlierWebhook(order webhookOrder) (delivery, error) {
	if order.PartnerID != "" || order.URL != "" || order.EventType != "" || order.CustomerID != "" || order.Payload != nil {
		return delivery{}, errors.New("retry sends the same webhook again and takes no other field")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.deliveries, func(d delivery) bool { return d.eventID == order.Retry })
	if i < 0 {
		return delivery{}, errNoDelivery
	}
	return s.deliveries[i], nil
}

// deliver returns the HTTP status of the receiver's answer.
func (d delivery) deliver(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", jsonContentType)
	request.Header.Set(SignatureHeader, d.signature)
	// It does not follow a redirect, which might lead to another machine.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// checkLoopback prevents the mock server from sending requests to other machines.
func checkLoopback(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("url must start with http:// or https://")
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && !ip.IsLoopback() {
		return errors.New("url must name a loopback host")
	}
	return nil
}
