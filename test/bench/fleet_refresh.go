// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	steadyReaders = 16 // Half of them read static-token, the others token.

	refreshRounds = 3
	refreshCall   = 10 * time.Second // How long Finicity takes to answer.
	refreshBefore = 12 * time.Second // How long before the refresh mark the reads begin.
	// refreshLifetime has its refresh mark at 60 s. The engine serves a token until 76 s.
	refreshLifetime = 80 * time.Second
	// longestSlack is how much longer the longest read may be during a refresh than
	// before it. Pauses of a busy machine are shorter.
	longestSlack = 2 * time.Second

	// outageScale divides the times of the outage: two minutes represent the two hours
	// of a token, and 20 seconds an outage of 20 minutes. The engine's backoff is not
	// shortened.
	outageScale    = 60
	outageLifetime = 2 * time.Hour / outageScale
	// The outage begins this long before the refresh mark, and ends this long after it.
	outageBefore = 8 * time.Minute / outageScale
	outageAfter  = 12 * time.Minute / outageScale
)

// latency summarizes the reads of one path.
type latency struct {
	Reads   int     `json:"reads"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"longest_ms"`
}

// refreshResults are the results of all rounds. The ratio is the median of the rounds.
type refreshResults struct {
	Call        float64              `json:"call_seconds"`
	Connections int                  `json:"connections"`
	Rounds      []refreshRound       `json:"rounds"`
	P99Ratio    map[string]float64   `json:"p99_ratio"`
	ratios      map[string][]float64 // Of the rounds.
}

type refreshRound struct {
	Authentications int                `json:"authentications"`
	Failed          int                `json:"failed_reads"`
	Before          map[string]latency `json:"before"`
	During          map[string]latency `json:"during"`
}

type outageResults struct {
	Scale    int     `json:"time_divided_by"`
	Lifetime float64 `json:"token_lifetime_seconds"`
	Outage   float64 `json:"outage_seconds"`
	Reads    int     `json:"reads"`
	Failed   int     `json:"failed_reads"`
	Calls    int     `json:"calls"`
	Allowed  int     `json:"calls_allowed"`
	Longest  float64 `json:"longest_ms"`
}

// upToRefresh mounts the engine with this lifetime, and waits until the given time
// before the refresh mark. It returns the mark.
func (v *vault) upToRefresh(ctx context.Context, finicity *finicity, engine string, lifetime, before time.Duration, what string) (time.Time, error) {
	config := finicity.config(0, map[string]any{"token_lifetime": lifetime.String()})
	issued := time.Now()
	if err := errors.Join(v.Mount(ctx, pluginName(engine), "finicity"), v.Call(ctx, http.MethodPut, "finicity/config", config, nil)); err != nil {
		return time.Time{}, err
	}
	mark := issued.Add(lifetime * 3 / 4)
	return mark, wait(ctx, mark.Add(-before), what)
}

// readUntil makes the steady readers read until then.
func (v *vault) readUntil(ctx context.Context, end time.Time) (samples []sample, err error) {
	err = v.keepReading(ctx, steadyReaders, func(i int) (string, bool) {
		return "finicity/" + []string{"static-token", "token"}[i%2], time.Now().Before(end)
	}, func(s sample) { samples = append(samples, s) })
	return samples, err
}

func (f *fleet) refresh(ctx context.Context, v *vault) error {
	finicity := newFinicity(1)
	defer finicity.close()
	fmt.Printf("\nA refresh in which Finicity takes %s to answer; %d connections, raft storage, %d rounds\n", refreshCall, steadyReaders, refreshRounds)
	mark, err := v.upToRefresh(ctx, finicity, f.engine, refreshLifetime, refreshBefore, "reads start")
	if err != nil {
		return err
	}
	r := refreshResults{
		Call: refreshCall.Seconds(), Connections: steadyReaders, P99Ratio: map[string]float64{}, ratios: map[string][]float64{},
	}
	for round := range refreshRounds {
		if round > 0 {
			if err := wait(ctx, mark.Add(-refreshBefore), "reads start"); err != nil {
				return err
			}
		}
		if mark, err = f.refreshRound(ctx, v, finicity, mark, &r); err != nil {
			return err
		}
	}
	for _, path := range refreshPaths() {
		r.P99Ratio[path] = median(r.ratios[path])
		fmt.Printf("  %-22s p99 during a refresh / before it: %.2f, median of the rounds (at most 2 on an idle machine)\n", path, r.P99Ratio[path])
	}
	f.results.Refresh = &r
	return nil
}

func refreshPaths() []string { return []string{"finicity/static-token", "finicity/token"} }

