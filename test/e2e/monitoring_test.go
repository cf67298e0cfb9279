// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/vaulttest"
)

// exporterName is the name of the exporter among the children of a fixture.
const exporterName = "exporter"

// cmdExporter runs the exporter of examples/monitoring, which reads through the proxy at
// $LISTENER:
//
//	exporter start
//	exporter shows up=1 authentication{state="ok"}=1   each metric of the mount has this value now
//	exporter agrees    each metric has the value of the status, and there is no other
//	exporter stop
func cmdExporter(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "exporter start | shows METRIC=VALUE … | agrees | stop")
	w := fixtureOf(ts)
	switch args[0] {
	case "start":
		bin := filepath.Join(w.dir, "finicity-exporter")
		build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", bin, "./examples/monitoring/exporter") //nolint:noctx // Seconds.
		build.Dir = w.repository
		if out, err := build.CombinedOutput(); err != nil {
			ts.Fatalf("building the exporter: %v\n%s", err, out)
		}
		port, err := vaulttest.FreePort()
		ts.Check(err)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		ts.Setenv("EXPORTER", "http://"+address)
		w.launch(ts, exporterName, "env", "LISTEN="+address, "VAULT_ADDR="+ts.Getenv("LISTENER"), bin)
		ts.Check(w.children[exporterName].await("listening on ", 1))
	case "shows":
		got, err := metricsOf(ts.Getenv("EXPORTER"))
		ts.Check(err)
		for _, want := range args[1:] {
			at := strings.LastIndex(want, "=")
			if at < 0 {
				ts.Fatalf("%s is not METRIC=VALUE", want)
			}
			if value, found := got[want[:at]]; !found || value != want[at+1:] {
				ts.Fatalf("%s is %q, want %q", want[:at], value, want[at+1:])
			}
		}
	case "agrees":
		ts.Check(w.metricsAgree(ts.Getenv("EXPORTER")))
	case "stop":
		w.endChild(ts, exporterName)
	default:
		ts.Fatalf("unknown: exporter %s", args[0])
	}
}

var sample = regexp.MustCompile(`(?m)^finicity_(\w+)\{mount="finicity"(?:,([^}]*))?\} (\S+)$`)

// metricsOf scrapes the exporter. The names come without the mount, such as "up" and
// `authentication{state="ok"}`.
func metricsOf(exporter string) (map[string]string, error) {
	req, err := http.NewRequest(http.MethodGet, exporter+"/metrics", nil) //nolint:noctx // Loopback.
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, found := range sample.FindAllStringSubmatch(string(text), -1) {
		name := found[1]
		if found[2] != "" {
			name += "{" + found[2] + "}"
		}
		all[name] = found[3]
	}
	if all["up"] == "" {
		return nil, fmt.Errorf("HTTP %d without finicity_up:\n%s", resp.StatusCode, text)
	}
	return all, nil
}

// metricsAgree compares the metrics with the status that Vault returns.
func (w *fixture) metricsAgree(exporter string) error {
	var status struct {
		Data map[string]any `json:"data"`
	}
	if err := w.server.call(http.MethodGet, "finicity/status", nil, &status); err != nil {
		return err
	}
	want := map[string]string{"up": "1"}
	for field, value := range status.Data {
		isTime := strings.HasSuffix(field, "_time") || strings.HasSuffix(field, "_vault_rotation")
		name := field
		if isTime {
			name = strings.TrimSuffix(field, "_time") + "_timestamp_seconds"
		}
		switch v := value.(type) {
		case nil:
		case bool:
			want[name] = map[bool]string{false: "0", true: "1"}[v]
		case float64:
			want[name] = fmt.Sprint(v)
		case string:
			at, notTime := time.Parse(time.RFC3339, v)
			switch {
			case field == "version":
				want[fmt.Sprintf("info{version=%q}", v)] = "1"
			case field == "authentication":
				for _, state := range []string{"ok", "held", "stopped", "locked"} {
					want[fmt.Sprintf("authentication{state=%q}", state)] = map[bool]string{false: "0", true: "1"}[state == v]
				}
			case isTime && notTime == nil:
				want[name] = fmt.Sprint(at.Unix())
			default:
				want[name] = map[bool]string{false: "1", true: "0"}[v == ""]
			}
		default:
			return fmt.Errorf("the status has %v in %s", value, field)
		}
	}
	got, err := metricsOf(exporter)
	if err != nil {
		return err
	}
	var failed error
	for name, value := range want {
		if got[name] != value {
			failed = errors.Join(failed, fmt.Errorf("%s is %q, and the status has %q", name, got[name], value))
		}
		delete(got, name)
	}
	if len(got) > 0 {
		failed = errors.Join(failed, fmt.Errorf("the status has nothing for %v", got))
	}
	return failed
}

// cmdAudit runs a query of examples/monitoring/audit on the audit log of the server:
//
//	audit denied    its output is the standard output, for the command stdout
func cmdAudit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "audit QUERY")
	w := fixtureOf(ts)
	jq, err := located("FINICITY_E2E_JQ")
	ts.Check(err)
	query := filepath.Join(w.repository, "examples", "monitoring", "audit", args[0]+".jq")
	ts.Check(ts.Exec(jq, "-r", "--arg", "mount", "finicity", "-f", query, w.server.AuditFile))
	w.overheard(ts.ReadFile("stdout"))
}
