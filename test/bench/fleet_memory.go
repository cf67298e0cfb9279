// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	memoryLimit = 64 // MiB
	// memoryGrowth is the growth that still counts as flat, because Go's garbage
	// collector decides when to return memory.
	memoryGrowth = 8 // MiB
	// One of leasedShare reads has a lease. Vault takes far longer for a lease.
	leasedShare = 20
)

type memoryResults struct {
	Reads    int     `json:"reads"`
	Leased   int     `json:"leased"`
	Resident float64 `json:"resident_mib"`
}

type mountsResults struct {
	Mounts    int     `json:"mounts"`
	Processes int     `json:"processes"`
	Reads     int     `json:"reads"`
	Resident  float64 `json:"resident_mib"`
}

// resident returns the memory of all processes of the plugin, in MiB. It works only on
// Linux.
func (v *vault) resident(engine string) (total float64, processes int, err error) {
	pids, err := v.pluginProcesses(pluginName(engine))
	for _, pid := range pids {
		kib, failed := memory(pid)
		err = errors.Join(err, failed)
		total += float64(kib) / 1024
	}
	if err == nil && len(pids) == 0 {
		err = errors.New("the memory of the plugin's process is unknown on this system")
	}
	return total, len(pids), err
}

// stages are the numbers of reads after which memory is measured: the powers of ten
// from 10,000 on, and the last.
func stages(reads int) (all []int) {
	for n := 10_000; n < reads; n *= 10 {
		all = append(all, n)
	}
	return append(all, reads)
}

func (f *fleet) memory(ctx context.Context, v *vault) error {
	finicity := newFinicity(1)
	defer finicity.close()
	fmt.Printf("\nMemory of the plugin's process; %d connections, in-memory storage, one of %d reads has a lease\n", steadyReaders, leasedShare)
	if err := errors.Join(
		v.Mount(ctx, pluginName(f.engine), "finicity"),
		v.Call(ctx, http.MethodPut, "finicity/config", finicity.config(0, nil), nil),
	); err != nil {
		return err
	}
	done := 0
	for _, stage := range append([]int{0}, stages(f.reads)...) {
		if err := v.readMany(ctx, stage-done, func(n int64) string {
			if n%leasedShare == 0 {
				return "finicity/token"
			}
			return "finicity/static-token"
		}); err != nil {
			return err
		}
		done = stage
		resident, _, err := v.resident(f.engine)
		if err != nil {
			return err
		}
		m := memoryResults{done, done / leasedShare, resident}
		f.results.Memory = append(f.results.Memory, m)
		fmt.Printf("  after %8d reads, %6d of them with a lease: %5.1f MiB\n", m.Reads, m.Leased, m.Resident)
		f.require(resident < memoryLimit, "the plugin uses %.1f MiB after %d reads, want less than %d", resident, done, memoryLimit)
	}
	first, last := f.results.Memory[1], f.results.Memory[len(f.results.Memory)-1]
	f.require(last.Resident < first.Resident+memoryGrowth, "the plugin's memory grows from %.1f MiB after %d reads to %.1f MiB after %d",
		first.Resident, first.Reads, last.Resident, last.Reads)
	return nil
}

// manyMounts mounts the engine once for each partner, as a company with many affiliates
// does.
func (f *fleet) manyMounts(ctx context.Context, v *vault) error {
	finicity := newFinicity(f.mounts)
	defer finicity.close()
	fmt.Printf("\nMemory with %d mounts of the engine, one for each partner\n", f.mounts)
	path := func(mount int64) string { return fmt.Sprintf("affiliate-%d", mount+1) }
	for i := range f.mounts {
		if err := errors.Join(
			v.Mount(ctx, pluginName(f.engine), path(int64(i))),
			v.Call(ctx, http.MethodPut, path(int64(i))+"/config", finicity.config(i, nil), nil),
			v.Call(ctx, http.MethodGet, path(int64(i))+"/token", nil, nil),
		); err != nil {
			return err
		}
	}
	m := mountsResults{Mounts: f.mounts, Reads: 200 * f.mounts}
	err := v.readMany(ctx, m.Reads, func(n int64) string { return path(n%int64(f.mounts)) + "/static-token" })
	if err != nil {
		return err
	}
	if m.Resident, m.Processes, err = v.resident(f.engine); err != nil {
		return err
	}
	f.results.Mounts = &m
	fmt.Printf("  %d mounts, number of plugin processes: %d, after %d reads: %.1f MiB\n", m.Mounts, m.Processes, m.Reads, m.Resident)
	f.require(m.Resident < memoryLimit, "the plugin uses %.1f MiB with %d mounts, want less than %d", m.Resident, m.Mounts, memoryLimit)
	return nil
}

// readMany makes n reads, and prints its progress every ten seconds. path returns the
// path of the nth read. A failed read is an error.
func (v *vault) readMany(ctx context.Context, reads int, path func(n int64) string) error {
	var failures []error
	var started atomic.Int64
	done, said := 0, time.Now()
	err := v.keepReading(ctx, steadyReaders, func(int) (string, bool) {
		n := started.Add(1)
		return path(n), n <= int64(reads)
	}, func(s sample) {
		if done++; time.Since(said) >= 10*time.Second {
			fmt.Printf("  %d of %d reads\n", done, reads)
			said = time.Now()
		}
		if s.err != nil {
			failures = append(failures, fmt.Errorf("reading %s: %w", s.path, s.err))
		}
	})
	if n := len(failures); n > 0 {
		return fmt.Errorf("%d of %d reads have failed: %w", n, reads, errors.Join(failures[:min(n, 3)]...))
	}
	if err == nil && done < reads {
		err = fmt.Errorf("%d reads were made, want %d", done, reads)
	}
	return err
}
