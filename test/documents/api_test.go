// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	finicity "vault-plugin-secrets-finicity"
	"vault-plugin-secrets-finicity/internal/engine"
)

const apiDocument = "docs/api.md"

// chapter is what the document says about an operation: the text under each heading.
type chapter struct {
	endpoint string            // GET /finicity/token
	parts    map[string]string // by heading, with the line breaks
}

var endpointRow = regexp.MustCompile("(?m)^\\| `([A-Z]+)` *\\| `/([^`]+)` *\\|$")

// chapters reads the document. A chapter is a "## " section that has a table of a method
// and a path.
func chapters(t *testing.T) map[string]chapter {
	t.Helper()
	text, err := os.ReadFile(apiDocument)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]chapter{}
	for _, section := range strings.Split("\n"+string(text), "\n## ")[1:] {
		parts := map[string]string{}
		for i, part := range strings.Split(section, "\n### ") {
			name, content, _ := strings.Cut(part, "\n")
			if i == 0 {
				name = ""
			}
			parts[name] = content
		}
		for _, row := range endpointRow.FindAllStringSubmatch(parts[""], -1) {
			endpoint := row[1] + " " + row[2]
			if _, twice := found[endpoint]; twice {
				t.Errorf("%s is there twice", endpoint)
			}
			found[endpoint] = chapter{endpoint, parts}
		}
	}
	return found
}

// items returns the items of a list, by the name that each begins with. Indented lines
// belong to the item above.
func (c chapter) items(t *testing.T, heading string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, item := range strings.Split("\n"+c.parts[heading], "\n- ")[1:] {
		item, _, _ = strings.Cut(item, "\n\n")
		name, _, _ := strings.Cut(strings.TrimPrefix(item, "`"), "`")
		if _, twice := found[name]; twice {
			t.Errorf("%s: %s is there twice under %s", c.endpoint, name, heading)
		}
		found[name] = spaced(item)
	}
	return found
}

func spaced(text string) string { return strings.Join(strings.Fields(text), " ") }

// compare checks a list against the fields of a schema: each item begins with the
// expected line, and there are no others. line returns that line without the description.
func (c chapter) compare(t *testing.T, heading string, want map[string]*framework.FieldSchema, line func(name string) string) {
	t.Helper()
	got := c.items(t, heading)
	for name, field := range want {
		if should := spaced(line(name) + " – " + field.Description); !strings.HasPrefix(got[name], should) {
			t.Errorf("%s: %s, %s should have\n- %s\nand has\n- %s", apiDocument, c.endpoint, heading, should, got[name])
		}
		for _, value := range field.AllowedValues {
			if !strings.Contains(got[name], fmt.Sprintf("`%v`", value)) {
				t.Errorf("%s: %s, %s: %s does not name `%v`", apiDocument, c.endpoint, heading, name, value)
			}
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s: %s, %s has %q, which the code has not", apiDocument, c.endpoint, heading, name)
		}
	}
}

func methods() map[logical.Operation]string {
	return map[logical.Operation]string{
		logical.CreateOperation: http.MethodPost, logical.UpdateOperation: http.MethodPost,
		logical.PatchOperation: http.MethodPatch, logical.ReadOperation: http.MethodGet, logical.DeleteOperation: http.MethodDelete,
	}
}

// parameters returns the fields that an operation takes. Fields for the query string
// are for reads and deletes, or if a path has both, for the delete. A write takes the
// fields of the read, in its body.
func parameters(path *framework.Path, op logical.Operation) map[string]*framework.FieldSchema {
	_, deletes := path.Operations[logical.DeleteOperation]
	taken := map[string]*framework.FieldSchema{}
	for name, field := range path.Fields {
		switch op {
		case logical.DeleteOperation:
			if field.Query {
				taken[name] = field
			}
		case logical.ReadOperation:
			if field.Query && !deletes {
				taken[name] = field
			}
		default:
			if !field.Query || !deletes {
				taken[name] = field
			}
		}
	}
	return taken
}

