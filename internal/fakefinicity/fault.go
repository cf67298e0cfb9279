// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind is what goes wrong with a call.
type Kind string

// The faults to order. "Applied" means that Finicity's rules were run on the call: it may have counted as a wrong
// attempt, minted a token or changed the secret.
const (
	// KindLost is applied, and the connection is closed without an answer.
	KindLost Kind = "lost"
	// KindDropped is closed without an answer and never applied.
	KindDropped Kind = "dropped"
	// KindSlow is applied and answered after Delay, applied also when the client has gone by then.
	KindSlow Kind = "slow"
	// KindSlowAnswer is applied at once and answered after Delay.
	KindSlowAnswer Kind = "slow_answer"
	// KindLate is closed without an answer at once, and applied after Delay under the rules that hold then: a change
	// of a secret that is wrong by then counts as a wrong attempt.
	KindLate Kind = "late"
	// KindHoldBefore is held until Release, then applied and answered, applied also when the client has gone by then.
	KindHoldBefore Kind = "hold_before"
	// KindHoldAfter is applied, then held until Release, then answered.
	KindHoldAfter Kind = "hold_after"
	// KindStatus is answered with Status, Body and what else is given, and never applied.
	KindStatus Kind = "status"
	// KindMisleading is answered with Status, Body and what else is given, whatever the rules make of it: it is applied
	// before that answer, or Delay after it.
	KindMisleading Kind = "misleading"
	// KindTwice is a gateway that sends the call twice. Without Delay, the first answer gets lost and the client gets the
	// second. With Delay, the client gets the first answer, and the copy arrives later. Each copy has its entry in the log.
	KindTwice Kind = "twice"
	// KindCut is applied and answered with half of the answer: half of the body, or of the status line for a 204.
	KindCut Kind = "cut"
	// KindGarbage is applied and answered with the right status and a body that is none, Body if given. A 204, which
	// has no body to spoil, becomes a 200.
	KindGarbage Kind = "garbage"
	// KindEcho is never applied and answered 401 with a message that repeats the complete request body and the app
	// key: no real answer should, and a client must keep its secrets out of its errors and logs even so.
	KindEcho Kind = "echo"
)

// kinds are all of them, as an endpoint that orders them has to explain them.
func kinds() []struct {
	kind  Kind
	about string
} {
	return []struct {
		kind  Kind
		about string
	}{
		{KindLost, "takes effect, and no answer arrives"},
		{KindDropped, "no effect, and no answer: an outage"},
		{KindSlow, "takes effect after the delay, then answers"},
		{KindSlowAnswer, "takes effect at once, and answers after the delay"},
		{KindLate, "no answer, and takes effect after the delay"},
		{KindHoldBefore, "held until released, then takes effect"},
		{KindHoldAfter, "takes effect, and the answer is held until released"},
		{KindStatus, "no effect, and the answer that you give: status, body"},
		{KindMisleading, "takes effect, and the answer that you give: status, body"},
		{KindTwice, "arrives twice, the second time after the delay"},
		{KindCut, "takes effect, and half of the answer arrives"},
		{KindGarbage, "takes effect, and an unreadable answer arrives"},
		{KindEcho, "no effect, and an error that repeats the request"},
	}
}

func calls() []string { return []string{CallAuthenticate, CallModifySecret, CallCustomers} }

// maxFaultCount is as good as for ever, and the sum of what is in the queue is still a number.
const maxFaultCount = 1_000_000

// Fault is an order for calls that are still to come.
type Fault struct {
	// Call is the call that it is for: CallAuthenticate, CallModifySecret or CallCustomers. Empty is the next of any.
	Call string
	Kind Kind
	// Count is for how many calls it is good, at most a million. Zero means one.
	Count int
	// Delay is for KindSlow, KindSlowAnswer, KindLate, KindMisleading and KindTwice.
	Delay time.Duration
	// Status is for KindStatus and KindMisleading, 200 to 599.
	Status int
	// RetryAfter and Header are for the same two: the header of that name as it is sent, and others, such as Location.
	RetryAfter string
	Header     map[string]string
	// Body and ContentType are for the same two and KindGarbage. An empty ContentType means application/json.
	Body        string
	ContentType string
}

// Validate names the first thing that is wrong with the order. Something that its kind would not use is an error, so
// that no test relies on what never happens.
func (f Fault) Validate() error {
	delayed := slices.Contains([]Kind{KindSlow, KindSlowAnswer, KindLate, KindMisleading, KindTwice}, f.Kind)
	answered := f.Kind == KindStatus || f.Kind == KindMisleading
	bodied := answered || f.Kind == KindGarbage
	var known []string
	for _, k := range kinds() {
		known = append(known, string(k.kind))
	}
	switch {
	case !slices.Contains(known, string(f.Kind)):
		return fmt.Errorf("unknown kind %q: it is one of %s", f.Kind, strings.Join(known, ", "))
	case f.Call != "" && !slices.Contains(calls(), f.Call):
		return fmt.Errorf("unknown call %q: it is one of %s, or left out for any", f.Call, strings.Join(calls(), ", "))
	case f.Count < 0 || f.Delay < 0:
		return errors.New("count and delay cannot be negative")
	case f.Count > maxFaultCount:
		return fmt.Errorf("count cannot be more than %d", maxFaultCount)
	case f.Delay > 0 && !delayed:
		return fmt.Errorf("%s takes no delay", f.Kind)
	case answered && (f.Status < 200 || f.Status > 599):
		return errors.New("status must be from 200 to 599")
	case !answered && (f.Status != 0 || f.RetryAfter != "" || len(f.Header) > 0):
		return fmt.Errorf("%s takes no status, retryAfter or header", f.Kind)
	case !bodied && (f.Body != "" || f.ContentType != ""):
		return fmt.Errorf("%s takes no body or contentType", f.Kind)
	case f.Body != "" && (f.Status == http.StatusNoContent || f.Status == http.StatusNotModified):
		return fmt.Errorf("a %d has no body", f.Status)
	}
	return f.validateHeader()
}

