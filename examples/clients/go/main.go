// SPDX-License-Identifier: MPL-2.0

// Command client calls Finicity's API with the token from Vault, and reads the token
// again in time: see ../README.md.
//
//	client 3 1s    3 calls, one per second
//
// test/e2e/testdata/clients.txtar runs it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client is safe for concurrent use.
type client struct {
	http            *http.Client
	vault, finicity string

	mu      sync.Mutex
	kept    http.Header
	again   time.Time
	refused time.Time // The last read because of a refused token.
}

func newClient() *client {
	return &client{
		// Following a redirect would send the token to another address.
		http: &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a redirect")
		}},
		vault:    cmp.Or(os.Getenv("VAULT_ADDR"), "https://127.0.0.1:8200"),
		finicity: cmp.Or(os.Getenv("FINICITY_URL"), "https://api.finicity.com"),
	}
}

// get returns the status and the body.
func (c *client) get(ctx context.Context, url string, header http.Header) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header = header
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

func (c *client) read(ctx context.Context) error {
	vaultToken := []byte(os.Getenv("VAULT_TOKEN"))
	if file := os.Getenv("VAULT_TOKEN_FILE"); file != "" {
		var err error
		if vaultToken, err = os.ReadFile(file); err != nil {
			return err
		}
	}
	header := http.Header{"X-Vault-Request": {"true"}}
	if token := strings.TrimSpace(string(vaultToken)); token != "" { // Otherwise, a proxy adds one.
		header.Set("X-Vault-Token", token)
	}
	status, body, err := c.get(ctx, c.vault+"/v1/finicity/static-token", header)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("vault: HTTP %d", status)
	}
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			AppKey string `json:"app_key"`
			Token  string `json:"token"`
			TTL    int    `json:"ttl"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	data := answer.Data
	if data.AppKey == "" || data.Token == "" || data.TTL < 1 {
		return errors.New("vault: no token in the answer")
	}
	c.kept = http.Header{"Finicity-App-Key": {data.AppKey}, "Finicity-App-Token": {data.Token}, "Accept": {"application/json"}}
	c.again = time.Now().Add(time.Duration(data.TTL) * time.Second) // The token is due for a refresh then.
	fmt.Printf("token: again in %d seconds\n", data.TTL)
	return nil
}

func (c *client) headers(ctx context.Context, refused bool) (http.Header, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused = refused && time.Since(c.refused) > 10*time.Second; refused {
		c.refused = time.Now()
	}
	if refused || time.Now().After(c.again) {
		if err := c.read(ctx); err != nil {
			if refused || c.kept == nil {
				return nil, err
			}
			c.again = time.Now().Add(10 * time.Second) // The kept token stays valid for another 25 minutes.
			fmt.Println("token: kept, because Vault returns none:", err)
		}
	}
	return c.kept.Clone(), nil
}

func (c *client) call(ctx context.Context, path string) (status int, body []byte, err error) {
	for _, refused := range []bool{false, true} {
		var headers http.Header
		if headers, err = c.headers(ctx, refused); err != nil {
			return 0, nil, err
		}
		if status, body, err = c.get(ctx, c.finicity+path, headers); status != http.StatusUnauthorized {
			break
		}
	}
	return status, body, err
}

func main() {
	calls, _ := strconv.Atoi(os.Args[1])          // No number means no calls.
	interval, _ := time.ParseDuration(os.Args[2]) // No duration means no pause.
	c := newClient()
	for n := 1; n <= calls; n++ {
		if status, _, err := c.call(context.Background(), "/aggregation/v1/customers"); err != nil || status != http.StatusOK {
			log.Fatalf("call %d: HTTP %d, %v", n, status, err)
		}
		fmt.Printf("call %d: HTTP 200\n", n)
		<-time.After(interval)
	}
}
