// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// Sizes in the chart, in pixels.
const (
	chartWidth = 760
	labelWidth = 190
	barHeight  = 16
	barGap     = 4
	groupGap   = 22
	top        = 84
)

// chart returns an SVG with a bar for each ratio, and a line at the ratio of the plugin
// that does nothing.
func (r *results) chart() string {
	most := 1.0
	for _, c := range r.Comparisons {
		for _, t := range c.Subjects {
			most = max(most, t.RatioSpread[1])
		}
	}
	most = math.Ceil(most*5) / 5
	x := func(ratio float64) float64 { return labelWidth + ratio/most*(chartWidth-labelWidth-70) }

	var bars strings.Builder
	y := top
	for _, c := range r.Comparisons {
		storage := map[string]string{vaulttest.Raft: "raft", vaulttest.InMemory: "in-memory"}[c.Storage]
		fmt.Fprintf(&bars, `<text x="16" y="%d" class="group">%s storage, connections: %d</text>`+"\n", y+13, storage, c.Connections)
		y += barHeight + barGap
		for _, t := range c.Subjects {
			if t.Against == "" {
				continue
			}
			kind := "other"
			if t.Name == "token" || t.Name == "static-token" {
				kind = "own"
			}
			middle := float64(y) + barHeight/2
			fmt.Fprintf(&bars, `<text x="%d" y="%.0f" text-anchor="end">%s</text>`+"\n", labelWidth-8, middle+4, html.EscapeString(t.Name))
			fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%.1f" height="%d" class="%s"/>`+"\n", labelWidth, y, x(t.Ratio)-labelWidth, barHeight, kind)
			fmt.Fprintf(&bars, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="spread"/>`+"\n", x(t.RatioSpread[0]), middle, x(t.RatioSpread[1]), middle)
			// In a separate column, where neither a spread nor the line of the constant
			// crosses them.
			fmt.Fprintf(&bars, `<text x="%d" y="%.0f" text-anchor="end">%.2f</text>`+"\n", chartWidth-16, middle+4, t.Ratio)
			y += barHeight + barGap
		}
		y += groupGap - barGap
	}
	height := y + 10

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title">
<title id="title">Reads per second, compared with those of a plugin that returns a constant</title>
<style>
text { font: 12px sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: bold }
.group { font-weight: bold }
.own { fill: #2f6fde }
.other { fill: #b4bcc6 }
.spread { stroke: #1f2328; stroke-width: 1.5 }
.floor { stroke: #c0392b; stroke-width: 1.5; stroke-dasharray: 5 3 }
</style>
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="16" y="26" class="title">Reads per second, compared with those of a plugin that returns a constant</text>
<text x="16" y="46">1 means as fast as a plugin that returns a constant, with or without a lease.</text>
<text x="16" y="64">Each bar is the median of %d rounds, and its thin line runs from the slowest round to the fastest.</text>
`, chartWidth, height, chartWidth, height, r.Rounds)
	b.WriteString(bars.String())
	fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="floor"/>`+"\n</svg>\n", x(1), top-6, x(1), height-24)
	return b.String()
}
