// SPDX-License-Identifier: MPL-2.0

// Package fakefinicity is a mock server for api.finicity.com (Mastercard Open Finance,
// US). It is an [http.Handler] that enforces Finicity's rules. It has the two
// authentication operations, and one operation of the customers API, which shows whether a
// token works.
//
// It follows Finicity's documentation: five failed attempts lock a partner, a change of the
// secret invalidates the old one, and a token expires after two hours. Where the
// documentation is silent, the mock server assumes the worst for the caller, so that a
// client that passes a test here does not lock a partner at Finicity. A test can tell the
// server to lose an answer ([Server.Order]).
//
// All state is in memory. A new [Server] starts no goroutine, so a simulation can
// create one for each run. For use in a testing/synctest bubble, create it inside the
// bubble.
package fakefinicity

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The paths that the mock server serves, apart from the admin paths under /_fake/.
const (
	PathAuthentication = "/aggregation/v2/partners/authentication"
	PathCustomers      = "/aggregation/v1/customers"
)

// The names of the calls in a [Fault] and in the request log.
const (
	CallAuthenticate = "authenticate"  // POST PathAuthentication
	CallModifySecret = "modify_secret" // PUT PathAuthentication
	CallCustomers    = "customers"     // GET PathCustomers
	callOther        = "other"         // Anything else; answered 404 or 405.
)

// DefaultTokenLifetime is how long Finicity accepts a token (Finicity partner
// documentation).
const DefaultTokenLifetime = 2 * time.Hour

// Partner is the credential of one partner.
type Partner struct {
	ID     string
	Secret string
	AppKey string
}

// Config says which partners exist, and how the mock server behaves where Finicity's
// documentation is silent.
type Config struct {
	// Partners are the partners at the start. Their IDs must be unique; they may share
	// an app key.
	Partners []Partner

	// TokenLifetime is how long a token is accepted. 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration

	// Now is the clock for expiry, grace periods and the log, time.Now if nil. Delays
	// of faults use package time. The server calls Now with its lock held, so Now must
	// not call the server.
	Now func() time.Time

	// SuccessKeepsCount means that a success does not reset the count of failed
	// attempts. Finicity documents "five failed attempts" and does not say whether in a
	// row. If a success does not reset the count, a caller that relies on the reset
	// locks its partner.
	SuccessKeepsCount bool

	// TokensDieWithSecret invalidates all tokens of a partner when its secret changes
	// without a grace period. Finicity does not document this. If it is so, a caller
	// that keeps using the old token gets a 401 for each call.
	TokensDieWithSecret bool

	// AppKeyRateLimited answers a call with an invalid app key with 429 and no code,
	// before anything counts. Finicity's onboarding page says that such a key has "a
	// rate limit of 0"; its API reference says 401.
	AppKeyRateLimited bool
}

// Validate returns the first mistake in the configuration. The error never contains a
// secret.
func (c Config) Validate() error {
	for i, p := range c.Partners {
		switch {
		case strings.TrimSpace(p.ID) == "":
			return fmt.Errorf("partner %d has no ID", i+1)
		case strings.TrimSpace(p.Secret) == "" || strings.TrimSpace(p.AppKey) == "":
			return fmt.Errorf("partner %s needs a secret and an app key", p.ID)
		case slices.ContainsFunc(c.Partners[:i], func(other Partner) bool { return other.ID == p.ID }):
			return fmt.Errorf("partner %s is listed twice", p.ID)
		}
	}
	if c.TokenLifetime < 0 {
		return errors.New("the token lifetime is negative")
	}
	return nil
}

// Server is the mock server. All its methods are safe for concurrent use.
type Server struct {
	now                 func() time.Time
	successKeepsCount   bool
	tokensDieWithSecret bool
	appKeyRateLimited   bool

	admin     func() http.Handler // Created on first use.
	pipes     *http.Server
	closed    chan struct{}
	closeOnce sync.Once

	mu            sync.Mutex // Guards all fields below.
	tokenLifetime time.Duration
	partners      []*partner
	tokens        map[string]issuedToken
	tokenQueue    []string // By time of issue, for pruning.
	faults        []*Fault
	log           []*Request
	seq           int
	held          []chan struct{}
	heldChanged   chan struct{}
	late          map[*time.Timer]struct{}
	deliveries    []delivery
}

// New returns a mock server. It panics if the configuration is invalid: call
// [Config.Validate] first for a configuration from user input.
func New(cfg Config) *Server {
	if err := cfg.Validate(); err != nil {
		panic("fakefinicity: " + err.Error())
	}
	s := &Server{
		tokenLifetime:       cfg.TokenLifetime,
		now:                 cfg.Now,
		successKeepsCount:   cfg.SuccessKeepsCount,
		tokensDieWithSecret: cfg.TokensDieWithSecret,
		appKeyRateLimited:   cfg.AppKeyRateLimited,
		closed:              make(chan struct{}),
		tokens:              map[string]issuedToken{},
		heldChanged:         make(chan struct{}),
		late:                map[*time.Timer]struct{}{},
	}
	if s.tokenLifetime == 0 {
		s.tokenLifetime = DefaultTokenLifetime
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, p := range cfg.Partners {
		s.partners = append(s.partners, &partner{Partner: p})
	}
	s.admin = sync.OnceValue(s.adminHandler)
	s.pipes = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, Protocols: &http.Protocols{}}
	s.pipes.Protocols.SetHTTP1(true)
	return s
}

// Close ends every wait: held and delayed calls are cut off without an answer, late
// calls are never applied, and connections of [Server.Dialer] are closed. State and log
// remain readable. If a server waits for its handlers, as httptest.Server.Close does,
// close this one first.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.mu.Lock()
		for t := range s.late {
			t.Stop()
		}
		clear(s.late)
		s.mu.Unlock()
		// The only errors are those of connections that are already closed.
		_ = s.pipes.Close()
	})
}

// ServeHTTP answers one request. It panics with [http.ErrAbortHandler] to leave the
// request without an answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		s.serveAdmin(w, r)
		return
	}
	var allowed []string
	switch r.URL.Path {
	case PathAuthentication:
		allowed = []string{http.MethodPost, http.MethodPut}
	case PathCustomers:
		allowed = []string{http.MethodGet}
	default:
		s.record(&Request{Call: callOther, Status: http.StatusNotFound, UserAgent: r.UserAgent()})
		http.NotFound(w, r)
		return
	}
	if !slices.Contains(allowed, r.Method) {
		s.record(&Request{Call: callOther, Status: http.StatusMethodNotAllowed, UserAgent: r.UserAgent()})
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	c, err := readCall(r)
	if err != nil {
		s.record(&Request{Call: c.name, UserAgent: c.userAgent})
		panic(http.ErrAbortHandler)
	}
	entry, fault := s.begin(c)
	s.perform(w, r, c, entry, fault)
}
