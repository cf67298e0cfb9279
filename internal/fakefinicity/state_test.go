// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"net/http"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestAServerContinuesWithTheStateOfAnEarlierOne(t *testing.T) {
	before := newCaller(t, fakefinicity.Config{})
	token := before.alpha().token
	before.modify(map[string]any{"immediate": false}).want(t, 204, "")
	before.authenticate(betaID, "Wrong-Secret-1", betaKey).want(t, 401, "10001")
	before.fake.SetAppKey(betaID, "portal-app-key")

	after := newCaller(t, fakefinicity.Config{})
	if err := after.fake.Restore(before.fake.State()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "the state", string(after.fake.State()), string(before.fake.State()))
	after.customers(alphaKey, token).want(t, 200, "")
	after.alpha().want(t, 200, "") // It works because of its grace period.
	after.authenticate(alphaID, nextSecret, alphaKey).want(t, 200, "")
	after.authenticate(betaID, betaSecret, "portal-app-key").want(t, 200, "")
	wantEqual(t, "rejected", after.fake.Counters(betaID).Rejected, 1)
}

func TestARestoreIsAllOrNothing(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	for saved, want := range map[string]string{
		"":                                     "unreadable",
		"{":                                    "unreadable",
		"{}":                                   "has no partners",
		"null":                                 "has no partners",
		`{"partners":[]}`:                      "has no partners",
		`{"partners":[{}]}`:                    "partner 1 of the state has no ID",
		`{"partners":[{"id":" "}]}`:            "partner 1 of the state has no ID",
		`{"partners":[{"id":"1"},null]}`:       "partner 2 of the state has no ID",
		`{"partners":[{"id":"1"},{"id":"1"}]}`: "lists partner 1 twice",
		`{"partners":[{"id":"1"}],"tokens":[{"token":"x","partnerId":"2"}]}`: "a token of a partner that it does not list",
	} {
		if err := c.fake.Restore([]byte(saved)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", saved, err, want)
		}
	}
	c.alpha().want(t, 200, "")
}

// A reader has only the address.
func TestAdminListsItsPathsAndTheKindsOfFaults(t *testing.T) {
	c := newCaller(t, fakefinicity.Config{})
	list := c.admin(http.MethodGet, "", "", 200) + "\n"
	wantEqual(t, "the list", list, fakefinicity.Help())
	for _, named := range []string{"POST /_fake/faults", "POST /_fake/partners/{id}/lock", "slow_answer", "modify_secret"} {
		if !strings.Contains(list, named) {
			t.Errorf("the list lacks %s", named)
		}
	}
	for body, named := range map[string]string{`{"kind":"down"}`: "dropped", `{"kind":"lost","call":"put"}`: "modify_secret"} {
		if answer := c.admin(http.MethodPost, "faults", body, 400); !strings.Contains(answer, named) {
			t.Errorf("%s: %s does not list %s", body, answer, named)
		}
	}
	c.admin(http.MethodPost, "partners/"+alphaID+"/lock", "", 204)
	c.alpha().want(t, 500, "number 24302")
	c.admin(http.MethodPost, "partners/"+alphaID+"/unlock", "", 204)
	c.alpha().want(t, 200, "")
}
