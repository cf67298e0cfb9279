// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	day   = 24 * time.Hour
	limit = 4 // Failed attempts without force.
)

// refusal is an attempt whose refusal the engine received.
type refusal struct {
	*exchange
	node, memory int64 // The node that received the refusal, and how often it had lost its memory.
	// successes are the places at which an attempt succeeded since.
	successes map[string]bool
	// accepted is set once Finicity has accepted the same credential since.
	accepted bool
	// candidate is set for a verdict on a secret other than the one accepted last.
	candidate bool
}

// succeed records a later success.
func (r *refusal) succeed(e *exchange) {
	r.successes[e.place] = true
	r.accepted = r.accepted || r.same(e)
}

// same reports whether an attempt sends the refused credential.
func (r *refusal) same(e *exchange) bool {
	return r.secret == e.secret && r.key == e.key && r.place == e.place
}

// at reports whether the refusal is one of the consecutive refusals at a place: no
// attempt has succeeded since, there or at the refusal's own place.
func (r *refusal) at(place string) bool { return !r.successes[place] && !r.successes[r.place] }

func (r *refusal) stored() bool { return r.caller.path != "config" }

// included are the calls that the stored entry contains.
type included struct {
	charged map[int]bool // Their attempts.
	settled map[int]bool // Their outcomes.
}

func (i included) clone() included {
	return included{maps.Clone(i.charged), maps.Clone(i.settled)}
}

// attemptLedger checks each attempt when it is sent, against the answers that the
// engine has received. It allows for what the engine cannot know, and follows its rules:
//
//   - The engine gives back an attempt whose answer was lost, late or unreadable: it
//     looks like an outage.
//   - A process may get a refusal and not store it before the process ends or loses its
//     memory. Then the attempt has no answer. It counts toward the four, and does not
//     delay other attempts.
//   - A restored snapshot has the attempts from when it was saved.
//   - The engine does not count a copy of a call that a gateway makes.
//   - After a success at one address, a refusal at another one still counts for its 24
//     hours. It delays attempts at its own address only.
//   - A forced attempt that succeeds clears everything before it.
type attemptLedger struct {
	w         *company
	exchanges []*exchange
	included  included
	refusals  []*refusal
	// untold is set if Finicity may have counted attempts that the engine cannot know:
	// a call was repeated, a snapshot restored, or an attempt forced.
	untold bool
	// confirmed is the last successful attempt of an operator.
	confirmed    int
	acknowledged map[string]time.Time // By place: when a change was last answered 204.
	succeeded    map[int]bool         // The nodes that had a success.
	unstored     map[int][]*exchange  // By node: answered, and not stored yet.
	memory       map[int]int64        // By node: how often it lost its memory.
	backoffs     map[int]backoff      // By node.
	// good is whether the stored credential was accepted, and not refused or replaced
	// since. current is its secret.
	good    bool
	current string
	// proven are the secrets of the engine's own that were accepted while their node
	// was alive. announced is the number of announced secrets.
	proven    map[string]bool
	announced int
}

// backoff is how long a node waits after failures without a verdict.
type backoff struct {
	count int // Consecutive failures.
	until time.Time
}

func newAttemptLedger(w *company) *attemptLedger {
	return &attemptLedger{
		w: w, included: included{map[int]bool{}, map[int]bool{}}, acknowledged: map[string]time.Time{},
		succeeded: map[int]bool{}, unstored: map[int][]*exchange{}, memory: map[int]int64{},
		backoffs: map[int]backoff{}, proven: map[string]bool{},
	}
}

// stored records that a write of the node was applied. It contains all answers that the
// node has received.
func (l *attemptLedger) stored(n *node) {
	for _, e := range l.unstored[n.id] {
		l.included.settled[e.id] = true
	}
	delete(l.unstored, n.id)
}

// forget records that a node loses what it has only in memory.
func (l *attemptLedger) forget(n *node) {
	l.memory[n.id]++
	delete(l.unstored, n.id)
	delete(l.backoffs, n.id)
}

func (l *attemptLedger) restore(taken included) {
	l.included = taken.clone()
	l.untold, l.good = true, false
	l.refusals = slices.DeleteFunc(slices.Clone(l.refusals), func(r *refusal) bool { return !taken.charged[r.id] })
}

// send checks an attempt that is about to be sent.
func (l *attemptLedger) send(n *node, e *exchange) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	e.id = len(l.exchanges) + 1
	l.exchanges = append(l.exchanges, e)
	l.included.charged[e.id] = true
	l.w.tracef("        %s sends call %d to %s: %s", e.caller.path, e.id, e.place, e.text(l.w))
	l.w.disk.sentTo(e)
	if e.caller.by == forced {
		l.untold = true
		return
	}
	l.checkLimit(e)
	if e.caller.by.automatic() {
		l.checkAutomatic(n, e)
		l.w.tokens.refreshes(n, e)
	} else if e.caller.path == "config" {
		l.checkWritten(e)
	}
}

