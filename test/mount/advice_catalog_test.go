// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// inCatalog is an error as docs/errors.md has it.
type inCatalog struct {
	text     string
	pattern  *regexp.Regexp // with a group for each part that is another text of the page
	statuses []string       // 200 for a warning, status for a field of the status
	fix      string
	fixes    []string // the commands that resolve it
}

var (
	catalogRow = regexp.MustCompile("(?m)^\\| `(.+?)` \\| (\\S.*?) \\| (\\S.*?) \\| (\\S.*?) \\|$")
	inCode     = regexp.MustCompile("`(vault [^`]+)`")
	aValue     = regexp.MustCompile(`\b(?:FIELDS?|NAME|PATH|COUNT|TIME|STATUS|STATE|HOST|ADDRESS|MESSAGE|COMMAND|REASON|ERROR)\b`)
	// What Finicity answers has its code, its message and a hint, which has its own row.
	anAnswer = regexp.MustCompile(`^(Finicity answered HTTP \d+)(?:, code \S+?)?(?:: (.+?))?(?: \(([^()]+)\))?$`)
)

// valuesLike is what can be in the place of a word in capitals. REASON and ERROR are
// other texts of the page; a MESSAGE is a text of Finicity, Vault or the system.
var valuesLike = map[string]string{
	"FIELD": `[a-z_]+`, "FIELDS": `(?:[a-z_]+(?:, [a-z_]+)*|[a-z_]+=…(?: [a-z_]+=…)*)`, "NAME": `[^"]*`, "PATH": `[a-z/-]+`,
	"COUNT": `\d+`, "TIME": `[\dTZhms.:-]+`, "STATUS": `\d+`, "STATE": `[a-z]+`, "HOST": `\S+`, "ADDRESS": `\S+`,
	"MESSAGE": `(?P<any>(?:[^.]|\.[^ ]|\. [^A-Z])*)`, "COMMAND": `(?P<any>vault [^;.]+)`, "REASON": `(.+)`, "ERROR": `(.+)`,
}

// errorsPage reads docs/errors.md. A text has more letters than the ones after it.
var errorsPage = sync.OnceValue(func() (all []inCatalog) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		panic(err)
	}
	for _, row := range catalogRow.FindAllStringSubmatch(string(page), -1) {
		like := aValue.ReplaceAllStringFunc(regexp.QuoteMeta(row[1]), func(name string) string { return valuesLike[name] })
		c := inCatalog{text: row[1], statuses: strings.Split(row[2], ", "), fix: row[4], pattern: regexp.MustCompile("^" + like + "$")}
		if c.isPart() {
			c.pattern = regexp.MustCompile("^(.+)" + like + "((?:[ .,:;].+)?)$")
		}
		for _, command := range inCode.FindAllStringSubmatch(row[4], -1) {
			c.fixes = append(c.fixes, command[1])
		}
		all = append(all, c)
	}
	if len(all) < 100 {
		panic("most errors were not found")
	}
	slices.SortStableFunc(all, func(a, b inCatalog) int {
		return len(aValue.ReplaceAllString(b.text, "")) - len(aValue.ReplaceAllString(a.text, ""))
	})
	return all
})

// isPart reports whether the error is a part of others, and not a whole one.
func (c inCatalog) isPart() bool { return strings.ContainsAny(c.text[:1], ",; ") }

// rowsOf returns the errors of docs/errors.md that a text consists of, each with the text
// that is its own; nil if the page does not have all of the text.
func rowsOf(page []inCatalog, text string) map[string]string {
	text = withoutMessage(text)
	all := func(parts ...string) map[string]string {
		found := map[string]string{}
		for _, part := range parts {
			rows := rowsOf(page, part)
			if rows == nil {
				return nil
			}
			maps.Copy(found, rows)
		}
		return found
	}
	for _, c := range page {
		at := c.pattern.FindStringSubmatch(text)
		if at == nil {
			continue
		}
		own, others := text, at[1:]
		if c.isPart() {
			others = []string{at[1] + at[2]}
		}
		for i, name := range c.pattern.SubexpNames() {
			switch {
			case name == "any" && rowsOf(page, at[i]) == nil:
				others[i-1] = ""
			case name == "" && i > 0:
				own = strings.Replace(own, at[i], "", 1)
			}
		}
		if found := all(slices.DeleteFunc(others, func(text string) bool { return text == "" })...); found != nil {
			found[c.text] = own
			return found
		}
	}
	if at := anAnswer.FindStringSubmatch(text); at != nil && at[1] != text && !aSentence.MatchString(at[2]) {
		if rowsOf(page, at[2]) == nil {
			at[2] = ""
		}
		if found := all(slices.DeleteFunc(at[1:], func(text string) bool { return text == "" })...); found != nil {
			return found
		}
	}
	for at := range text {
		if strings.HasPrefix(text[at:], ". ") {
			if found := all(text[:at], text[at+2:]); found != nil {
				return found
			}
		}
	}
	return nil
}

