// SPDX-License-Identifier: MPL-2.0

package finicityapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Stage is a part of the connection to Finicity, in the order in which a call
// passes them.
type Stage string

// The stages. With a proxy, StageProxy takes the place of the first two.
const (
	StageDNS   Stage = "dns"
	StageTCP   Stage = "tcp"
	StageProxy Stage = "proxy"
	StageTLS   Stage = "tls"
	StageHTTP  Stage = "http"
)

// Cause is what is known about a failed TLS handshake, with Finicity or with an
// https proxy.
type Cause int

// The causes. The zero value is any other failure.
const (
	CauseOther     Cause = iota
	CauseUntrusted       // The CA of the certificate is not among the roots.
	CauseExpired         // The certificate is expired or not yet valid.
	CauseWrongName       // The certificate is for another host.
	CauseOldTLS          // The other side does not support TLS 1.2 or higher.
	CauseNotTLS          // The other side does not speak TLS.
)

// Certificate is what a server presented, whether or not it is trusted.
type Certificate struct {
	Subject string
	Issuer  string
	Expires time.Time
}

// Report is the result of [Client.Check]. Texts from outside are one short line,
// and do not contain the password of the proxy.
type Report struct {
	// Proxy is host and port of the proxy in use. Empty without a proxy.
	Proxy string
	// ProxyStatus is the proxy's HTTP status if it refused the connection.
	ProxyStatus int
	// Addresses are the IP addresses of the host. With a proxy there are none: the
	// proxy resolves the name.
	Addresses []string
	// ConnectedTo is IP and port of the TCP connection, which goes to the proxy if
	// there is one.
	ConnectedTo string
	// TLSVersion is empty without a completed handshake.
	TLSVersion string
	// Certificate is nil if none was presented.
	Certificate *Certificate
	// Status is the HTTP status, 0 without an answer.
	Status int

	// Failed is the stage that failed. Empty if Finicity can be reached.
	Failed Stage
	Cause  Cause
	// Problem is what failed. Empty for a status, which says so itself.
	Problem string
}

// checkLimit ends a check well before Vault's clients time out. They do so after 60
// seconds, and then the report would be lost.
const checkLimit = 30 * time.Second

// maxPage bounds how much of the answer to a check is read. It is discarded.
const maxPage = 64 << 10

// Check connects as a call does, through the same proxy and with the same TLS
// settings, and sends one GET of the root path. The request carries no
// credential, so it cannot count as an attempt. A failure is a part of the report.
func (c *Client) Check(ctx context.Context) Report {
	limit := min(c.timeout, checkLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("timed out after %s", limit))
	defer cancel()
	p := &probe{secrets: newRedactor()}
	transport := c.transport.Clone()
	transport.Proxy = p.proxy(transport.Proxy)
	transport.OnProxyConnectResponse = p.onProxyResponse
	defer transport.CloseIdleConnections() // This also stops a connection attempt that outlives the check.

	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, p.trace()), http.MethodGet, c.baseURL+"/", http.NoBody)
	if err != nil {
		return Report{Failed: StageDNS, Problem: "the base URL cannot be used"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	// A transport follows no redirect and sends no cookie.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return p.failed(cmp.Or(context.Cause(ctx), err), err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err = io.CopyN(io.Discard, resp.Body, maxPage); err == nil || errors.Is(err, io.EOF) {
		return p.answered(resp.StatusCode, nil)
	}
	return p.answered(resp.StatusCode, cmp.Or(context.Cause(ctx), err))
}

// probe observes one request. Its mutex is needed because net/http continues to connect
// and to report after a request has timed out.
type probe struct {
	mu       sync.Mutex
	report   Report
	proxyURL *url.URL
	proxied  bool // A proxy is configured for the request, even if its address is unusable.
	tunnel   bool // The proxy has connected to the host.
	lookup   bool // The lookup of the host has started, and has not succeeded.
	tls      bool // The handshake with the host has started.
	sent     bool // The request has a connection.
	secrets  *redactor
}

