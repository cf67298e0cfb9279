// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"net/http"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// served is the result of a read of the token.
type served struct {
	Token     string    `json:"token"`
	AppKey    string    `json:"app_key"`
	PartnerID string    `json:"partner_id"`
	IssueTime time.Time `json:"issue_time"`
}

func readToken(server *vaultServer, path string) (served, error) {
	var secret struct{ Data served }
	err := server.call(http.MethodGet, path, nil, &secret)
	return secret.Data, err
}

// cmdReaders reads a token many times at once, and checks that all readers of a partner
// got the same token:
//
//	readers 200 finicity/token
func cmdReaders(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "readers N PATH …")
	w := fixtureOf(ts)
	n, err := count(args[0])
	ts.Check(err)
	paths := args[1:]

	type result struct {
		path string
		got  served
		err  error
	}
	results := make([]result, n*len(paths))
	var readers sync.WaitGroup
	for i := range results {
		path := paths[i%len(paths)]
		readers.Go(func() {
			got, err := readToken(w.server, path)
			results[i] = result{path, got, err}
		})
	}
	readers.Wait()

	first := map[string]result{}
	for _, r := range results {
		ts.Check(r.err)
		before, seen := first[r.path]
		switch {
		case !seen:
			first[r.path] = r
			if !w.fake.AcceptsToken(r.got.PartnerID, r.got.Token) {
				ts.Fatalf("%s: partner %s got a token that Finicity does not accept", r.path, r.got.PartnerID)
			}
		case r.got.Token != before.got.Token || r.got.PartnerID != before.got.PartnerID:
			ts.Fatalf("%s: readers at the same time got different tokens", r.path)
		}
	}
	ts.Logf("%d readers of %d paths", len(results), len(first))
}