// onThePage checks that docs/errors.md has a text, with the status that it came with.
func onThePage(t *testing.T, page []inCatalog, text, status string) {
	t.Helper()
	rows := rowsOf(page, text)
	if rows == nil {
		t.Errorf("docs/errors.md does not have all of: %s", text)
	}
	for _, c := range page {
		if _, found := rows[c.text]; found && !slices.Contains(c.statuses, status) {
			t.Errorf("docs/errors.md does not have the status %s for %q, which is in: %s", status, c.text, text)
		}
	}
}

// commandsIn returns the commands in a text, without the values of their fields.
func commandsIn(text string) (commands []string) {
	for _, typed := range append(aCommand.FindAllString(text, -1), aTune.FindAllString(text, -1)...) {
		commands = append(commands, plainly(strings.TrimPrefix(typed, "vault ")).String())
	}
	slices.Sort(commands)
	return slices.Compact(commands)
}

// fixesAreNamed checks that docs/errors.md resolves an error with the commands that its
// own text names in some state; if it names none, with commands that the rest of the text
// names, or that the test in the list types.
func fixesAreNamed(t *testing.T, page []inCatalog, texts []string) {
	t.Helper()
	own, whole := map[string][][]string{}, map[string][]string{}
	for _, text := range texts {
		for row, itsOwn := range rowsOf(page, text) {
			if commands := commandsIn(itsOwn); len(commands) > 0 {
				own[row] = append(own[row], commands)
			}
			whole[row] = append(whole[row], commandsIn(text)...)
		}
	}
	for _, c := range page {
		if commands := commandsIn(c.text); len(commands) > 0 {
			own[c.text] = append(own[c.text], commands)
		}
		test, listed := typedBy[c.text]
		fixes := commandsIn(strings.Join(c.fixes, "; "))
		isOwn := func(commands []string) bool { return slices.Equal(commands, fixes) }
		named := func(command string) bool { return slices.Contains(whole[c.text], command) }
		nothing := strings.HasPrefix(c.fix, "Nothing")
		switch {
		case len(own[c.text]) > 0:
			if !slices.ContainsFunc(own[c.text], isOwn) {
				t.Errorf("docs/errors.md resolves %q with %q, and it names %q", c.text, fixes, own[c.text])
			}
		case !nothing && !slices.ContainsFunc(fixes, func(command string) bool { return !named(command) }) && !listed:
		case !listed:
			t.Errorf("docs/errors.md resolves %q with %q %s, and no text and no test in the list does", c.text, fixes, c.fix)
		case nothing == (len(fixes) > 0):
			t.Errorf("a fix with, or Nothing without: %q", c.text)
		default:
			types(t, test, c.fixes)
		}
	}
}

// types checks that there is a test of this name, whose file has the requests.
func types(t *testing.T, test string, commands []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]string{"read": "Read", "write": "Write", "delete": "Remove"}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), "func "+test+"(") {
			continue
		}
		for _, typed := range commands {
			c := advicesIn(typed)[0].commands[0]
			if request := verbs[c.verb] + `("` + strings.TrimPrefix(c.path, mounttest.DefaultMount) + `"`; !strings.Contains(string(content), request) {
				t.Errorf("%s does not type %s", test, typed)
			}
			for _, field := range slices.Concat(c.blanks, slices.Collect(maps.Keys(c.fields))) {
				if !strings.Contains(string(content), strconv.Quote(field)) {
					t.Errorf("%s does not type %s: no %s", test, typed, field)
				}
			}
		}
		return
	}
	t.Errorf("there is no test %s", test)
}