// refreshRound reads before and during one refresh, which is due at the mark. It
// returns the next mark.
func (f *fleet) refreshRound(ctx context.Context, v *vault, finicity *finicity, mark time.Time, r *refreshResults) (time.Time, error) {
	known := len(finicity.Requests())
	finicity.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlow, Delay: refreshCall})
	samples, err := v.readUntil(ctx, mark.Add(refreshCall+2*time.Second))
	if err != nil {
		return mark, err
	}
	calls := finicity.Requests()[known:]
	if len(calls) == 0 {
		return mark, errors.New("the token was not refreshed")
	}
	begun := calls[0].Time
	round := refreshRound{Authentications: len(calls), Before: map[string]latency{}, During: map[string]latency{}}
	for _, path := range refreshPaths() {
		var ahead, during []time.Duration
		for _, s := range samples {
			switch {
			case s.path != path:
			case s.err != nil:
				round.Failed++
			case s.ended().Before(begun):
				ahead = append(ahead, s.wait)
			case s.begun.Before(begun.Add(refreshCall)):
				during = append(during, s.wait)
			}
		}
		if len(ahead) == 0 || len(during) == 0 {
			return mark, fmt.Errorf("%s: too few reads to compare: %d before the refresh and %d during it", path, len(ahead), len(during))
		}
		round.Before[path], round.During[path] = latencyOf(ahead), latencyOf(during)
		r.ratios[path] = append(r.ratios[path], round.During[path].P99/round.Before[path].P99)
		for i, l := range []latency{round.Before[path], round.During[path]} {
			fmt.Printf("  %-22s %s %7d reads, p50 %7.2f ms, p99 %7.2f ms, longest %8.2f ms\n",
				path, []string{"before", "during"}[i], l.Reads, l.P50, l.P99, l.Longest)
		}
		f.require(slices.Max(during) < slices.Max(ahead)+longestSlack, "the longest read of %s took %s during a refresh, and %s before it: "+
			"a reader waited for Finicity", path, slices.Max(during).Round(time.Millisecond), slices.Max(ahead).Round(time.Millisecond))
	}
	r.Rounds = append(r.Rounds, round)
	f.require(round.Failed == 0, "%d reads failed before or during a refresh", round.Failed)
	f.require(round.Authentications == 1, "a refresh cost %d authentications, want 1", round.Authentications)
	return begun.Add(refreshLifetime * 3 / 4), nil
}

func latencyOf(waits []time.Duration) latency {
	slices.Sort(waits)
	return latency{len(waits), milliseconds(share(waits, 0.50)), milliseconds(share(waits, 0.99)), milliseconds(slices.Max(waits))}
}

func (f *fleet) outage(ctx context.Context, v *vault) error {
	finicity := newFinicity(1)
	defer finicity.close()
	fmt.Printf("\nAn outage of Finicity around the refresh mark, all times divided by %d: a token lifetime of %s instead of 2h, an outage of %s instead of 20m\n",
		outageScale, outageLifetime, outageBefore+outageAfter)
	mark, err := v.upToRefresh(ctx, finicity, f.engine, outageLifetime, outageBefore, "the outage starts")
	if err != nil {
		return err
	}
	finicity.Order(fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 1000})
	up := time.AfterFunc(time.Until(mark.Add(outageAfter)), func() { finicity.ClearFaults() })
	defer up.Stop()
	samples, err := v.readUntil(ctx, mark.Add(outageLifetime/4)) // When the old token has expired.
	if err != nil {
		return err
	}
	r := outageResults{
		Scale: outageScale, Lifetime: outageLifetime.Seconds(), Outage: (outageBefore + outageAfter).Seconds(), Reads: len(samples),
		// At once, and then after 1, 2, 4 and 8 seconds.
		Allowed: bits.Len(uint(outageAfter/time.Second) + 1),
	}
	var failure error
	for _, s := range samples {
		r.Longest = max(r.Longest, milliseconds(s.wait))
		if s.err != nil {
			r.Failed++
			failure = s.err
		}
	}
	for _, call := range finicity.Requests() {
		if call.Fault == fakefinicity.KindDropped {
			r.Calls++
		}
	}
	f.results.Outage = &r
	fmt.Printf("  %d reads, %d failed, longest %.2f ms; %d calls to Finicity during the outage, at most %d allowed\n",
		r.Reads, r.Failed, r.Longest, r.Calls, r.Allowed)
	f.require(r.Failed == 0, "%d reads failed during the outage, the last one with: %v", r.Failed, failure)
	f.require(r.Calls > 0 && r.Calls <= r.Allowed, "%d calls to Finicity during the outage, want 1 to %d", r.Calls, r.Allowed)
	return nil
}
