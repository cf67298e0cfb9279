// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// In each state, after each request, this test checks every text: it types the commands
// in the text, and waits for the times in it. Wrong advice costs an operator one of
// five attempts.
func TestWhatTextsSayIsSo(t *testing.T) {
	t.Parallel()
	var met sync.Map // the states, the texts, the promises that some text makes, and the commands typed
	all, page := situations(), errorsPage()
	for state, in := range all {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			met.Store("in the state "+state, true)
			promised, typed := holdsIn(t, in, page)
			for _, name := range slices.Concat(promised, typed) {
				met.Store(name, true)
			}
		})
	}
	t.Cleanup(func() { // The subtests have ended.
		for state := range all {
			if _, ran := met.Load("in the state " + state); !ran {
				return // Only some subtests were selected.
			}
		}
		for _, promise := range promises {
			if _, found := met.Load(promise.name); !found {
				t.Errorf("no text promises %q any more", promise.name)
			}
		}
		var typed []string
		met.Range(func(name, _ any) bool {
			typed = append(typed, fmt.Sprint(name))
			return true
		})
		fixesAreTyped(t, page, typed)
		fixesAreNamed(t, page, typed)
	})
}

// holdsIn checks that the texts of one state are true. It returns what they promise, and
// the commands that they name.
func holdsIn(t *testing.T, in situation, page []inCatalog) (promised, typed []string) {
	t.Helper()
	asked, held := requests(), map[string]bool{}
	for _, request := range slices.Sorted(maps.Keys(asked)) {
		var (
			said   []string
			status map[string]string
		)
		inScene(t, request, in, asked[request], func(s *scene, texts []string) { said, status = texts, s.status })
		for _, text := range said {
			if held[text] {
				continue
			}
			held[text] = true
			wellWritten(t, text)
			onThePage(t, page, text, status[text])
			promised = append(promised, text)
			again := func(name string, then func(s *scene)) {
				inScene(t, request+", "+name, in, asked[request], func(s *scene, texts []string) {
					s.saysAgain(texts, text)
					then(s)
				})
			}
			for i, advice := range advicesIn(text) {
				again(fmt.Sprintf("advice %d", i+1), func(s *scene) { s.follow(advice) })
				for _, c := range advice.commands {
					typed = append(typed, c.typed)
				}
			}
			for _, promise := range promises {
				if found := promise.pattern.FindStringSubmatch(text); found != nil {
					promised = append(promised, promise.name)
					if promise.pattern == aTune {
						typed = append(typed, found[0])
					}
					again(promise.name, func(s *scene) { promise.check(s, text, found) })
				}
			}
		}
	}
	return promised, typed
}

// inScene brings a new mount into the state, makes the request, and continues from
// there. The result is the same each time.
func inScene(
	t *testing.T, name string, in situation, ask func(s *scene) mounttest.Answer, then func(s *scene, texts []string),
) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{Harness: mounttest.New(t)}
			if in.fields != nil {
				s.Configure(in.fields)
			}
			in.enter(s.Harness)
			s.ask = func() mounttest.Answer { return ask(s) }
			a := s.ask()
			s.status = a.Texts("")
			maps.Copy(s.status, s.Read("status", nil).Texts("status"))
			then(s, slices.Sorted(maps.Keys(s.status)))
		})
	})
}

// saysAgain checks that the scene gives the same text again.
func (s *scene) saysAgain(texts []string, text string) {
	s.T.Helper()
	if !slices.Contains(texts, text) {
		s.T.Fatalf("the same request in the same state says something else: %q", texts)
	}
}

