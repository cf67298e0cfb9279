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
	flags.IntVar(&p.rounds, "rounds", 9, "how many rounds to measure, after one to warm up")
	flags.DurationVar(&p.during, "during", 2*time.Second, "how long to measure each path in each round")
	connections := flags.String("connections", "1,16,128", "how many connections to use at the same time, separated by commas")
	storages := flags.String("storages", vaulttest.Raft+","+vaulttest.InMemory, "storage types of Vault, separated by commas")
	out := flags.String("json", "", "write the results to this file, as JSON")
	chart := flags.String("svg", "", "draw the ratios to this file, as SVG")
	f := fleet{plan: &p}
	onFleet := flags.Bool("fleet", false, "measure only what a fleet of readers costs")
	flags.IntVar(&f.readers, "readers", 10_000, "number of readers at a cold start (with -fleet)")
	flags.IntVar(&f.reads, "reads", 1_000_000, "number of reads before the last measurement of memory (with -fleet)")
	parts := flags.String("parts", everyPart, "parts to measure, separated by commas (with -fleet)")
	flags.IntVar(&f.mounts, "mounts", 50, "number of mounts for the measurement of memory (with -fleet)")
	flags.IntVar(&f.leased, "leases", 10_000, "number of leases of the mount that is removed (with -fleet)")
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
		return fmt.Errorf("building the plugin that returns a constant: %w\n%s", err, out)
	}
	return nil
}
