// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/secrets"
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

// requestTimeout is the longest time that a call in a story can take.
const requestTimeout = 30 * time.Second

// story is a list and a clock, which each command advances by a second.
type story struct {
	*testing.T
	list secrets.List
	now  time.Time
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{T: t, list: secrets.List{Place: "here"}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func text(value string) confidential.Text { return confidential.New(value) }

// do executes a command. The first word says what happens. The second word is the secret
// that it happens to.
func (s *story) do(command []string) string {
	s.Helper()
	s.now = s.now.Add(time.Second)
	l, word := &s.list, append(command, "", "")
	value, has := text(word[1]), func(w string) bool { return slices.Contains(command[1:], w) }
	switch word[0] {
	case "bring": // An operator stores the secret without trying it.
		l.Bring(value, s.now)
	case "write": // An operator writes the secret, and Finicity accepts it.
		l.Bring(value, s.now)
		l.Accept(value, s.now)
	case "propose":
		l.Propose(value, has("grace"), s.now.Add(requestTimeout), s.now)
	case "not-sent":
		l.NotSent(value)
	case "acknowledge":
		l.Acknowledge(value, s.now)
	case "deny": // Finicity refuses the change from the third word to the second.
		l.Deny(value, text(word[2]), has("10001"), s.now)
	case "accept":
		l.Accept(value, s.now)
	case "refuse":
		l.Refuse(value, !has("codeless"), s.now)
	case "move":
		l.Move(word[1])
	case "pass":
		d, err := time.ParseDuration(word[1])
		if err != nil {
			s.Fatalf("%v", err)
		}
		s.now = s.now.Add(d)
	case "signers":
		current, previous := l.Signers(s.now)
		return fmt.Sprintf("current: %s; previous: %s", s.values(current), s.values(previous))
	default:
		s.Fatalf("no command %q", word[0])
	}
	return s.state()
}

// state describes the list and what follows from it.
func (s *story) state() string {
	var b strings.Builder
	for _, secret := range s.list.Secrets {
		fmt.Fprintf(&b, "%s  %s\n", secret.Value.Reveal(), strings.Join(s.facts(secret), ", "))
	}
	if len(s.list.Secrets) == 0 {
		b.WriteString("nothing\n")
	}
	next, found := s.list.Next()
	if !found {
		return b.String() + "next: none"
	}
	current, _ := s.list.Current()
	fmt.Fprintf(&b, "current: %s, next: %s", current.Value.Reveal(), next.Value.Reveal())
	if wait := s.list.Wait(s.now); wait > 0 {
		fmt.Fprintf(&b, " in %s", wait)
	}
	until, full := s.list.MustWait()
	noChange := "no change before the next success"
	if until.After(s.now) {
		noChange = "no change for " + until.Sub(s.now).Round(time.Hour).String()
	}
	for _, fact := range []struct {
		name string
		is   bool
	}{
		{"unresolved", s.list.Unresolved()},
		{"only copy", s.list.OnlyCopy()},
		{"prove before a change", s.list.MustProve()},
		{noChange, full},
	} {
		if fact.is {
			b.WriteString(", " + fact.name)
		}
	}
	return b.String()
}

func (s *story) facts(secret secrets.Secret) []string {
	facts := []string{[...]string{"brought", "sent"}[secret.Origin]}
	refused, here := !secret.Refused.IsZero(), secret.Place == s.list.Place
	for _, fact := range []struct {
		name string
		is   bool
	}{
		{"grace", secret.Grace},
		{"at " + secret.Place, !here},
		{"acknowledged", !secret.Acknowledged.IsZero()},
		{"denied", !secret.Denied.IsZero()},
		{"proven", !secret.Proven.IsZero()},
		{"refused", here && s.list.Refused(secret)},
		{"refused before", here && refused && !s.list.Refused(secret)},
		{"superseded", !secret.Superseded.IsZero()},
		{"kept by a grace period", !secret.GraceEnds.IsZero()},
	} {
		if fact.is {
			facts = append(facts, fact.name)
		}
	}
	return facts
}

func (s *story) values(all []confidential.Text) string {
	if len(all) == 0 {
		return "none"
	}
	var values []string
	for _, one := range all {
		values = append(values, one.Reveal())
	}
	return strings.Join(values, " ")
}
