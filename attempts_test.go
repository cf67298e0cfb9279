// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// refusal401 is Finicity's verdict on a credential, and so on.
func refusal401() *finicityapi.Error {
	return &finicityapi.Error{
		Class: finicityapi.Rejected, Status: 401, Code: "10001", Message: "Invalid credentials",
	}
}

func refusal403() *finicityapi.Error {
	return &finicityapi.Error{Class: finicityapi.Rejected, Status: 403, Message: "denied"}
}

func lockedOut() *finicityapi.Error {
	return &finicityapi.Error{Class: finicityapi.Locked, Status: 500, Code: "24302", Message: "locked"}
}

func againstPolicy() *finicityapi.Error {
	return &finicityapi.Error{Class: finicityapi.RefusedByPolicy, Status: 400, Code: "24437", Message: "policy"}
}

// after makes attempts with these outcomes, a minute apart from noon, and returns the record.
func after(outcomes ...*finicityapi.Error) *attempts {
	a := new(attempts)
	for i, outcome := range outcomes {
		a.charge()
		a.settle(outcome, fmt.Sprintf("credential %d", i+1), noon.Add(time.Duration(i)*time.Minute))
	}
	return a
}

func TestTheStateFollowsFromWhatWasRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		record *attempts
		state  string
		left   int
	}{
		"nothing":              {after(), stateOK, 4},
		"a success":            {after(nil), stateOK, 4},
		"outages":              {after(unavailable(), unavailable(), unavailable(), unavailable()), stateOK, 4},
		"a policy":             {after(againstPolicy()), stateOK, 4},
		"one":                  {after(refusal401()), stateHeld, 3},
		"one, then an outage":  {after(refusal401(), unavailable()), stateHeld, 3},
		"one, then a success":  {after(refusal401(), nil), stateOK, 4},
		"two":                  {after(refusal401(), refusal403()), stateStopped, 2},
		"three":                {after(refusal401(), refusal401(), refusal401()), stateStopped, 1},
		"five, by force":       {after(refusal401(), refusal401(), refusal401(), refusal401(), refusal401()), stateStopped, 0},
		"the lock":             {after(lockedOut()), stateLocked, 3},
		"the lock, and more":   {after(lockedOut(), refusal401(), refusal401(), refusal401()), stateLocked, 0},
		"the lock, an outage":  {after(lockedOut(), unavailable()), stateLocked, 3},
		"the lock is over":     {after(lockedOut(), nil), stateOK, 4},
		"three without answer": {&attempts{Charged: 3}, stateOK, 1},
		"four without answer":  {&attempts{Charged: 4}, stateStopped, 0},
		"one, and three":       {&attempts{Rejected: 1, Charged: 3}, stateStopped, 0},
		"one, and two":         {&attempts{Rejected: 1, Charged: 2}, stateHeld, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.record.state(); got != test.state {
				t.Errorf("the state is %s, want %s", got, test.state)
			}
			if got := test.record.left(); got != test.left {
				t.Errorf("%d attempts are left, want %d", got, test.left)
			}
		})
	}
}

