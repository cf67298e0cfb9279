// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

// results are the results of one run.
type results struct {
	System      string        `json:"system"`
	CPUs        int           `json:"cpus"`
	Rounds      int           `json:"rounds"`
	Seconds     float64       `json:"seconds_each"`
	Comparisons []*comparison `json:"comparisons"`
}

// comparison is the comparison of all subjects with one storage and one number of
// connections.
type comparison struct {
	Storage     string   `json:"storage"`
	Connections int      `json:"connections"`
	Subjects    []*total `json:"subjects"`

	rounds map[string][]measured
}

// total is one subject in all rounds.
type total struct {
	Name          string     `json:"name"`
	PerSecond     float64    `json:"requests_per_second"`     // The median of the rounds.
	Spread        [2]float64 `json:"requests_per_second_of"`  // The lowest and the highest of a round.
	P50           float64    `json:"p50_ms"`                  // Of all requests.
	P99           float64    `json:"p99_ms"`                  // Of all requests.
	CPU           float64    `json:"plugin_cpu_us,omitempty"` // Of the plugin's process, for each request.
	Memory        float64    `json:"plugin_memory_mib,omitempty"`
	Against       string     `json:"against,omitempty"`
	Ratio         float64    `json:"ratio,omitempty"`    // The median of the ratios in each round.
	RatioSpread   [2]float64 `json:"ratio_of,omitempty"` // The lowest and the highest of them.
	throughRounds []float64
}

func newResults(p *plan) *results {
	return &results{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Rounds: p.rounds, Seconds: p.during.Seconds()}
}

func (r *results) add(storage string, connections int) *comparison {
	c := &comparison{Storage: storage, Connections: connections, rounds: map[string][]measured{}}
	r.Comparisons = append(r.Comparisons, c)
	return c
}

// note adds a turn of a subject to its round.
func (c *comparison) note(name string, round int, turn measured) {
	if round == len(c.rounds[name]) {
		c.rounds[name] = append(c.rounds[name], measured{})
	}
	c.rounds[name][round].add(turn)
}

// sum fills in Subjects, once all rounds are complete.
func (c *comparison) sum() {
	c.Subjects = nil
	known := map[string]*total{}
	for _, s := range subjects() {
		t := &total{Name: s.name, Against: s.against}
		var waits []time.Duration
		var cpu time.Duration
		for _, m := range c.rounds[s.name] {
			t.throughRounds = append(t.throughRounds, m.perSecond())
			waits = append(waits, m.waits...)
			cpu += m.cpu
			t.Memory = max(t.Memory, float64(m.memory)/1024)
		}
		slices.Sort(waits)
		t.PerSecond, t.Spread = median(t.throughRounds), spread(t.throughRounds)
		t.P50, t.P99 = milliseconds(share(waits, 0.50)), milliseconds(share(waits, 0.99))
		t.CPU = float64(cpu.Microseconds()) / float64(len(waits))
		if floor := known[s.against]; floor != nil {
			var ratios []float64
			for round, rate := range t.throughRounds {
				ratios = append(ratios, rate/floor.throughRounds[round])
			}
			t.Ratio, t.RatioSpread = median(ratios), spread(ratios)
		}
		known[s.name] = t
		c.Subjects = append(c.Subjects, t)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (c *comparison) print(out io.Writer) {
	c.sum()
	_, _ = fmt.Fprintf(out, "\n%s, %d connections\n%-28s %10s %15s %8s %8s %9s %8s   %s\n", c.Storage, c.Connections,
		"", "requests/s", "lowest–highest", "p50 ms", "p99 ms", "plugin µs", "MiB", "ratio to the constant, lowest–highest")
	for _, t := range c.Subjects {
		_, _ = fmt.Fprintf(out, "%-28s %10.0f %7.0f–%-7.0f %8.2f %8.2f", t.Name, t.PerSecond, t.Spread[0], t.Spread[1], t.P50, t.P99)
		if t.CPU > 0 {
			_, _ = fmt.Fprintf(out, " %9.0f %8.0f", t.CPU, t.Memory)
		} else {
			_, _ = fmt.Fprintf(out, " %9s %8s", "", "")
		}
		if t.Against != "" {
			_, _ = fmt.Fprintf(out, "   %.3f, %.3f–%.3f", t.Ratio, t.RatioSpread[0], t.RatioSpread[1])
		}
		_, _ = fmt.Fprintln(out)
	}
}

func (r *results) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