// wordFor returns the document's name for the type of a field.
func wordFor(t *testing.T, field *framework.FieldSchema) string {
	t.Helper()
	switch field.Type {
	case framework.TypeString:
		return "string"
	case framework.TypeBool:
		return "bool"
	case framework.TypeInt, framework.TypeInt64:
		return "int"
	case framework.TypeDurationSecond:
		return "duration"
	case framework.TypeStringSlice:
		return "list of strings"
	default:
		t.Fatalf("the document has no word for %s yet", field.Type)
		return ""
	}
}

// preset returns the default of a field as the document shows it.
func preset(t *testing.T, field *framework.FieldSchema) string {
	t.Helper()
	switch value := field.DefaultOrZero().(type) {
	case string:
		return strconv.Quote(value)
	case bool:
		return strconv.FormatBool(value)
	case int: // Of seconds.
		return regexp.MustCompile(`([hm])0[ms]\b`).ReplaceAllString(
			strings.ReplaceAll((time.Duration(value)*time.Second).String(), "m0s", "m"), "$1")
	default:
		t.Fatalf("the document has no word for a default of %T yet", value)
		return ""
	}
}

// required returns the fields without which a write is refused: for the configuration,
// the first write.
func required(t *testing.T, path *framework.Path) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for name := range path.Fields {
		data := map[string]map[string]any{
			"config":         {"partner_id": "1000000000001", "partner_secret": "invented-secret-1", "app_key": "invented-key"},
			"webhook/verify": {"input": "e30=", "signature": "00"},
		}[path.Pattern]
		delete(data, name)
		b, err := finicity.NewFactory(engine.Options{Dial: noNetwork})(t.Context(), &logical.BackendConfig{
			Logger: hclog.NewNullLogger(), System: logical.TestSystemView(),
		})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.UpdateOperation, Path: path.Pattern, Data: data, Storage: &logical.InmemStorage{},
		})
		if err == nil && resp.IsError() {
			found[name] = strings.Contains(resp.Error().Error(), fmt.Sprintf("field %q is required", name))
		}
	}
	return found
}

// mount returns a mount, for its paths.
func mount(t *testing.T) *framework.Backend {
	t.Helper()
	b, err := finicity.NewFactory(engine.Options{})(t.Context(), &logical.BackendConfig{})
	if err != nil {
		t.Fatal(err)
	}
	wired, _ := reflect.TypeAssert[*framework.Backend](reflect.ValueOf(b).Elem().FieldByName("Backend"))
	return wired
}

func noNetwork(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("there is no network in this test")
}

// Authors of scripts and clients rely on the document.
func TestTheAPIDocumentSaysWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	documented := chapters(t)
	known := map[string]bool{}
	for _, path := range mount(t).Paths {
		needed := required(t, path)
		for op, handler := range path.Operations {
			endpoint := methods()[op] + " finicity/" + path.Pattern
			known[endpoint] = true
			c, found := documented[endpoint]
			if !found {
				t.Errorf("%s has no section for %s", apiDocument, endpoint)
				continue
			}
			line := func(name string) string {
				field := path.Fields[name]
				if needed[name] {
					return fmt.Sprintf("`%s` `(%s: <required>)`", name, wordFor(t, field))
				}
				return fmt.Sprintf("`%s` `(%s: %s)`", name, wordFor(t, field), preset(t, field))
			}
			switch taken := parameters(path, op); {
			case op == logical.PatchOperation: // The write has the same parameters.
				if !strings.Contains(c.parts["Parameters"], "(#write-the-configuration)") {
					t.Errorf("%s: %s does not say where its parameters stand", apiDocument, endpoint)
				}
			case len(taken) == 0:
				if strings.TrimSpace(c.parts["Parameters"]) != "None." {
					t.Errorf("%s: %s takes no parameters, and does not say so", apiDocument, endpoint)
				}
			default:
				c.compare(t, "Parameters", taken, line)
			}
			for status, responses := range handler.Properties().Responses {
				answer := responses[0]
				if should := fmt.Sprintf("`%d` – %s", status, answer.Description); !strings.HasPrefix(spaced(c.parts["Response"]), should) {
					t.Errorf("%s: %s: the response should begin with %s", apiDocument, endpoint, should)
				}
				there := map[string]string{"POST finicity/config/check": "(#check-the-connection)", "POST finicity/token": "(#read-the-token)"}[endpoint]
				if there != "" && strings.Contains(c.parts["Response"], there) {
					continue // The chapter links to the same response.
				}
				c.compare(t, "Response", answer.Fields, func(name string) string {
					return fmt.Sprintf("`%s` `(%s)`", name, wordFor(t, answer.Fields[name]))
				})
			}
			for _, heading := range []string{"Sample request", "Errors"} {
				if strings.TrimSpace(c.parts[heading]) == "" {
					t.Errorf("%s: %s has no %s", apiDocument, endpoint, heading)
				}
			}
		}
	}
	for endpoint := range documented {
		if !known[endpoint] {
			t.Errorf("%s has a section for %s, which is not there", apiDocument, endpoint)
		}
	}
}

