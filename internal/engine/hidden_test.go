// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/token"
)

const hiddenSecret = "aqJ5Ic4S&Vx2+gDQ6oR4"

// secretive matches the names of fields that contain a secret, of any type.
var secretive = regexp.MustCompile(`(Secret|Key|Token|Value)s?$`)

// fill sets every field: to the secret if the field may contain one, and otherwise to any
// value.
func fill(v reflect.Value, name string) {
	if v.Type() == reflect.TypeFor[confidential.Text]() {
		v.Set(reflect.ValueOf(confidential.New(hiddenSecret)))
		return
	}
	switch v.Kind() { //nolint:exhaustive // The others hold no text.
	case reflect.String:
		if v.SetString("plain"); secretive.MatchString(name) {
			v.SetString(hiddenSecret)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				fill(v.Field(i), field.Name)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("plain"), value)
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(errors.New("plain")))
		}
	}
}

// exported returns the types that the package in a directory exports.
func exported(t *testing.T, directory string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files in %s: %v", directory, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				names = append(names, file.Name.Name+"."+spec.Name.Name)
			}
			_, function := n.(*ast.FuncDecl)
			return !function
		})
	}
	return names
}

// A value that a developer prints for debugging, or passes to an encoder, must not show
// its secret.
func TestNoTypeShowsItsSecrets(t *testing.T) {
	t.Parallel()
	all := map[string]any{}
	for _, value := range []any{
		new(Configuration), new(Options), new(UserError), new(Standing), new(NotAllowed), new(Refusal), new(Unanswered),
		new(NotCharged), new(NotStored), new(Pending), new(CandidateLimit), new(OutcomeUnknown), new(OnlyCopy), new(MovePending), new(Schedule),
		new(State), new(Settings), new(RotatedAway), new(StoredToken), new(Status), new(NewerError), new(NothingWritten),
		new(IncompleteMove), new(Write), new(Written), new(Rotated), new(Engine),
		new(finicityapi.Credential), new(finicityapi.Config), new(finicityapi.Client), new(finicityapi.Class), new(finicityapi.Error),
		new(finicityapi.Report), new(finicityapi.Certificate), new(finicityapi.Stage), new(finicityapi.Cause),
		new(token.Token), new(token.Cache), new(token.Refresh), new(token.Backoff), new(token.HeldError),
	} {
		fill(reflect.ValueOf(value).Elem(), "")
		all[reflect.TypeOf(value).Elem().String()] = value
	}
	e, isEngine := all["engine.Engine"].(*Engine)
	state, isState := all["engine.State"].(*State)
	shared, isToken := all["token.Token"].(*token.Token)
	cache, isCache := all["token.Cache"].(*token.Cache)
	if !isEngine || !isState || !isToken || !isCache {
		t.Fatal("the table lacks a type that holds others")
	}
	e.latest = state
	e.tokens.Share(shared, 0)
	cache.Share(shared, 0)

	for _, directory := range []string{".", "../finicityapi", "../token"} {
		for _, name := range exported(t, directory) {
			if all[name] == nil {
				t.Errorf("%s is not in the table", name)
			}
		}
	}
	mistake := struct{ PartnerSecret *string }{}
	fill(reflect.ValueOf(&mistake).Elem(), "")
	if encoded, _ := json.Marshal(mistake); !shows(string(encoded)) {
		t.Error("a secret in a plain text would not be found")
	}
	for name, pointer := range all {
		for _, value := range []any{pointer, reflect.ValueOf(pointer).Elem().Interface()} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				if printed := fmt.Sprintf(verb, value); shows(printed) {
					t.Errorf("%s of a %s shows a secret", verb, name)
				}
			}
			if encoded, _ := json.Marshal(value); shows(string(encoded)) {
				t.Errorf("the JSON of a %s shows a secret", name)
			}
		}
	}
}

func shows(printed string) bool {
	return strings.Contains(printed, hiddenSecret[:8]) || strings.Contains(printed, fmt.Sprintf("%x", hiddenSecret[:8]))
}
