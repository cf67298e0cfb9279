// SPDX-License-Identifier: MPL-2.0

// Command go receives Finicity's Connect webhooks. It does not know the partner secret:
// Vault verifies each signature. See ../README.md. test/e2e/testdata/webhook.txtar runs
// it.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxBody = 1 << 20 // In bytes. webhook/verify accepts as many.
	maxSeen = 10_000
)

type receiver struct {
	verifyURL string
	vault     *http.Client

	mu   sync.Mutex
	seen map[string]bool
	ids  []string // The events so far, the oldest first.
}

func main() {
	vault := strings.TrimRight(cmp.Or(os.Getenv("VAULT_ADDR"), "https://127.0.0.1:8200"), "/")
	mount := strings.Trim(cmp.Or(os.Getenv("FINICITY_MOUNT"), "finicity"), "/")
	r := &receiver{
		verifyURL: vault + "/v1/" + mount + "/webhook/verify",
		vault: &http.Client{
			Timeout: 5 * time.Second,
			// Following a redirect would send the token to another address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		seen: map[string]bool{},
	}
	// A loopback address. TLS and Finicity's requests end at the proxy in front of it.
	address := cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8300")
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal((&http.Server{Handler: r, ReadTimeout: 10 * time.Second}).Serve(listener))
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	// Finicity signs the raw bytes. JSON that is parsed and encoded again has different
	// bytes.
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.WriteHeader(r.receive(req.Context(), body, req.Header.Get("X-Finicity-Signature")))
	}
}

// receive returns the HTTP status of the answer. If it is not 200, Finicity repeats the
// webhook for three days.
func (r *receiver) receive(ctx context.Context, body []byte, signature string) int {
	if signature == "" {
		log.Print("refused: no signature")
		return http.StatusUnauthorized
	}
	valid, err := r.verify(ctx, body, signature)
	switch {
	case err != nil: // The webhook may be from Finicity. A 401 would say that it is not.
		log.Printf("no verdict from Vault: %v", err)
		return http.StatusServiceUnavailable
	case !valid:
		log.Print("refused: the signature is not Finicity's, or the body was changed in transit")
		return http.StatusUnauthorized
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		log.Printf("signed, but not readable: %v", err)
		return http.StatusBadRequest
	}
	if e.ID == "" { // A ping, which only checks whether the receiver is running.
		return http.StatusOK
	}
	if err := r.once(e); err != nil {
		log.Printf("event %q: %v", e.ID, err)
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// verify asks Vault, which compares signatures in constant time. Vault also accepts the
// secret from before the last rotation.
func (r *receiver) verify(ctx context.Context, body []byte, signature string) (bool, error) {
	question, err := json.Marshal(map[string]any{"input": body, "signature": signature}) // []byte becomes base64.
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.verifyURL, bytes.NewReader(question))
	if err != nil {
		return false, err
	}
	for header, value := range map[string]string{
		"X-Vault-Request":   "true",
		"X-Vault-Token":     os.Getenv("VAULT_TOKEN"), // Not needed if a Vault Agent adds its own token.
		"X-Vault-Namespace": os.Getenv("VAULT_NAMESPACE"),
	} {
		if value != "" {
			req.Header.Set(header, value)
		}
	}
	resp, err := r.vault.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, errors.New(resp.Status)
	}
	var answer struct{ Data struct{ Valid *bool } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, err
	}
	if answer.Data.Valid == nil { // The answer is not from the engine.
		return false, errors.New("the answer has no verdict")
	}
	return *answer.Data.Valid, nil
}

type event struct {
	ID   string `json:"eventId"`
	Type string `json:"eventType"`
}

// once does the work for an event that it has not seen. A webhook arrives again if its
// answer was lost, or if someone recorded and replays it. Its signature is right each
// time. This memory is lost when the process ends, and other instances do not share it.
// A real app inserts the eventId into a column with a unique key, in the same
// transaction as the work.
func (r *receiver) once(e event) error {
	r.mu.Lock() // Also during the work: a repeated webhook must not be answered before the result of the work is known.
	defer r.mu.Unlock()
	if r.seen[e.ID] {
		return nil
	}
	if err := work(e); err != nil {
		return err // Not recorded, so the next delivery tries again.
	}
	if len(r.ids) == maxSeen {
		delete(r.seen, r.ids[0])
		r.ids = r.ids[1:]
	}
	r.seen[e.ID], r.ids = true, append(r.ids, e.ID)
	return nil
}

func work(e event) error {
	_, err := fmt.Printf("done: %q %q\n", e.Type, e.ID)
	return err
}