var (
	statusItem = regexp.MustCompile("(?m)^- `(\\d{3})` – ((?:.*\n)(?:  .*\n)*)")
	errorsLink = regexp.MustCompile(`\(errors\.md#([a-z-]+)\)`)
)

// The document links from each path to the sections of docs/errors.md. A section that
// has no text with the status of the link would send the reader the wrong way.
func TestTheErrorsOfEachPathAreInTheLinkedSections(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(errorsDocument)
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]map[string]bool{} // by the anchor of the section
	for _, section := range regexp.MustCompile(`(?m)^##+ `).Split(string(content), -1)[1:] {
		heading, rows, _ := strings.Cut(section, "\n")
		has := map[string]bool{}
		for _, row := range catalogRow.FindAllStringSubmatch(rows, -1) {
			for status := range strings.SplitSeq(row[2], ", ") {
				has[status] = true
			}
		}
		statuses[anchorOf(heading)] = has
	}
	linked := map[string]bool{"warnings": true, "errors-in-the-status": true} // A path has these in its response.
	for _, c := range chapters(t) {
		for _, item := range statusItem.FindAllStringSubmatch(c.parts["Errors"], -1) {
			for _, link := range errorsLink.FindAllStringSubmatch(item[2], -1) {
				if linked[link[1]] = true; !statuses[link[1]][item[1]] {
					t.Errorf("%s: %s has the status %s, which no text of %s#%s has", apiDocument, c.endpoint, item[1], errorsDocument, link[1])
				}
			}
		}
		for _, link := range errorsLink.FindAllStringSubmatch(c.parts["Errors"], -1) {
			linked[link[1]] = true
		}
	}
	for anchor := range statuses {
		if !linked[anchor] {
			t.Errorf("%s: no path links to %s#%s", apiDocument, errorsDocument, anchor)
		}
	}
}

var typedCommand = regexp.MustCompile(`vault (read|write|patch|delete) ((?:-\S+ )*)finicity[a-z0-9-]*/([a-z/-]+)((?: [a-z_]+=)?[^\n]*)`)

// The mount must accept each command of a document or a help text, as far as the path and
// the fields go.
func TestEveryCommandInTheDocumentsAndTheHelpIsOneThatTheMountTakes(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, file := range sources(t, ".md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A line may have several commands.
		texts[file] = strings.NewReplacer("\\\n", " ", "`", "\n", ", then ", "\n").Replace(string(text))
	}
	b := mount(t)
	texts["the help"] = b.Help
	for _, path := range b.Paths {
		texts["the help of "+path.Pattern] = path.HelpDescription
	}
	operations := map[string]logical.Operation{
		"read": logical.ReadOperation, "write": logical.UpdateOperation, "patch": logical.PatchOperation,
		"delete": logical.DeleteOperation,
	}
	count := 0
	for where, text := range texts {
		for _, command := range typedCommand.FindAllStringSubmatch(text, -1) {
			count++
			path := b.Route(command[3])
			if path == nil || path.Operations[operations[command[1]]] == nil {
				t.Errorf("%s: there is no %s", where, command[0])
				continue
			}
			taken := parameters(path, operations[command[1]])
			for _, field := range regexp.MustCompile(`(?:^| )([a-z_]+)=`).FindAllStringSubmatch(command[4], -1) {
				if taken[field[1]] == nil {
					t.Errorf("%s: %s has %s, and it takes %v", where, command[0], field[1], slices.Sorted(maps.Keys(taken)))
				}
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d commands were found", count)
	}
}