// typedBy has the test that types the fix of an error, or that shows that there is nothing
// to type, for the errors whose text does not name the fix.
var typedBy = map[string]string{
	`HOST sent no complete answer: MESSAGE. Check again; if that fails too, look at the gateway or the proxy in between`: "TestACheckChangesNothingInAnyState",
	`timed out after TIME`:                                                                    "TestACheckChangesNothingInAnyState",
	`the answer was cut off: MESSAGE`:                                                         "TestACheckChangesNothingInAnyState",
	`Finicity could not be reached: MESSAGE`:                                                  "TestACheckChangesNothingInAnyState",
	`Finicity gave no readable answer: MESSAGE`:                                               "TestACheckChangesNothingInAnyState",
	`the answer contains no readable token`:                                                   "TestACheckChangesNothingInAnyState",
	`not the expected answer`:                                                                 "TestACheckChangesNothingInAnyState",
	`no Finicity code: the answer might come from a proxy or a gateway`:                       "TestACheckChangesNothingInAnyState",
	`ERROR. The engine does not retry the request, because it might count toward the lockout`: "TestTheStatusReportsAStorageFailure",
	`ERROR. Check password_policy, if you set one, and rotate again`:                          "TestAPolicyThatWasDeletedSendsNothingAndSaysSo",
	`field "FIELD" is required: the first write needs partner_id, partner_secret and app_key`: "TestTheFirstWriteNeedsPartnerIDSecretAndAppKey",
	`field "FIELD" must be 0, or between 1m and 87600h: 720h (30 days) is a good choice`:      "TestTheBoundsThemselvesAreAllowed",
	`the partner ID is wrong`:                                                                 "TestANewPartnerReplacesTheCredentialItsHistoryAndItsToken",
	`the app key is wrong`:                                                                    "TestANewAppKeyAloneAuthenticatesWithTheStoredSecret",
	`the base URL cannot be used`:                                                             "TestAMoveThereAndBackWorks",
	`the stored record of attempts cannot be decoded`:                                         "TestOneForceIsOneAttempt",
	`the outcome of the rotation is unknown, and both secrets are stored: REASON. The engine resolves this automatically: no action is needed`: "TestAnUnknownOutcomeIsResolvedToTheSecretInEffect",
	`the outcome of the rotation is unknown, and both secrets are stored: REASON`:                                                              "TestAnUnknownOutcomeIsResolvedToTheSecretInEffect",
	`Finicity acknowledged the change, but accepts the old secret and not the new one`:                                                         "TestAnAcknowledgmentWithoutAProofIsNoRotation",
	`a rotation was started, and its outcome was not recorded`:                                                                                 "TestNoCrashDuringARotationLosesTheSecret",
	`; the stored credential is unchanged and stays in use`:                                                                                    "TestALaterWriteWithAWrongCredentialChangesNothing",
	`, which is unchanged and stays in use`:                                                                                                    "TestALaterWriteWithAWrongCredentialChangesNothing",
	`an attempt with an unstored credential failed: REASON`:                                                                                    "TestALaterWriteWithAWrongCredentialChangesNothing",
	`an attempt with an unproven stored secret failed: REASON`:                                                                                 "TestTheStoredSecretIsTriedAfterARefusedTypo",
}

// fixesAreTyped checks that a test types each command with which docs/errors.md resolves
// an error: this one, or one that runs the documents and the scripts of test/e2e.
func fixesAreTyped(t *testing.T, page []inCatalog, typedHere []string) {
	t.Helper()
	typed := []plainCommand{plainly("operator step-down")} // test/e2e/cluster_test.go does it with a call.
	for _, command := range typedHere {
		typed = append(typed, plainly(strings.TrimPrefix(command, "vault ")))
	}
	for _, pattern := range []string{"../../docs/*.md", "../../README.md", "../e2e/testdata/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			prompt := map[string]string{".md": "$ vault ", ".txtar": "vault "}[filepath.Ext(file)]
			for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
				if command, isCommand := strings.CutPrefix(line, prompt); isCommand {
					typed = append(typed, plainly(command))
				}
			}
		}
	}
	for _, c := range page {
		for _, fix := range c.fixes {
			if !slices.ContainsFunc(typed, plainly(strings.TrimPrefix(fix, "vault ")).isPartOf) {
				t.Errorf("no test types %q, which docs/errors.md names for: %s", fix, c.text)
			}
		}
	}
}

// plainCommand is a command without the values of its fields, but for true and false.
type plainCommand struct {
	name   string // with the path
	fields []string
}

// isPartOf reports whether another command is the same one, perhaps with more fields.
func (c plainCommand) isPartOf(other plainCommand) bool {
	return c.name == other.name && !slices.ContainsFunc(c.fields, func(field string) bool { return !slices.Contains(other.fields, field) })
}

func (c plainCommand) String() string {
	slices.Sort(c.fields)
	return strings.Join(append([]string{strings.TrimSpace(c.name)}, c.fields...), " ")
}

var anOption = regexp.MustCompile(`^-(?:field|format)=`) // It only changes what is printed.

// plainly reads a command. The name of a password policy does not matter.
func plainly(command string) (c plainCommand) {
	for word := range strings.FieldsSeq(command) {
		switch name, value, isField := strings.Cut(word, "="); {
		case anOption.MatchString(word):
		case !isField || strings.HasPrefix(word, "-"):
			c.name += " " + word
		case value == "true" || value == "false":
			c.fields = append(c.fields, word)
		default:
			c.fields = append(c.fields, name)
		}
	}
	c.name = regexp.MustCompile(`(sys/policies/password/)\S+`).ReplaceAllString(c.name, "$1")
	return c
}
