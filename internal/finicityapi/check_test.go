// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func checked(t *testing.T, cfg finicityapi.Config) finicityapi.Report {
	t.Helper()
	return newClient(t, cfg).Check(t.Context())
}

// hostOf returns the host and port of a server.
func hostOf(url string) string { return url[strings.Index(url, "//")+2:] }

// validFrom starts a TLS server with its own certificate, and returns its CA bundle.
func validFrom(t *testing.T, begin, end time.Time) (url, ca string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "finicity.example"}, NotBefore: begin, NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	url, _ = overTLS(t, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: private}}, MinVersion: tls.VersionTLS12,
	})
	return url, pemOf(certificate)
}

func TestACheckIsOneGetThatCarriesNothing(t *testing.T) {
	var requests []*http.Request
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		w.Header().Set("Set-Cookie", "session=1")
		w.WriteHeader(http.StatusNotFound)
	})
	client := newClient(t, finicityapi.Config{BaseURL: server.URL + "/gateway", UserAgent: "the engine"})
	for range 2 { // The second check sends no cookie from the first.
		r := client.Check(t.Context())
		if r.Failed != "" || r.Status != http.StatusNotFound || r.ConnectedTo != hostOf(server.URL) {
			t.Errorf("the report is %+v", r)
		}
	}
	server.Close()
	if len(requests) != 2 {
		t.Fatalf("%d requests were sent", len(requests))
	}
	for _, r := range requests {
		headers := slices.Sorted(maps.Keys(r.Header))
		if !slices.Equal(headers, []string{"Accept", "Accept-Encoding", "Connection", "User-Agent"}) {
			t.Errorf("the headers are %v", headers)
		}
		if r.Method != http.MethodGet || r.URL.String() != "/gateway/" || r.ContentLength != 0 || r.UserAgent() != "the engine" {
			t.Errorf("the request is %s %s with %d bytes, from %q", r.Method, r.URL, r.ContentLength, r.UserAgent())
		}
	}
}

func TestACheckSaysWhatWasNegotiated(t *testing.T) {
	for version, cfg := range map[string]*tls.Config{
		"TLS 1.2": {MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12},
		"TLS 1.3": {MinVersion: tls.VersionTLS13},
	} {
		url, ca := overTLS(t, cfg)
		r := checked(t, finicityapi.Config{BaseURL: url, CACert: ca})
		if r.Failed != "" || r.Status != http.StatusOK || r.TLSVersion != version || r.ConnectedTo != hostOf(url) || r.Proxy != "" {
			t.Errorf("%s: the report is %+v", version, r)
		}
		if c := r.Certificate; c == nil || c.Subject != "O=Acme Co" || c.Issuer != "O=Acme Co" || c.Expires.Year() != 2084 {
			t.Errorf("%s: the certificate is %+v", version, c)
		}
	}
}

// A check that connects differently from the calls would diagnose something else.
func TestACheckGreetsAServerAsACallDoes(t *testing.T) {
	var greetings []string
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		greetings = append(greetings, fmt.Sprint(hello.SupportedVersions, hello.SupportedProtos, hello.CipherSuites, hello.ServerName))
		return nil, nil //nolint:nilnil // Returning nil tells crypto/tls to continue as before.
	}
	url, ca := overTLS(t, cfg)
	client := newClient(t, finicityapi.Config{BaseURL: url, CACert: ca})
	if err := authenticate(t, client); err != nil {
		t.Fatal(err)
	}
	if r := client.Check(t.Context()); r.Failed != "" {
		t.Fatalf("the report is %+v", r)
	}
	if len(greetings) != 2 || greetings[0] != greetings[1] {
		t.Errorf("the greetings are %q", greetings)
	}
}

