// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCluster makes a cluster of three nodes of the script's server, and lets its leader fail:
//
//	cluster start
//	cluster use leader     VAULT_ADDR names the leader
//	cluster use standby    VAULT_ADDR names another node
//	cluster kill leader
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	usage(ts, !neg && len(args) > 0, "cluster start | use leader|standby | kill leader")
	if args[0] == "start" {
		ts.Check(w.startCluster())
		ts.Setenv("VAULT_TOKEN", w.server.rootToken)
		return
	}
	usage(ts, len(args) == 2, "cluster use leader|standby | kill leader")
	leader, standby, err := w.roles()
	ts.Check(err)
	switch args[0] + " " + args[1] {
	case "use leader":
		ts.Setenv("VAULT_ADDR", leader.address)
	case "use standby":
		ts.Setenv("VAULT_ADDR", standby.address)
	case "kill leader":
		leader.kill()
		next, _, err := w.roles()
		ts.Check(err)
		ts.Logf("the leader is now %s", filepath.Base(filepath.Dir(next.configFile)))
	default:
		ts.Fatalf("unknown: cluster %s %s", args[0], args[1])
	}
}

func (w *world) startCluster() error {
	if err := w.server.start(); err != nil {
		return err
	}
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
	// A node that has joined does not vote at once, and a leader that dies before has nobody to elect another.
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
		if err := w.server.call(http.MethodGet, "/v1/sys/storage/raft/configuration", nil, &peers); err != nil {
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

// roles waits until one of the living nodes leads, and returns it with another one.
func (w *world) roles() (leader, standby *vaultServer, err error) {
	err = poll(func() (bool, error) {
		leader, standby = nil, nil
		for _, node := range w.servers() {
			switch {
			case node.cmd == nil:
			case node.call(http.MethodGet, "/v1/sys/health", nil, nil) == nil:
				leader = node
			default:
				standby = node
			}
		}
		return leader != nil && standby != nil, nil
	}, func() error { return errors.New("no node leads") })
	return leader, standby, err
}