// follow does what the advice says, if its condition is met.
func (s *scene) follow(a advice) {
	s.T.Helper()
	clause := strings.ToLower(a.clause)
	fill := s.fill
	locked := s.partner() == mounttest.PartnerID && s.Read("status", nil).Data["authentication"] == "locked"
	if locked && !strings.Contains(clause, "discard") && !strings.Contains(a.text, "Finicity support") {
		s.T.Fatalf("the partner is locked, and the text does not say what to do before: %s", a.text)
	}
	if at := afterTime.FindStringSubmatch(a.clause); at != nil {
		s.waitUntil(at[1])
	}
	s.Fake.ClearFaults() // The cause is resolved, and so is a lock.
	s.Fake.Unlock(mounttest.PartnerID)
	s.Storage.Heal()
	switch {
	case strings.Contains(clause, "discard"):
	case strings.HasPrefix(clause, "if it is, type"): // The app key is invalid.
		s.wrote = mounttest.Fields{"app_key": mounttest.NewKey}
		s.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
	case clause == "type", strings.HasPrefix(clause, "to allow it"), strings.HasPrefix(clause, "to write the new"):
	case strings.HasPrefix(clause, "if the secret or the app key changed"), strings.HasPrefix(clause, "to write another one"),
		strings.HasPrefix(clause, "to store another one first"):
		s.anotherIsRight()
	case strings.Contains(clause, "this one is valid now"), strings.Contains(clause, "the new one is valid now"),
		strings.Contains(clause, "sure of the new one"), strings.HasPrefix(clause, "after finicity support") && len(a.commands) > 1:
		s.writtenIsRight()
		fill = s.same
	case strings.HasPrefix(clause, "otherwise"), strings.Contains(clause, "sure of the stored credential"),
		strings.HasPrefix(clause, "after finicity support"), strings.HasPrefix(clause, "to verify it"), strings.HasPrefix(clause, "to resolve it"),
		strings.HasPrefix(clause, "if it is not, resume"), strings.Contains(clause, "rotate manually"),
		strings.HasPrefix(clause, "if base_url is wrong"), strings.Contains(clause, "another address"):
		s.storedIsRight()
	default:
		s.T.Fatalf("the test does not know the condition of this advice: %q, in: %s", a.clause, a.text)
	}
	for _, c := range a.commands {
		fields := fill(c)
		if refused := s.enter(c, fields, a.text); refused != "" {
			s.wrote = fields
			s.follow(advicesIn(refused)[0])
			return
		}
	}
	s.keeps(clause, a)
}

// enter types a command, which must succeed. Only the first write of a partner may be
// refused, and then its answer must help: the engine did not know in advance which
// partner that would be.
func (s *scene) enter(c command, fields mounttest.Fields, text string) (refused string) {
	s.T.Helper()
	path := strings.TrimPrefix(c.path, s.Mount)
	send := map[string]func(string, mounttest.Fields) mounttest.Answer{"read": s.Read, "write": s.Write, "delete": s.Remove}[c.verb]
	answer := send(path, fields)
	if wait := inAWhile.FindStringSubmatch(answer.Text); wait != nil { // A change may still be on its way.
		s.passes(wait[1])
		answer = send(path, fields)
	}
	if strings.HasPrefix(text, "this mount is not configured") && strings.Contains(answer.Text, "Failed attempts: 4 of 5") {
		return answer.Text
	}
	if answer.Status != http.StatusOK && answer.Status != http.StatusNoContent {
		s.T.Fatalf("vault %s %s %v answers %d: %s\nand it was named by: %s",
			c.verb, c.path, slices.Sorted(maps.Keys(fields)), answer.Status, s.Leaks.Hide(answer.Text), text)
	}
	return ""
}

// keeps checks the effect of an advice, after its commands.
func (s *scene) keeps(clause string, a advice) {
	s.T.Helper()
	if strings.Contains(clause, "discard") {
		if _, found := s.Storage.Peek("config"); found && s.IsConfigured() {
			s.T.Errorf("nothing is discarded: %s", a.text)
		}
		return
	}
	switch {
	case strings.HasPrefix(clause, "to allow it"):
		s.enter(command{verb: "write", path: s.Mount + "rotate-root"}, nil, a.text)
	case strings.HasPrefix(clause, "if it is not, resume") && says(s.Harness, "rotation_paused") != "":
		s.T.Errorf("the schedule stays paused: %s", a.text)
	case strings.Contains(clause, "rotate manually") && statusNow(s.Harness)["next_vault_rotation"] == nil:
		s.T.Errorf("the schedule stays stopped: %s", a.text)
	}
	s.works(a.text)
}

// works checks that the mount serves tokens again, and that no rotation is pending.
func (s *scene) works(text string) {
	s.T.Helper()
	s.Pass(time.Minute)
	s.Tick() // The engine resolves a pending rotation automatically.
	for range 2 {
		got := s.Read("token", nil)
		if shown := statusNow(s.Harness); got.Status != http.StatusOK || len(got.Warnings) > 0 || shown["authentication"] != "ok" ||
			shown["rotation_pending"] != false {
			s.T.Fatalf("after the advice a read answers %d: %s %v, authentication is %v, pending: %v\nit was: %s",
				got.Status, s.Leaks.Hide(got.Text), got.Warnings, shown["authentication"], shown["rotation_pending"], text)
		}
		s.Pass(2 * time.Hour)
	}
}

// waitUntil waits until a time from a text. It fails if that time is not in the future.
func (s *scene) waitUntil(shown string) {
	s.T.Helper()
	at, err := time.Parse(time.RFC3339, shown)
	if err != nil || at.Before(s.Now()) {
		s.T.Fatalf("%q is not a time to come", shown)
	}
	s.Pass(at.Sub(s.Now()))
}

