// SPDX-License-Identifier: MPL-2.0

// Command exporter shows finicity/status as metrics for Prometheus. It has no Vault
// token: Vault Proxy logs in and adds one. See ../README.md.
// test/e2e/testdata/monitoring.txtar runs it.
//
// Each scrape reads the status of each mount once. If that fails, finicity_up is 0, and
// the mount has no other metric: an old value would hide an outage.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// kind is how the value of a field becomes the value of a metric.
type kind int

const (
	number  kind = iota
	boolean      // 1 if it is true
	text         // 1 if it is not empty
	instant      // Seconds since 1970. Without a time, there is no metric.
)

// metric is one field of the status, and what the metric says.
type metric struct {
	field string
	kind  kind
	help  string
}

// name is the name of the field, with the unit of times.
func (m metric) name() string {
	if m.kind == instant {
		return "finicity_" + strings.TrimSuffix(m.field, "_time") + "_timestamp_seconds"
	}
	return "finicity_" + m.field
}

// metrics lists all fields of the status, apart from authentication and version, whose
// values are labels.
func metrics() []metric {
	return []metric{
		{"configured", boolean, "Whether a credential is stored."},
		{"token_available", boolean, "Whether a read would get a token now."},
		{"token_issue_time", instant, "When the shared token was requested."},
		{"token_expire_time", instant, "When the engine stops serving the shared token."},
		{"token_refresh_time", instant, "Time from which the engine refreshes the shared token."},
		{"rejected_attempts", number, "Refused attempts that count."},
		{"attempts_left", number, "Failed attempts left until config/verify needs force."},
		{"retry_time", instant, "Earliest time of the next automatic attempt, if it has to wait."},
		{"last_error", text, "Whether the last attempt failed."},
		{"last_error_time", instant, "When the last attempt failed."},
		{"rotation_pending", boolean, "Whether the outcome of a rotation is unknown."},
		{"last_vault_rotation", instant, "When Finicity first accepted the secret of the last rotation."},
		{"next_vault_rotation", instant, "When the schedule rotates next, or retries."},
		{"last_rotation_error", text, "Whether the last scheduled rotation failed."},
		{"rotation_paused", text, "Whether the schedule is paused."},
		{"storage_error", text, "Whether the last write to storage failed."},
		{"storage_error_time", instant, "When that write failed."},
	}
}

// states are the values of authentication. Each is a metric, so that an alert can name
// the state.
func states() []string { return []string{"ok", "held", "stopped", "locked"} }

type exporter struct {
	vault     *http.Client
	address   string // Of Vault Proxy.
	namespace string
	mounts    []string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "exporter:", err)
		os.Exit(1)
	}
}