// checkLimit: after four refused attempts, in a row or in a day, there is no fifth.
func (l *attemptLedger) checkLimit(e *exchange) {
	used := 0
	for _, r := range l.refusals {
		if r.at(e.place) || e.sent.Sub(r.sent) < day {
			used++
		}
	}
	if used >= limit {
		l.w.violate("call %d is sent by %s after %d refused attempts, without force", e.id, e.caller.by, used)
	}
	if used == limit-1 && l.good && e.caller.path == "config" {
		l.w.violate("call %d is for a new credential, but the last attempt is reserved for the stored one", e.id)
	}
}

// checkAutomatic: the limits for apps and jobs, however many there are.
func (l *attemptLedger) checkAutomatic(n *node, e *exchange) {
	known := func(r *refusal) bool {
		return l.included.settled[r.id] || r.node == int64(n.id) && r.memory == l.memory[n.id]
	}
	// An operator's success means that the cause was found, and apps may continue.
	// After it, only the limit of four counts refusals by the day.
	inDay, lockedOut := 0, false
	var row []*refusal
	for _, r := range l.refusals {
		if !known(r) {
			continue
		}
		if r.caller.by.automatic() && r.id > l.confirmed && (r.at(e.place) || e.sent.Sub(r.sent) < day) {
			inDay++
		}
		if r.at(e.place) {
			lockedOut = lockedOut || r.verdict == locked
			if r.stored() && r.place == e.place {
				row = append(row, r)
			}
		}
	}
	switch {
	case lockedOut:
		l.w.violate("call %d is automatic, and Finicity has said that the partner is locked", e.id)
	case inDay > 2:
		l.w.violate("call %d is automatic attempt %d in a day, after refusals only", e.id, inDay+1)
	case e.change && inDay > 1:
		l.w.violate("call %d is a change of the secret after %d automatic refusals in a day", e.id, inDay)
	}
	if len(row) > 0 {
		l.checkRow(n, e, row)
	}
	// While Finicity is unavailable, all readers share the wait.
	if wait := l.backoffs[n.id].until.Sub(e.sent); wait > 0 && e.caller.path != "rotate-root" && e.caller.path != "config/rotate" && e.caller.op != minuteOp {
		l.w.violate("call %d is sent during an outage of Finicity, %s too early", e.id, wait)
	}
}

// checkRow: after one refusal of the stored credential, automatic attempts wait. They
// stop after two refusals with a code, or after three.
func (l *attemptLedger) checkRow(n *node, e *exchange, row []*refusal) {
	last, certain, ofStored := row[len(row)-1], 0, 0
	for _, r := range row {
		if r.verdict != refused {
			certain++
			if !r.candidate {
				ofStored++
			}
		}
	}
	// One candidate was refused. The proven secret does not wait, not even in a process
	// without a success. Otherwise a restart during a rotation would need an operator.
	if len(row) == 1 && last.ofSecret() && last.secret != e.secret && !e.change && l.acceptedBefore(e) {
		return
	}
	switch {
	case len(row) > 2, certain > 1:
		l.w.violate("call %d is automatic attempt %d in a row, all refused", e.id, len(row)+1)
		return
	case ofStored > 0 && !l.succeeded[n.id]:
		l.w.violate("call %d is automatic, and its process has had a refusal with a code and no success", e.id)
		return
	}
	wait := 5 * time.Minute
	if len(row) == 2 {
		wait = 30 * time.Minute
	} else if since := last.answered.Sub(l.acknowledged[e.place]); since < 10*time.Minute {
		wait = 30 * time.Second // Not all of Finicity may know the new secret.
	}
	if waited := e.sent.Sub(last.answered); waited < wait {
		l.w.violate("call %d is an automatic attempt %s after a refusal, instead of %s", e.id, waited, wait)
	}
}

// acceptedBefore reports whether Finicity has accepted the secret of an attempt before.
func (l *attemptLedger) acceptedBefore(e *exchange) bool {
	return slices.ContainsFunc(l.exchanges[:e.id-1], func(s *exchange) bool {
		return s.verdict == success && !s.change && s.secret == e.secret && s.place == e.place
	})
}

// checkWritten: if a credential was refused with a code and not accepted since, a write
// does not send it again for a day.
func (l *attemptLedger) checkWritten(e *exchange) {
	for _, r := range l.refusals {
		if r.same(e) && !r.accepted && r.verdict == coded && (r.status == 401 || r.status == 404) && !r.change && l.included.settled[r.id] &&
			e.sent.Sub(r.sent) < day {
			l.w.violate("call %d sends a credential that was refused with a code less than a day ago", e.id)
		}
	}
}

