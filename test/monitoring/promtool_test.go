// SPDX-License-Identifier: MPL-2.0

package monitoring

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var promtool = flag.String("promtool", "", "run the tests that need Prometheus' promtool, which is at this absolute path")

// runPromtool runs promtool in a folder.
func runPromtool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), *promtool, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// prometheusRules writes rules, the way alerts.yml has them.
func prometheusRules(t *testing.T, file string, rules []rule) {
	t.Helper()
	var list []map[string]any
	for _, r := range rules {
		one := map[string]any{"alert": r.Alert, "expr": r.Expr, "labels": r.Labels, "annotations": r.Annotations}
		if r.For != "" {
			one["for"] = r.For
		}
		list = append(list, one)
	}
	write(t, file, map[string]any{"groups": []any{map[string]any{"name": "finicity", "rules": list}}})
}

func write(t *testing.T, file string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPrometheus runs Prometheus' own checks. It is one test, so that a run without
// promtool shows one skipped test and not several that pass.
func TestPrometheus(t *testing.T) {
	if *promtool == "" {
		t.Skip("NOT RUN, because there is no promtool: make monitoring builds it and runs this test")
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := runPromtool(t, folder, args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	check := exec.CommandContext(t.Context(), *promtool, "check", "metrics")
	check.Stdin = strings.NewReader(fetch(t, startExporter(t, &proxy{answers: map[string]any{"finicity": everything()}}, "finicity teams/bank")))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	t.Run("a case fails for each alert that is changed", aCaseFailsForEachChange)
	t.Run("each query of the dashboard has a result", eachQueryHasAResult)
}

// A case that passes with any rule tests nothing. So in turn no alert fires, each one
// fires on the opposite, none has a summary, none waits, and each one mixes up the mounts
// of several exporters. A case of each alert must fail every time.
func aCaseFailsForEachChange(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "alerts_test.yml"), read(t, "alerts_test.yml"), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := alerts(t)
	prometheusRules(t, filepath.Join(dir, "alerts.yml"), rules)
	if out, err := runPromtool(t, dir, "test", "rules", "alerts_test.yml"); err != nil {
		t.Fatalf("without a change, promtool ends with %v\n%s", err, out)
	}
	opposite := strings.NewReplacer("== 0", "== 1", "== 1", "== 0", "<=", ">", " > ", " < ")
	for name, change := range map[string]func(*rule){
		"it never fires":         func(r *rule) { r.Expr = "(" + r.Expr + ") and vector(1) > 2" },
		"its condition is wrong": func(r *rule) { r.Expr = opposite.Replace(r.Expr) },
		"it has no summary":      func(r *rule) { r.Annotations = nil },
		"it does not wait":       func(r *rule) { r.For = "" },
		"it mixes instances":     func(r *rule) { r.Expr = strings.ReplaceAll(r.Expr, "(instance, mount)", "(mount)") },
	} {
		changed := slices.Clone(rules)
		for i := range changed {
			change(&changed[i])
		}
		prometheusRules(t, filepath.Join(dir, "alerts.yml"), changed)
		out, err := runPromtool(t, dir, "test", "rules", "alerts_test.yml")
		if err == nil {
			t.Errorf("no case fails if %s", name)
		}
		for i, r := range rules {
			if same := changed[i].For == r.For && changed[i].Expr == r.Expr && changed[i].Annotations != nil; !same && !strings.Contains(out, "alertname: "+r.Alert+",") {
				t.Errorf("%s: no case fails if %s", r.Alert, name)
			}
		}
	}
}

// promtool evaluates each query on the samples that the exporter has exported. A query
// that can't be parsed fails too.
func eachQueryHasAResult(t *testing.T) {
	samples := exported(t)
	var series []map[string]string
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		series = append(series, map[string]string{"series": name, "values": samples[name]})
	}
	evaluate := func(queries ...string) (string, error) {
		var tests []map[string]any
		for _, query := range queries {
			tests = append(tests, map[string]any{
				"expr": fmt.Sprintf("count(%s) > bool 0", query), "eval_time": "0m",
				"exp_samples": []any{map[string]any{"labels": "{}", "value": 1}},
			})
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "dashboard_test.yml"), map[string]any{"tests": []any{map[string]any{
			"interval": "1m", "input_series": series, "promql_expr_test": tests,
		}}})
		return runPromtool(t, dir, "test", "rules", "dashboard_test.yml")
	}
	for _, wrong := range []string{`finicity_up{mount="other"}`, "finicity_up ==", "no_such_metric"} {
		if out, err := evaluate(wrong); err == nil {
			t.Errorf("promtool finds a result for %s:\n%s", wrong, out)
		}
	}
	var queries []string
	for _, panel := range grafana(t).Panels {
		for _, target := range panel.Targets {
			queries = append(queries, strings.ReplaceAll(target.Expr, "$mount", "finicity|other"))
		}
	}
	if out, err := evaluate(queries...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
