// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// refusedAt returns a record with one refusal.
func refusedAt(t time.Time) attempts.Record {
	return attempts.Record{Attempts: []attempts.Attempt{{At: t, Outcome: attempts.RefusedWithCode}}}
}

// others counts the records besides those of the stored partner and of one other.
func (st *State) others(partner string) (n int) {
	for other := range st.Records {
		if other != partner && other != st.PartnerID {
			n++
		}
	}
	return n
}

func TestAMountRemembersEightPartners(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 00:00")
	refused, st := refusedAt(now), &State{}
	for i := range maxPartners {
		if err := st.setRecord(fmt.Sprint(i), refused, now); err != nil {
			t.Fatal(err)
		}
	}
	before := st.clone()
	err := st.setRecord("one more", refused, now)
	user := UserError("")
	if !errors.As(err, &user) || !reflect.DeepEqual(st, before) {
		t.Errorf("one more is remembered (%v), or one is forgotten", err)
	}
	if err := st.setRecord("3", refused, now); err != nil {
		t.Errorf("a partner that is known is refused: %v", err)
	}
	// A record that no longer counts is removed, and not an older one that does.
	later := now.Add(time.Minute)
	cleared := attempts.Record{Attempts: []attempts.Attempt{{At: later, Outcome: attempts.Refused, Cleared: later}}}
	st.Records["5"] = cleared
	if err := st.setRecord("one more", refused, now.Add(25*time.Hour)); err != nil {
		t.Errorf("there is no room a day later: %v", err)
	}
	if _, kept := st.Records["5"]; kept || len(st.Records) != maxPartners {
		t.Errorf("%d partners are remembered", len(st.Records))
	}
}

func TestTheStoredPartnerAlwaysHasRoom(t *testing.T) {
	t.Parallel()
	now := at("2026-01-01 00:00")
	st := &State{PartnerID: "stored"}
	for i := range maxPartners - 1 {
		if err := st.setRecord(fmt.Sprint(i), refusedAt(now), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.setRecord("one more", refusedAt(now), now); err == nil {
		t.Error("there is no room left for the stored partner")
	}
	if err := st.setRecord("stored", refusedAt(now), now); err != nil || len(st.Records) != maxPartners {
		t.Errorf("%d partners are remembered: %v", len(st.Records), err)
	}
	// An earlier build stored more records than there is room for.
	st.Records["one more"], st.Records["and another"] = refusedAt(now), refusedAt(now)
	delete(st.Records, "stored")
	for _, known := range []string{"stored", "3"} {
		if err := st.setRecord(known, refusedAt(now), now); err != nil || len(st.Records) != maxPartners+2 {
			t.Errorf("of %q, %d partners are remembered: %v", known, len(st.Records), err)
		}
	}
}

// There is always one partner more than there is room for.
func TestTheOldestOfAnotherPartnerMakesRoom(t *testing.T) {
	t.Parallel()
	now := at("2026-01-02 00:00")
	day := now.Add(-24 * time.Hour)
	for name, test := range map[string]struct {
		records map[string]attempts.Record
		dropped string
	}{
		"none older than a day":    {map[string]attempts.Record{"a": refusedAt(day), "b": refusedAt(day)}, ""},
		"one":                      {map[string]attempts.Record{"a": refusedAt(day), "b": refusedAt(day.Add(-1))}, "b"},
		"two":                      {map[string]attempts.Record{"a": refusedAt(day.Add(-2)), "b": refusedAt(day.Add(-1))}, "a"},
		"with one of today":        {map[string]attempts.Record{"a": {Attempts: []attempts.Attempt{{At: day.Add(-1)}, {At: now}}}, "b": refusedAt(day)}, ""},
		"the stored one":           {map[string]attempts.Record{"stored": refusedAt(day.Add(-1)), "b": refusedAt(day)}, ""},
		"the one that is written":  {map[string]attempts.Record{"written": refusedAt(day.Add(-2)), "a": refusedAt(day), "b": refusedAt(day.Add(-1))}, "b"},
		"and not the stored one":   {map[string]attempts.Record{"stored": refusedAt(day.Add(-2)), "written": refusedAt(day), "b": refusedAt(day.Add(-1))}, "b"},
		"a lock":                   {map[string]attempts.Record{"a": {Locked: day.Add(-1)}, "b": refusedAt(day)}, "a"},
		"a lock of today":          {map[string]attempts.Record{"a": {Locked: day}, "b": refusedAt(day)}, ""},
		"attempts, locked today":   {map[string]attempts.Record{"a": {Locked: now, Attempts: refusedAt(day.Add(-1)).Attempts}, "b": refusedAt(day)}, ""},
		"a lock with attempts now": {map[string]attempts.Record{"a": {Locked: day.Add(-1), Attempts: refusedAt(now).Attempts}, "b": refusedAt(day)}, ""},
	} {
		st := &State{PartnerID: "stored", Records: test.records}
		for i := 0; st.others("written") < maxPartners-1; i++ {
			st.Records[fmt.Sprint(i)] = refusedAt(now)
		}
		_, known := st.Records["written"]
		before := st.clone()
		err := st.setRecord("written", refusedAt(now), now)
		if test.dropped == "" && !known {
			if err == nil || !reflect.DeepEqual(st, before) {
				t.Errorf("%s: there is room, or something is dropped without need", name)
			}
			continue
		}
		delete(before.Records, test.dropped)
		before.Records["written"] = refusedAt(now)
		if err != nil || !reflect.DeepEqual(st, before) {
			t.Errorf("%s: %v are remembered (%v)", name, slices.Sorted(maps.Keys(st.Records)), err)
		}
	}
}
