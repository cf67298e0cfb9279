// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/schedule"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// Version 1 expects an object where version 2 has a string. So a plugin of version 1
// reports that it can't decode the entry, and does not overwrite it.
func TestVersion1RefusesAnEntryOfVersion2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		refused := func(when string) {
			value, found := h.Storage.Peek("config")
			if !found || engine.DecodeAsVersion1(value) == nil {
				t.Errorf("%s: version 1 would take the entry for its own", when)
			}
		}
		refused("configured")
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}), 400, "10001")
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		refused("deleted, with attempts that count")
	})
	for _, g := range mounttest.Goldens(t, "testdata/v1") { // Version 1 accepts its own entries, so the check above can fail.
		if g.V1(t) != nil && engine.DecodeAsVersion1(g.Value("config")) != nil {
			t.Errorf("%s: version 1 does not take its own entry", g.Name)
		}
	}
}

// full returns a state without a zero value, as far as the types allow it.
func full(t *testing.T) *engine.State {
	t.Helper()
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		n++
		switch at := time.Date(2026, 1, 1, 0, n, 0, n, time.UTC); v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(at))
			return
		case confidential.Text:
			v.Set(reflect.ValueOf(confidential.New(fmt.Sprintf("Secret-%04d<&>\"", n))))
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					fill(v.Field(i))
				}
			}
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.Map:
			v.Set(reflect.MakeMap(v.Type()))
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key)
			fill(value)
			v.SetMapIndex(key, value)
		case reflect.String:
			v.SetString(fmt.Sprintf("text %d", n))
		case reflect.Int:
			v.SetInt(1)
		case reflect.Int64:
			v.SetInt(int64(n))
		case reflect.Bool:
			v.SetBool(true)
		default:
			t.Fatalf("a %s is not filled", v.Type())
		}
	}
	st := new(engine.State)
	fill(reflect.ValueOf(st).Elem())
	st.Secrets.Place = st.Place() // Not stored separately.
	return st
}

// This fails for a new field that is not stored.
func TestEveryFieldOfTheStateIsStored(t *testing.T) {
	t.Parallel()
	st := full(t)
	value, err := engine.EncodeState(st)
	if err != nil {
		t.Fatal(err)
	}
	again, err := engine.Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(st, again) {
		t.Errorf("stored:\n%+v\nread:\n%+v", st, again)
	}
	twice, err := engine.EncodeState(again)
	if err != nil || !bytes.Equal(value, twice) {
		t.Errorf("it is stored differently the second time (%v)", err)
	}
}

func TestEveryNameIsStoredAndRead(t *testing.T) {
	t.Parallel()
	st := &engine.State{PartnerID: mounttest.PartnerID, Records: map[string]attempts.Record{}}
	var made []attempts.Attempt
	for _, trigger := range []attempts.Trigger{attempts.Automatic, attempts.Operator, attempts.Forced} {
		for _, subject := range []attempts.Subject{attempts.Stored, attempts.Candidate, attempts.Written} {
			for _, outcome := range []attempts.Outcome{attempts.Unanswered, attempts.Refused, attempts.RefusedWithCode} {
				made = append(made, attempts.Attempt{Trigger: trigger, Subject: subject, Outcome: outcome})
			}
		}
	}
	st.Records[mounttest.PartnerID] = attempts.Record{Attempts: made}
	for _, origin := range []secrets.Origin{secrets.Brought, secrets.Sent} {
		st.Secrets.Secrets = append(st.Secrets.Secrets, secrets.Secret{Origin: origin})
	}
	value, err := engine.EncodeState(st)
	if err != nil {
		t.Fatal(err)
	}
	again, err := engine.Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Records, st.Records) || again.Secrets.Secrets[0].Origin != secrets.Brought ||
		again.Secrets.Secrets[1].Origin != secrets.Sent {
		t.Errorf("read: %+v", again)
	}
}

func TestAnEmptyStateIsStored(t *testing.T) {
	t.Parallel()
	value, err := engine.EncodeState(&engine.State{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := engine.Decode(value)
	if err != nil || again.Configured() {
		t.Errorf("read: %+v (%v)", again, err)
	}
	var entry map[string]any
	if json.Unmarshal(value, &entry) != nil || len(entry) != 3 {
		t.Errorf("it has %d fields, want the version, the mark and the clock: %s", len(entry), value)
	}
}

// A migrated state is stored as version 2, without any loss.
func TestAMigratedStateIsStoredWhole(t *testing.T) {
	t.Parallel()
	eachV1(t, func(t *testing.T, m *migrated) {
		value, err := engine.EncodeState(m.state)
		if err != nil {
			t.Fatal(err)
		}
		again, err := engine.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := engine.EncodeState(again)
		if err != nil || !bytes.Equal(value, twice) {
			t.Errorf("it is stored differently the second time (%v)", err)
		}
		if len(again.Secrets.Secrets) != len(m.state.Secrets.Secrets) || again.Secrets.Place != m.state.Secrets.Place {
			t.Error("secrets are lost")
		}
	})
}

func TestAnEntryOfANewerVersionIsNamed(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{"version":3}`, `{"version":3,"clock":5}`, `{"version":3,"secrets":"elsewhere","credential":{"partner_id":"1"}}`, `{"version":2000000}`,
	} {
		s := mounttest.NewStorage()
		s.Plant("config", []byte(value))
		st, err := engine.NewReader(time.Now).ReadState(t.Context(), s)
		newer := new(engine.NewerError)
		if st != nil || !errors.As(err, &newer) || newer.Version < 3 || !strings.Contains(err.Error(), "up to version 2") {
			t.Errorf("%s: the error is %v", value, err)
		}
	}
}

// Secrets are plain text only in the entry: no error and no log line quotes them.
func TestAStatePrintsNoSecret(t *testing.T) {
	t.Parallel()
	st := full(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{st, *st, st.Token, st.Secrets, st.Secrets.Secrets[0]} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "Secret-0") {
				t.Errorf("%s of %T prints a secret", verb, value)
			}
		}
	}
	if _, err := json.Marshal(st); err == nil {
		t.Error("a state can be encoded as JSON, with its secrets")
	}
}

func TestAZeroGuardOrPlanTakesNoRoom(t *testing.T) {
	t.Parallel()
	value, err := engine.EncodeState(&engine.State{PartnerID: "1", Plan: schedule.Plan{}, Guard: schedule.Guard{}})
	if err != nil || bytes.Contains(value, []byte("guard")) || bytes.Contains(value, []byte("plan")) {
		t.Errorf("it is stored as %s (%v)", value, err)
	}
}
