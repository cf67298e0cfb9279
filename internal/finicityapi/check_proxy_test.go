// SPDX-License-Identifier: MPL-2.0

package finicityapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

const (
	childsConfig   = "FINICITYAPI_TEST_CHECK"
	proxysPassword = "hunter2hunter2"
)

// checkAlone runs a check in a process of its own, because net/http reads the
// environment once per process.
func checkAlone(t *testing.T, cfg finicityapi.Config, env ...string) finicityapi.Report {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^TestTheChildThatChecks$")
	child.Env = append(env, childsConfig+"="+cfg.BaseURL+"\n"+cfg.CACert)
	out, err := child.Output()
	if err != nil {
		t.Fatalf("the child: %v", err)
	}
	authorization := base64.StdEncoding.EncodeToString([]byte("me:" + proxysPassword))
	if hasRun(string(out), proxysPassword, 8) || hasRun(string(out), authorization, 8) {
		t.Error("the report has the password of the proxy")
	}
	_, line, _ := bytes.Cut(out, []byte("report: "))
	var r finicityapi.Report
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&r); err != nil {
		t.Fatalf("the child's report: %v", err)
	}
	return r
}

func TestTheChildThatChecks(t *testing.T) {
	config := os.Getenv(childsConfig)
	if config == "" {
		return // The tests below start it.
	}
	url, ca, _ := strings.Cut(config, "\n")
	report, err := json.Marshal(checked(t, finicityapi.Config{BaseURL: url, CACert: ca}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(os.Stdout, "report: %s\n", report); err != nil {
		t.Fatal(err)
	}
}

// tunnel connects the client of a proxy to a server, regardless of the host that the
// client asked for.
func tunnel(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server) //nolint:noctx // Loopback.
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() { _, _ = io.Copy(upstream, client) }() // Ends when the client closes.
	_, _ = io.Copy(client, upstream)                 // Ends when the server closes, after its answer.
}

// connects is a proxy that allows each connection, always to the same server.
func connects(server string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			tunnel(conn, server)
		}
	}
}

// repeats is a proxy whose answer is a line that includes the proxy password it
// received.
func repeats(line string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = fmt.Fprintf(conn, "%s %s %s\r\n\r\n", line, r.Header.Get("Proxy-Authorization"), proxysPassword)
			_ = conn.Close()
		}
	}
}

// socks is a SOCKS5 proxy without a password.
func socks(t *testing.T, server string) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		for _, answer := range [][]byte{{5, 0}, {5, 0, 0, 1, 0, 0, 0, 0, 0, 0}} {
			if _, err := conn.Read(make([]byte, 512)); err != nil {
				return
			}
			_, _ = conn.Write(answer)
		}
		tunnel(conn, server)
	}()
	return listener.Addr().String()
}

// The certificate is for example.com. The proxy does not resolve that name here.
func TestACheckGoesThroughTheProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	url, ca := overTLS(t, nil)
	server := hostOf(url)
	plain, inTLS := serve(t, connects(server)), httptest.NewTLSServer(connects(server))
	t.Cleanup(inTLS.Close)
	for name, test := range map[string]struct{ scheme, address string }{
		"http":   {"http", hostOf(plain.URL)},
		"https":  {"https", hostOf(inTLS.URL)},
		"socks5": {"socks5", socks(t, server)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environment := "HTTPS_PROXY=" + test.scheme + "://me:" + proxysPassword + "@" + test.address
			r := checkAlone(t, finicityapi.Config{BaseURL: "https://example.com", CACert: ca}, environment)
			if r.Failed != "" || r.Status != http.StatusOK || r.Proxy != test.address || r.ConnectedTo != test.address || len(r.Addresses) > 0 {
				t.Errorf("the report is %+v", r)
			}
			if r.TLSVersion != "TLS 1.3" || r.Certificate == nil || r.Certificate.Subject != "O=Acme Co" {
				t.Errorf("%q with %+v", r.TLSVersion, r.Certificate)
			}
		})
	}
	t.Run("a CA that is not known", func(t *testing.T) {
		t.Parallel()
		address := hostOf(plain.URL)
		r := checkAlone(t, finicityapi.Config{BaseURL: "https://example.com"}, "HTTPS_PROXY=http://me:"+proxysPassword+"@"+address)
		if r.Failed != finicityapi.StageTLS || r.Cause != finicityapi.CauseUntrusted || r.Proxy != address {
			t.Errorf("the report is %+v", r)
		}
		if r.Certificate == nil || r.Certificate.Issuer != "O=Acme Co" {
			t.Errorf("the certificate is %+v", r.Certificate)
		}
	})
}

