// SPDX-License-Identifier: MPL-2.0

// Command app is an app that calls Finicity's API. It does not use Vault itself: Vault
// Agent provides both headers, in a file that the app reads before each call, or in the
// environment.
//
//	app -headers finicity.headers      see ../agent/agent.hcl
//	app                                see ../agent/exec.hcl: FINICITY_APP_KEY and FINICITY_APP_TOKEN
//
// It exits with an error when a call fails.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"
)

const (
	headerKey   = "Finicity-App-Key"
	headerToken = "Finicity-App-Token"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

// app has what it needs for a call.
type app struct {
	client  *http.Client
	url     string
	headers func() (http.Header, error) // Called before each call of the API.
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("app", flag.ContinueOnError)
	file := flags.String("headers", os.Getenv("FINICITY_HEADERS"), "`file` with the headers; empty: read them from the environment")
	base := flags.String("url", cmp.Or(os.Getenv("FINICITY_URL"), "https://api.finicity.com"), "base `URL` of Finicity's API")
	calls := flags.Int("calls", 0, "number of calls; 0: continue until SIGTERM")
	every := flags.Duration("every", time.Second, "time between calls")
	if err := flags.Parse(args); err != nil {
		return err
	}
	a := &app{
		// Following a redirect would send the token to another address.
		client: &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		url:     strings.TrimSuffix(*base, "/") + "/aggregation/v1/customers",
		headers: fromEnvironment,
	}
	if *file != "" {
		a.headers = func() (http.Header, error) { return fromFile(*file) }
	}
	for n := 1; ; n++ {
		if err := a.call(ctx); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // The app was told to stop, which ended the call.
			}
			return fmt.Errorf("call %d: %w", n, err)
		}
		if _, err := fmt.Fprintf(out, "call %d: HTTP 200\n", n); err != nil {
			return err
		}
		if n == *calls {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(*every):
		}
	}
}

func (a *app) call(ctx context.Context) error {
	headers, err := a.headers()
	if err != nil {
		return err
	}
	status, err := a.customers(ctx, headers)
	if status == http.StatusUnauthorized {
		// The file may have been replaced after the app read it. Retrying with the same
		// headers would be pointless.
		fresh, failed := a.headers()
		if failed == nil && !reflect.DeepEqual(fresh, headers) {
			status, err = a.customers(ctx, fresh)
		}
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("HTTP %d", status)
	}
	return err
}

func (a *app) customers(ctx context.Context, headers http.Header) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return 0, err
	}
	req.Header = headers.Clone()
	req.Header.Set("Accept", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body) // A real app uses the body.
	return resp.StatusCode, err
}

// fromFile reads lines like "Finicity-App-Key: …". The agent replaces the whole file,
// so the app never reads a partial one.
func fromFile(name string) (http.Header, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	headers := http.Header{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, found := strings.Cut(lines.Text(), ":"); found {
			headers.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return headers, errors.Join(lines.Err(), complete(headers))
}

func fromEnvironment() (http.Header, error) {
	headers := http.Header{}
	headers.Set(headerKey, os.Getenv("FINICITY_APP_KEY"))
	headers.Set(headerToken, os.Getenv("FINICITY_APP_TOKEN"))
	return headers, complete(headers)
}

func complete(headers http.Header) error {
	for _, name := range []string{headerKey, headerToken} {
		if headers.Get(name) == "" {
			return fmt.Errorf("there is no %s", name)
		}
	}
	return nil
}
