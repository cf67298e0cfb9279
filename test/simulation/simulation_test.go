// SPDX-License-Identifier: MPL-2.0

// Package simulation runs random schedules against a whole mount: all events of Vault,
// of Finicity and of the operators, in an order that rapid draws. Time is that of a
// synctest bubble, so a schedule of months takes milliseconds.
//
// The oracle observes what the engine sends and stores, not how it decides. It checks
// each schedule against the guarantees of the design. The comment of each check names
// its exceptions, with the reason.
//
// To see what happened in a failing schedule:
//
//	SIMULATION_TRACE=1 go test ./test/simulation -run … -rapid.seed …
package simulation

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// check checks a property with n schedules, or with the number that -rapid.checks
// gives.
func check(t *testing.T, n int, property func(rt *rapid.T)) {
	t.Helper()
	t.Parallel()
	const each = 100 // The default of rapid.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" || f.Name == "rapid.failfile" })
	if given || testing.Short() {
		n = each
	}
	for range n / each { // Each time with another seed.
		rapid.Check(t, property)
	}
}

func TestNoRandomScheduleLosesASecretOrLocksThePartner(t *testing.T) {
	check(t, 600, func(rt *rapid.T) {
		grace := rapid.Bool().Draw(rt, "grace")
		keepsCount := rapid.IntRange(0, 3).Draw(rt, "keepsCount") == 0
		settings := fields{"secret_grace_period": grace}
		if period := rapid.SampledFrom([]string{"", "", "", "1h", "48h"}).Draw(rt, "period"); period != "" {
			settings["rotation_period"] = period
		}
		steps := scenario(rapid.SliceOfN(rapid.Custom(anyStep), 1, 24).Draw(rt, "steps"))
		w, err := simulate(t, keepsCount, func(w *company) {
			w.ask(request{op: updateOp, path: "config", data: credentials(settings)})
			w.rest()
			w.takeSnapshot()
			for i, s := range steps {
				w.tracef("%d. %s", i+1, s.text)
				s.do(w)
				w.rest()
			}
			w.tracef("--- faults stop")
			w.recovers()
		})
		report(rt, w, append(scenario{{text: fmt.Sprintf("write config %v", settings)}}, steps...), err)
	})
}

func report(rt *rapid.T, w *company, steps scenario, err error) {
	if err == nil {
		return
	}
	if os.Getenv("SIMULATION_TRACE") != "" {
		rt.Logf("%s", strings.Join(w.trace, "\n"))
	}
	rt.Fatalf("%v\nthe schedule: %#v", err, steps)
}
