// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// wire is a network without sockets. It passes the far end of each connection to the
// server.
func wire(server func(net.Conn)) dialer {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			server(far)
		}()
		return near, nil
	}
}

// writes reads one request and answers it with exactly these bytes.
func writes(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(conn, answer)
		}
	}
}

// stalls answers as writes does, and then neither continues nor closes.
func stalls(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		writes(answer)(conn)
		_, _ = io.Copy(io.Discard, conn) // Ends when the client closes.
	}
}

func failsToDial(err error) dialer {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

func pemOf(certificate []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

// overTLS serves the successful answers to both calls.
func overTLS(t *testing.T, cfg *tls.Config) (url, certificate string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"token":"`+token+`"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // It would log the handshakes that the tests expect to fail.
	server.TLS = cfg
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, pemOf(server.Certificate().Raw)
}

func otherCA(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	certificate, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(certificate)
}

// NotSent gives an attempt back and lets a rotation discard its candidate. So the
// client may claim it only for a request that cannot have arrived.
func TestNotSentIsClaimedOnlyWithoutAConnection(t *testing.T) {
	tlsURL, tlsCA := overTLS(t, nil)
	oldURL, oldCA := overTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // G402: the client must refuse it.
	plain := serve(t, answering(http.StatusNoContent, "")).URL

	for name, tc := range map[string]struct {
		cfg     finicityapi.Config
		notSent bool
		text    string // The text that the operator needs to see.
	}{
		"connection refused": {finicityapi.Config{BaseURL: "http://127.0.0.1:1"}, true, "refused"},
		"no such host": {finicityapi.Config{
			BaseURL:     "https://finicity.invalid",
			DialContext: failsToDial(&net.DNSError{Err: "no such host", Name: "finicity.invalid", IsNotFound: true}),
		}, true, "finicity.invalid: no such host"},
		"unknown CA":       {finicityapi.Config{BaseURL: tlsURL}, true, "certificate"},
		"another CA":       {finicityapi.Config{BaseURL: tlsURL, CACert: otherCA(t)}, true, "certificate"},
		"TLS 1.1 only":     {finicityapi.Config{BaseURL: oldURL, CACert: oldCA}, true, "version"},
		"no TLS":           {finicityapi.Config{BaseURL: strings.Replace(plain, "http:", "https:", 1)}, true, "HTTP response to HTTPS client"},
		"another name":     {finicityapi.Config{BaseURL: strings.Replace(tlsURL, "127.0.0.1", "localhost", 1), CACert: tlsCA}, true, "localhost"},
		"unusable URL":     {finicityapi.Config{BaseURL: "https://exa mple"}, true, "base URL"},
		"unusable scheme":  {finicityapi.Config{BaseURL: "ftp://127.0.0.1"}, true, "ftp"},
		"unusable header":  {finicityapi.Config{BaseURL: plain, UserAgent: "two\nlines"}, true, "User-Agent"},
		"closed at once":   {finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(func(net.Conn) {})}, false, ""},
		"taken and closed": {finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes(""))}, false, "EOF"},
		"no HTTP":          {finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(writes("SSH-2.0\r\n\r\n"))}, false, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range both() {
				e := failure(t, c.do(t, newClient(t, tc.cfg)))
				if e.NotSent != tc.notSent || e.Ambiguous() == tc.notSent {
					t.Errorf("%s: not sent %v, ambiguous %v", c.name, e.NotSent, e.Ambiguous())
				}
				if e.Class != finicityapi.Unavailable || e.Status != 0 || !strings.Contains(e.Error(), tc.text) {
					t.Errorf("%s: class %v, status %d, text %q", c.name, e.Class, e.Status, e)
				}
			}
		})
	}
}

// The counterpart of the test above: its servers are refused only for their CA and TLS
// version.
func TestTheCABundleIsTheRoots(t *testing.T) {
	for name, cfg := range map[string]*tls.Config{
		"TLS 1.2": {MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12},
		"TLS 1.3": {MinVersion: tls.VersionTLS13},
	} {
		url, ca := overTLS(t, cfg)
		client := newClient(t, finicityapi.Config{BaseURL: url, CACert: otherCA(t) + "\n" + ca})
		for _, c := range both() {
			if err := c.do(t, client); err != nil {
				t.Errorf("%s: %s: %v", c.name, name, err)
			}
		}
	}
}

func TestACABundleWithoutACertificateIsAnError(t *testing.T) {
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("a key pasted by mistake")})
	for name, bundle := range map[string]string{
		"text": "/etc/ssl/ca.pem", "a key": string(key), "blank": " \n", "broken": pemOf([]byte("not a certificate")),
	} {
		client, err := finicityapi.New(finicityapi.Config{BaseURL: finicityapi.DefaultBaseURL, CACert: bundle})
		if client != nil || err == nil || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: a client %v, an error %v", name, client != nil, err != nil)
		}
	}
}