func (p *probe) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// proxy wraps the rule that selects the proxy, and records its result.
func (p *probe) proxy(rule func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		proxy, err := rule(req)
		p.locked(func() {
			p.proxyURL, p.proxied = proxy, proxy != nil || err != nil
			if proxy == nil {
				return
			}
			standard := map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
			p.report.Proxy = net.JoinHostPort(proxy.Hostname(), cmp.Or(proxy.Port(), standard, "1080"))
			secret, given := proxy.User.Password()
			if !given { // Some proxies take a token in place of the user.
				secret = proxy.User.Username()
			}
			p.secrets = newRedactor(secret)
		})
		return proxy, err
	}
}

// onProxyResponse is not called for a SOCKS proxy.
func (p *probe) onProxyResponse(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	p.locked(func() {
		p.tunnel = resp.StatusCode == http.StatusOK
		if !p.tunnel {
			p.report.ProxyStatus = resp.StatusCode
		}
	})
	return nil
}

func (p *probe) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { p.locked(func() { p.lookup = true }) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			p.locked(func() {
				p.lookup = info.Err != nil
				for _, address := range info.Addrs {
					if !p.proxied {
						p.report.Addresses = append(p.report.Addresses, address.String())
					}
				}
			})
		},
		ConnectDone: func(_, address string, err error) {
			p.locked(func() {
				if err == nil { // The first of several wins.
					p.report.ConnectedTo = cmp.Or(p.report.ConnectedTo, address)
				}
			})
		},
		TLSHandshakeStart: func() {
			p.locked(func() { // The handshake with an https proxy comes before the tunnel.
				p.tls = !p.proxied || p.tunnel || strings.HasPrefix(p.proxyURL.Scheme, "socks5")
			})
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			p.locked(func() {
				if err == nil && p.tls {
					p.report.TLSVersion = tls.VersionName(state.Version)
					p.present(state.PeerCertificates)
				}
			})
		},
		GotConn: func(httptrace.GotConnInfo) { p.locked(func() { p.sent = true }) },
	}
}

func (p *probe) present(chain []*x509.Certificate) {
	if len(chain) == 0 {
		return
	}
	p.report.Certificate = &Certificate{
		Subject: p.show(chain[0].Subject.String()), Issuer: p.show(chain[0].Issuer.String()), Expires: chain[0].NotAfter,
	}
}

func (p *probe) show(text string) string {
	return p.secrets.show(text, "[not shown, because it repeats the password of the proxy]")
}

// failed returns the report of a request without an answer. problem is the error to show,
// and err is the one that net/http returned.
func (p *probe) failed(problem, err error) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Failed, p.report.Problem = p.stage(), p.show(problem.Error())
	p.report.Cause = cause(err)
	if unverified, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && p.tls {
		p.present(unverified.UnverifiedCertificates)
	}
	return p.copied()
}

func (p *probe) stage() Stage {
	switch {
	case p.sent:
		return StageHTTP
	case p.tls:
		return StageTLS
	case p.proxied:
		return StageProxy
	case p.lookup:
		return StageDNS
	default:
		return StageTCP
	}
}

// cause returns CauseOther for a failure before or after the handshake, because those
// errors have other types.
func cause(err error) Cause {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
	_, otherName := errors.AsType[x509.HostnameError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case unverified && invalid.Cert != nil && invalid.Reason == x509.Expired:
		return CauseExpired
	case otherName:
		return CauseWrongName
	case unverified:
		return CauseUntrusted
	case noTLS:
		return CauseNotTLS
	case strings.Contains(err.Error(), "protocol version"): // Go has no type for it.
		return CauseOldTLS
	default:
		return CauseOther
	}
}

// answered returns the report of a request with an answer. err is set if its body broke
// off.
func (p *probe) answered(status int, err error) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Status = status
	switch {
	case status/100 == 3, status == http.StatusForbidden, status == http.StatusProxyAuthRequired, status >= http.StatusInternalServerError:
		p.report.Failed = StageHTTP
	case err != nil:
		p.report.Failed, p.report.Problem = StageHTTP, "the answer was cut off: "+p.show(err.Error())
	}
	return p.copied()
}

// copied returns a report that shares no slice with p, which may still be appended to.
func (p *probe) copied() Report {
	report := p.report
	report.Addresses = append([]string{}, report.Addresses...)
	return report
}
