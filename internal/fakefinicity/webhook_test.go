// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestWebhooksAreSignedWithTheCurrentSecret(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	body := []byte(`{"eventType":"added"}`)
	signature, err := c.fake.SignWebhook(alphaID, body)
	if err != nil {
		t.Fatal(err)
	}
	// openssl dgst -sha256 -hmac Fake-Secret-Alpha-1
	wantEqual(t, "signature", signature, "7a3d94016dd8f7aa1f31c4ce13b819c105334f18644668c3e7fe31f49654dea1")
	c.modify(map[string]any{"immediate": false}).want(t, 204, "")
	changed, err := c.fake.SignWebhook(alphaID, body)
	if err != nil || changed == signature {
		t.Fatalf("signature after the secret changed: %s, %v", changed, err)
	}
	if _, err := c.fake.SignWebhook("404", body); err == nil {
		t.Fatal("signed for a partner that does not exist")
	}
}

// receiver receives the webhooks.
type receiver struct {
	*httptest.Server
	mu         sync.Mutex
	bodies     []string
	signatures []string
}

func newReceiver(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		r.signatures = append(r.signatures, request.Header.Get(fakefinicity.SignatureHeader))
		w.Header().Set("Location", "/elsewhere") // A client that follows it makes one more delivery.
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestDeliveredWebhookCanBeRetriedWithTheSameBytesAndSignature(t *testing.T) {
	receiver := newReceiver(t, 307)
	c := newCaller(t, fakefinicity.Config{})
	got := c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{
		"partnerId": alphaID, "url": receiver.URL, "eventType": "added", "customerId": "6000000001",
		"payload": map[string]any{"accounts": []string{"a b"}},
	}), nil)
	got.want(t, 200, "")
	var answer struct {
		EventID string
		Status  int
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "receiver's status", answer.Status, 307)
	want := fmt.Sprintf(`{"customerId":"6000000001","eventType":"added","eventId":%q,"payload":{"accounts":["a b"]}}`,
		answer.EventID)
	signature, err := c.fake.SignWebhook(alphaID, []byte(want))
	if err != nil {
		t.Fatal(err)
	}
	c.modify(nil).want(t, 204, "")
	c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"retry": answer.EventID}), nil).want(t, 200, "")
	wantEqual(t, "deliveries", len(receiver.bodies), 2)
	for i := range receiver.bodies {
		wantEqual(t, "body", receiver.bodies[i], want)
		wantEqual(t, "signature", receiver.signatures[i], signature)
	}
}

func TestEachWebhookIsRetriedAsItWas(t *testing.T) {
	receiver := newReceiver(t, 200)
	c := newCaller(t, fakefinicity.Config{})
	var ids []string
	for _, order := range []map[string]any{
		{"partnerId": alphaID, "url": receiver.URL, "eventType": "added"},
		{"partnerId": betaID, "url": receiver.URL, "eventType": "done"},
	} {
		got := c.do(http.MethodPost, "/_fake/webhooks", object(order), nil)
		var answer struct{ EventID string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, answer.EventID)
	}
	for _, i := range []int{1, 0} {
		c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"retry": ids[i]}), nil).want(t, 200, "")
		latest := len(receiver.bodies) - 1
		wantEqual(t, "body", receiver.bodies[latest], receiver.bodies[i])
		wantEqual(t, "signature", receiver.signatures[latest], receiver.signatures[i])
	}
	wantEqual(t, "deliveries", len(receiver.bodies), 4)
}

func TestOnlyTheLatestHundredWebhooksCanBeRetried(t *testing.T) {
	receiver := newReceiver(t, 200)
	c := newCaller(t, fakefinicity.Config{})
	var ids []string
	for range 101 {
		got := c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"partnerId": alphaID, "url": receiver.URL}), nil)
		var answer struct{ EventID string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, answer.EventID)
	}
	c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"retry": ids[0]}), nil).want(t, 404, "")
	c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"retry": ids[1]}), nil).want(t, 200, "")
}

func TestWebhooksNeverLeaveTheMachine(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for _, url := range []string{
		"", "127.0.0.1:80", "ftp://127.0.0.1/", "http://192.0.2.1/", "http://example.com/", "http://localhost.example.com/",
		"http://127.0.0.1.example.com/", "http://:80/", "http://%zz/", "http://localhost@192.0.2.1/",
	} {
		got := c.do(http.MethodPost, "/_fake/webhooks", object(map[string]any{"partnerId": alphaID, "url": url}), nil)
		wantEqual(t, "status for "+url, got.status, 400)
	}
}

func TestWebhookThatCannotBeSentSaysWhy(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := newCaller(t, fakefinicity.Config{})
	for body, status := range map[string]int{
		object(map[string]any{"partnerId": alphaID, "url": gone.URL}):          502,
		object(map[string]any{"partnerId": "404", "url": gone.URL}):            404,
		object(map[string]any{"retry": "404"}):                                 404,
		object(map[string]any{"retry": "404", "url": gone.URL}):                400,
		object(map[string]any{"partnerID": alphaID, "uri": gone.URL}):          400,
		object(map[string]any{"partnerId": alphaID, "url": gone.URL + "\x7f"}): 400,
	} {
		got := c.do(http.MethodPost, "/_fake/webhooks", body, nil)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != status || answer.Error == "" {
			t.Errorf("%s: %d %s, want %d", body, got.status, got.body, status)
		}
	}
}
