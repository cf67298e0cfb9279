// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// expectation is what a request is held to, as it was when the request began.
type expectation struct {
	begin
	mints  int
	paused bool // the schedule must not rotate
	writes bool // config is being written
	// resumes means that the request may resume the schedule, resumed is how many such
	// requests had begun, and resuming how many of them were under way.
	resumes           bool
	resumed, resuming int
	// left is set when the caller has gone: nobody hears the answer.
	left bool
}

// expect notes what a request is held to, before it is made.
func (w *world) expect(n *node, r request) (x expectation) {
	x.begin = w.tokens.begin(n)
	x.writes = r.path == "config" && r.op != readOp
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	x.mints = w.tokens.mints
	x.resumes = x.writes || r.path == "config/verify" || r.rotates()
	x.resumed, x.resuming = w.resumed, w.resuming
	if x.resumes {
		w.resumed++
		w.resuming++
	}
	if x.writes {
		n.writing++
		w.tokens.disturb(n)
		delete(w.attempts.backoffs, n.id)
		w.writes(r)
	}
	// What a process knows and storage does not have is not held against it.
	if st := w.disk.state; r.op == minuteOp && st != nil && w.disk.failedAt.IsZero() && scheduled(r, st.Settings.Schedule.Disabled,
		st.Settings.Schedule.Period, st.Settings.Schedule.Cron) {
		silence := w.now().Sub(st.Guard.Alive)
		x.paused = st.Guard.IsPaused() || silence > 6*time.Hour
	}
	return x
}

func scheduled(_ request, disabled bool, period time.Duration, cron string) bool {
	return !disabled && (period != 0 || cron != "")
}

// writes notes what a person knows who writes config, and where that may be sent.
func (w *world) writes(r request) {
	if r.op == deleteOp {
		if r.data["force"] == true {
			w.disk.discarding++
		}
		return
	}
	secret, _ := r.data["partner_secret"].(string)
	if secret == "" {
		return
	}
	w.known[secret] = true
	place, named := r.data["base_url"].(string)
	for _, each := range []string{home, away} {
		if !named || place == each {
			w.disk.allow(each, secret)
		}
	}
}

// meets checks an answer against what the request is held to.
func (w *world) meets(n *node, r request, x expectation, a answer) {
	w.disk.mu.Lock()
	writing := n.writing > 0
	if x.resumes {
		w.resuming--
	}
	alone := x.resuming == 0 && x.resumed == w.resumed
	if x.writes {
		n.writing--
		w.tokens.disturb(n)
		delete(w.attempts.backoffs, n.id)
		if a.Status != http.StatusBadRequest && w.attempts.last(a.number) == nil { // Perhaps it is stored without being tried.
			w.attempts.good = false
		}
		if r.op == deleteOp && r.data["force"] == true {
			w.disk.discarding--
		}
	}
	w.disk.mu.Unlock()
	w.answersAsAgreed(x, r, a)
	changes := func(e *exchange) bool { return e.change }
	successes := func(e *exchange) bool { return !e.change && e.verdict == success }
	switch {
	case isToken(r, a):
		if r.data["min_ttl"] == nil && !writing {
			w.tokens.atOnce(n, x.begin)
		}
		w.tokens.serve(n, x.begin, a)
	case r.path == "token" && r.data["min_ttl"] == nil && !writing:
		w.tokens.available(n, x.begin, a)
	case r.path == "rotate-token" && a.Status == http.StatusOK && len(a.Warnings) == 0:
		w.tokens.replaced(x.mints)
	case x.paused && alone && w.attempts.of(a.number, changes) > 0:
		w.violate("the schedule rotates although no engine was alive for more than six hours")
	case r.rotates() && a.ok() && !w.proven(a.number):
		w.violate("%s succeeds, and the new secret is not proven", r.path)
	case r.path == "config/verify" && a.ok() && w.attempts.of(a.number, successes) == 0:
		w.violate("config/verify succeeds without an authentication")
	}
	if (r.rotates() || r.path == "config/verify") && a.ok() && !n.dead.Load() && !w.disk.failedSince(x.at) {
		if st := w.disk.configured(); st != nil && st.Guard.IsPaused() && w.active.Load() == 1 {
			w.violate("%s succeeds, and the schedule stays paused", r.path)
		}
	}
}

// answersAsAgreed: Vault's clients repeat a 5xx automatically, so no refusal is
// one, and nothing else that a person or a job has had sent.
func (w *world) answersAsAgreed(x expectation, r request, a answer) {
	w.disk.mu.Lock()
	last := w.attempts.last(a.number)
	w.disk.mu.Unlock()
	if last == nil || x.left || a.Status < http.StatusInternalServerError || w.disk.failedSince(x.at) {
		return
	}
	switch {
	case last.verdict == refused, last.verdict == coded, last.verdict == locked, last.verdict == byPolicy:
		w.violate("%s answers %d to a refusal: %s", r.path, a.Status, a.Text)
	case last.verdict == none && r.path != "token" && r.op != minuteOp && w.outage.none():
		w.violate("%s answers %d, and its call to Finicity may count: %s", r.path, a.Status, a.Text)
	}
}

// proven reports whether the last change of a request was followed by an
// authentication with the new secret that succeeded.
func (w *world) proven(request int) bool {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	secret, proven := "", false
	for _, e := range w.attempts.exchanges {
		switch {
		case e.caller.request != request:
		case e.change:
			secret, proven = e.newSecret, false
		case e.verdict == success && e.secret == secret:
			proven = true
		}
	}
	return proven
}

// underWay reports whether a call may still be answered. Its reader may have left,
// and until then it is one of the four.
func (l *attemptLedger) underWay() bool {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	return slices.ContainsFunc(l.exchanges, func(e *exchange) bool {
		return e.answered.IsZero() && time.Since(e.sent) <= 2*time.Minute
	})
}

// statusAgrees reads the status and then the token, at a moment when nothing else
// happens, and holds one to the other.
func (w *world) statusAgrees() {
	if w.active.Load() > 0 || !w.disk.quiet() || w.node.dead.Load() || w.attempts.underWay() {
		return
	}
	before := w.ask(status())
	a := w.ask(read())
	after := w.ask(status())
	if !before.ok() || !after.ok() || !w.disk.quiet() || w.node.dead.Load() {
		return // Storage was out of order on the way.
	}
	got := a.Status == http.StatusOK
	switch {
	// After a failed write, or a failed request for a token, nobody knows whether the next one works until it is made.
	case got && before.Data["token_available"] == false && before.Data["storage_error"] == "" && before.Data["last_error"] == "":
		w.violate("a read gets a token, and the status said that there is none")
	case got != (after.Data["token_available"] == true):
		w.violate("a read answers %d, and the status then says token_available=%v", a.Status, after.Data["token_available"])
	case after.Data["configured"] != (w.disk.configured() != nil):
		w.violate("the status says configured=%v", after.Data["configured"])
	}
	left, _ := after.Data["attempts_left"].(int)
	state, _ := after.Data["authentication"].(string)
	retry, _ := after.Data["retry_time"].(string)
	if left < 0 || left > limit {
		w.violate("the status says that %d attempts are left", left)
	}
	if state == "locked" && retry != "" {
		w.violate("attempts are locked, and the status says when the next one is made")
	}
	said, waits := strings.Contains(a.Text, "the engine retries once"), slices.Contains([]string{"held", "stopped"}, state)
	if said && !waits || said != (retry != "") && a.Status == http.StatusBadRequest && waits {
		w.violate("a read and the status do not agree on the next attempt: %q, %s: %s", retry, state, a.Text)
	}
}
