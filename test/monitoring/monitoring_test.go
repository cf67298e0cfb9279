// SPDX-License-Identifier: MPL-2.0

// Package monitoring tests examples/monitoring: the exporter, the alerts, their cases
// and the dashboard, against each other and against the documents. An alert on a metric
// that does not exist never fires, and no one notices.
//
// With -promtool, it also runs Prometheus' own checks: see make monitoring. The
// end-to-end tests run the exporter with a real Vault server.
package monitoring

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// exporterBin is the exporter, built once.
var exporterBin string

// The tests read files by their paths in the repository.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := os.Chdir("../.."); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "monitoring")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	exporterBin = filepath.Join(dir, "exporter")
	build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", exporterBin, "./examples/monitoring/exporter") //nolint:noctx // The timeout of go test bounds it.
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the exporter: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// proxy answers like Vault Proxy: with a status for each mount, or with an HTTP status.
type proxy struct {
	mu      sync.Mutex
	answers map[string]any
}

func (p *proxy) set(mount string, answer any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[mount] = answer
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	answer := p.answers[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/"), "/status")]
	p.mu.Unlock()
	code, fails := answer.(int)
	switch {
	case r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Token") != "":
		w.WriteHeader(http.StatusPreconditionFailed)
	case answer == nil:
		w.WriteHeader(http.StatusNotFound)
	case fails:
		w.Header().Set("Location", "http://127.0.0.1:1/") // For the redirects.
		w.WriteHeader(code)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"data": answer}) // The exporter reports what it can't read.
	}
}

// startExporter starts the exporter for these mounts, and returns its address.
func startExporter(t *testing.T, p *proxy, mounts string) string {
	t.Helper()
	vault := httptest.NewServer(p)
	t.Cleanup(vault.Close)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), exporterBin)
	cmd.Env = []string{"VAULT_ADDR=" + vault.URL, "FINICITY_MOUNTS=" + mounts, "LISTEN=127.0.0.1:0"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // Wait reports an exporter that has ended before.
		if err := cmd.Wait(); err != nil {
			t.Errorf("the exporter ends with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, listens := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !listens {
		t.Fatalf("the exporter prints %q (%v)", line, err)
	}
	return address
}

var sampleLine = regexp.MustCompile(`^([a-z_]+\{.*\}) (\S+)$`)

// fetch returns what Prometheus gets.
func fetch(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the exporter answers %d (%v)", resp.StatusCode, err)
	}
	return string(text)
}

// scrape returns all samples, by their names with all labels.
func scrape(t *testing.T, address string) map[string]string {
	t.Helper()
	samples := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(fetch(t, address)), "\n") {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		sample := sampleLine.FindStringSubmatch(line)
		if sample == nil {
			t.Fatalf("this is no sample: %q", line)
		}
		if _, twice := samples[sample[1]]; twice {
			t.Errorf("%s is there twice", sample[1])
		}
		samples[sample[1]] = sample[2]
	}
	return samples
}

// everything is a status in which every field has a value.
func everything() map[string]any {
	return map[string]any{
		"configured": true, "version": "v0.1.0", "token_available": true, "authentication": "ok",
		"token_issue_time": "2026-11-22T10:19:43Z", "token_expire_time": "2026-11-22T12:14:43Z",
		"token_refresh_time": "2026-11-22T11:49:43Z", "rejected_attempts": 1, "attempts_left": 3,
		"retry_time": "2026-11-22T10:25:00Z", "last_error": "Finicity answered", "last_error_time": "2026-11-22T10:20:00Z",
		"rotation_pending": true, "last_vault_rotation": "2026-11-22T10:19:43Z", "next_vault_rotation": "2026-12-22T10:19:43Z",
		"last_rotation_error": "it failed", "rotation_paused": "paused", "storage_error": "disk full",
		"storage_error_time": "2026-11-22T10:21:00Z",
	}
}

// names are the names of the metrics of these samples.
func names(samples map[string]string) map[string]bool {
	found := map[string]bool{}
	for sample := range samples {
		name, _, _ := strings.Cut(sample, "{")
		found[name] = true
	}
	return found
}
