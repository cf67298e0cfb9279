// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// command is a command in a text, in a form that can be pasted.
type command struct {
	typed      string // as it is in the text
	verb, path string
	// fields have a value, and the reader fills in the blanks.
	fields mounttest.Fields
	blanks []string
	// orKey is set for "(or app_key=…)": the reader supplies the field that has
	// changed.
	orKey bool
}

// advice is one command, or several in sequence. The clause is the text before the
// first command, which says when to use it.
type advice struct {
	text, clause string
	commands     []command
}

var (
	// A field has a value, or a placeholder as in partner_secret=…
	aCommand = regexp.MustCompile(`vault (write|read|delete)( -f)? ([a-z][a-z/-]*)((?: [a-z_]+=[^\s,;.:)]+)*)`)
	aTune    = regexp.MustCompile(`vault secrets tune -max-lease-ttl=2h ([a-z/]+)`)
	anEnd    = regexp.MustCompile(`[.;:] `)
	// A sentence begins with a capital letter, other than the one of Finicity.
	aSentence = regexp.MustCompile(`\. [A-Z]`)
)

// advicesIn parses a text. Consecutive commands, as in "type A, then B", are one
// advice.
func advicesIn(text string) (all []advice) {
	end := 0
	for _, at := range aCommand.FindAllStringSubmatchIndex(text, -1) {
		between := text[end:at[0]]
		c := command{typed: text[at[0]:at[1]], verb: text[at[2]:at[3]], path: text[at[6]:at[7]], fields: mounttest.Fields{}}
		for field := range strings.FieldsSeq(text[at[8]:at[9]]) {
			name, value, _ := strings.Cut(field, "=")
			switch value {
			case "…":
				c.blanks = append(c.blanks, name)
			case "true":
				c.fields[name] = true
			case "false":
				c.fields[name] = false
			default:
				c.fields[name] = value
			}
		}
		end = at[1]
		c.orKey = strings.HasPrefix(text[end:], " (or app_key=…)")
		if len(all) > 0 && strings.HasSuffix(between, ", then ") && !anEnd.MatchString(between) {
			last := &all[len(all)-1]
			last.commands = append(last.commands, c)
			continue
		}
		clause := between
		if ends := anEnd.FindAllStringIndex(between, -1); len(ends) > 0 {
			clause = between[ends[len(ends)-1][1]:]
			// "to discard the secret: vault …" has its condition before the colon.
			if clause == "" {
				before := between[:ends[len(ends)-1][0]]
				if more := anEnd.FindAllStringIndex(before, -1); len(more) > 0 {
					before = before[more[len(more)-1][1]:]
				}
				clause = before
			}
		}
		all = append(all, advice{text: text, clause: strings.TrimSpace(clause), commands: []command{c}})
	}
	return all
}

// withoutMessage leaves out what Finicity says about a lock: these are not the engine's
// sentences.
func withoutMessage(text string) string {
	return strings.ReplaceAll(text, ": "+strings.TrimSuffix(fakefinicity.LockedMessage, "."), "")
}

// mostWords is how many words of the engine an error may have, without its commands. The
// longest one has as many.
const mostWords = 79

// wellWritten checks the form of a text: at most three sentences, which begin like a Go
// error and do not end with a period, and no command that the parser misses. The
// harness searches for secrets.
func wellWritten(t *testing.T, text string) {
	t.Helper()
	text = withoutMessage(text)
	sentences := 1 + len(aSentence.FindAllString(text, -1))
	commands := len(aCommand.FindAllString(text, -1)) + len(aTune.FindAllString(text, -1))
	first := []rune(text)[0]
	words := len(strings.Fields(aCommand.ReplaceAllString(text, "")))
	switch {
	case words > mostWords:
		t.Errorf("%d words without the commands: %s", words, text)
	case sentences > 3:
		t.Errorf("%d sentences: %s", sentences, text)
	case strings.HasSuffix(text, "."):
		t.Errorf("a period at the end: %s", text)
	case unicode.IsUpper(first) && !strings.HasPrefix(text, "Finicity "):
		t.Errorf("a capital at the beginning: %s", text)
	case commands != strings.Count(text, "vault "):
		t.Errorf("%d commands are understood, and there are %d: %s", commands, strings.Count(text, "vault "), text)
	case strings.Contains(text, "verify_connection=false") && !strings.Contains(text, "=… verify_connection=false"):
		t.Errorf("a command that cannot be pasted: %s", text)
	}
}

func TestTheCommandsOfAnErrorAreFound(t *testing.T) {
	t.Parallel()
	text := "it failed. If the key changed, type vault write finicity/config app_key=… base_url=… verify_connection=false, " +
		"then vault write finicity/config/verify force=true; otherwise, type vault write -f finicity/rotate-root. " +
		"To discard it: vault delete finicity/config force=true"
	got := advicesIn(text)
	if len(got) != 3 {
		t.Fatalf("%d pieces of advice: %+v", len(got), got)
	}
	for i, clause := range []string{"If the key changed, type", "otherwise, type", "To discard it"} {
		if got[i].clause != clause {
			t.Errorf("advice %d is for %q, want %q", i, got[i].clause, clause)
		}
	}
	first := got[0].commands
	if len(first) != 2 || strings.Join(first[0].blanks, " ") != "app_key base_url" || first[0].fields["verify_connection"] != false ||
		first[1].path != "finicity/config/verify" || first[1].fields["force"] != true {
		t.Errorf("the first advice is %+v", first)
	}
	if last := got[2].commands[0]; last.verb != "delete" || last.path != "finicity/config" || last.fields["force"] != true {
		t.Errorf("the last advice is %+v", last)
	}
}
