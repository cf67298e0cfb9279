// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// fleet measures the cost of many readers: at a cold start, during a refresh and an
// outage, and in memory.
type fleet struct {
	*plan

	readers int // At a cold start.
	reads   int // For the memory.
	mounts  int // For the memory.
	leased  int // Reads with a lease, for the removal of a mount.
	parts   []string

	results fleetResults
}

// fleetResults are the results of one run. Times depend on the machine. The
// requirements do not, and Failures lists those that are not met.
type fleetResults struct {
	System   string          `json:"system"`
	CPUs     int             `json:"cpus"`
	Cold     []coldStart     `json:"cold_start,omitempty"`
	Refresh  *refreshResults `json:"refresh,omitempty"`
	Outage   *outageResults  `json:"outage,omitempty"`
	Memory   []memoryResults `json:"memory,omitempty"`
	Mounts   *mountsResults  `json:"mounts,omitempty"`
	Leases   *leasesResults  `json:"leases,omitempty"`
	Failures []string        `json:"failures"`
}

// part is one of the measurements.
type part struct {
	name, storage string
	measure       func(context.Context, *vault) error
}

func (f *fleet) measurements() []part {
	return []part{
		{"cold", vaulttest.Raft, f.coldStarts},
		{"refresh", vaulttest.Raft, f.refresh},
		{"outage", vaulttest.Raft, f.outage},
		// The memory of the plugin does not depend on Vault's storage, and this storage
		// is faster.
		{"memory", vaulttest.InMemory, f.memory},
		{"mounts", vaulttest.InMemory, f.manyMounts},
		{"leases", vaulttest.Raft, f.leases},
	}
}

// choose selects parts by their names, separated by commas.
func (f *fleet) choose(names string) error {
	f.parts = strings.Split(names, ",")
	for _, name := range f.parts {
		if !slices.ContainsFunc(f.measurements(), func(p part) bool { return p.name == name }) {
			return fmt.Errorf("-parts: there is no part %q; the parts are %s", name, everyPart)
		}
	}
	return nil
}

const everyPart = "cold,refresh,outage,memory,mounts,leases"

// run measures the parts, and prints each one as soon as it is done. If a requirement
// is not met, run still measures the other parts, and returns the error at the end.
func (f *fleet) run(ctx context.Context, out string) (err error) {
	if f.vault == "" || f.engine == "" {
		return errors.New("run it with make bench-fleet")
	}
	dir, err := vaulttest.ShortFolder("bench", os.TempDir(), "/tmp") // Vault's plugins have their sockets in it.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := f.buildFloor(ctx, dir); err != nil {
		return err
	}
	f.results.Failures = []string{}
	f.results.System, f.results.CPUs = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU()
	for _, part := range f.measurements() {
		if !slices.Contains(f.parts, part.name) {
			continue
		}
		if err := f.on(ctx, filepath.Join(dir, part.name), part.storage, part.measure); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if out != "" {
		text, err := json.MarshalIndent(f.results, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if n := len(f.results.Failures); n > 0 {
		return fmt.Errorf("%d requirements are not met:\n  %s", n, strings.Join(f.results.Failures, "\n  "))
	}
	fmt.Println("\nAll requirements of these parts are met.")
	return nil
}

// on measures one part on its own server, with the plugin in its catalog.
func (f *fleet) on(ctx context.Context, dir, storage string, measure func(context.Context, *vault) error) (err error) {
	v, err := f.start(ctx, dir, storage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Stop()) }()
	if err := v.mount(ctx, f.engine); err != nil {
		return err
	}
	return measure(ctx, v)
}

// require records a requirement that is not met.
func (f *fleet) require(met bool, format string, args ...any) {
	if !met {
		text := fmt.Sprintf(format, args...)
		fmt.Println("  NOT MET:", text)
		f.results.Failures = append(f.results.Failures, text)
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// wait waits until the given time, and prints every 15 seconds how much time is left.
func wait(ctx context.Context, until time.Time, what string) error {
	for left := time.Until(until); left > 0; left = time.Until(until) {
		if left > 5*time.Second {
			fmt.Printf("  %s in %s\n", what, left.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, 15*time.Second)):
		}
	}
	return nil
}
