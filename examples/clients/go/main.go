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
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	vault    = cmp.Or(os.Getenv("VAULT_ADDR"), "https://127.0.0.1:8200")
	finicity = cmp.Or(os.Getenv("FINICITY_URL"), "https://api.finicity.com")

	// Following a redirect would send the token to another address.
	client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}

	mu    sync.Mutex
	kept  http.Header
	again time.Time
)

func get(url string, header http.Header) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header = header
	return client.Do(request)
}

func read() error {
	vaultToken := os.Getenv("VAULT_TOKEN")
	if file := os.Getenv("VAULT_TOKEN_FILE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		vaultToken = strings.TrimSpace(string(text))
	}
	response, err := get(vault+"/v1/finicity/static-token", http.Header{"X-Vault-Token": {vaultToken}, "X-Vault-Request": {"true"}})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Token  string `json:"token"`
			AppKey string `json:"app_key"`
			TTL    int    `json:"ttl"`
		} `json:"data"`
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("vault: %s", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	kept = http.Header{"Finicity-App-Key": {answer.Data.AppKey}, "Finicity-App-Token": {answer.Data.Token}, "Accept": {"application/json"}}
	again = time.Now().Add(time.Duration(answer.Data.TTL) * time.Second) // By then, the engine has refreshed the token.
	fmt.Printf("token: again in %ds\n", answer.Data.TTL)
	return nil
}

func headers(refused bool) (http.Header, error) {
	mu.Lock()
	defer mu.Unlock()
	if !refused && time.Now().Before(again) {
		return kept, nil
	}
	err := read()
	if err != nil && !refused && kept != nil {
		again = time.Now().Add(10 * time.Second) // The kept token stays valid for another 25 minutes.
		fmt.Println("token: kept, because Vault returns none:", err)
		err = nil
	}
	return kept, err
}

func call(path string) (response *http.Response, err error) {
	for _, refused := range []bool{false, true} {
		header, err := headers(refused)
		if err != nil {
			return nil, err
		}
		if response, err = get(finicity+path, header); err != nil || response.StatusCode != http.StatusUnauthorized {
			return response, err
		}
		response.Body.Close()
	}
	return response, nil
}

func main() {
	calls, _ := strconv.Atoi(os.Args[1])
	interval, _ := time.ParseDuration(os.Args[2])
	for n := 1; n <= calls; n++ {
		response, err := call("/aggregation/v1/customers")
		if err != nil || response.StatusCode != http.StatusOK {
			log.Fatalf("call %d: %v, %v", n, err, response)
		}
		response.Body.Close() // A real app reads the body.
		fmt.Printf("call %d: HTTP 200\n", n)
		time.Sleep(interval)
	}
}
