// SPDX-License-Identifier: MPL-2.0

// Package finicityapi speaks the two calls of the Finicity (Mastercard Open Finance US) API that concern the partner
// credential: authenticate, and modify partner secret.
//
// Each method sends exactly one HTTP request. Nothing is retried here, not even below in net/http: five unsuccessful
// attempts lock the whole company out, so only the caller, who keeps count, may decide to send another one.
//
// The facts about the API come from the Finicity partner documentation and its OpenAPI document, version 1.42.
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

// DefaultBaseURL is Finicity's production address. The sandbox has the same one: it differs by partner ID only.
const DefaultBaseURL = "https://api.finicity.com"

const (
	authenticationPath = "/aggregation/v2/partners/authentication"

	// maxAnswer bounds the memory that a broken or hostile answer can take. Real answers are below 1 KiB.
	maxAnswer = 1 << 20

	// maxToken is far above the 20 characters that Finicity sends, and below what HTTP servers take as a header.
	maxToken = 4096
)

// Credential is what Finicity knows a company by. It prints and encodes itself
// without its secrets.
type Credential struct {
	PartnerID     string
	PartnerSecret confidential.Text
	AppKey        confidential.Text
}

// Config says how Finicity is reached.
type Config struct {
	// BaseURL is scheme and host, with an optional path before Finicity's own; no trailing slash.
	BaseURL string
	// CACert is a PEM bundle that replaces the system's roots. Empty means the system's roots.
	CACert string
	// Timeout bounds one call, from connecting to the last byte of the answer.
	Timeout time.Duration
	// UserAgent is sent with each call, for Finicity's support to find the caller in their logs.
	UserAgent string
	// DialContext replaces the network, for tests without sockets. Nil means the network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client calls Finicity. It keeps no connection and no state between calls, so it needs no closing, and it is safe for
// concurrent use.
type Client struct {
	baseURL   string
	timeout   time.Duration
	userAgent string
	transport *http.Transport // of http
	http      *http.Client
}

// New builds a client. The only error is a CACert without a certificate in it.
func New(cfg Config) (*Client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12} // Finicity refuses less.
	if cfg.CACert != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(cfg.CACert)) {
			return nil, errors.New("the CA bundle holds no certificate in PEM form")
		}
	}
	transport := &http.Transport{
		Proxy:           proxyFromEnvironment,
		DialContext:     cfg.DialContext,
		TLSClientConfig: tlsConfig,
		// With calls 90 minutes apart a kept connection is a dead one. net/http resends some requests when it
		// finds that out; on a fresh connection it never does.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{
		baseURL:   cfg.BaseURL,
		timeout:   cfg.Timeout,
		userAgent: cfg.UserAgent,
		transport: transport,
		http:      &http.Client{Transport: &undirected{transport}},
	}, nil
}

// undirected leaves out where a redirect points, so that an http.Client can't follow it: that would carry the secret
// along. Nor can it quote what it can't read there: of an answer that holds a token, the quotation may lack the name that
// the token is known by.
type undirected struct{ *http.Transport }

// RoundTrip sends the request as the transport does.
func (u *undirected) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.Transport.RoundTrip(req)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// Authenticate trades the credential for a token, which is good for all calls of the API for two hours. The answer
// names no expiry. A failure is always an *Error.
func (c *Client) Authenticate(ctx context.Context, cred Credential) (string, error) {
	body := map[string]any{"partnerId": cred.PartnerID, "partnerSecret": cred.PartnerSecret.Reveal()}
	ans, err := c.call(ctx, http.MethodPost, cred, body, confidential.Text{})
	if err != nil {
		return "", err
	}
	if ans.status != http.StatusOK {
		return "", ans.refusal(classifyAuthenticate)
	}
	// From here on the body may hold a token, so nothing of it goes into an error.
	var out struct {
		Token string `json:"token"`
	}
	if ans.broken != "" {
		return "", &Error{Status: ans.status, Message: ans.broken}
	}
	if json.Unmarshal(ans.body, &out) != nil || !isHeaderValue(out.Token) {
		return "", &Error{Status: ans.status, Message: "the answer holds no readable token"}
	}
	return out.Token, nil
}

// ModifySecret changes the partner secret from cred.PartnerSecret to newSecret. With grace the old secret stays valid
// for 30 days too, otherwise it is refused from then on. A failure is always an *Error; see [Error.Ambiguous] for
// whether the secret may have changed all the same.
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

// call sends one request and reads its answer. newSecret is here only to be kept out of error texts.
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

	// A connection is handed to the request only when it is ready to be written to. Without one, not a byte of the
	// request can have left this machine.
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, method, c.baseURL+authenticationPath, bytes.NewReader(payload))
	if err != nil {
		return nil, &Error{NotSent: true, Message: "the base URL cannot be used"}
	}
	req.GetBody = nil // Without it net/http has nothing to send a second time.
	req.Header.Set("Finicity-App-Key", cred.AppKey.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)

	resp, err := c.http.Do(req)
	if err != nil {
		// net/http goes on connecting when the call has ended, for another call to use the connection. This stops it.
		c.http.CloseIdleConnections()
		return nil, noAnswer(ctx, err, !connected.Load(), secrets)
	}
	defer func() { _ = resp.Body.Close() }() // The answer has been read or given up; closing can't change that.

	ans := &answer{status: resp.StatusCode, header: resp.Header, secrets: secrets}
	if ans.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		ans.broken = "the answer broke off" // The error stays out of it: it may quote the answer, and so a token.
		if cause := context.Cause(ctx); cause != nil {
			ans.broken += ": " + cause.Error()
		}
	}
	return ans, nil
}

func noAnswer(ctx context.Context, err error, notSent bool, secrets func() *redactor) *Error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause // The time-out with its length, or the caller's own reason.
	} else if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // The method and the address add nothing that the operator does not know.
	}
	// A malformed answer is quoted in the error, so the error is text from outside like any other.
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

// proxyFromEnvironment is the standard rule, less its error text, which may quote the proxy's address and so a password
// that stands in it. (Go 1.26 ignores an address that it cannot parse, and refuses HTTP_PROXY in a CGI environment.)
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("the proxy address in the environment (HTTPS_PROXY, HTTP_PROXY) cannot be used")
	}
	return proxy, nil
}
