// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"time"
)

// median returns the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// spread returns the lowest and the highest value.
func spread(values []float64) [2]float64 { return [2]float64{slices.Min(values), slices.Max(values)} }

// share returns the longest time of that share of the requests. They are sorted.
func share(waits []time.Duration, of float64) time.Duration {
	return waits[min(int(of*float64(len(waits))), len(waits)-1)]
}