// The four columns are the readers at once and after five minutes, the second of two automatic calls, and a person. Force
// is always allowed.
func TestWhoMayMakeAnAttempt(t *testing.T) {
	t.Parallel()
	held := attempts{Rejected: 1, RejectedAt: noon}
	for name, test := range map[string]struct {
		record                            attempts
		atOnce, later, following, aPerson bool
	}{
		"ok":                   {attempts{}, true, true, true, true},
		"without an answer":    {attempts{Charged: 1}, true, true, true, true},
		"three without":        {attempts{Charged: 3}, true, true, true, true},
		"four without":         {attempts{Charged: 4}, false, false, false, false},
		"held":                 {held, false, true, true, true},
		"held, two without":    {attempts{Rejected: 1, RejectedAt: noon, Charged: 2}, false, true, true, true},
		"held, three without":  {attempts{Rejected: 1, RejectedAt: noon, Charged: 3}, false, false, false, false},
		"stopped":              {attempts{Rejected: 2, RejectedAt: noon}, false, false, false, true},
		"three":                {attempts{Rejected: 3, RejectedAt: noon}, false, false, false, true},
		"two, and two without": {attempts{Rejected: 2, RejectedAt: noon, Charged: 2}, false, false, false, false},
		"four":                 {attempts{Rejected: 4, RejectedAt: noon}, false, false, false, false},
		"forced beyond":        {attempts{Rejected: 7, RejectedAt: noon}, false, false, false, false},
		"locked":               {attempts{Rejected: 1, RejectedAt: noon, Locked: true}, false, false, false, true},
		"locked, and four":     {attempts{Rejected: 4, RejectedAt: noon, Locked: true}, false, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []struct {
				by   who
				at   time.Time
				want bool
			}{
				{automatic, noon, test.atOnce},
				{automatic, noon.Add(holdFor - 1), test.atOnce},
				{automatic, noon.Add(holdFor), test.later},
				{automatic, noon.Add(365 * 24 * time.Hour), test.later},
				{following, noon, test.following},
				{following, noon.Add(holdFor), test.following},
				{person, noon, test.aPerson},
				{person, noon.Add(365 * 24 * time.Hour), test.aPerson},
				{forced, noon, true},
			} {
				record := test.record
				err := record.allow(call.by, call.at)
				if (err == nil) != call.want {
					t.Errorf("who %d at %s: %v, want it allowed: %v", call.by, call.at, err, call.want)
				}
				if !reflect.DeepEqual(record, test.record) {
					t.Errorf("who %d: to ask has changed the record", call.by)
				}
			}
		})
	}
}

func TestTheSecondOfTwoCallsIsMadeOnTheSameBehalf(t *testing.T) {
	t.Parallel()
	for first, second := range map[who]who{automatic: following, following: following, person: person, forced: forced} {
		if got := first.next(); got != second {
			t.Errorf("after %d comes %d, want %d", first, got, second)
		}
	}
}

func TestTheNextAutomaticCallIsDueFiveMinutesAfterTheFirstRefusalOnly(t *testing.T) {
	t.Parallel()
	if got := after(unavailable(), refusal401()).retry(); !got.Equal(noon.Add(6 * time.Minute)) {
		t.Errorf("after the first one it is due at %s", got)
	}
	for name, record := range map[string]*attempts{
		"nothing": after(), "a success": after(refusal401(), nil), "two": after(refusal401(), refusal401()),
		"the lock": after(lockedOut()), "one, and three without an answer": {Rejected: 1, Charged: 3, RejectedAt: noon},
	} {
		if got := record.retry(); !got.IsZero() {
			t.Errorf("%s: it is due at %s", name, got)
		}
	}
}

func TestAHoldFromTheFutureBeginsAnewOnce(t *testing.T) {
	t.Parallel()
	a := after(refusal401())
	if a.redate(noon) || a.redate(noon.Add(time.Minute)) {
		t.Error("a refusal from now or before is moved")
	}
	back := noon.Add(-24 * time.Hour)
	if !a.redate(back) || a.redate(back) || a.redate(back.Add(holdFor)) {
		t.Error("a refusal from the future is not moved, or more than once")
	}
	if a.allow(automatic, back.Add(holdFor-1)) == nil || a.allow(automatic, back.Add(holdFor)) != nil {
		t.Error("it does not hold for five minutes from then on")
	}
	if new(attempts).redate(time.Time{}) {
		t.Error("a record without a refusal is moved")
	}
}

func TestASuccessForgetsEverything(t *testing.T) {
	t.Parallel()
	a := &attempts{Charged: 2}
	for _, outcome := range []*finicityapi.Error{refusal401(), lockedOut(), unavailable(), refusal403(), nil} {
		a.charge()
		a.settle(outcome, "credential", noon)
	}
	if !reflect.DeepEqual(a, &attempts{}) {
		t.Errorf("it is left with %+v", *a)
	}
}

