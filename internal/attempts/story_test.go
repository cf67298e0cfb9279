// SPDX-License-Identifier: MPL-2.0

package attempts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/storytest"
)

func TestTheStories(t *testing.T) {
	for name, path := range storytest.Files(t) {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			storytest.Check(t, path, s.do)
		})
	}
}

// story is a record and a clock, which each command advances by a second.
type story struct {
	*testing.T
	record attempts.Record
	facts  attempts.Facts
	place  string
	now    time.Time
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{
		T: t, place: "here", facts: attempts.Facts{Succeeded: true}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// do executes a command. The command of an attempt is its trigger, the secret if an
// operator writes one, and the answer.
func (s *story) do(command []string) string {
	s.Helper()
	s.now = s.now.Add(time.Second)
	switch command[0] {
	case "pass":
		d, err := time.ParseDuration(command[1])
		if err != nil {
			s.Fatalf("%v", err)
		}
		s.now = s.now.Add(d)
	case "restart":
		s.facts.Succeeded = false
	case "copy": // A restored snapshot, hours old.
		s.facts.Succeeded, s.facts.Copy = false, true
	case "move":
		s.place = command[1]
	default:
		if verdict := s.attempt(command); verdict != attempts.Allowed {
			return "not sent: " + reasons[verdict] + "\n" + s.state()
		}
	}
	return s.state()
}

var reasons = map[attempts.Verdict]string{
	attempts.AtLimit:          "four attempts are used up",
	attempts.LastReserved:     "the last attempt is reserved for the stored credential",
	attempts.KnownBad:         "this credential was refused before",
	attempts.StopsAutomatic:   "an operator must act first",
	attempts.HoldsAutomatic:   "it must wait",
	attempts.TooManyForChange: "no attempt would be left to find the secret in effect",
}

func (s *story) request(command []string) (q attempts.Request) {
	switch command[0] {
	case "read":
		q.Reserve = !s.record.StoredRefused()
	case "read-unproven":
	case "candidate":
		q.Subject, q.Reserve = attempts.Candidate, !s.record.StoredRefused()
	case "rotate":
		q.Change = true
	case "untried": // An app uses a secret that an operator has stored without trying it.
		q.Subject, q.Reserve, q.Credential = attempts.Written, !s.record.StoredRefused(), s.place+" "+command[1]
	case "verify":
		q.Trigger = attempts.Operator
	case "force":
		q.Trigger = attempts.Forced
	case "write":
		q.Trigger, q.Subject, q.Reserve = attempts.Operator, attempts.Written, !s.record.StoredRefused()
		q.Credential = s.place + " " + command[1]
	default:
		s.Fatalf("no command %q", command[0])
	}
	return q
}

func (s *story) attempt(command []string) attempts.Verdict {
	s.Helper()
	q, at := s.request(command), s.now
	seen := s.record.At(s.place)
	if verdict := seen.Allow(q, s.facts, at); verdict != attempts.Allowed {
		return verdict
	}
	s.record.Charge(attempts.Attempt{At: at, Trigger: q.Trigger, Subject: q.Subject, Place: s.place})
	s.now = s.now.Add(time.Second)
	answer := attempts.Answer{Credential: q.Credential}
	switch how := command[len(command)-1]; how {
	case "accepted":
		answer.Success = !q.Change
		s.facts.Succeeded = s.facts.Succeeded || answer.Success
		s.facts.Copy = s.facts.Copy && !answer.Success
		if q.Change { // The answer is a 204.
			s.facts.Acknowledged = s.now
		}
	case "10001":
		answer.Outcome, answer.Failure, answer.OfSecret = attempts.RefusedWithCode, how, true
	case "10026": // The app key is wrong.
		answer.Outcome, answer.Failure = attempts.RefusedWithCode, how
	case "24302":
		answer.Outcome, answer.Failure, answer.Locked = attempts.RefusedWithCode, how, true
	case "codeless":
		answer.Outcome, answer.Failure, answer.Credential, answer.OfSecret = attempts.Refused, how, "", true
	case "gateway": // The answer says nothing about the secret.
		answer.Outcome, answer.Failure, answer.Credential = attempts.Refused, how, ""
	case "unanswered":
		answer.Failure = how
	case "dies":
		s.facts.Succeeded = false
		return attempts.Allowed
	default:
		s.Fatalf("no answer %q", how)
	}
	s.record.Settle(at, answer, s.now)
	return attempts.Allowed
}

// state describes the record as it applies to the address in use.
func (s *story) state() string {
	record := s.record.At(s.place)
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d left", record.State(s.facts, s.now), record.Left(s.now))
	if retry := record.Retry(s.facts, s.now); retry.After(s.now) {
		fmt.Fprintf(&b, ", next automatic attempt in %s", retry.Sub(s.now).Round(time.Second))
	}
	if record.Failure != "" {
		b.WriteString(", last failure: " + record.Failure)
	}
	return b.String()
}
