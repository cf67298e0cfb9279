// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"context"
	"path/filepath"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// vaultServer is a Vault server with raft storage. The commands of a script have no
// context, so its methods take none.
type vaultServer struct{ *vaulttest.Server }

// patience is how long an operation may take before it counts as hanging. Even a slow
// or busy machine does not reach it.
const patience = vaulttest.Patience

// newVaultServer prepares a server. With a leader, it joins the cluster of that server.
func newVaultServer(bin, dir, pluginDir string, leader *vaultServer) (*vaultServer, error) {
	// The trace level, because a leak on any level is a leak.
	config := vaulttest.Config{Bin: bin, Dir: dir, PluginDir: pluginDir, LogLevel: "trace", Audit: true}
	if leader != nil {
		config.Leader = leader.Server
	}
	s, err := vaulttest.New(config)
	return &vaultServer{s}, err
}

func (s *vaultServer) start() error { return s.Start(context.Background()) }

func (s *vaultServer) call(method, path string, in, out any) error {
	return s.Call(context.Background(), method, path, in, out)
}

func (s *vaultServer) eventually(method, path string, in, out any) error {
	return s.Eventually(context.Background(), method, path, in, out)
}

// mountPlugin registers the script's plugin, and mounts it.
func (w *fixture) mountPlugin(path string) error {
	name := filepath.Base(w.pluginBin)
	if err := w.server.Register(context.Background(), name); err != nil {
		return err
	}
	return w.server.Mount(context.Background(), name, path)
}

func poll(done func() (bool, error), why func() error) error {
	return vaulttest.Poll(context.Background(), done, why)
}
