// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Kind is the kind of a fault.
type Kind string

// The kinds of faults. "Applied" means that the call takes effect under Finicity's
// rules: it may count as a failed attempt, issue a token or change the secret.
const (
	// KindLost applies the call and closes the connection without an answer.
	KindLost Kind = "lost"
	// KindDropped closes the connection without an answer and never applies the call.
	KindDropped Kind = "dropped"
	// KindSlow applies and answers the call after Delay. It applies the call even if
	// the client has disconnected by then.
	KindSlow Kind = "slow"
	// KindSlowAnswer applies the call at once and answers it after Delay.
	KindSlowAnswer Kind = "slow_answer"
	// KindLate closes the connection at once without an answer, and applies the call
	// after Delay. The rules then apply to the state at that time: if the old secret is
	// wrong by then, the change counts as a failed attempt.
	KindLate Kind = "late"
	// KindHoldBefore holds the call until Release, then applies and answers it. It
	// applies the call even if the client has disconnected by then.
	KindHoldBefore Kind = "hold_before"
	// KindHoldAfter applies the call, holds it until Release, and then answers it.
	KindHoldAfter Kind = "hold_after"
	// KindStatus answers with Status, Body and the other fields, and never applies the
	// call.
	KindStatus Kind = "status"
	// KindMisleading answers with Status, Body and the other fields, regardless of the
	// result of the call. It applies the call before the answer, or Delay after it.
	KindMisleading Kind = "misleading"
	// KindTwice is a gateway that sends the call twice. Without Delay, the first answer
	// is lost and the client gets the second. With Delay, the client gets the first
	// answer, and the copy arrives later. Each copy has its own entry in the log.
	KindTwice Kind = "twice"
	// KindCut applies the call and sends half of the answer: half of the body, or half
	// of the status line for a 204.
	KindCut Kind = "cut"
	// KindGarbage applies the call and answers with the right status and an unreadable
	// body, or with Body if it is set. A 204 has no body, so it becomes a 200.
	KindGarbage Kind = "garbage"
	// KindEcho never applies the call. It answers 401 with a message that repeats the
	// complete request body and the app key. No real answer should do that, but a
	// client must keep its secrets out of its errors and logs even then.
	KindEcho Kind = "echo"
)

// kinds are all kinds. The admin endpoint lists them.
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

// maxFaultCount is practically unlimited, and the sum of all faults in the queue still
// fits in an int.
const maxFaultCount = 1_000_000

// Fault is a fault for future calls.
type Fault struct {
	// Call restricts the fault to one call: CallAuthenticate, CallModifySecret or
	// CallCustomers. Empty means any call.
	Call string
	Kind Kind
	// Count is the number of calls that get the fault, at most a million. 0 means 1.
	Count int
	// Delay applies to KindSlow, KindSlowAnswer, KindLate, KindMisleading and
	// KindTwice.
	Delay time.Duration
	// Status applies to KindStatus and KindMisleading. It is between 200 and 599.
	Status int
	// RetryAfter and Header apply to KindStatus and KindMisleading. RetryAfter is the
	// value of that header, and Header has other headers, such as Location.
	RetryAfter string
	Header     map[string]string
	// Body and ContentType apply to KindStatus, KindMisleading and KindGarbage. An
	// empty ContentType means application/json.
	Body        string
	ContentType string
}

// Validate returns the first mistake in the fault. A field that the kind does not use
// is an error, so that no test relies on a setting without effect.
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

// headerName matches a token of RFC 9110. net/http omits a header with another name.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// validateHeader refuses headers that net/http would leave out or change.
func (f Fault) validateHeader() error {
	values := []string{f.RetryAfter, f.ContentType}
	for name, value := range f.Header {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !headerName.MatchString(name):
			return fmt.Errorf("%q is not a valid header name", name)
		case canonical == "Content-Type":
			return errors.New("set contentType instead of the header Content-Type")
		case canonical == "Content-Length", canonical == "Transfer-Encoding":
			return fmt.Errorf("%s follows from the body and cannot be set", canonical)
		}
		values = append(values, value)
	}
	if slices.ContainsFunc(values, func(value string) bool { return strings.ContainsAny(value, "\r\n") }) {
		return errors.New("a header, retryAfter or contentType has more than one line")
	}
	return nil
}

// Order adds faults to the queue. Each call gets the first fault that applies to it.
// Order panics if a fault is invalid: call [Fault.Validate] first for a fault from user
// input.
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

// ClearFaults removes all faults from the queue. It returns the number of calls that
// they would still have affected. Calls that already have their fault are not affected.
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

// takeFaultLocked returns the fault for a call, usually nil.
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

// perform completes the call, with its fault if it has one. It returns only after an
// answer. In every other case it panics with http.ErrAbortHandler, which makes the
// standard server close the connection and log nothing.
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
	default: // KindDropped.
		panic(http.ErrAbortHandler)
	}
}

// sendTwice applies the call and its copy, at once or after the delay, and sends the
// answer that a client would get.
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

// answer returns the answer of KindStatus and KindMisleading.
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
