// SPDX-License-Identifier: MPL-2.0

// Package finicityapi makes the two calls of the Finicity (Mastercard Open Finance US)
// API that concern the partner credential: authenticate, and modify partner secret.
//
// [Client.Authenticate] and [Client.ModifySecret] send at most one HTTP request each.
// The package never retries a call, and neither does net/http as configured here. Five
// failed attempts lock the partner company-wide, so only the caller, which counts the
// attempts, may decide to send another one.
//
// The facts about the API are from Finicity's partner documentation and its OpenAPI
// document, version 1.42.
package finicityapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// DefaultBaseURL is Finicity's address for production and for the sandbox. The two differ
// only by partner ID.
const DefaultBaseURL = "https://api.finicity.com"

const (
	authenticationPath = "/aggregation/v2/partners/authentication"

	// maxAnswer bounds the memory that a broken or hostile answer can use, in bytes. Real
	// answers are smaller than 1 KiB.
	maxAnswer = 1 << 20

	// maxToken is the length limit of a token, in bytes. Finicity sends 20 characters, and
	// HTTP servers accept longer headers than this.
	maxToken = 4096
)

// Credential identifies a company to Finicity. It never prints or encodes its secrets.
type Credential struct {
	PartnerID     string
	PartnerSecret confidential.Text
	AppKey        confidential.Text
}

// Config says how to connect to Finicity.
type Config struct {
	// BaseURL is the scheme and the host, and optionally a path that precedes Finicity's
	// own. It has no trailing slash.
	BaseURL string
	// CACert is a PEM bundle that replaces the system's roots. Empty means the system's
	// roots.
	CACert string
	// Timeout bounds one call, from connecting to the last byte of the answer. It must be
	// more than 0.
	Timeout time.Duration
	// UserAgent is sent with each call, so that Finicity's support can find the calls in
	// their logs.
	UserAgent string
	// DialContext replaces the network, for tests without sockets. nil means the network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client calls Finicity. It keeps no connection and no state between calls, so it need
// not be closed. It is safe for concurrent use.
type Client struct {
	baseURL   string
	timeout   time.Duration
	userAgent string
	transport *http.Transport // The transport of http.
	http      *http.Client
}

// New returns a client. It fails only if CACert contains no certificate.
func New(cfg Config) (*Client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12} // Finicity refuses older versions.
	if cfg.CACert != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(cfg.CACert)) {
			return nil, errors.New("the CA bundle contains no PEM certificate")
		}
	}
	transport := &http.Transport{
		Proxy:           proxyFromEnvironment,
		DialContext:     cfg.DialContext,
		TLSClientConfig: tlsConfig,
		// Calls are about 90 minutes apart, and no connection survives that long. On a
		// dead connection net/http resends some requests, which would be a second attempt.
		// On a new connection it never does.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{
		baseURL:   cfg.BaseURL,
		timeout:   cfg.Timeout,
		userAgent: cfg.UserAgent,
		transport: transport,
		http:      &http.Client{Transport: &withoutLocation{transport}},
	}, nil
}

// withoutLocation removes the Location header of a redirect, so that http.Client cannot
// follow it: that would send the secret to another address. http.Client also cannot quote
// an unreadable Location in its error. Such a quotation could contain a token without the
// name by which the redactor recognizes it.
type withoutLocation struct{ *http.Transport }

// RoundTrip sends the request as the transport does.
func (w *withoutLocation) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.Transport.RoundTrip(req)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// Authenticate exchanges the credential for a token, which Finicity accepts for two hours
// according to its documentation. The answer does not contain an expiry time. Every error
// is an *[Error].
func (c *Client) Authenticate(ctx context.Context, cred Credential) (string, error) {
	body := map[string]any{"partnerId": cred.PartnerID, "partnerSecret": cred.PartnerSecret.Reveal()}
	ans, err := c.call(ctx, http.MethodPost, cred, body, confidential.Text{})
	if err != nil {
		return "", err
	}
	if ans.status != http.StatusOK {
		return "", ans.refusal(classifyAuthenticate)
	}
	// From here on, the body may contain a token, so no error may quote it.
	var out struct {
		Token string `json:"token"`
	}
	if ans.broken != "" {
		return "", &Error{Status: ans.status, Message: ans.broken}
	}
	if json.Unmarshal(ans.body, &out) != nil || !isHeaderValue(out.Token) {
		return "", &Error{Status: ans.status, Message: "the answer contains no readable token"}
	}
	return out.Token, nil
}

