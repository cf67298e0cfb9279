// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// documentedCommand is a command of a document, split into words as a shell does.
type documentedCommand struct {
	file  string
	words []string
	shown bool // In a console block, which the end-to-end tests run.
}

var (
	codeSpan   = regexp.MustCompile("`([^`]+)`")
	codeBlock  = regexp.MustCompile("(?ms)^ *```(sh|console)\n(.*?)^ *```$")
	assigning  = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	whereFiles = regexp.MustCompile(`^(?:\.\.?/|(?:cmd|docs|examples|internal|scripts|test|tools)/)[\w./*-]+$|^[\w./-]+\.(?:ctmpl|go|hcl|js|py|tf|txtar|yaml)$`)
)

// documentedCommands returns the commands in the blocks and the inline code of all
// documents.
func documentedCommands(t *testing.T) (found []documentedCommand) {
	t.Helper()
	for _, file := range sources(t, ".md") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		add := func(text string, shown bool) {
			for _, words := range simpleCommands(text) {
				found = append(found, documentedCommand{file, words, shown})
			}
		}
		for _, block := range codeBlock.FindAllStringSubmatch(string(content), -1) {
			shown := block[1] == "console"
			for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
				command, typed := strings.CutPrefix(line, "$ ")
				if typed || !shown {
					add(strings.Replace(command, "# or: ", "", 1), shown)
				}
			}
		}
		for _, span := range codeSpan.FindAllStringSubmatch(fenced.ReplaceAllString(string(content), ""), -1) {
			add(strings.ReplaceAll(strings.ReplaceAll(span[1], "\n", " "), ", then ", "; "), false)
		}
	}
	return found
}

// simpleCommands splits a line of shell into commands, and these into words. What is in
// parentheses is a command of its own. Leading keywords and assignments are removed.
func simpleCommands(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	var quote rune
	endWord := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
		}
		word.Reset()
	}
	end := func() {
		endWord()
		leading := func(w string) bool {
			return !assigning.MatchString(w) && !slices.Contains([]string{"!", "do", "env", "exec", "if", "then", "until", "while"}, w)
		}
		if first := slices.IndexFunc(words, leading); first >= 0 {
			commands = append(commands, words[first:])
		}
		words = nil
	}
	last := ' '
	for _, r := range line {
		switch {
		case quote == 0 && r == '#' && last == ' ': // A comment.
			end()
			return commands
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case quote == 0 && strings.ContainsRune("|;&\n", r), quote != '\'' && (r == '(' || r == ')'):
			end()
		case quote == 0 && r == ' ':
			endWord()
		default:
			word.WriteRune(r)
		}
		last = r
	}
	end()
	return commands
}

// vaultFlags are the flags of Vault's command line that the documents may use.
var vaultFlags = map[string]string{
	"agent": "config", "audit enable": "path", "auth enable": "", "delete": "", "events subscribe": "",
	"lease revoke": "prefix sync", "list": "", "login": "", "operator raft snapshot restore": "",
	"operator raft snapshot save": "", "operator step-down": "", "patch": "",
	"plugin deregister": "version", "plugin info": "version", "plugin register": "command env oci_image runtime sha256 version",
	"plugin reload": "plugin scope type", "plugin runtime register": "rootless type", "policy delete": "", "policy write": "", "proxy": "config",
	"read": "field format", "secrets disable": "", "secrets enable": "path plugin-version", "secrets list": "detailed",
	"server":       "dev dev-listen-address dev-no-store-token dev-plugin-dir dev-root-token-id",
	"secrets tune": "audit-non-hmac-response-keys max-lease-ttl plugin-version", "status": "",
	"token create": "field policy use-limit", "version": "", "write": "f field",
}

// No page may show a command whose program would answer with its usage. The end-to-end
// tests run the console blocks; this test reads every other command too.
func TestEveryVaultCommandOfTheDocumentsHasASubcommandAndFlagsOfVault(t *testing.T) {
	t.Parallel()
	count := 0
	for _, c := range documentedCommands(t) {
		if c.words[0] != "vault" || len(c.words) == 1 {
			continue
		}
		count++
		rest, known := c.words[1:], false
		for length := min(4, len(rest)); length > 0 && !known; length-- {
			flags, found := vaultFlags[strings.Join(rest[:length], " ")]
			if !found {
				continue
			}
			known = true
			for _, word := range rest[length:] {
				flag, isFlag := strings.CutPrefix(word, "-")
				if flag, _, _ = strings.Cut(flag, "="); isFlag && !slices.Contains(strings.Fields(flags), strings.TrimPrefix(flag, "-")) {
					t.Errorf("%s: vault %s has no flag -%s here: %v", c.file, strings.Join(rest[:length], " "), flag, c.words)
				}
			}
			if slices.Contains([]string{"read", "write", "patch", "delete", "list"}, rest[0]) {
				isPath := func(w string) bool { return regexp.MustCompile(`^(?:\$NAME|finicity[\w-]*|sys|auth)/`).MatchString(w) }
				if length < len(rest) && !slices.ContainsFunc(rest[length:], isPath) {
					t.Errorf("%s: there is no such path: %v", c.file, c.words)
				}
			}
		}
		if !known {
			t.Errorf("%s: vault has no such command: %v", c.file, c.words)
		}
	}
	if count < 200 {
		t.Errorf("only %d commands were found", count)
	}
}

