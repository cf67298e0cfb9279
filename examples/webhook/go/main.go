// SPDX-License-Identifier: MPL-2.0

// Command go receives Finicity's Connect webhooks without knowing the partner secret: Vault says whether a signature is
// right. See ../README.md. It is run by test/e2e/testdata/webhook.txtar.
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
	maxBody = 1 << 20 // bytes, as many as webhook/verify takes
	maxSeen = 10_000
)

type receiver struct {
	verifyURL string
	vault     *http.Client

	mu   sync.Mutex
	seen map[string]bool
	ids  []string // those that were seen, the oldest first
}

func main() {
	vault := strings.TrimRight(cmp.Or(os.Getenv("VAULT_ADDR"), "https://127.0.0.1:8200"), "/")
	mount := strings.Trim(cmp.Or(os.Getenv("FINICITY_MOUNT"), "finicity"), "/")
	r := &receiver{
		verifyURL: vault + "/v1/" + mount + "/webhook/verify",
		vault: &http.Client{
			Timeout: 5 * time.Second,
			// A redirect would take the token along to wherever it leads.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		seen: map[string]bool{},
	}
	// A loopback address: TLS, and Finicity, end at the proxy in front of it.
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
	// The raw bytes are what was signed. JSON that was parsed and written again has other ones.
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

// receive returns the status to answer with. Finicity repeats what is not answered with a 200, for three days.
func (r *receiver) receive(ctx context.Context, body []byte, signature string) int {
	if signature == "" {
		log.Print("refused: no signature")
		return http.StatusUnauthorized
	}
	valid, err := r.verify(ctx, body, signature)
	switch {
	case err != nil: // It may well be Finicity's. A 401 would say that it is not.
		log.Printf("no verdict from Vault: %v", err)
		return http.StatusServiceUnavailable
	case !valid:
		log.Print("refused: the signature is not Finicity's, or the body has changed on its way")
		return http.StatusUnauthorized
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		log.Printf("signed, but not understood: %v", err)
		return http.StatusBadRequest
	}
	if e.ID == "" { // A ping, which only wants to know whether anybody is there.
		return http.StatusOK
	}
	if err := r.once(e); err != nil {
		log.Printf("event %q: %v", e.ID, err)
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// verify asks Vault, which compares in constant time and knows the secret before the last rotation too.
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
		"X-Vault-Token":     os.Getenv("VAULT_TOKEN"), // Not needed behind a Vault Agent that adds its own.
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
	if answer.Data.Valid == nil { // Something else than the engine has answered.
		return false, errors.New("an answer without a verdict")
	}
	return *answer.Data.Valid, nil
}

type event struct {
	ID   string `json:"eventId"`
	Type string `json:"eventType"`
}

// once does the work for an event that was not seen before: a webhook comes again when its answer was lost, or when somebody
// has recorded it, and its signature is right each time. This memory ends with the process and is not shared. A real app
// inserts the eventId into a column with a unique key, in the same transaction as the work.
func (r *receiver) once(e event) error {
	r.mu.Lock() // During the work too: a repetition must not be answered before it is known how that ends.
	defer r.mu.Unlock()
	if r.seen[e.ID] {
		return nil
	}
	if err := work(e); err != nil {
		return err // Not remembered, so that the next one tries again.
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
