// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// The client in Node.js is safe for concurrent calls without a lock. Of calls that
// Finicity refuses at the same time, one reads the new token. The others must wait for it
// and not repeat their call with the refused one.
func TestClientsWithConcurrentCallsWaitForTheNewToken(t *testing.T) {
	t.Parallel()
	node, err := clientRuntime("node", "node", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if node == "" {
		t.Skip("without Node.js, the client is not run, except in CI, where that is an error")
	}
	const main, calls = "\nmain(Number(process.argv[2]), Number(process.argv[3]))", 5
	source, err := os.ReadFile("../../examples/clients/node/client.js")
	if err != nil {
		t.Fatal(err)
	}
	concurrent := strings.Replace(string(source), main, fmt.Sprintf("\nPromise.all(Array.from({ length: %d }, () => main(1, 0)))", calls), 1)
	if concurrent == string(source) {
		t.Fatalf("the client does not start with %q", main)
	}
	concurrent = strings.ReplaceAll(concurrent, "10_000", "600_000") // For slow machines.
	client := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(client, []byte(concurrent), 0o600); err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	var reads, refused, accepted int
	all := make(chan struct{}) // Closed once Finicity has refused all calls.
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path == "/v1/finicity/static-token":
			reads++
			token := "refused"
			if reads > 1 {
				token = "accepted"
				mu.Unlock()
				select {
				case <-all:
				case <-r.Context().Done(): // The client has ended.
				}
				mu.Lock()
			}
			says(200, `{"data":{"app_key":"key","token":"`+token+`","ttl":3600}}`)(rw, r)
		case r.URL.Path != fakefinicity.PathCustomers:
			t.Errorf("the client requests %s", r.URL.Path)
		case r.Header.Get("Finicity-App-Token") == "accepted":
			accepted++
			says(200, `{"customers":[]}`)(rw, r)
		default:
			if refused++; refused == calls {
				close(all)
			}
			says(401, "")(rw, r)
		}
	}))
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), node, client)
	cmd.Env = []string{"VAULT_ADDR=" + server.URL, "FINICITY_URL=" + server.URL, "VAULT_TOKEN=vault-token", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	mu.Lock()
	defer mu.Unlock()
	if err != nil || reads != 2 || refused != calls || accepted != calls {
		t.Errorf("%d reads, %d calls with the refused token, %d with the new one: %v\n%s", reads, refused, accepted, err, out)
	}
}
