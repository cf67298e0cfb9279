// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// proxy is an egress proxy. It connects clients that request example.com to the mock
// server, whose certificate is for that name.
type proxy struct {
	server  *httptest.Server
	target  string
	carried atomic.Int64
}

// cmdProxy starts a proxy, $PROXY, or counts the connections that it has made:
//
//	proxy start
//	proxy carried 1
func cmdProxy(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "proxy start | proxy carried N")
	w := fixtureOf(ts)
	switch args[0] {
	case "start":
		w.proxy = &proxy{target: w.tls.Listener.Addr().String()}
		w.proxy.server = httptest.NewServer(w.proxy)
		ts.Setenv("PROXY", w.proxy.server.URL)
	case "carried":
		usage(ts, len(args) == 2, "proxy carried N")
		n, err := count(args[1])
		ts.Check(err)
		if carried := w.proxy.carried.Load(); carried != int64(n) {
			ts.Fatalf("%d connections went through the proxy, want %d", carried, n)
		}
	default:
		ts.Fatalf("unknown: proxy %s", args[0])
	}
}

func (p *proxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != "example.com:443" {
		http.Error(rw, "only for Finicity", http.StatusForbidden)
		return
	}
	if err := p.tunnel(rw); err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
	}
}

func (p *proxy) tunnel(rw http.ResponseWriter) error {
	out, err := net.Dial("tcp", p.target) //nolint:noctx // Loopback.
	if err != nil {
		return err
	}
	defer out.Close()
	hijacker, ok := rw.(http.Hijacker)
	if !ok {
		return fmt.Errorf("a %T can't be hijacked", rw)
	}
	in, _, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	defer in.Close()
	p.carried.Add(1)
	if _, err := io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return nil // The other side has disconnected.
	}
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // When one side ends the connection, both end.
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { carry(out, in) })
	both.Go(func() { carry(in, out) })
	both.Wait()
	return nil
}
