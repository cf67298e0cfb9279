// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

func TestTheMedianIsTheOneInTheMiddle(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{1: {1}, 2: {3, 1, 2}, 2.5: {4, 1, 3, 2}} {
		if got := median(values); got != want {
			t.Errorf("the median of %v is %v, want %v", values, got, want)
		}
	}
}

func TestAShareOfTheRequestsTakesAsLongAsItsSlowest(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	for i := range 100 {
		waits = append(waits, time.Duration(i+1)*time.Millisecond)
	}
	for of, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := share(waits, of); got != want {
			t.Errorf("%v of them take %s, want %s", of, got, want)
		}
	}
}

// A round in which the machine was busy counts as one, regardless of its effect on both
// subjects. The turns of a round count together.
func TestRatiosAreThoseOfEachRound(t *testing.T) {
	t.Parallel()
	c := newResults(&plan{rounds: 3}).add(vaulttest.InMemory, 1)
	perSecond := func(requests int) measured {
		return measured{load: load{took: time.Second, waits: slices.Repeat([]time.Duration{time.Millisecond}, requests)}, cpu: time.Second}
	}
	for i, floor := range []int{1000, 100, 2000} {
		for _, s := range subjects() {
			requests := floor
			if s.against != "" {
				requests /= 2
			}
			for _, turn := range []int{requests + requests/4, requests - requests/4} {
				c.note(s.name, i, perSecond(turn))
			}
		}
	}
	var out strings.Builder
	c.print(&out)
	for _, s := range c.Subjects {
		if s.Against != "" && (s.Ratio != 0.5 || s.RatioSpread != [2]float64{0.5, 0.5} || s.PerSecond != 500 || s.Spread != [2]float64{50, 1000}) {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if !strings.Contains(out.String(), s.Name) {
			t.Errorf("%s is not printed", s.Name)
		}
	}
}