func TestEveryMakeCommandOfTheDocumentsNamesATarget(t *testing.T) {
	t.Parallel()
	var makefile string
	for _, file := range append(sources(t, ".sh"), "Makefile") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		makefile += "\n" + string(content)
	}
	count := 0
	for _, c := range documentedCommands(t) {
		if c.words[0] != "make" {
			continue
		}
		count++
		for _, word := range c.words[1:] {
			name, value, sets := strings.Cut(word, "=")
			switch {
			case sets && !regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).MatchString(makefile):
				t.Errorf("%s: the Makefile has no variable %s: %v", c.file, name, c.words)
			case sets && name == "SCRIPT":
				if _, err := os.Stat("test/e2e/testdata/" + value + ".txtar"); err != nil {
					t.Errorf("%s: there is no such script: %v", c.file, c.words)
				}
			case !sets && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(word)+`:`).MatchString(makefile):
				t.Errorf("%s: the Makefile has no target %s: %v", c.file, word, c.words)
			}
		}
	}
	if count < 80 {
		t.Errorf("only %d commands were found", count)
	}
}

// A command of a page names files beside the page or in the repository. A file that
// another command of the page makes may be missing.
func TestEveryFileInTheCommandsOfTheDocumentsIsThere(t *testing.T) {
	t.Parallel()
	made, count := map[string]bool{}, 0
	commands := documentedCommands(t)
	for _, c := range commands {
		for i, word := range c.words {
			if name, found := strings.CutPrefix(word, ">"); found && name != "" {
				made[c.file+name] = true
			}
			if i > 0 && c.words[i-1] == "-o" {
				made[c.file+word] = true
			}
			if c.words[0] == "cp" && i > 0 { // Its copy, in the reader's folder.
				made[c.file+filepath.Base(word)] = true
			}
		}
	}
	for _, c := range commands {
		if c.shown {
			continue
		}
		for _, word := range c.words {
			name := strings.TrimPrefix(word[strings.LastIndex(word, "=")+1:], "@")
			if alone := len(c.words) == 1 && !strings.Contains(name, "/"); alone || strings.HasSuffix(name, ".tfstate") {
				continue // A name in a sentence, or a file of Terraform.
			}
			if !whereFiles.MatchString(name) || made[c.file+name] || made[c.file+strings.TrimPrefix(name, "./")] {
				continue
			}
			count++
			beside, _ := filepath.Glob(filepath.Join(filepath.Dir(c.file), name))
			inRoot, _ := filepath.Glob(name)
			if len(beside)+len(inRoot) == 0 {
				t.Errorf("%s: there is no %s, which is in %v", c.file, name, c.words)
			}
		}
	}
	if count < 80 {
		t.Errorf("only %d files were found", count)
	}
}

// A filter that matches no test succeeds, and shows nothing. "^$" is there on purpose.
func TestEveryFilterInTheCommandsOfTheDocumentsMatchesATest(t *testing.T) {
	t.Parallel()
	var names []string
	for _, file := range sources(t, "_test.go") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)`).FindAllStringSubmatch(string(content), -1) {
			names = append(names, name[1])
		}
	}
	for _, c := range documentedCommands(t) {
		for i, word := range c.words {
			filter, found := strings.CutPrefix(word, "TEST=")
			if len(c.words) == 1 && regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w+$`).MatchString(word) { // A name in a sentence.
				filter, found = word, true
			}
			for _, flag := range []string{"-run", "-bench"} {
				if after, joined := strings.CutPrefix(word, flag+"="); joined && c.words[0] == "go" {
					filter, found = after, true
				}
				if i > 0 && c.words[i-1] == flag && c.words[0] == "go" {
					filter, found = word, true
				}
			}
			if found && filter != "^$" && !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, filter) }) {
				t.Errorf("%s: no test has the name in %v", c.file, c.words)
			}
		}
	}
}

// The page is for users who have only the binary or the image. No test runs its YAML.
func TestThePageOfTheMockServerHasItsFlags(t *testing.T) {
	t.Parallel()
	const page = "docs/mock-server.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("cmd/fake-finicity/main.go")
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"-help"}
	for _, found := range regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		flags = append(flags, "-"+found[1])
		if !strings.Contains(string(text), "`-"+found[1]+"`") {
			t.Errorf("%s: there is no flag -%s", page, found[1])
		}
	}
	if len(flags) < 10 {
		t.Fatalf("the flags are %v", flags)
	}
	used := 0
	check := func(words []string) {
		for _, word := range words {
			flag, _, _ := strings.Cut(word, "=")
			if strings.HasPrefix(flag, "-") && !strings.HasPrefix(flag, "--") {
				used++
				if !slices.Contains(flags, flag) {
					t.Errorf("%s: the mock server has no flag %s: %v", page, flag, words)
				}
			}
		}
	}
	for _, c := range documentedCommands(t) {
		mock := slices.IndexFunc(c.words, func(word string) bool { return strings.Contains(word, "fake-finicity") })
		if c.file == page && mock >= 0 {
			check(c.words[mock+1:])
		}
	}
	workflows := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	for _, workflow := range workflows {
		var jobs map[string]any
		if err := yaml.Unmarshal([]byte(workflow[1]), &jobs); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		for _, command := range regexp.MustCompile(`command: \[(.*)\]`).FindAllStringSubmatch(workflow[1], -1) {
			check(strings.Split(strings.ReplaceAll(command[1], `"`, ""), ", "))
		}
	}
	if len(workflows) != 2 || used < 6 {
		t.Errorf("%s: %d workflows, and %d flags in use", page, len(workflows), used)
	}
}
