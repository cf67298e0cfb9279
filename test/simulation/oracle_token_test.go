// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"net/http"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// origin is the credential of a token, and how many other credentials there were
// before.
type origin struct {
	partner, key, place string
	change              int
}

func (o origin) same(other origin) bool {
	return o.partner == other.partner && o.key == other.key && o.place == other.place
}

// tokenLedger checks the tokens that the engine serves.
type tokenLedger struct {
	w *company
	// inStorage is the origin of the stored state, and latest the origin of the state
	// that was last about to be stored. settled is the stored origin at the last moment
	// when the active node was idle.
	inStorage, latest, settled origin
	minted                     map[string]mint
	mints                      int
	// retired is the number of tokens at the time when a token was last replaced for
	// good.
	retired int
	// served is, by node, the token that a read must be able to get.
	served map[int]promise
	// fresh is, by node, when a token that is good for 90 minutes was last requested.
	fresh map[int]time.Time
}

type mint struct {
	from   origin
	number int
}

// promise is a token that a node has served. Until that time, a read must get a token.
type promise struct {
	until time.Time
	steps int // Of the wall clock.
}

func newTokenLedger(w *company) *tokenLedger {
	return &tokenLedger{w: w, minted: map[string]mint{}, served: map[int]promise{}, fresh: map[int]time.Time{}}
}

func (l *tokenLedger) originOf(st *engine.State) origin {
	if st == nil || !st.Configured() {
		return origin{change: l.latest.change + 1}
	}
	o := origin{st.PartnerID, st.AppKey.Reveal(), st.Settings.BaseURL, l.latest.change}
	if !o.same(l.latest) {
		o.change++
	}
	return o
}

// mint records the origin of a token that is about to be stored.
func (l *tokenLedger) mint(st *engine.State) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	l.latest = l.originOf(st)
	if st == nil || st.Token == nil {
		return
	}
	token := st.Token.Value.Reveal()
	if _, seen := l.minted[token]; !seen {
		l.mints++
		l.minted[token] = mint{l.latest, l.mints}
	}
}

func (l *tokenLedger) stored(st *engine.State) {
	l.latest = l.originOf(st)
	l.inStorage = l.latest
}

// settle records a moment at which the active node is idle. After it, no token of an
// earlier credential may be served.
func (l *tokenLedger) settle() {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	l.settled = l.inStorage
	if l.w.node.ahead {
		l.settled.change = 0
	}
}

// restore records that storage is a snapshot's, with its token.
func (l *tokenLedger) restore(st *engine.State) {
	l.stored(st)
	l.retired = 0
}

// disturb records that a node may have lost its token for a good reason.
func (l *tokenLedger) disturb(n *node) {
	delete(l.served, n.id)
	delete(l.fresh, n.id)
}

// accepted records that the engine gets a token.
func (l *tokenLedger) accepted(n *node, e *exchange) { l.fresh[n.id] = e.sent }

// refreshes: a read requests no token while there is one less than 90 minutes old.
// Excluded are reads with min_ttl, reads after the clock was set, which can make the
// token look older, and reads after an operator has discarded the token.
func (l *tokenLedger) refreshes(n *node, e *exchange) {
	since, known := l.fresh[n.id]
	if e.caller.path != "token" || e.caller.minTTL || !known {
		return
	}
	if age := e.sent.Sub(since); age < 90*time.Minute && len(l.w.clockSteps()) == 1 {
		l.w.violate("call %d requests a token although the last one is %s old", e.id, age)
	}
}

// begin records the expectations for a read.
type begin struct {
	at      time.Time
	settled origin
	retired int
	promise promise
}

func (l *tokenLedger) begin(n *node) begin {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	return begin{time.Now(), l.settled, l.retired, l.served[n.id]}
}

// available: while a token can be served, no failure makes a read fail.
func (l *tokenLedger) available(n *node, b begin, a answer) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	if st := l.w.disk.state; st == nil || !st.Configured() { // A delete took effect, even if storage returned an error.
		return
	}
	promised := b.promise == l.served[n.id] && b.promise.steps == len(l.w.clockSteps())
	if promised && time.Now().Before(b.promise.until) && !n.dead.Load() {
		l.w.violate("a read answers %d although the token is valid: %s", a.Status, a.Text)
	}
}

// atOnce: while a token can be served, no reader waits, regardless of what hangs.
func (l *tokenLedger) atOnce(n *node, b begin) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	promised := b.promise == l.served[n.id] && b.promise.steps == len(l.w.clockSteps())
	if waited := time.Since(b.at); waited > 0 && promised && time.Now().Before(b.promise.until) && !n.dead.Load() {
		l.w.violate("a reader of a usable token waited %s", waited)
	}
}

// serve checks a served token: Finicity accepts it, until the last second of its ttl.
func (l *tokenLedger) serve(n *node, b begin, a answer) {
	token, _ := a.Data["token"].(string)
	key, _ := a.Data["app_key"].(string)
	ttl, _ := a.Data["ttl"].(int64)
	if token == "" || ttl < 1 {
		l.w.violate("a read succeeds without a token, or without a ttl")
		return
	}
	l.w.disk.mu.Lock()
	m, seen := l.minted[token]
	now := l.inStorage
	left := time.Duration(ttl)*time.Second - time.Second - time.Since(b.at)
	steps := l.w.clockSteps()
	ahead := n.ahead || n.dead.Load()
	l.served[n.id] = promise{time.Now().Add(left), len(steps)}
	l.w.disk.mu.Unlock()
	switch {
	case !seen && !ahead:
		l.w.violate("a token is served that was never stored")
	case !seen: // The write of the token failed before it began.
	case m.number <= b.retired:
		l.w.violate("a token is served that was replaced")
	case m.from.change < b.settled.change && !m.from.same(b.settled) && !m.from.same(now):
		l.w.violate("a token is served that was issued for another credential than the stored one")
	}
	l.w.mu.Lock()
	known := slices.Contains(l.w.keys, key)
	l.w.mu.Unlock()
	if !known {
		l.w.violate("a token is served with an app key that was never valid")
	}
	if !sound(steps) {
		return
	}
	if !l.w.fake.AcceptsToken(partnerID, token) {
		l.w.violate("a token is served that Finicity does not accept")
		return
	}
	time.AfterFunc(max(0, left), func() {
		if !l.w.fake.AcceptsToken(partnerID, token) {
			l.w.violate("a served token expires before its ttl is over")
		}
	})
}

// replaced records that rotate-token has succeeded. Tokens from before it began are no
// longer served, until a snapshot is restored.
func (l *tokenLedger) replaced(mints int) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	l.retired = max(l.retired, mints)
}

// sound reports whether the engine can know the age of a token. For a token from
// storage, it has only the wall clock. If the clock was set back by more than the
// margin since the token was issued, the engine assumes that the token is younger than
// it is.
func sound(steps []clockStep) bool {
	const slack = 5*time.Minute - 2*time.Second
	offset := steps[len(steps)-1].offset
	for i, step := range steps {
		back := step.offset - offset
		over := i+1 < len(steps) && time.Since(steps[i+1].at) > fakefinicity.DefaultTokenLifetime+back
		if !over && back > slack {
			return false
		}
	}
	return true
}

func (w *company) clockSteps() []clockStep {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.steps)
}

// isToken reports whether an answer has a token.
func isToken(r request, a answer) bool { return r.path == "token" && a.Status == http.StatusOK }