// passes waits for a duration from a text.
func (s *scene) passes(shown string) {
	s.T.Helper()
	wait, err := time.ParseDuration(shown)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Pass(wait)
}

const aTime = `(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)`

var (
	afterTime = regexp.MustCompile(`after ` + aTime)
	inAWhile  = regexp.MustCompile(`: try again in ([^\s,]+), no other action is needed`)
)

// promises are announcements in texts of what the engine will do on its own.
var promises = []struct {
	name    string
	pattern *regexp.Regexp
	check   func(s *scene, text string, found []string)
}{
	{"one more at its time", regexp.MustCompile(`the engine retries once, at ` + aTime + ` at the earliest`), (*scene).retriesAt},
	{"no more attempts", regexp.MustCompile(`the engine makes no further attempt automatically`), (*scene).staysStopped},
	{"resolved automatically", regexp.MustCompile(`The engine resolves this automatically`), (*scene).resolves},
	{"again in a while", inAWhile, (*scene).worksIn},
	{"sent in a while", regexp.MustCompile(`; the next request is sent in (\S+) at the earliest`), (*scene).worksIn},
	{"rotation later", regexp.MustCompile(`Rotation is possible again after ` + aTime), (*scene).rotatesAfter},
	{"lease", aTune, (*scene).tunes},
	{"good until", regexp.MustCompile(`The current token is valid until ` + aTime), (*scene).servesUntil},
}

// tries has apps and jobs request a token, and returns how many requests reached
// Finicity.
func (s *scene) tries() int {
	before := len(s.Fake.Requests())
	s.Read("token", nil)
	s.Write("rotate-token", nil)
	s.Tick()
	return len(s.Fake.Requests()) - before
}

func (s *scene) retriesAt(text string, found []string) {
	at, err := time.Parse(time.RFC3339, found[1])
	if err != nil || !at.After(s.Now()) {
		s.T.Fatalf("%q is not a time to come", found[1])
	}
	if shown := statusNow(s.Harness)["retry_time"]; shown != found[1] {
		s.T.Errorf("the status shows the time %v, and the text is: %s", shown, text)
	}
	const rounding = time.Second + time.Millisecond // Durations in texts are rounded up.
	s.Pass(at.Sub(s.Now()) - rounding)
	if n := s.tries(); n != 0 {
		s.T.Errorf("%d requests are sent before the time in: %s", n, text)
	}
	s.Pass(rounding)
	s.Fake.ClearFaults()
	s.storedIsRight()
	if n := s.tries(); n == 0 {
		s.T.Errorf("nothing is sent at the time in: %s", text)
	}
	s.works(text)
}

func (s *scene) staysStopped(text string, _ []string) {
	for range 24 * 3 {
		s.Pass(time.Hour)
		if n := s.tries(); n != 0 {
			s.T.Fatalf("%d requests are sent at %s, and the text was: %s", n, s.Now(), text)
		}
	}
}

func (s *scene) resolves(text string, _ []string) {
	s.Fake.ClearFaults()
	for range 3 {
		s.Pass(time.Minute)
		s.Tick()
	}
	s.works(text)
}

func (s *scene) worksIn(text string, found []string) {
	s.Fake.ClearFaults()
	s.passes(found[1])
	if a := s.ask(); a.Status != http.StatusOK && a.Status != http.StatusNoContent {
		s.T.Errorf("after the wait, the same is a %d: %s\nand it was: %s", a.Status, s.Leaks.Hide(a.Text), text)
	}
}

func (s *scene) rotatesAfter(text string, found []string) {
	s.waitUntil(found[1])
	s.Pass(time.Second)
	s.Fake.ClearFaults()
	s.enter(command{verb: "write", path: s.Mount + "rotate-root"}, nil, text)
	s.works(text)
}

func (s *scene) tunes(text string, _ []string) {
	s.View.MaxLeaseTTLVal = 2 * time.Hour
	if a := s.ask(); a.Status != http.StatusOK {
		s.T.Errorf("after the mount is tuned, the same is a %d: %s\nand it was: %s", a.Status, s.Leaks.Hide(a.Text), text)
	}
}

func (s *scene) servesUntil(text string, found []string) {
	at, err := time.Parse(time.RFC3339, found[1])
	if err != nil {
		s.T.Fatal(err)
	}
	s.Pass(at.Sub(s.Now()) - time.Second)
	if a := s.Read("token", nil); a.Status != http.StatusOK {
		s.T.Errorf("a read answers %d a second before the time in: %s", a.Status, text)
	}
}