// Each of these failures needs a different person to do something else.
func TestACheckTellsWhatFailedAndWhere(t *testing.T) {
	url, ca := overTLS(t, nil)
	oldURL, oldCA := overTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // G402: the client must refuse it.
	now := time.Now()
	expiredURL, expiredCA := validFrom(t, now.Add(-48*time.Hour), now.Add(-24*time.Hour))
	earlyURL, earlyCA := validFrom(t, now.Add(24*time.Hour), now.Add(48*time.Hour))
	plain := serve(t, answering(http.StatusOK, "")).URL
	const untrusted = "certificate signed by unknown authority"
	for name, test := range map[string]struct {
		cfg     finicityapi.Config
		failed  finicityapi.Stage
		cause   finicityapi.Cause
		problem string
		subject string // The subject of the certificate, empty without one.
	}{
		"refused port":  {finicityapi.Config{BaseURL: "http://127.0.0.1:1"}, finicityapi.StageTCP, finicityapi.CauseOther, "refused", ""},
		"unknown CA":    {finicityapi.Config{BaseURL: url, CACert: otherCA(t)}, finicityapi.StageTLS, finicityapi.CauseUntrusted, untrusted, "O=Acme Co"},
		"not valid yet": {finicityapi.Config{BaseURL: earlyURL, CACert: earlyCA}, finicityapi.StageTLS, finicityapi.CauseExpired, "not yet valid", "CN=finicity.example"},
		"expired":       {finicityapi.Config{BaseURL: expiredURL, CACert: expiredCA}, finicityapi.StageTLS, finicityapi.CauseExpired, "expired", "CN=finicity.example"},
		"another name": {
			finicityapi.Config{BaseURL: strings.Replace(url, "127.0.0.1", "localhost", 1), CACert: ca},
			finicityapi.StageTLS, finicityapi.CauseWrongName, "localhost", "O=Acme Co",
		},
		"TLS 1.1 only": {finicityapi.Config{BaseURL: oldURL, CACert: oldCA}, finicityapi.StageTLS, finicityapi.CauseOldTLS, "protocol version", ""},
		"no TLS": {
			finicityapi.Config{BaseURL: strings.Replace(plain, "http:", "https:", 1)},
			finicityapi.StageTLS, finicityapi.CauseNotTLS, "TLS handshake", "",
		},
		"cut in the handshake": {
			finicityapi.Config{BaseURL: "https://127.0.0.1", DialContext: wire(func(net.Conn) {})},
			finicityapi.StageTLS, finicityapi.CauseOther, "", "",
		},
		"taken and closed": {
			finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(""))},
			finicityapi.StageHTTP, finicityapi.CauseOther, "EOF", "",
		},
		"no HTTP": {
			finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes("SSH-2.0\r\n\r\n"))},
			finicityapi.StageHTTP, finicityapi.CauseOther, "malformed", "",
		},
		"unusable URL": {finicityapi.Config{BaseURL: "https://exa mple"}, finicityapi.StageDNS, finicityapi.CauseOther, "base URL", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := checked(t, test.cfg)
			if r.Failed != test.failed || r.Cause != test.cause || !strings.Contains(r.Problem, test.problem) || r.Status != 0 || r.TLSVersion != "" {
				t.Errorf("the report is %+v", r)
			}
			subject := ""
			if r.Certificate != nil {
				subject = r.Certificate.Subject
			}
			if subject != test.subject {
				t.Errorf("the certificate is that of %q, want %q", subject, test.subject)
			}
		})
	}
}

func TestACheckTellsABlockFromAnAnswer(t *testing.T) {
	for status, reached := range map[int]bool{
		200: true, 301: false, 302: false, 401: true, 403: false, 404: true, 407: false, 429: true, 500: false, 503: false,
	} {
		r := checked(t, finicityapi.Config{BaseURL: serve(t, answering(status, "")).URL})
		if r.Status != status || reached != (r.Failed == "") || !reached && r.Failed != finicityapi.StageHTTP {
			t.Errorf("%d: the report is %+v", status, r)
		}
	}
}

func TestACheckFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	if r := checked(t, finicityapi.Config{BaseURL: server.URL}); r.Status != http.StatusFound || r.Failed != finicityapi.StageHTTP || elsewhere.Load() != 0 {
		t.Errorf("%d requests went elsewhere, and the report is %+v", elsewhere.Load(), r)
	}
}

func TestACheckReadsNoEndlessPage(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096)) // Until the client closes.
		}
	})
	if r := checked(t, finicityapi.Config{BaseURL: server.URL}); r.Failed != "" || r.Status != http.StatusOK {
		t.Errorf("the report is %+v", r)
	}
}

// The caller cancels once the server has what it does not answer, so that no time has
// to pass.
func TestACheckThatGetsNoAnswerSaysHowFarItCame(t *testing.T) {
	for scheme, failed := range map[string]finicityapi.Stage{"http": finicityapi.StageHTTP, "https": finicityapi.StageTLS} {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
				leave(errors.New("the caller has left"))
				_, _ = io.Copy(io.Discard, conn)
				err = errors.Join(err, conn.Close())
			}
			ended <- err
		}()
		r := newClient(t, finicityapi.Config{BaseURL: scheme + "://" + listener.Addr().String()}).Check(ctx)
		if r.Failed != failed || r.Problem != "the caller has left" || r.ConnectedTo != listener.Addr().String() {
			t.Errorf("%s: the report is %+v", scheme, r)
		}
		if err := errors.Join(<-ended, listener.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Vault's clients wait for 60 seconds.
func TestACheckTakesNoLongerThanTheTimeoutAndHalfAMinute(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
	for name, test := range map[string]struct {
		url    string
		dial   dialer
		failed finicityapi.Stage
		status int
	}{
		"no connection": {"https://127.0.0.1", func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, finicityapi.StageTCP, 0},
		"no handshake": {"https://127.0.0.1", wire(stalls("")), finicityapi.StageTLS, 0},
		"no answer":    {"http://127.0.0.1", wire(stalls("")), finicityapi.StageHTTP, 0},
		"no body":      {"http://127.0.0.1", wire(stalls(head)), finicityapi.StageHTTP, 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for timeout, limit := range map[time.Duration]time.Duration{17 * time.Second: 17 * time.Second, 2 * time.Minute: 30 * time.Second} {
					client := newClient(t, finicityapi.Config{BaseURL: test.url, Timeout: timeout, DialContext: test.dial})
					start := time.Now()
					r := client.Check(t.Context())
					if took := time.Since(start); took != limit {
						t.Errorf("the check took %s", took)
					}
					if r.Failed != test.failed || r.Status != test.status || !strings.Contains(r.Problem, "timed out after "+limit.String()) {
						t.Errorf("the report is %+v", r)
					}
				}
			})
		})
	}
}