// With the fake clock of synctest, a call lasts exactly as long as the test says.
func TestTheTimeoutCoversConnectToLastByte(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
	dripping := func(conn net.Conn) {
		writes(head)(conn)
		closed := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			close(closed)
		}()
		for {
			select {
			case <-time.After(10 * time.Second): // Each byte arrives well within the timeout.
				_, _ = conn.Write([]byte{' '})
			case <-closed:
				return
			}
		}
	}
	for name, tc := range map[string]struct {
		scheme  string
		dial    dialer
		notSent bool
		status  int
		class   finicityapi.Class
	}{
		"no connection": {"http", func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, true, 0, finicityapi.Unavailable},
		"no handshake":     {"https", wire(stalls("")), true, 0, finicityapi.Unavailable},
		"no answer":        {"http", wire(stalls("")), false, 0, finicityapi.Unavailable},
		"half a header":    {"http", wire(stalls(head[:30])), false, 0, finicityapi.Unavailable},
		"no body":          {"http", wire(stalls(head)), false, 200, finicityapi.Unavailable},
		"a dripping body":  {"http", wire(dripping), false, 200, finicityapi.Unavailable},
		"no error's body":  {"http", wire(stalls(strings.Replace(head, "200", "503", 1))), false, 503, finicityapi.Unavailable},
		"no verdict's one": {"http", wire(stalls(strings.Replace(head, "200", "401", 1))), false, 401, finicityapi.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, finicityapi.Config{BaseURL: tc.scheme + "://127.0.0.1", Timeout: 37 * time.Second, DialContext: tc.dial})
				start := time.Now()
				e := failure(t, authenticate(t, client))
				if took := time.Since(start); took != 37*time.Second {
					t.Errorf("the call took %s", took)
				}
				if e.NotSent != tc.notSent || e.Status != tc.status || e.Class != tc.class {
					t.Errorf("not sent %v, status %d, class %v", e.NotSent, e.Status, e.Class)
				}
				if !strings.Contains(e.Error(), "37s") {
					t.Errorf("the error %q does not name the timeout", e)
				}
			})
		})
	}
}

// Otherwise the operator would raise request_timeout, which has nothing to do with it.
func TestACallThatItsCallerEndsIsNotCalledATimeout(t *testing.T) {
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"canceled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(5*time.Second, cancel)
			return ctx, func() { timer.Stop() }
		},
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 5*time.Second)
		},
	} {
		for where, answer := range map[string]string{"before": "", "within": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"} {
			t.Run(name+" "+where+" the answer", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := end(t.Context())
					defer cancel()
					client := newClient(t, finicityapi.Config{BaseURL: "http://127.0.0.1", DialContext: wire(stalls(answer))})
					start := time.Now()
					_, err := client.Authenticate(ctx, credential())
					e := failure(t, err)
					if took := time.Since(start); took != 5*time.Second {
						t.Errorf("the call took %s", took)
					}
					if e.Class != finicityapi.Unavailable || e.NotSent || strings.Contains(e.Error(), "30s") || !strings.Contains(e.Error(), "context ") {
						t.Errorf("class %v, not sent %v, text %q", e.Class, e.NotSent, e)
					}
				})
			})
		}
	}
}

// net/http reads the environment once per process, so this test runs itself in a new
// process for each setting.
func TestAProxyPasswordStaysOutOfErrors(t *testing.T) {
	const password, child, done = "hunter2hunter2", "FINICITYAPI_TEST_BASE_URL", "the child has checked"
	if base := os.Getenv(child); base != "" {
		var dialed string
		client := newClient(t, finicityapi.Config{BaseURL: base, DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, errors.New("no network here")
		}})
		e := failure(t, authenticate(t, client))
		if hasRun(e.Error(), password, 4) {
			t.Error("the error holds the proxy's password")
		}
		if !e.NotSent || !strings.Contains(e.Error(), os.Getenv("WANT_TEXT")) || dialed != os.Getenv("WANT_DIALED") {
			t.Errorf("not sent %v, dialed %q, want %q", e.NotSent, dialed, os.Getenv("WANT_DIALED"))
		}
		t.Log(done)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{
		"usable": {child + "=https://finicity.invalid", "HTTPS_PROXY=http://me:" + password + "@proxy.invalid:3128", "WANT_DIALED=proxy.invalid:3128"},
		// net/http ignores a proxy address that it cannot parse, and so does the
		// client.
		"unparsable": {child + "=https://finicity.invalid", "HTTPS_PROXY=http://me:" + password + "%zz@proxy.invalid:3128", "WANT_DIALED=finicity.invalid:443"},
		// The only setting that net/http refuses.
		"refused": {child + "=http://127.0.0.1", "HTTP_PROXY=http://me:" + password + "@proxy.invalid:3128", "REQUEST_METHOD=GET", "WANT_TEXT=HTTP_PROXY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^TestAProxyPasswordStaysOutOfErrors$")
			again.Env = env
			if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), done) {
				t.Errorf("%v, with %d bytes of output, starting %q", err, len(out), strings.ReplaceAll(string(out[:min(len(out), 400)]), password, "…"))
			}
		})
	}
}
