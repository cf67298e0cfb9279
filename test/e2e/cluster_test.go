// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCluster makes the script's server a cluster of three nodes, and lets the active
// node fail:
//
//	cluster start
//	cluster use leader     VAULT_ADDR is the active node
//	cluster use standby    VAULT_ADDR is a standby node
//	cluster kill leader
//	cluster retire leader  it steps down, and another node becomes active
//	cluster revive dead    killed nodes start again
//	cluster reload plugin  on each node separately
//	cluster knows MOUNT    waits until each node does: on OpenBao a new mount takes a moment
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	const synopsis = "cluster start | use leader|standby | kill leader | retire leader | revive dead | reload plugin | knows MOUNT"
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) > 0, synopsis)
	if args[0] == "start" {
		ts.Check(w.startCluster())
		ts.Setenv("VAULT_TOKEN", w.server.RootToken)
		return
	}
	usage(ts, len(args) == 2, synopsis)
	if args[0] == "knows" {
		for _, node := range w.servers() {
			ts.Check(node.eventually(http.MethodGet, args[1]+"/status", nil, nil))
		}
		return
	}
	leader, standby, err := w.roles()
	ts.Check(err)
	switch args[0] + " " + args[1] {
	case "use leader":
		ts.Setenv("VAULT_ADDR", leader.Address)
	case "use standby":
		ts.Setenv("VAULT_ADDR", standby.Address)
	case "kill leader":
		over := w.apps.failover()
		w.apps.avoid(leader, true)
		ts.Check(leader.Kill())
		ts.Check(w.agree())
		over()
	case "retire leader":
		over := w.apps.failover()
		ts.Check(leader.call(http.MethodPut, "sys/step-down", nil, nil))
		ts.Check(poll(func() (bool, error) {
			next, _, err := w.roles()
			return next != leader, err
		}, func() error { return errors.New("no other node is active") }))
		ts.Check(w.agree())
		over()
	case "revive dead":
		for _, node := range w.servers() {
			if !node.Running() {
				ts.Check(node.start())
				ts.Check(w.agree())
				w.apps.avoid(node, false)
			}
		}
	case "reload plugin":
		for _, node := range w.servers() {
			reload := map[string]string{"plugin": filepath.Base(w.pluginBin)}
			ts.Check(node.call(http.MethodPut, "sys/plugins/reload/backend", reload, nil))
		}
	default:
		ts.Fatalf("unknown: cluster %s %s", args[0], args[1])
	}
}

// agree waits until all running nodes know the same active node, and can reach it. Then
// a failover is over for clients of any node.
func (w *fixture) agree() error {
	leader, _, err := w.roles()
	if err != nil {
		return err
	}
	// A node answers the first request itself, and needs the active node for the
	// second.
	knows := func(node *vaultServer) bool {
		var known struct {
			Address string `json:"leader_address"`
		}
		return node.call(http.MethodGet, "sys/leader", nil, &known) == nil && known.Address == leader.Address &&
			node.call(http.MethodGet, "auth/token/lookup-self", nil, nil) == nil
	}
	return poll(func() (bool, error) {
		return !slices.ContainsFunc(w.servers(), func(node *vaultServer) bool { return node.Running() && !knows(node) }), nil
	}, func() error { return errors.New("the nodes do not agree on a leader") })
}

func (w *fixture) startCluster() error {
	if err := w.server.start(); err != nil {
		return err
	}
	w.server.StandbyOK = true // When it comes back, another node is active.
	for _, name := range []string{"vault2", "vault3"} {
		node, err := newVaultServer(w.vaultBin, filepath.Join(w.dir, name), filepath.Dir(w.pluginBin), w.server)
		if err != nil {
			return err
		}
		w.others = append(w.others, node)
		if err := node.start(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	// A new node does not vote at once. If the active node dies before that, there is
	// no majority to elect another.
	return poll(func() (bool, error) {
		var peers struct {
			Data struct {
				Config struct {
					Servers []struct {
						Voter bool `json:"voter"`
					} `json:"servers"`
				} `json:"config"`
			} `json:"data"`
		}
		if err := w.server.call(http.MethodGet, "sys/storage/raft/configuration", nil, &peers); err != nil {
			return false, err
		}
		voters := 0
		for _, server := range peers.Data.Config.Servers {
			if server.Voter {
				voters++
			}
		}
		return voters == 3, nil
	}, func() error { return errors.New("three nodes do not vote") })
}

// roles waits until one of the running nodes is active. It returns that node and
// another one.
func (w *fixture) roles() (leader, standby *vaultServer, err error) {
	err = poll(func() (bool, error) {
		leader, standby = nil, nil
		for _, node := range w.servers() {
			switch {
			case !node.Running():
			case node.call(http.MethodGet, "sys/health", nil, nil) == nil:
				leader = node
			default:
				standby = node
			}
		}
		return leader != nil && standby != nil, nil
	}, func() error { return errors.New("no node leads") })
	return leader, standby, err
}