func TestOnlyAVerdictOnTheCredentialIsHeldAgainstIt(t *testing.T) {
	t.Parallel()
	appKeyRefused := &finicityapi.Error{Class: finicityapi.Rejected, Status: 401, Code: "10026"}
	noPartner := &finicityapi.Error{Class: finicityapi.Rejected, Status: 404, Code: "12401"}
	badRequest := &finicityapi.Error{Class: finicityapi.Rejected, Status: 400, Code: "14020"}
	a := after(refusal401(), refusal403(), lockedOut(), unavailable(), againstPolicy(), badRequest, appKeyRefused, noPartner)
	var got []string
	for _, r := range a.Refused {
		got = append(got, r.Fingerprint)
	}
	if want := []string{"credential 8", "credential 7", "credential 1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("held against %v, want %v, latest first", got, want)
	}
	for fingerprint, want := range map[string]refusedCredential{
		"credential 1": {Fingerprint: "credential 1", At: noon, Error: refusal401().Error(), Secret: true},
		"credential 7": { // The app key says nothing of the secret.
			Fingerprint: "credential 7", At: noon.Add(6 * time.Minute), Error: appKeyRefused.Error(),
		},
		"credential 2": {},
	} {
		if noted, found := a.refused(fingerprint); noted != want || found != (want.Fingerprint != "") {
			t.Errorf("%s: noted is %+v, found %v", fingerprint, noted, found)
		}
	}
}

func TestEachRefusedCredentialIsNotedOnceAndTheLatestEight(t *testing.T) {
	t.Parallel()
	a := new(attempts)
	for i := range 20 {
		a.charge()
		a.settle(refusal401(), fmt.Sprintf("credential %d", i%10), noon.Add(time.Duration(i)*time.Hour))
	}
	if len(a.Refused) != 8 {
		t.Fatalf("%d are noted", len(a.Refused))
	}
	for i, r := range a.Refused {
		if want := fmt.Sprintf("credential %d", 9-i); r.Fingerprint != want || !r.At.Equal(noon.Add(time.Duration(19-i)*time.Hour)) {
			t.Errorf("place %d has %s of %s, want %s", i+1, r.Fingerprint, r.At, want)
		}
	}
}

func TestAPardonGivesBackNoAttempt(t *testing.T) {
	t.Parallel()
	a := after(refusal401(), refusal401())
	if a.pardon("credential 3") || !a.pardon("credential 1") || a.pardon("credential 1") {
		t.Error("it does not report whether there was something to forget")
	}
	if _, found := a.refused("credential 1"); found || a.left() != 2 || a.state() != stateStopped {
		t.Error("the credential is still noted, or an attempt was given back")
	}
	if _, found := a.refused("credential 2"); !found {
		t.Error("another one is forgotten too")
	}
}

// Errors and the process's own record are copies of it.
func TestACopyOfARecordKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	a := after(refusal401(), refusal401(), refusal401())
	kept := *a
	want := append([]refusedCredential(nil), a.Refused...)
	a.charge()
	a.settle(refusal401(), "credential 3", noon.Add(time.Hour))
	a.pardon("credential 1")
	a.charge()
	a.settle(refusal401(), "credential 4", noon.Add(time.Hour))
	if !reflect.DeepEqual(kept.Refused, want) || kept.Rejected != 3 {
		t.Errorf("it now says %+v", kept)
	}
}

// Whoever reads the error must learn why calls have stopped, and not of an outage since.
func TestAnOutageDoesNotHideWhatStoppedTheCalls(t *testing.T) {
	t.Parallel()
	a := after(unavailable())
	if !strings.Contains(a.LastError, "down") || !a.LastErrorAt.Equal(noon) {
		t.Errorf("after an outage the last error is %q of %s", a.LastError, a.LastErrorAt)
	}
	a = after(unavailable(), refusal401(), unavailable(), againstPolicy())
	if !strings.Contains(a.LastError, "10001") || !a.LastErrorAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("after a refusal and an outage the last error is %q of %s", a.LastError, a.LastErrorAt)
	}
	a = after(refusal401(), refusal403())
	if !strings.Contains(a.LastError, "HTTP 403") || !a.LastErrorAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("after two refusals the last error is %q of %s", a.LastError, a.LastErrorAt)
	}
}

func TestARecordSurvivesStorage(t *testing.T) {
	t.Parallel()
	full := after(refusal401(), lockedOut(), refusal401())
	full.charge()
	for _, a := range []*attempts{full, {}} {
		encoded, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back attempts
		if err := json.Unmarshal(encoded, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&back, a) {
			t.Errorf("came back different: %+v", back)
		}
	}
	if encoded, err := json.Marshal(attempts{}); err != nil || string(encoded) != "{}" {
		t.Errorf("an empty one is stored as %s", encoded)
	}
}
