// SPDX-License-Identifier: MPL-2.0

// Command bench compares reads of this engine with those of a plugin that does nothing,
// on one real Vault server and in one run. The absolute figures depend on the machine.
// The ratios are the result.
//
//	make bench
//	make bench-fleet
//
// The second command measures the cost of a fleet of readers: cold starts, refreshes,
// outages, memory, leases.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// plan says what to measure, and how.
type plan struct {
	rounds      int
	during      time.Duration
	connections []int
	storages    []string

	vault, engine, floor string // Programs.
}

func main() {
	// An interrupted run stops its Vault server too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string) error {
	p := plan{vault: os.Getenv("FINICITY_E2E_VAULT"), engine: os.Getenv("FINICITY_E2E_PLUGIN")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 9, "how often each one is measured, besides once to warm up")
	flags.DurationVar(&p.during, "during", 2*time.Second, "how long it is measured each time")
	connections := flags.String("connections", "1,16,128", "how many there are at once")
	storages := flags.String("storages", vaulttest.Raft+","+vaulttest.InMemory, "those of Vault")
	out := flags.String("json", "", "write the results to this file")
	chart := flags.String("svg", "", "draw the ratios into this file")
	f := fleet{plan: &p}
	onFleet := flags.Bool("fleet", false, "measure what a fleet of readers costs, and nothing else")
	flags.IntVar(&f.readers, "readers", 10_000, "of the fleet at a cold start")
	flags.IntVar(&f.reads, "reads", 1_000_000, "of the fleet, after which its memory is measured")
	parts := flags.String("parts", everyPart, "what of the fleet is measured")
	flags.IntVar(&f.mounts, "mounts", 50, "of the engine, with which its memory is measured")
	flags.IntVar(&f.leased, "leases", 10_000, "of a mount that is removed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *onFleet {
		if err := f.choose(*parts); err != nil {
			return err
		}
		return f.run(ctx, *out)
	}
	p.storages = strings.Split(*storages, ",")
	for text := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("-connections: %q is not a number of connections", text)
		}
		p.connections = append(p.connections, n)
	}
	r, err := p.run(ctx)
	if err == nil && *out != "" {
		err = r.writeJSON(*out)
	}
	if err == nil && *chart != "" {
		err = os.WriteFile(*chart, []byte(r.chart()), 0o644)
	}
	return err
}

// run measures everything, and prints each part as soon as it is done.
func (p *plan) run(ctx context.Context) (r *results, err error) {
	if p.vault == "" || p.engine == "" {
		return nil, errors.New("run it with make bench")
	}
	// Vault's plugins have their sockets in it.
	dir, err := vaulttest.ShortFolder("bench", os.TempDir(), "/tmp")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := p.buildFloor(ctx, dir); err != nil {
		return nil, err
	}

	r = newResults(p)
	for _, storage := range p.storages {
		if err := p.measure(ctx, r, dir, storage); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// buildFloor builds the plugin that does nothing, in that folder.
func (p *plan) buildFloor(ctx context.Context, dir string) error {
	p.floor = filepath.Join(dir, floorPlugin)
	build := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), "build", "-trimpath", "-ldflags=-s -w", "-o", p.floor, "./test/bench/floorplugin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the floor: %w\n%s", err, out)
	}
	return nil
}
