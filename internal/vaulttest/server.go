// SPDX-License-Identifier: MPL-2.0

// Package vaulttest runs real Vault servers on loopback addresses. It configures,
// starts, initializes and unseals a server, registers plugins and calls the API.
// Stopping a server waits until its plugins have ended too.
//
// OpenBao works too: set Config.Bin to its program.
package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The storage types of a server. With Memory, nothing waits for a disk.
const (
	Raft     = "raft"
	InMemory = "inmem"
)

// Config describes a server.
type Config struct {
	Bin       string // The program, Vault's or OpenBao's.
	Dir       string // For all files of the server. Its name is the ID of the raft node.
	PluginDir string

	Storage  string  // Raft if empty.
	LogLevel string  // "warn" if empty.
	Audit    bool    // The server writes an audit log.
	Leader   *Server // Join the cluster of this server; nil for a separate cluster.

	// TMPDIR is the folder for the sockets of plugins. Its path must be short: see
	// [ShortFolder]. If it is empty, the server inherits the variable.
	TMPDIR string
}

// Server is one Vault server, which is sealed and unsealed as a real one is.
type Server struct {
	Address   string // The URL of the server.
	LogFile   string
	AuditFile string
	RootToken string // Empty before the first start.
	StandbyOK bool   // A start is complete even if the server is a standby node.

	config     Config
	configFile string
	unsealKey  string
	cmd        *exec.Cmd
	exited     chan struct{}
}

// New prepares a server.
func New(config Config) (*Server, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	clusterPort, err := FreePort()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(config.Dir, "raft")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	s := &Server{
		Address:    fmt.Sprintf("http://127.0.0.1:%d", port),
		LogFile:    filepath.Join(config.Dir, "server.log"),
		AuditFile:  filepath.Join(config.Dir, "audit.log"),
		StandbyOK:  config.Leader != nil,
		config:     config,
		configFile: filepath.Join(config.Dir, "config.hcl"),
	}
	storage := `storage "inmem" {}`
	if config.Storage != InMemory {
		join := ""
		if config.Leader != nil {
			s.unsealKey, s.RootToken = config.Leader.unsealKey, config.Leader.RootToken
			join = fmt.Sprintf("\n  retry_join { leader_api_addr = %q }", config.Leader.Address)
		}
		storage = fmt.Sprintf("storage \"raft\" {\n  path    = %q\n  node_id = %q%s\n}", data, filepath.Base(config.Dir), join)
	}
	level := "warn"
	if config.LogLevel != "" {
		level = config.LogLevel
	}
	text := fmt.Sprintf(`%s
listener "tcp" {
  address         = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  tls_disable     = true
}
api_addr         = %q
cluster_addr     = "https://127.0.0.1:%d"
plugin_directory = %q
disable_mlock    = true
log_level        = %q
`, storage, port, clusterPort, s.Address, clusterPort, config.PluginDir, level)
	if config.Audit {
		// OpenBao accepts audit devices only from this file. Vault accepts them only
		// from its API, and warns about this line.
		text += "\nunsafe_allow_api_audit_creation = true\n"
	}
	return s, os.WriteFile(s.configFile, []byte(text), 0o600)
}

// Start starts the server and unseals it. The first time, it also initializes the
// server and enables the audit log. ctx bounds the waiting, not the life of the server.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The server has its own copy.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.config.Bin, "server", "-config="+s.configFile)
	cmd.Stdout, cmd.Stderr = log, log
	if s.config.TMPDIR != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+s.config.TMPDIR)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // A killed server ends with an error.
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	if s.RootToken != "" {
		return s.unseal(ctx)
	}

	var keys struct {
		Keys      []string `json:"keys_base64"`
		RootToken string   `json:"root_token"`
	}
	init := map[string]int{"secret_shares": 1, "secret_threshold": 1}
	if err := s.Eventually(ctx, http.MethodPut, "sys/init", init, &keys); err != nil {
		return fmt.Errorf("initializing: %w", err)
	}
	s.unsealKey, s.RootToken = keys.Keys[0], keys.RootToken
	if err := s.unseal(ctx); err != nil || !s.config.Audit {
		return err
	}
	audit := map[string]any{"type": "file", "options": map[string]string{"file_path": s.AuditFile}}
	return s.Call(ctx, http.MethodPut, "sys/audit/file", audit, nil)
}

func (s *Server) unseal(ctx context.Context) error {
	if err := s.Eventually(ctx, http.MethodPut, "sys/unseal", map[string]string{"key": s.unsealKey}, nil); err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	// The health endpoint returns 200 only on the active node, unless a standby node is
	// acceptable.
	path := "sys/health"
	if s.StandbyOK {
		path += "?standbyok=true"
	}
	return s.Eventually(ctx, http.MethodGet, path, nil, nil)
}

// Running reports whether the server was started and has not been stopped or killed.
func (s *Server) Running() bool { return s.cmd != nil }

// Stop ends the server as an operator does, and Kill as a crash does. After both,
// nothing is running: a plugin that outlives its server is killed, and reported as an
// error.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server as a crash does: see [Server.Stop].
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) error {
	if !s.Running() {
		return nil
	}
	plugins, _ := s.Plugins() // An error means that there is nothing to list.
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
	left := plugins
	err := poll(nil, func() (bool, error) {
		all, err := Processes()
		left = slices.DeleteFunc(left, func(pid int) bool { return !slices.ContainsFunc(all, func(p Process) bool { return p.ID == pid }) })
		return len(left) == 0, err
	}, func() error { return errors.New("the plugin outlives its server") })
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return err
}

// Plugins returns the process IDs of this server's children, which are its plugins.
func (s *Server) Plugins() (ids []int, err error) {
	all, err := Processes()
	for _, p := range all {
		if p.Parent == s.cmd.Process.Pid {
			ids = append(ids, p.ID)
		}
	}
	return ids, err
}

// HostPort returns the address without its scheme.
func (s *Server) HostPort() string { return strings.TrimPrefix(s.Address, "http://") }
