// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// A container of its own has no other address at which its clients could reach it.
func TestListensEverywhereOnlyWithAllowRemote(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		err := run(t.Context(), []string{"-listen", address}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "-allow-remote") {
			t.Errorf("-listen %s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, ended := startAt(ctx, t, `http://(?:0\.0\.0\.0|\[::\])`, "-listen", "0.0.0.0:0", "-allow-remote")
	port := url[strings.LastIndex(url, ":"):]
	if status := authenticate(t, "http://127.0.0.1"+port, defaultPartner); status != http.StatusOK {
		t.Errorf("authenticate: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// The address that the image listens on, without a flag for it.
	if o, err := parseOptions([]string{"-allow-remote"}, io.Discard); err != nil || o.listen != "" || defaultRemote != ":8210" {
		t.Errorf("%+v, %v", o, err)
	}
}

// The engine accepts plain HTTP only from a loopback address. So a mock server in a
// container of its own needs TLS.
func TestServesHTTPSWithACertificateThatItShows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, ended := startAt(ctx, t, `https://127\.0\.0\.1`, "-listen", "127.0.0.1:0", "-tls-host", "finicity")
	send := func(config *tls.Config, method, path string) (string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
		request, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		if response.ProtoMajor != 1 {
			t.Errorf("%s: %s, which has no faults that cut a connection", path, response.Proto)
		}
		if response.StatusCode != http.StatusOK && path == pathCA {
			t.Errorf("%s %s: %s", method, path, response.Status)
		}
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	get := func(config *tls.Config, path string) (string, error) { return send(config, http.MethodGet, path) }
	shown, err := get(&tls.Config{InsecureSkipVerify: true}, pathCA) //nolint:gosec // As curl -k: the certificate is not known yet.
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(shown)) {
		t.Fatalf("%s shows %q", pathCA, shown)
	}
	if body, err := send(&tls.Config{RootCAs: roots, ServerName: "finicity", MinVersion: tls.VersionTLS12}, http.MethodHead, pathCA); err != nil || body != "" {
		t.Errorf("HEAD %s: %q, %v", pathCA, body, err)
	}
	for _, name := range []string{"finicity", "localhost", "127.0.0.1"} {
		if body, err := get(&tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, "/_fake/health"); err != nil || body != "{\"status\":\"ok\"}\n" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	if _, err := get(&tls.Config{RootCAs: roots, ServerName: "other", MinVersion: tls.VersionTLS12}, "/_fake/health"); err == nil {
		t.Error("the certificate is for any name")
	}
	if body, err := get(&tls.Config{RootCAs: roots, ServerName: "finicity", MinVersion: tls.VersionTLS12}, fakefinicity.PathCustomers); err != nil || !strings.Contains(body, "10026") {
		t.Errorf("without headers: %q, %v", body, err)
	}
	if body, err := get(&tls.Config{RootCAs: roots, ServerName: "finicity", MinVersion: tls.VersionTLS12}, "/"+fakefinicity.PathCustomers); err != nil || body != "404 page not found\n" {
		t.Errorf("with two slashes: %q, %v", body, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
