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
	// coldCall is how long Finicity takes to answer at a cold start. All readers arrive
	// during that time.
	coldCall = time.Second
)

// coldStart is one path whose readers all ask at the same moment, with no token in
// memory or in storage. For comparison, the same connections then read a fresh token,
// and the constant of the plugin that does nothing.
type coldStart struct {
	Path            string  `json:"path"`
	Readers         int     `json:"readers"`
	Served          int     `json:"served"`
	Tokens          int     `json:"tokens"`
	Authentications int     `json:"authentications"`
	Call            float64 `json:"call_seconds"`
	Slowest         float64 `json:"slowest_seconds"`
	SlowestFresh    float64 `json:"slowest_of_a_fresh_token_seconds"`
	SlowestFloor    float64 `json:"slowest_of_a_constant_seconds"`
	Resident        float64 `json:"resident_mib,omitempty"`       // Of the plugin's process, with that many requests at once.
	ResidentFloor   float64 `json:"resident_mib_floor,omitempty"` // Of the other plugin's process.
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
	for _, path := range []string{"warm/static-token", "floor/plain"} { // The first request of a connection takes longer.
		if b := v.all(open, path); b.err != nil {
			return b.err
		}
	}
	for partner := 1; partner < len(finicity.partners) && ctx.Err() == nil; partner++ {
		path := []string{"token", "static-token"}[partner%2]
		f.results.Cold = append(f.results.Cold, f.coldStart(v, finicity, open, partner, path))
	}
	for _, path := range []string{"static-token", "token"} {
		var cold, fresh, floor []float64
		for _, c := range f.results.Cold {
			if c.Path == path {
				cold, fresh, floor = append(cold, c.Slowest), append(fresh, c.SlowestFresh), append(floor, c.SlowestFloor)
			}
		}
		if len(cold) > 0 {
			fmt.Printf("  %-12s medians of the slowest read: %.2f s at a cold start, %.2f s for a fresh token, %.2f s for a constant\n",
				path, median(cold), median(fresh), median(floor))
		}
	}
	return ctx.Err()
}

// coldMounts mounts the engine once with a token, and once for each of the other
// partners without a token. Then it makes Vault start a new process of the plugin.
func (f *fleet) coldMounts(ctx context.Context, v *vault, finicity *finicity) error {
	name := pluginName(f.engine)
	if err := v.mount(ctx, f.floor, "floor"); err != nil {
		return err
	}
	for i := range finicity.partners {
		mount := coldMount(i)
		untried := map[string]any{"verify_connection": i == 0} // The engine gets no token with an untried credential.
		if err := errors.Join(
			v.Mount(ctx, name, mount), v.Call(ctx, http.MethodPut, mount+"/config", finicity.config(i, untried), nil),
		); err != nil {
			return err
		}
	}
	before, _ := v.pluginProcess(name) // Unknown on some systems.
	reload := map[string]string{"plugin": name}
	if err := v.Call(ctx, http.MethodPut, "sys/plugins/reload/backend", reload, nil); err != nil {
		return err
	}
	// Start the new process now, so that no reader waits for it.
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
	fresh := v.all(open, coldMount(partner)+"/"+path)
	floor := v.all(open, map[string]string{"token": "floor/leased", "static-token": "floor/plain"}[path])
	c := coldStart{
		Path: path, Readers: f.readers, Served: cold.served, Tokens: cold.tokens, Authentications: authentications,
		Call: coldCall.Seconds(), Slowest: seconds(cold.took), SlowestFresh: seconds(fresh.took), SlowestFloor: seconds(floor.took),
	}
	c.Resident, _, _ = v.resident(f.engine) // Unknown on some systems.
	c.ResidentFloor, _, _ = v.resident(f.floor)
	fmt.Printf("  %-12s served %d, authentications %d, tokens %d; slowest read %5.2f s, for a fresh token %5.2f s, for a constant %5.2f s\n",
		c.Path, c.Served, c.Authentications, c.Tokens, c.Slowest, c.SlowestFresh, c.SlowestFloor)
	fmt.Printf("  %-12s memory after that: the plugin %.0f MiB, the plugin that returns a constant %.0f MiB\n", "", c.Resident, c.ResidentFloor)
	f.require(c.Served == c.Readers, "cold start of %s: %d of %d readers were served: %v", path, c.Served, c.Readers, cold.err)
	f.require(c.Authentications == 1, "cold start of %s: %d authentications, want 1", path, c.Authentications)
	f.require(c.Tokens == 1, "cold start of %s: %d different tokens, want 1", path, c.Tokens)
	f.require(fresh.served == f.readers, "reads of a fresh token at %s: %d of %d readers were served: %v", path, fresh.served, f.readers, fresh.err)
	f.require(floor.served == f.readers, "reads of a constant: %d of %d readers were served: %v", floor.served, f.readers, floor.err)
	return c
}