func TestACheckTellsWhatTheProxyRefused(t *testing.T) {
	t.Parallel()
	inTLS := httptest.NewUnstartedServer(connects(""))
	inTLS.Config.ErrorLog = serve(t, nil).Config.ErrorLog
	inTLS.StartTLS()
	t.Cleanup(inTLS.Close)
	for name, test := range map[string]struct {
		proxy   string
		status  int
		cause   finicityapi.Cause
		problem string
	}{
		"no password":      {serve(t, answering(http.StatusProxyAuthRequired, "")).URL, 407, finicityapi.CauseOther, ""},
		"not this host":    {serve(t, answering(http.StatusForbidden, "")).URL, 403, finicityapi.CauseOther, ""},
		"an echo":          {serve(t, repeats("HTTP/1.1 407 no to")).URL, 407, finicityapi.CauseOther, ""},
		"an echo, no HTTP": {serve(t, repeats("NO")).URL, 0, finicityapi.CauseOther, ""},
		"refused port":     {"http://127.0.0.1:1", 0, finicityapi.CauseOther, "refused"},
		"unresolvable":     {"http://proxy.invalid:3128", 0, finicityapi.CauseOther, ""},
		"an untrusted one": {inTLS.URL, 0, finicityapi.CauseUntrusted, "certificate"},
		"no SOCKS there":   {"socks5://127.0.0.1:1", 0, finicityapi.CauseOther, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := strings.Replace(test.proxy, "//", "//me:"+proxysPassword+"@", 1)
			r := checkAlone(t, finicityapi.Config{BaseURL: "https://example.com"}, "HTTPS_PROXY="+proxy)
			if r.Failed != finicityapi.StageProxy || r.ProxyStatus != test.status || r.Cause != test.cause || !strings.Contains(r.Problem, test.problem) {
				t.Errorf("the report is %+v", r)
			}
			if r.Proxy != hostOf(test.proxy) || r.Certificate != nil || len(r.Addresses) > 0 || r.Status != 0 {
				t.Errorf("the report is %+v", r)
			}
		})
	}
}

func TestTheProxyOfACheckIsShownWithItsPort(t *testing.T) {
	t.Parallel()
	for proxy, shown := range map[string]string{
		"http://proxy.invalid": "proxy.invalid:80", "https://proxy.invalid": "proxy.invalid:443",
		"socks5://proxy.invalid": "proxy.invalid:1080", "http://" + proxysPassword + "@proxy.invalid:3128": "proxy.invalid:3128",
		"proxy.invalid:3128": "proxy.invalid:3128",
	} {
		t.Run(shown, func(t *testing.T) {
			t.Parallel()
			r := checkAlone(t, finicityapi.Config{BaseURL: "https://example.com"}, "HTTPS_PROXY="+proxy)
			if r.Proxy != shown || r.Failed != finicityapi.StageProxy {
				t.Errorf("%s: the report is %+v", proxy, r)
			}
		})
	}
}

// The check runs in a process of its own, because the environment of this one may have
// a proxy.
func TestACheckOfAnUnknownHostFailsInDNS(t *testing.T) {
	t.Parallel()
	r := checkAlone(t, finicityapi.Config{BaseURL: "https://finicity.invalid"})
	if r.Failed != finicityapi.StageDNS || r.Problem == "" || r.ConnectedTo != "" || len(r.Addresses) > 0 {
		t.Errorf("the report is %+v", r)
	}
}

func TestACheckShowsWhatTheHostResolvesTo(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(hostOf(serve(t, answering(http.StatusOK, "")).URL))
	r := checkAlone(t, finicityapi.Config{BaseURL: "http://localhost:" + port})
	if r.Failed != "" || !slices.Contains(r.Addresses, "127.0.0.1") || r.ConnectedTo != "127.0.0.1:"+port {
		t.Errorf("the report is %+v", r)
	}
}