// ModifySecret changes the partner secret from cred.PartnerSecret to newSecret. With
// grace, Finicity accepts the old secret for 30 more days. Without, it refuses the old
// secret from then on. Every error is an *[Error]. [Error.Ambiguous] reports whether
// the secret may have changed despite the error.
func (c *Client) ModifySecret(ctx context.Context, cred Credential, newSecret confidential.Text, grace bool) error {
	body := map[string]any{
		"partnerId":        cred.PartnerID,
		"partnerSecret":    cred.PartnerSecret.Reveal(),
		"newPartnerSecret": newSecret.Reveal(),
		"immediate":        !grace,
	}
	ans, err := c.call(ctx, http.MethodPut, cred, body, newSecret)
	if err != nil {
		return err
	}
	if ans.status != http.StatusNoContent {
		return ans.refusal(classifyModify)
	}
	return nil
}

// call sends one request and reads its answer. It needs newSecret only to keep it out of
// error texts.
func (c *Client) call(
	ctx context.Context, method string, cred Credential, body map[string]any, newSecret confidential.Text,
) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no complete answer within %s", c.timeout))
	defer cancel()

	secrets := sync.OnceValue(func() *redactor { // Only an error needs it.
		return newRedactor(cred.PartnerSecret.Reveal(), newSecret.Reveal(), cred.AppKey.Reveal())
	})
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, &Error{NotSent: true, Message: "the request cannot be encoded"}
	}

	// A request gets a connection only once the connection is ready for writing. Until
	// then, no byte of the request can have left this machine.
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, method, c.baseURL+authenticationPath, bytes.NewReader(payload))
	if err != nil {
		return nil, &Error{NotSent: true, Message: "the base URL cannot be used"}
	}
	req.GetBody = nil // Without GetBody, net/http cannot send the body a second time.
	req.Header.Set("Finicity-App-Key", cred.AppKey.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)

	resp, err := c.http.Do(req)
	if err != nil {
		// net/http continues to connect after the call has ended, so that another call can
		// use the connection. This stops it.
		c.http.CloseIdleConnections()
		return nil, noAnswer(ctx, err, !connected.Load(), secrets)
	}
	defer func() { _ = resp.Body.Close() }() // An error of Close cannot change the answer.

	ans := &answer{status: resp.StatusCode, header: resp.Header, secrets: secrets}
	if ans.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		ans.broken = "the answer was cut off" // err may quote the answer, and thus a token.
		if cause := context.Cause(ctx); cause != nil {
			ans.broken += ": " + cause.Error()
		}
	}
	return ans, nil
}

func noAnswer(ctx context.Context, err error, notSent bool, secrets func() *redactor) *Error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause // The timeout with its duration, or the caller's own reason.
	} else if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // The operator knows the method and the address.
	}
	// The error quotes a malformed answer, so it is text from outside like any other.
	return &Error{NotSent: notSent, Message: secrets().show(err.Error(), notShown)}
}

func isHeaderValue(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

// proxyFromEnvironment is [http.ProxyFromEnvironment] without its error text, which may
// quote the proxy's address and with it a password. Go 1.26 ignores an address that it
// cannot parse, and refuses HTTP_PROXY in a CGI environment.
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("the proxy address in the environment (HTTPS_PROXY, HTTP_PROXY) cannot be used")
	}
	return proxy, nil
}