func run() error {
	e := &exporter{
		vault: &http.Client{
			Timeout: 5 * time.Second, // Prometheus waits for ten.
			// Only the proxy adds the token, and a redirect would lead past it.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		address:   cmp.Or(os.Getenv("VAULT_ADDR"), "http://127.0.0.1:8100"),
		namespace: os.Getenv("VAULT_NAMESPACE"),
	}
	for mount := range strings.FieldsFuncSeq(cmp.Or(os.Getenv("FINICITY_MOUNTS"), "finicity"), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if mount = strings.Trim(mount, "/"); mount != "" { // vault secrets list shows a slash.
			e.mounts = append(e.mounts, mount)
		}
	}
	if len(e.mounts) == 0 { // Without any metric, no alert could fire.
		return errors.New("FINICITY_MOUNTS names no mount")
	}
	slices.Sort(e.mounts)
	e.mounts = slices.Compact(e.mounts) // A metric must not be there twice.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8400"))
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	routes := http.NewServeMux()
	routes.HandleFunc("GET /metrics", e.scrape)
	server := &http.Server{Handler: routes, ReadTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // Serve returns the error.
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (e *exporter) scrape(w http.ResponseWriter, r *http.Request) {
	metrics := e.render(e.statuses(r.Context()))
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(metrics) // A scrape that is cut off counts as failed, as it should.
}

// statuses reads the status of all mounts at the same time, so that a mount that does
// not answer hides no other. A status that can't be read is nil.
func (e *exporter) statuses(ctx context.Context) []map[string]any {
	read := make([]map[string]any, len(e.mounts))
	var all sync.WaitGroup
	for i, mount := range e.mounts {
		all.Go(func() {
			status, err := e.status(ctx, mount)
			if err != nil {
				log.Printf("%s: %v", mount, err)
				return
			}
			read[i] = status
		})
	}
	all.Wait()
	return read
}

// status reads the status of a mount. Every field must be there: an alert on a metric
// that is missing would never fire.
func (e *exporter) status(ctx context.Context, mount string) (map[string]any, error) {
	// JoinPath escapes all characters except percent signs.
	address, err := url.JoinPath(e.address, "v1", strings.ReplaceAll(mount, "%", "%25"), "status")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Vault-Request", "true") // proxy.hcl refuses requests without it.
	if e.namespace != "" {
		req.Header.Set("X-Vault-Namespace", e.namespace)
	}
	resp, err := e.vault.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the status: HTTP %d", resp.StatusCode)
	}
	var answer struct {
		Data map[string]any `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading the status: %w", err)
	}
	for _, m := range metrics() {
		if _, _, err := m.value(answer.Data); err != nil {
			return nil, err
		}
	}
	state, _ := answer.Data["authentication"].(string)
	version, _ := answer.Data["version"].(string)
	if !slices.Contains(states(), state) || version == "" {
		return nil, fmt.Errorf("the status has the state %q and the version %q", state, version)
	}
	return answer.Data, nil
}

// value returns the value of the metric, and whether there is one.
func (m metric) value(status map[string]any) (value float64, found bool, err error) {
	switch v := status[m.field].(type) {
	case float64:
		return v, true, m.must(number)
	case bool:
		if v {
			value = 1
		}
		return value, true, m.must(boolean)
	case string:
		if m.kind == text {
			if v != "" {
				value = 1
			}
			return value, true, nil
		}
		at, err := time.Parse(time.RFC3339, v)
		return float64(at.Unix()), true, errors.Join(err, m.must(instant))
	case nil:
		if _, present := status[m.field]; present && m.kind == instant {
			return 0, false, nil
		}
	}
	return 0, false, fmt.Errorf("the status has no usable field %q", m.field)
}

func (m metric) must(be kind) error {
	if m.kind != be {
		return fmt.Errorf("the status has another type of value in the field %q", m.field)
	}
	return nil
}

// render returns each metric with its value for every mount, in the text format of
// Prometheus.
func (e *exporter) render(read []map[string]any) []byte {
	var w bytes.Buffer
	family := func(name, help string, sample func(mount string, status map[string]any)) {
		fmt.Fprintf(&w, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		for i, mount := range e.mounts {
			if read[i] != nil || name == "finicity_up" {
				sample(quoted(mount), read[i])
			}
		}
	}
	family("finicity_up", "Whether the status could be read.", func(mount string, status map[string]any) {
		fmt.Fprintf(&w, "finicity_up{mount=%s} %d\n", mount, asNumber(status != nil))
	})
	family("finicity_info", "The version of the engine.", func(mount string, status map[string]any) {
		fmt.Fprintf(&w, "finicity_info{mount=%s,version=%s} 1\n", mount, quoted(fmt.Sprint(status["version"])))
	})
	family("finicity_authentication", "1 for the current state.", func(mount string, status map[string]any) {
		for _, state := range states() {
			fmt.Fprintf(&w, "finicity_authentication{mount=%s,state=%s} %d\n", mount, quoted(state), asNumber(status["authentication"] == state))
		}
	})
	for _, m := range metrics() {
		family(m.name(), m.help, func(mount string, status map[string]any) {
			if value, found, _ := m.value(status); found { // status has checked it.
				fmt.Fprintf(&w, "%s{mount=%s} %.0f\n", m.name(), mount, value)
			}
		})
	}
	return w.Bytes()
}

func asNumber(is bool) int {
	if is {
		return 1
	}
	return 0
}

// quoted is the value of a label.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
