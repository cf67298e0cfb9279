// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	coldRounds = 3
	// coldCall is how long Finicity takes to answer at a cold start, so that readers do come while it does.
	coldCall = time.Second
)

// coldStart is that of one path: all readers ask at the same moment, and there is no token, neither in memory nor in
// storage. The same reads of a fresh token, over the same connections, are what that is compared with.
type coldStart struct {
	Path            string  `json:"path"`
	Readers         int     `json:"readers"`
	Served          int     `json:"served"`
	Tokens          int     `json:"tokens"`
	Authentications int     `json:"authentications"`
	Call            float64 `json:"call_seconds"`
	Slowest         float64 `json:"slowest_seconds"`
	SlowestFresh    float64 `json:"slowest_of_a_fresh_token_seconds"`
	Resident        float64 `json:"resident_mib_after,omitempty"` // of the plugin's process
}

func (f *fleet) coldStarts(ctx context.Context, v *vault) error {
	finicity := newFinicity(1 + 2*coldRounds)
	defer finicity.close()
	fmt.Printf("\nCold start, %d readers at the same moment, raft storage; Finicity takes %s to answer\n", f.readers, coldCall)
	if err := f.coldMounts(ctx, v, finicity); err != nil {
		return err
	}
	open, err := connect(ctx, v.HostPort(), f.readers)
	defer hangUp(open)
	if err != nil {
		return err
	}
	if b := v.all(open, "warm/static-token"); b.err != nil { // The first request of a connection takes longer.
		return b.err
	}
	for partner := 1; partner < len(finicity.partners) && ctx.Err() == nil; partner++ {
		path := []string{"token", "static-token"}[partner%2]
		f.results.Cold = append(f.results.Cold, f.coldStart(v, finicity, open, partner, path))
	}
	for _, path := range []string{"static-token", "token"} {
		var cold, fresh []float64
		for _, c := range f.results.Cold {
			if c.Path == path {
				cold, fresh = append(cold, c.Slowest), append(fresh, c.SlowestFresh)
			}
		}
		if len(cold) > 0 {
			fmt.Printf("  %-12s medians: the slowest reader waits %.2f s, and %.2f s with a fresh token\n", path, median(cold), median(fresh))
		}
	}
	return ctx.Err()
}

// coldMounts are one that has a token, and one without a token for each of the other partners, in a new process.
func (f *fleet) coldMounts(ctx context.Context, v *vault, finicity *finicity) error {
	name := pluginName(f.engine)
	for i := range finicity.partners {
		mount := coldMount(i)
		untried := map[string]any{"verify_connection": i == 0} // An untried credential brings no token.
		if err := errors.Join(
			v.Mount(ctx, name, mount), v.Call(ctx, http.MethodPut, mount+"/config", finicity.config(i, untried), nil),
		); err != nil {
			return err
		}
	}
	before, _ := v.pluginProcess(name) // Not known on every system.
	reload := map[string]string{"plugin": name}
	if err := v.Call(ctx, http.MethodPut, "sys/plugins/reload/backend", reload, nil); err != nil {
		return err
	}
	// It starts the new process, so that no reader waits for that.
	if err := v.Call(ctx, http.MethodGet, coldMount(0)+"/status", nil, nil); err != nil {
		return err
	}
	if after, _ := v.pluginProcess(name); before == after && before != 0 {
		return errors.New("the plugin still runs in the same process")
	}
	return nil
}

func coldMount(partner int) string {
	if partner == 0 {
		return "warm"
	}
	return fmt.Sprintf("cold-%d", partner)
}

func (f *fleet) coldStart(v *vault, finicity *finicity, open []*connection, partner int, path string) coldStart {
	finicity.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindSlow, Delay: coldCall})
	cold := v.all(open, coldMount(partner)+"/"+path)
	authentications := finicity.Counters(finicity.partners[partner].ID).Authentications
	resident, _, _ := v.resident(f.engine) // Not known on every system.
	fresh := v.all(open, coldMount(partner)+"/"+path)
	c := coldStart{
		path, f.readers, cold.served, cold.tokens, authentications, coldCall.Seconds(), seconds(cold.took), seconds(fresh.took), resident,
	}
	fmt.Printf("  %-12s served %d, authentications %d, tokens %d; the slowest waits %5.2f s, and %5.2f s with a fresh token; then the plugin has %.0f MiB\n",
		c.Path, c.Served, c.Authentications, c.Tokens, c.Slowest, c.SlowestFresh, c.Resident)
	f.require(c.Served == c.Readers, "cold start of %s: %d of %d readers are served: %v", path, c.Served, c.Readers, cold.err)
	f.require(c.Authentications == 1, "cold start of %s: %d authentications, want 1", path, c.Authentications)
	f.require(c.Tokens == 1, "cold start of %s: %d different tokens, want 1", path, c.Tokens)
	f.require(fresh.served == f.readers, "a fresh token at %s: %d of %d readers are served: %v", path, fresh.served, f.readers, fresh.err)
	return c
}
