// SPDX-License-Identifier: MPL-2.0

// Package fakefinicity is a stand-in for api.finicity.com (Mastercard Open Finance, US): an [http.Handler] that
// holds its callers to the rules of the real one. It knows the two authentication operations and one customers call,
// which is enough to prove a token.
//
// It is not a mock. Five wrong attempts lock a partner, a changed secret kills the old one, a token dies after two
// hours, and an answer can be ordered to get lost on its way ([Server.Order]). What the documentation leaves open is
// settled to the caller's disadvantage: a test that passes here must not lock a partner out there.
//
// Everything is kept in memory. A [Server] starts nothing when it is made, so that a simulation can afford a new one
// for each run; make it inside a testing/synctest bubble if it is to be used in one.
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

// The paths that the stand-in serves, besides its own ones under /_fake/.
const (
	PathAuthentication = "/aggregation/v2/partners/authentication"
	PathCustomers      = "/aggregation/v1/customers"
)

// The calls, as they are named in a [Fault] and in the request log.
const (
	CallAuthenticate = "authenticate"  // POST PathAuthentication
	CallModifySecret = "modify_secret" // PUT PathAuthentication
	CallCustomers    = "customers"     // GET PathCustomers
	callOther        = "other"         // anything else; answered 404 or 405
)

// DefaultTokenLifetime is how long Finicity honours a token (Finicity partner documentation).
const DefaultTokenLifetime = 2 * time.Hour

// Partner is one partner credential.
type Partner struct {
	ID     string
	Secret string
	AppKey string
}

// Config says which partners exist and how the stand-in behaves where Finicity's documentation is silent.
type Config struct {
	// Partners that exist at the start. IDs are unique; an app key may be shared.
	Partners []Partner

	// TokenLifetime is how long a token is honoured. Zero means DefaultTokenLifetime.
	TokenLifetime time.Duration

	// Now is the clock for expiry, grace periods and the log, time.Now if nil. Delays of faults use package time. It is
	// called under the server's lock and must not call the server.
	Now func() time.Time

	// SuccessKeepsCount leaves the count of wrong attempts standing when a right one follows. Finicity says "five
	// failed attempts" and not whether in a row; a caller that relies on the reset locks its partner out if there
	// is none.
	SuccessKeepsCount bool

	// TokensDieWithSecret ends all tokens of a partner when its secret changes without a grace period. Finicity does
	// not say; a caller that goes on with the token gets a 401 for each call if it is so.
	TokensDieWithSecret bool

	// AppKeyRateLimited answers a call with an invalid app key with 429 and no code, before anything is counted. Finicity's
	// onboarding page says that such a key has "a rate limit of 0"; its API reference says 401.
	AppKeyRateLimited bool
}

// Validate names the first thing that is wrong with the configuration, never a secret.
func (c Config) Validate() error {
	for i, p := range c.Partners {
		switch {
		case strings.TrimSpace(p.ID) == "":
			return fmt.Errorf("partner %d has no ID", i+1)
		case strings.TrimSpace(p.Secret) == "" || strings.TrimSpace(p.AppKey) == "":
			return fmt.Errorf("partner %s needs a secret and an app key", p.ID)
		case slices.ContainsFunc(c.Partners[:i], func(other Partner) bool { return other.ID == p.ID }):
			return fmt.Errorf("partner %s is there twice", p.ID)
		}
	}
	if c.TokenLifetime < 0 {
		return errors.New("the token lifetime is negative")
	}
	return nil
}

// Server is the stand-in. All its methods may be called at the same time from several goroutines.
type Server struct {
	now                 func() time.Time
	successKeepsCount   bool
	tokensDieWithSecret bool
	appKeyRateLimited   bool

	admin     func() http.Handler // made when it is first used
	pipes     *http.Server
	closed    chan struct{}
	closeOnce sync.Once

	mu            sync.Mutex // for all below
	tokenLifetime time.Duration
	partners      []*partner
	tokens        map[string]issuedToken
	tokenQueue    []string // by time of issue, for pruning
	faults        []*Fault
	log           []*Request
	seq           int
	held          []chan struct{}
	heldChanged   chan struct{}
	late          map[*time.Timer]struct{}
	deliveries    []delivery
}

// New makes a stand-in. It panics if the configuration is not valid: ask [Config.Validate] first where it comes from a
// person.
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

// Close ends everything that waits: held and delayed calls are cut off without an answer, late ones are never applied,
// connections of [Server.Dialer] are closed. State and log can still be read. A server that waits for its handlers,
// as httptest.Server.Close does, must be closed after this one.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.mu.Lock()
		for t := range s.late {
			t.Stop()
		}
		clear(s.late)
		s.mu.Unlock()
		// The only errors are those of connections that are gone already.
		_ = s.pipes.Close()
	})
}

// ServeHTTP answers one request. It panics with [http.ErrAbortHandler] to leave one without an answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		s.admin().ServeHTTP(w, r)
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
