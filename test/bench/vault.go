// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The storages of Vault that are compared. In memory nothing waits for a disk, so more of the time is the plugin's.
const (
	raft     = "raft"
	inMemory = "inmem"
)

// vault is a server of its own for one storage.
type vault struct {
	address, token string
	plugins        string // the plugin directory
	cmd            *exec.Cmd
	exited         chan struct{}
}

func startVault(ctx context.Context, bin, dir, storage string) (*vault, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	clusterPort, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	v := &vault{address: fmt.Sprintf("127.0.0.1:%d", port), plugins: filepath.Join(dir, "plugins"), exited: make(chan struct{})}
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.MkdirAll(v.plugins, 0o700), os.MkdirAll(data, 0o700)); err != nil {
		return nil, err
	}
	stanza := `storage "inmem" {}`
	if storage == raft {
		stanza = fmt.Sprintf("storage \"raft\" {\n  path = %q\n  node_id = \"bench\"\n}", data)
	}
	config := filepath.Join(dir, "vault.hcl")
	if err := os.WriteFile(config, fmt.Appendf(nil, `%s
listener "tcp" {
  address         = %q
  cluster_address = "127.0.0.1:%d"
  tls_disable     = true
}
api_addr         = "http://%s"
cluster_addr     = "https://127.0.0.1:%d"
plugin_directory = %q
disable_mlock    = true
log_level        = "warn"
`, stanza, v.address, clusterPort, v.address, clusterPort, v.plugins), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "vault.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // The server has a copy of its own.
	v.cmd = exec.CommandContext(context.WithoutCancel(ctx), bin, "server", "-config="+config)
	v.cmd.Stdout, v.cmd.Stderr, v.cmd.Env = log, log, append(os.Environ(), "TMPDIR="+dir) // For the sockets of its plugins.
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = v.cmd.Wait() // It is told to end.
		close(v.exited)
	}()
	if err := v.unseal(ctx); err != nil {
		v.stop()
		return nil, fmt.Errorf("vault: %w", err)
	}
	return v, nil
}

func (v *vault) unseal(ctx context.Context) error {
	var keys struct {
		Keys      []string `json:"keys_base64"`
		RootToken string   `json:"root_token"`
	}
	if err := v.eventually(ctx, http.MethodPut, "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}, &keys); err != nil {
		return err
	}
	v.token = keys.RootToken
	if err := v.eventually(ctx, http.MethodPut, "sys/unseal", map[string]string{"key": keys.Keys[0]}, nil); err != nil {
		return err
	}
	return v.eventually(ctx, http.MethodGet, "sys/health", nil, nil)
}

// eventually repeats a call until it succeeds, for a minute at most.
func (v *vault) eventually(ctx context.Context, method, path string, in, out any) error {
	for tries := 0; ; tries++ {
		err := v.call(ctx, method, path, in, out)
		if err == nil || tries == 600 || ctx.Err() != nil {
			return err
		}
		select {
		case <-v.exited:
			return errors.New("the server has ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (v *vault) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.address+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", v.token)
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

// mount copies a plugin into the plugin directory, registers it, and mounts it under that path.
func (v *vault) mount(ctx context.Context, plugin, path string) error {
	binary, err := os.ReadFile(plugin)
	if err != nil {
		return err
	}
	name := filepath.Base(plugin)
	if err := os.WriteFile(filepath.Join(v.plugins, name), binary, 0o700); err != nil {
		return err
	}
	entry := map[string]string{"sha256": fmt.Sprintf("%x", sha256.Sum256(binary)), "command": name}
	if err := v.call(ctx, http.MethodPut, "sys/plugins/catalog/secret/"+name, entry, nil); err != nil {
		return err
	}
	return v.call(ctx, http.MethodPost, "sys/mounts/"+path, map[string]string{"type": name}, nil)
}

func (v *vault) stop() {
	_ = v.cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
	select {
	case <-v.exited:
	case <-time.After(30 * time.Second):
		_ = v.cmd.Process.Kill() // Likewise.
		<-v.exited
	}
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }() // Nobody is connected to it.
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("not a TCP address")
	}
	return addr.Port, nil
}
