// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// subject is an engine whose reads are measured, and the engine that it is compared
// with.
type subject struct {
	name    string
	path    string
	plugin  string // Its program; empty for one of Vault's own engines.
	against string // The name of its floor.
}

const (
	enginePlugin = "vault-plugin-secrets-finicity"
	floorPlugin  = "floorplugin"

	leasedFloor = "a constant, leased"
	plainFloor  = "a constant, no lease"
)

func subjects() []subject {
	return []subject{
		{leasedFloor, "floor/leased", floorPlugin, ""},
		{"token", "finicity/token", enginePlugin, leasedFloor},
		{"two storage reads, leased", "floor/stored", floorPlugin, leasedFloor},
		{plainFloor, "floor/plain", floorPlugin, ""},
		{"static-token", "finicity/static-token", enginePlugin, plainFloor},
		{"KV v2", "kv/data/finicity", "", plainFloor},
	}
}

// turns is how often each subject is measured in a round. Vault is slower for seconds
// at a time, once it has many leases. With one long turn in a round, that would affect
// one subject and not the one that it is compared with.
const turns = 4

// measure starts a server with this storage, and compares the subjects on it. The
// subjects take turns, and each round starts with a different one. So changes over
// time, such as the number of leases or a busy machine, affect all subjects.
func (p *plan) measure(ctx context.Context, r *results, dir, storage string) (err error) {
	v, err := p.start(ctx, filepath.Join(dir, storage), storage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Stop()) }()
	finicity := newFinicity(1)
	defer finicity.close()
	kv := map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}
	if err := errors.Join(
		v.mount(ctx, p.floor, "floor"), v.mount(ctx, p.engine, "finicity"),
		v.Call(ctx, http.MethodPut, "finicity/config", finicity.config(0, nil), nil),
		v.Call(ctx, http.MethodPost, "sys/mounts/kv", kv, nil),
		// A new KV v2 engine upgrades itself for a moment.
		v.Eventually(ctx, http.MethodPut, "kv/data/finicity", map[string]any{"data": map[string]string{"token": "AAAAAAAAAAAAAAAAAAAA"}}, nil),
	); err != nil {
		return err
	}

	for _, connections := range p.connections {
		c := r.add(storage, connections)
		for round := range p.rounds + 1 {
			all := subjects()
			for i := range turns * len(all) {
				s := all[(i+round)%len(all)]
				m, err := v.watch(ctx, s, connections, p.during/turns)
				if err != nil {
					return err
				}
				if round > 0 { // The first round warms up.
					c.note(s.name, round-1, m)
				}
			}
		}
		c.print(os.Stdout)
	}
	return nil
}

// measured is one subject in one turn, or in all turns of a round.
type measured struct {
	load

	cpu    time.Duration // Of the plugin's process. 0 if unknown.
	memory int64         // Of the plugin's process at the end, in KiB. 0 if unknown.
}

func (v *vault) watch(ctx context.Context, s subject, connections int, during time.Duration) (m measured, err error) {
	pid := 0
	if s.plugin != "" {
		pid, _ = v.pluginProcess(s.plugin) // Unknown on some systems.
	}
	before, _ := cpuTime(pid) // Unknown on some systems.
	l, err := read(ctx, v.HostPort(), v.RootToken, s.path, connections, during)
	if err != nil {
		return m, err
	}
	m.load = *l
	if after, err := cpuTime(pid); err == nil {
		m.cpu = after - before
		m.memory, _ = memory(pid) // It existed a moment ago.
	}
	return m, nil
}

// add adds another turn of the same round.
func (m *measured) add(turn measured) {
	m.took += turn.took
	m.waits = append(m.waits, turn.waits...)
	m.cpu += turn.cpu
	m.memory = max(m.memory, turn.memory)
}
