// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// expectation is what the oracle expects of a request, as of its beginning.
type expectation struct {
	begin
	mints  int
	paused bool // The schedule must not rotate.
	writes bool // config is being written.
	// resumes means that the request may resume the schedule. resumed is how many such
	// requests had begun by then, and resuming how many of them were running.
	resumes           bool
	resumed, resuming int
	// left is set if the caller is gone and does not get the answer.
	left bool
}

// expect records what the oracle expects of a request, before the request is made.
func (w *company) expect(n *node, r request) (x expectation) {
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
	// The process may know something that storage does not have.
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

// writes records the secrets that the writer of config knows, and the addresses to
// which these may be sent.
func (w *company) writes(r request) {
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

// meets checks an answer against the expectation.
func (w *company) meets(n *node, r request, x expectation, a answer) {
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
		if a.Status != http.StatusBadRequest && w.attempts.last(a.number) == nil { // The credential may be stored without an attempt.
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

// answersAsAgreed: Vault's clients automatically repeat a request after a 5xx. So no
// refusal is a 5xx, and no other answer to a request of an operator or a job that may
// have reached Finicity.
func (w *company) answersAsAgreed(x expectation, r request, a answer) {
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

// proven reports whether the last change of a request was followed by a successful
// authentication with the new secret.
func (w *company) proven(request int) bool {
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

// underWay reports whether a call may still be answered. Its reader may have left, and
// until the answer the call counts as one of the four attempts.
func (l *attemptLedger) underWay() bool {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	return slices.ContainsFunc(l.exchanges, func(e *exchange) bool {
		return e.answered.IsZero() && time.Since(e.sent) <= 2*time.Minute
	})
}

// statusAgrees reads the status and then the token, at a moment when nothing else
// happens, and compares the two.
func (w *company) statusAgrees() {
	if w.active.Load() > 0 || !w.disk.quiet() || w.node.dead.Load() || w.attempts.underWay() {
		return
	}
	before := w.ask(status())
	a := w.ask(read())
	after := w.ask(status())
	if !before.ok() || !after.ok() || !w.disk.quiet() || w.node.dead.Load() {
		return // Storage failed in between.
	}
	got := a.Status == http.StatusOK
	switch {
	// After a failed write, or a failed request for a token, it is unknown whether the
	// next one works until it is made.
	case got && before.Data["token_available"] == false && before.Data["storage_error"] == "" && before.Data["last_error"] == "":
		w.violate("a read gets a token although the status says that there is none")
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
