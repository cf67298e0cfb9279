// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"time"
)

// median is the one in the middle, or between the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// spread is the least and the greatest.
func spread(values []float64) [2]float64 { return [2]float64{slices.Min(values), slices.Max(values)} }

// share is how long that share of the requests took at most. They are sorted.
func share(waits []time.Duration, of float64) time.Duration {
	return waits[min(int(of*float64(len(waits))), len(waits)-1)]
}
