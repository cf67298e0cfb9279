// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// affiliates are the partners of a company that has many.
func affiliates() (all []fakefinicity.Partner) {
	for i := range 50 {
		n := strconv.Itoa(i + 1)
		all = append(all, fakefinicity.Partner{
			ID: fmt.Sprintf("3%012d", i+1), Secret: "Fake-Affiliate-Secret-" + n, AppKey: "fake-affiliate-app-key-" + n,
		})
	}
	return all
}

// cmdAffiliates creates a mount for each affiliate, at affiliate-1 and so on, and
// checks that each mount serves its own partner:
//
//	affiliates enable
//	affiliates read 1    each has a token of its own partner, after 1 authentication each
func cmdAffiliates(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "affiliates enable | affiliates read AUTHENTICATIONS")
	w, seen := fixtureOf(ts), map[string]bool{}
	for i, partner := range affiliates() {
		mount := "affiliate-" + strconv.Itoa(i+1)
		switch args[0] {
		case "enable":
			ts.Check(w.server.call(http.MethodPost, "sys/mounts/"+mount, map[string]string{"type": ts.Getenv("PLUGIN")}, nil))
			ts.Check(w.server.call(http.MethodPost, mount+"/config", map[string]string{
				"partner_id": partner.ID, "partner_secret": partner.Secret, "app_key": partner.AppKey, "base_url": w.plain.URL,
			}, nil))
		case "read":
			want, err := count(args[1])
			ts.Check(err)
			var answer struct {
				Data struct {
					Token     string `json:"token"`
					AppKey    string `json:"app_key"`
					PartnerID string `json:"partner_id"`
				} `json:"data"`
			}
			ts.Check(w.server.call(http.MethodGet, mount+"/token", nil, &answer))
			if answer.Data.PartnerID != partner.ID || answer.Data.AppKey != partner.AppKey || seen[answer.Data.Token] {
				ts.Fatalf("%s has what belongs to another partner", mount)
			}
			seen[answer.Data.Token] = true
			ts.Check(w.customers(partner.AppKey, answer.Data.Token))
			if got := w.fake.Counters(partner.ID); got.Authentications != want || got.Rejected != 0 {
				ts.Fatalf("%s: %d authentications and %d refusals, want %d and none", mount, got.Authentications, got.Rejected, want)
			}
		default:
			ts.Fatalf("unknown: affiliates %s", args[0])
		}
	}
}
