// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"fmt"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// rotationsTake is how long the scripts wait for the next rotation. Vault checks once a
// minute, the schedules of the scripts have a period of a minute, and a new active node
// starts to count again.
const rotationsTake = 4 * time.Minute

// cmdUnattended waits until n rotations have happened, and meanwhile reads the token
// four times a second. Finicity must accept each token. In a cluster, a read may fail
// while there is no active node.
//
//	unattended 3 finicity/token
//
// With rhythm, it checks that the time between two rotations was as given.
//
//	unattended rhythm 55s 130s
func cmdUnattended(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) >= 2, "unattended N PATH | unattended rhythm LEAST MOST")
	if args[0] == "rhythm" {
		usage(ts, len(args) == 3, "unattended rhythm LEAST MOST")
		least, err := time.ParseDuration(args[1])
		ts.Check(err)
		most, err := time.ParseDuration(args[2])
		ts.Check(err)
		ts.Check(w.rhythm(least, most))
		return
	}
	n, err := count(args[0])
	ts.Check(err)
	leader, cluster := w.server, len(w.others) > 0
	if cluster {
		leader, _, err = w.roles()
		ts.Check(err)
	}
	before, reads := len(w.rotations()), 0
	for end := time.Now().Add(time.Duration(n) * rotationsTake); len(w.rotations()) < before+n || !w.proven(); reads++ {
		if time.Now().After(end) {
			ts.Fatalf("%d of %d rotations have come about", len(w.rotations())-before, n)
		}
		got, err := readToken(leader, args[1])
		switch {
		case err != nil && cluster: // There is no active node for a while, or another one is active.
			leader, _, err = w.roles()
			ts.Check(err)
		case err != nil:
			ts.Fatalf("%v", err)
		case !w.fake.AcceptsToken(got.PartnerID, got.Token):
			ts.Fatalf("a token was served that Finicity does not accept")
		}
		<-time.After(250 * time.Millisecond)
	}
	ts.Logf("%d good tokens read during %d rotations", reads, n)
}

// rotations returns the number of changes of the secret that Finicity has made.
func (w *fixture) rotations() []time.Time {
	var times []time.Time
	for _, r := range w.fake.Requests() {
		if r.Call == fakefinicity.CallModifySecret && r.Outcome == fakefinicity.OutcomeAccepted {
			times = append(times, r.Time)
		}
	}
	return times
}

// proven reports whether Finicity has accepted an authentication since the last change
// of the secret, which completes a rotation.
func (w *fixture) proven() bool {
	for _, r := range slices.Backward(w.fake.Requests()) {
		if r.Outcome == fakefinicity.OutcomeAccepted {
			return r.Call == fakefinicity.CallAuthenticate
		}
	}
	return false
}

func (w *fixture) rhythm(least, most time.Duration) error {
	times := w.rotations()
	for i := 1; i < len(times); i++ {
		if gap := times[i].Sub(times[i-1]); gap < least || gap > most {
			return fmt.Errorf("%s from rotation %d to the next, want %s to %s", gap, i, least, most)
		}
	}
	return nil
}