// validateHeader refuses what net/http would leave out or write in another way than it was ordered.
func (f Fault) validateHeader() error {
	values := []string{f.RetryAfter, f.ContentType}
	for name, value := range f.Header {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") {
			return fmt.Errorf("%q is no name of a header", name)
		}
		values = append(values, value)
	}
	if slices.ContainsFunc(values, func(value string) bool { return strings.ContainsAny(value, "\r\n") }) {
		return errors.New("a header, retryAfter or contentType has more than one line")
	}
	return nil
}

// Order puts faults in the queue. Each call takes the first one that is for it. It panics on a fault that is not valid:
// ask [Fault.Validate] first where it comes from a person.
func (s *Server) Order(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if err := f.Validate(); err != nil {
			panic("fakefinicity: " + err.Error())
		}
		f.Count = max(f.Count, 1)
		s.faults = append(s.faults, &f)
	}
}

// ClearFaults takes all faults out of the queue and returns for how many calls they would still have been good. Calls
// that a fault has already met are not affected.
func (s *Server) ClearFaults() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := 0
	for _, f := range s.faults {
		left += f.Count
	}
	s.faults = nil
	return left
}

// takeFaultLocked returns the fault for a call, nil for most.
func (s *Server) takeFaultLocked(callName string) *Fault {
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.Call == "" || f.Call == callName })
	if i < 0 {
		return nil
	}
	f := s.faults[i]
	if f.Count--; f.Count == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return f
}

// perform takes the call to its end, by way of its fault if it has one. It returns only after an answer; everything
// else ends in http.ErrAbortHandler, which makes the standard server close the connection and log nothing.
func (s *Server) perform(w http.ResponseWriter, r *http.Request, c *call, entry *Request, f *Fault) {
	if f == nil {
		s.send(w, r, s.apply(c, entry), entry)
		return
	}
	switch f.Kind {
	case KindSlow:
		s.wait(f.Delay, nil)
		s.send(w, r, s.apply(c, entry), entry)
	case KindSlowAnswer:
		a := s.apply(c, entry)
		s.wait(f.Delay, r.Context().Done())
		s.send(w, r, a, entry)
	case KindHoldBefore:
		s.hold()
		s.send(w, r, s.apply(c, entry), entry)
	case KindHoldAfter:
		a := s.apply(c, entry)
		s.hold()
		s.send(w, r, a, entry)
	case KindStatus:
		s.send(w, r, f.answer(), entry)
	case KindMisleading:
		if f.Delay > 0 {
			s.applyLater(f.Delay, c, entry)
		} else {
			s.apply(c, entry)
		}
		s.send(w, r, f.answer(), entry)
	case KindTwice:
		s.sendTwice(w, r, c, entry, f.Delay)
	case KindCut:
		s.sendCut(w, s.apply(c, entry), entry)
	case KindGarbage:
		s.send(w, r, f.spoil(s.apply(c, entry)), entry)
	case KindEcho:
		message := fmt.Sprintf("Invalid credentials: %s %s", c.body, c.appKey)
		s.send(w, r, errorAnswer(http.StatusUnauthorized, "", "10001", message), entry)
	case KindLost:
		s.apply(c, entry)
		panic(http.ErrAbortHandler)
	case KindLate:
		s.applyLater(f.Delay, c, entry)
		panic(http.ErrAbortHandler)
	default: // KindDropped
		panic(http.ErrAbortHandler)
	}
}

// sendTwice applies the call and its copy, at once or after the delay, and sends the answer that a client would get.
func (s *Server) sendTwice(w http.ResponseWriter, r *http.Request, c *call, entry *Request, delay time.Duration) {
	second := &Request{Call: entry.Call, PartnerID: entry.PartnerID, Fault: entry.Fault, UserAgent: entry.UserAgent}
	a := s.apply(c, entry)
	if delay > 0 {
		s.later(delay, func() {
			s.recordLocked(second)
			s.applyLocked(c, second)
		})
		s.send(w, r, a, entry)
		return
	}
	s.record(second)
	s.send(w, r, s.apply(c, second), second)
}

// answer is that of KindStatus and KindMisleading.
func (f *Fault) answer() *answer {
	a := &answer{status: f.Status, contentType: f.contentType(), header: map[string]string{}, body: []byte(f.Body)}
	if f.RetryAfter != "" {
		a.header["Retry-After"] = f.RetryAfter
	}
	maps.Copy(a.header, f.Header)
	return a
}

func (f *Fault) spoil(a *answer) *answer {
	spoiled := &answer{status: a.status, contentType: f.contentType(), body: []byte(f.Body)}
	if spoiled.status == http.StatusNoContent {
		spoiled.status = http.StatusOK
	}
	if f.Body == "" {
		spoiled.body = []byte("{\"\x00\xff\x1f")
	}
	return spoiled
}

func (f *Fault) contentType() string {
	if f.ContentType == "" {
		return jsonContentType
	}
	return f.ContentType
}
