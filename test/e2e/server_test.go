// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// vaultServer is one Vault server with raft storage on loopback, sealed and unsealed like a real one.
type vaultServer struct {
	bin        string
	configFile string
	address    string
	logFile    string
	auditFile  string

	cmd       *exec.Cmd
	exited    chan struct{}
	unsealKey string
	rootToken string
	standbyOK bool // it is one of several
}

// patience is how long anything may take before it counts as hanging. It is no limit that a slow or busy machine ever reaches.
const patience = 10 * time.Minute

// newVaultServer prepares a server. With a leader it is to join that one's cluster.
func newVaultServer(bin, dir, pluginDir string, leader *vaultServer) (*vaultServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	clusterPort, err := freePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "raft"), 0o700); err != nil {
		return nil, err
	}
	s := &vaultServer{
		bin:        bin,
		standbyOK:  leader != nil,
		configFile: filepath.Join(dir, "config.hcl"),
		address:    fmt.Sprintf("http://127.0.0.1:%d", port),
		logFile:    filepath.Join(dir, "server.log"),
		auditFile:  filepath.Join(dir, "audit.log"),
	}
	join := ""
	if leader != nil {
		s.unsealKey, s.rootToken = leader.unsealKey, leader.rootToken
		join = fmt.Sprintf("  retry_join { leader_api_addr = %q }\n", leader.address)
	}
	// The trace level, because a leak on any level is one. The last line is for OpenBao, which otherwise takes audit devices
	// from this file alone. Vault takes them from its API alone, and warns of the line.
	config := fmt.Sprintf(`
storage "raft" {
  path    = %q
  node_id = %q
%s}
listener "tcp" {
  address         = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  tls_disable     = true
}
api_addr         = %q
cluster_addr     = "https://127.0.0.1:%d"
plugin_directory = %q
disable_mlock    = true
log_level        = "trace"

unsafe_allow_api_audit_creation = true
`, filepath.Join(dir, "raft"), filepath.Base(dir), join, port, clusterPort, s.address, clusterPort, pluginDir)
	return s, os.WriteFile(s.configFile, []byte(config), 0o600)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It takes no time.
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

// start starts the server and unseals it; the first time it also initialises it and has it write an audit log.
func (s *vaultServer) start() error {
	log, err := os.OpenFile(s.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                            // The server has a copy of its own.
	cmd := exec.Command(s.bin, "server", "-config="+s.configFile) //nolint:noctx // A server, ended by stop.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // Killed servers end with an error.
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited

	if s.rootToken == "" {
		var keys struct {
			Keys      []string `json:"keys_base64"`
			RootToken string   `json:"root_token"`
		}
		init := map[string]int{"secret_shares": 1, "secret_threshold": 1}
		if err := s.eventually(http.MethodPut, "/v1/sys/init", init, &keys); err != nil {
			return fmt.Errorf("initialising: %w", err)
		}
		s.unsealKey, s.rootToken = keys.Keys[0], keys.RootToken
		if err := s.unseal(); err != nil {
			return err
		}
		audit := map[string]any{"type": "file", "options": map[string]string{"file_path": s.auditFile}}
		return s.call(http.MethodPut, "/v1/sys/audit/file", audit, nil)
	}
	return s.unseal()
}

func (s *vaultServer) unseal() error {
	if err := s.eventually(http.MethodPut, "/v1/sys/unseal", map[string]string{"key": s.unsealKey}, nil); err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	// Health is 200 on the active node only, unless a standby will do.
	path := "/v1/sys/health"
	if s.standbyOK {
		path += "?standbyok=true"
	}
	return s.eventually(http.MethodGet, path, nil, nil)
}

// eventually repeats a call until it succeeds, for as long as the server lives.
func (s *vaultServer) eventually(method, path string, in, out any) error {
	var err error
	return poll(func() (bool, error) {
		select {
		case <-s.exited:
			return false, fmt.Errorf("the server has ended, see %s", s.logFile)
		default:
		}
		err = s.call(method, path, in, out)
		return err == nil, nil
	}, func() error { return err })
}

// poll asks every 50 ms until done, an error, or the end of patience, which is explained with why.
func poll(done func() (bool, error), why func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("not within %s: %w", patience, why())
		}
	}
}

// call makes one call of Vault's HTTP API with the root token.
func (s *vaultServer) call(method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", s.rootToken)
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

// stop ends the server like an operator, kill like a crash. Both leave nothing running: a plugin ends with its server, or
// that is the error.
func (s *vaultServer) stop() error { return s.end(syscall.SIGTERM) }
func (s *vaultServer) kill() error { return s.end(syscall.SIGKILL) }

func (s *vaultServer) end(signal syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	plugins, _ := s.plugins() // An error here means that there is nothing to list.
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
	left := plugins
	err := poll(func() (bool, error) {
		all, err := processes()
		left = slices.DeleteFunc(left, func(pid int) bool { return !slices.ContainsFunc(all, func(p process) bool { return p.id == pid }) })
		return len(left) == 0, err
	}, func() error { return errors.New("the plugin outlives its server") })
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return err
}

// plugins are the process IDs of this server's children, which are its plugins.
func (s *vaultServer) plugins() (ids []int, err error) {
	all, err := processes()
	for _, p := range all {
		if p.parent == s.cmd.Process.Pid {
			ids = append(ids, p.id)
		}
	}
	return ids, err
}

type process struct{ id, parent, group, session int }

// processes are all that run. A small Linux machine may lack ps, and others have no /proc, and no number for a session.
func processes() (all []process, err error) {
	script := "ps -A -o pid=,ppid=,pgid=,stat= | while read -r id parent group state; do echo $id $parent $group 0 $state; done"
	if runtime.GOOS == "linux" {
		script = `for stat in /proc/[0-9]*/stat; do
			read -r line <"$stat" || continue
			rest=${line##*) } # The name in parentheses may hold anything.
			set -- $rest
			echo "${line%% *} $2 $3 $4 $1"
		done 2>/dev/null`
	}
	out, err := exec.Command("bash", "-c", script).Output() //nolint:noctx // It takes no time.
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		var p process
		var state string
		if _, err := fmt.Sscan(line, &p.id, &p.parent, &p.group, &p.session, &state); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(state, "Z") { // One that has ended, and whose parent has not asked.
			all = append(all, p)
		}
	}
	return all, nil
}
