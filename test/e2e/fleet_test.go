// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pause is how long a reader of the fleet waits before it retries. It is short, as in
// an impatient app.
const pause = 200 * time.Millisecond

// cmdFleet simulates a fleet of apps that read a token in a loop, and continue after an
// error that contains the phrase. Finicity must accept each token:
//
//	fleet 500 1m finicity/token 'vault write'
func cmdFleet(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 4, "fleet READERS DURATION PATH PHRASE")
	w := fixtureOf(ts)
	n, err := count(args[0])
	ts.Check(err)
	duration, err := time.ParseDuration(args[1])
	ts.Check(err)
	path, phrase := args[2], args[3]

	var tokens, refusals atomic.Int64
	var readers sync.WaitGroup
	found := make(chan error, 1) // The first failure. Later failures have the same cause.
	end := time.Now().Add(duration)
	for range n {
		readers.Go(func() {
			for time.Now().Before(end) {
				err := w.readOnce(path, phrase, &tokens, &refusals)
				if err != nil {
					select {
					case found <- err:
					default:
					}
					return
				}
				<-time.After(pause)
			}
		})
	}
	readers.Wait()
	select {
	case err := <-found:
		ts.Fatalf("%v", err)
	default:
	}
	ts.Logf("%d tokens and %d refusals for %d readers", tokens.Load(), refusals.Load(), n)
	if refusals.Load() == 0 {
		ts.Fatalf("no reader was refused, so nothing is shown")
	}
}

func (w *fixture) readOnce(path, phrase string, tokens, refusals *atomic.Int64) error {
	got, err := readToken(w.server, path)
	switch {
	case err == nil && !w.fake.AcceptsToken(got.PartnerID, got.Token):
		return errors.New("a reader got a token that Finicity does not accept")
	case err == nil:
		tokens.Add(1)
	case !strings.Contains(err.Error(), "HTTP 400") || !strings.Contains(err.Error(), phrase):
		return fmt.Errorf("a reader got an error that does not say %q: %w", phrase, err)
	default:
		refusals.Add(1)
	}
	return nil
}
