// SPDX-License-Identifier: MPL-2.0

package vaulttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Patience is how long an operation may take before it counts as hanging. Even a slow
// or busy machine does not reach it.
const Patience = 10 * time.Minute

// Poll calls done every 50 ms until done returns true or an error. After [Patience],
// Poll fails with the error of why.
func Poll(ctx context.Context, done func() (bool, error), why func() error) error {
	return poll(ctx.Done(), done, why)
}

func poll(canceled <-chan struct{}, done func() (bool, error), why func() error) error {
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-canceled:
			return context.Canceled
		case <-deadline.C:
			return fmt.Errorf("not within %s: %w", Patience, why())
		}
	}
}

// Eventually repeats a call until it succeeds, as long as the server runs.
func (s *Server) Eventually(ctx context.Context, method, path string, in, out any) error {
	var err error
	return Poll(ctx, func() (bool, error) {
		select {
		case <-s.exited:
			return false, fmt.Errorf("the server has ended, see %s", s.LogFile)
		default:
		}
		err = s.Call(ctx, method, path, in, out)
		return err == nil, nil
	}, func() error { return err })
}

// Call makes one call of Vault's HTTP API with the root token. The path is the part
// after /v1/.
func (s *Server) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.Address+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", s.RootToken)
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end below.
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s %s: HTTP %d: %s", method, path, resp.StatusCode, answer)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Register registers a program of the plugin directory as a secrets engine with the
// same name.
func (s *Server) Register(ctx context.Context, name string) error {
	digest, err := Digest(filepath.Join(s.config.PluginDir, name))
	if err != nil {
		return err
	}
	plugin := map[string]string{"sha256": digest, "command": name}
	return s.Call(ctx, http.MethodPut, "sys/plugins/catalog/secret/"+name, plugin, nil)
}

// Mount mounts a secrets engine.
func (s *Server) Mount(ctx context.Context, engine, path string) error {
	return s.Call(ctx, http.MethodPost, "sys/mounts/"+path, map[string]string{"type": engine}, nil)
}

// Install copies a plugin into a plugin directory, and returns the path of the copy.
//
// It runs cp. If the test process wrote the copy, each child that it starts meanwhile
// would inherit the open file, and Vault could not execute the plugin.
func Install(ctx context.Context, plugin, dir string) (string, error) {
	installed := filepath.Join(dir, filepath.Base(plugin))
	if err := os.MkdirAll(dir, 0o700); err != nil || installed == plugin {
		return installed, err
	}
	return installed, exec.CommandContext(ctx, "cp", plugin, installed).Run()
}

// Digest returns the checksum of a plugin in the form that Vault needs to register it.
func Digest(plugin string) (string, error) {
	binary, err := os.ReadFile(plugin)
	return fmt.Sprintf("%x", sha256.Sum256(binary)), err
}