// answer records the answer before the engine acts on it, and reports whether the
// answer is complete: see readAnswer. Other calls are judged by this verdict, so it is
// read under the same lock.
func (l *attemptLedger) answer(n *node, e *exchange, raw []byte, ended bool) bool {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	if !e.readAnswer(raw, ended) {
		return false
	}
	e.answered = time.Now()
	l.w.tracef("        call %d is answered %d %s", e.id, e.status, e.code)
	l.unstored[n.id] = append(l.unstored[n.id], e)
	if e.verdict == none {
		l.fail(n, e.caller, e.retryAfter)
	} else {
		delete(l.backoffs, n.id)
	}
	candidate := e.ofSecret() && e.secret != l.current
	if e.caller.path != "config" && (e.verdict == refused || e.verdict == coded || e.verdict == locked) && !candidate {
		l.good = false
	}
	switch {
	case e.verdict == success && e.change:
		l.acknowledged[e.place] = e.answered
	case e.verdict == success:
		l.succeed(n, e)
	case !l.included.charged[e.id]: // A snapshot from before the attempt was restored in the meantime.
	case e.verdict == refused, e.verdict == coded, e.verdict == locked:
		r := &refusal{exchange: e, node: int64(n.id), memory: l.memory[n.id], successes: map[string]bool{}, candidate: candidate}
		for _, s := range l.exchanges[e.id:] { // Of the node that replaced the one that got the answer.
			if s.verdict == success && !s.change {
				r.succeed(s)
			}
		}
		l.refusals = append(l.refusals, r)
	}
	return true
}

// unreachable records that a connection failed, and unanswered that there was no
// answer.
func (l *attemptLedger) unreachable(n *node, c caller) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	l.fail(n, c, "")
}

func (l *attemptLedger) unanswered(n *node, e *exchange) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	l.w.tracef("        call %d gets no answer", e.id)
	l.fail(n, e.caller, "")
}

// fail records a failure without a verdict. The wait is 1s, 2s, 4s and so on up to 60s,
// or as long as Finicity has asked for, up to 20 minutes.
func (l *attemptLedger) fail(n *node, c caller, retryAfter string) {
	if c.path == "config" { // The failure may be that of another address.
		return
	}
	b := l.backoffs[n.id]
	wait := min(time.Second<<min(b.count, 6), time.Minute)
	if asked, err := strconv.Atoi(retryAfter); err == nil && asked > 0 {
		wait = min(time.Duration(asked)*time.Second, 20*time.Minute)
	}
	l.backoffs[n.id] = backoff{b.count + 1, time.Now().Add(wait)}
}

func (l *attemptLedger) succeed(n *node, e *exchange) {
	l.succeeded[n.id] = true
	if !n.dead.Load() { // Otherwise no caller gets the answer.
		l.good, l.current = true, e.secret
	}
	l.w.tokens.accepted(n, e)
	if l.w.disk.sent[e.secret] && !l.w.known[e.secret] && !n.dead.Load() {
		l.proven[e.secret] = true
	}
	if !e.caller.by.automatic() {
		l.confirmed = e.id
	}
	if e.caller.by == forced {
		l.refusals = slices.DeleteFunc(l.refusals, func(r *refusal) bool { return r.id < e.id })
		for _, earlier := range l.exchanges[:e.id-1] { // Includes the running calls of a dead node.
			delete(l.included.charged, earlier.id)
		}
	}
	for _, r := range l.refusals {
		if r.id < e.id {
			r.succeed(e)
		}
	}
}

func (l *attemptLedger) announce(kind string) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	if kind == "finicity/root-rotate" {
		l.announced++
	}
}

// checkAnnounced: each secret of the engine's own that took effect was announced when
// it was first accepted, whichever request found that out.
func (l *attemptLedger) checkAnnounced() {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	if l.announced < len(l.proven) {
		l.w.violate("%d secrets have taken effect, and %d were announced", len(l.proven), l.announced)
	}
}

// checkLock: Finicity has not locked the partner, unless it counts attempts that the
// engine does not know, or counts for longer than a day. The ledger checks the rest.
func (l *attemptLedger) checkLock() {
	c := l.w.fake.Counters(partnerID)
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	if !c.Locked || l.untold || l.w.keepsCount {
		return
	}
	for _, r := range l.w.fake.Requests() {
		wrong := r.Outcome == fakefinicity.OutcomeRejected || r.Outcome == fakefinicity.OutcomeLocked
		told := r.Status != 0 && (r.Fault == "" || r.Fault == fakefinicity.KindSlowAnswer || r.Fault == fakefinicity.KindCut)
		if r.Applied && wrong && !told {
			return
		}
	}
	l.w.violate("Finicity has locked the partner")
}

// last returns the last call of a request, nil if it made none.
func (l *attemptLedger) last(request int) *exchange {
	for _, e := range slices.Backward(l.exchanges) {
		if e.caller.request == request {
			return e
		}
	}
	return nil
}

// of counts the outcomes of a request's calls.
func (l *attemptLedger) of(request int, which func(e *exchange) bool) (n int) {
	l.w.disk.mu.Lock()
	defer l.w.disk.mu.Unlock()
	for _, e := range l.exchanges {
		if e.caller.request == request && which(e) {
			n++
		}
	}
	return n
}
