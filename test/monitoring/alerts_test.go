// SPDX-License-Identifier: MPL-2.0

package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const folder = "examples/monitoring"

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type caseFile struct {
	Tests []struct {
		AlertRuleTest []struct {
			Alertname string
			ExpAlerts []struct {
				ExpAnnotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

type dashboard struct {
	Panels []struct {
		ID          int
		Title, Type string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Datasource  struct{ UID string }
		Targets     []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type, Definition string
			Query                  any
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	if err := yaml.Unmarshal(read(t, "alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 10 {
		t.Fatal("alerts.yml does not have one group with the alerts")
	}
	return file.Groups[0].Rules
}

func grafana(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, "grafana-dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 8 {
		t.Fatalf("the dashboard has only %d panels", len(d.Panels))
	}
	return d
}

// exported are the samples of a mount with a value in every field. up is Prometheus'
// own metric for each target.
func exported(t *testing.T) map[string]string {
	t.Helper()
	return scrape(t, startExporter(t, &proxy{answers: map[string]any{"finicity": everything()}}, "finicity"))
}

var (
	metricName = regexp.MustCompile(`\b(?:finicity_\w+|up)\b`)
	selector   = regexp.MustCompile(`\b(\w+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`)
	quotes     = regexp.MustCompile(`"[^"]*"`)
)

// checkQuery checks that each metric, label and value in a query is one that the
// exporter exports. Where promtool is run, it also parses the query.
func checkQuery(t *testing.T, where, query string, samples map[string]string) {
	t.Helper()
	exists := names(samples)
	used := metricName.FindAllString(quotes.ReplaceAllString(query, ""), -1)
	if len(used) == 0 {
		t.Errorf("%s uses no metric of the exporter: %s", where, query)
	}
	for _, name := range used {
		if name != "up" && !exists[name] {
			t.Errorf("%s: the exporter has no metric %s", where, name)
		}
	}
	for _, found := range selector.FindAllStringSubmatch(query, -1) {
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			has := func(sample string) bool {
				return strings.HasPrefix(sample, found[1]+"{") && strings.Contains(sample, label[1]+`="`+label[3]+`"`)
			}
			isVariable := label[0] == `mount=~"$mount"`
			isJob := found[1] == "up" && label[0] == `job="finicity"`
			if !isVariable && !isJob && !slices.ContainsFunc(slices.Collect(maps.Keys(samples)), has) {
				t.Errorf("%s: %s never has %s", where, found[1], label[0])
			}
		}
	}
}

func TestEachAlertUsesMetricsOfTheExporter(t *testing.T) {
	t.Parallel()
	samples := exported(t)
	for _, alert := range alerts(t) {
		checkQuery(t, alert.Alert, alert.Expr, samples)
		if severity := alert.Labels["severity"]; severity != "page" && severity != "ticket" {
			t.Errorf("%s has the severity %q", alert.Alert, severity)
		}
	}
	// The alerts name the job.
	if !strings.Contains(string(read(t, "prometheus.yml")), "job_name: finicity\n") {
		t.Error("prometheus.yml does not name the job finicity")
	}
}

var (
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	unslugly  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// An engineer follows the link at night.
func TestEachAlertNamesASectionOfTheDocuments(t *testing.T) {
	t.Parallel()
	for _, alert := range alerts(t) {
		runbook := alert.Annotations["runbook"]
		file, anchor, _ := strings.Cut(runbook, "#")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", alert.Alert, err)
			continue
		}
		found := false
		for _, title := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
			found = found || strings.ReplaceAll(unslugly.ReplaceAllString(strings.ToLower(title[1]), ""), " ", "-") == anchor
		}
		if !found {
			t.Errorf("%s: there is no section %s", alert.Alert, runbook)
		}
		if alert.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", alert.Alert)
		}
	}
}

// The README says what wakes someone up.
func TestTheReadmeListsEachAlert(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(Finicity\\w+)` \\| (\\w+) \\|.* \\|$").FindAllStringSubmatch(string(read(t, "README.md")), -1) {
		rows[row[1]] = row[2]
	}
	for _, alert := range alerts(t) {
		if rows[alert.Alert] != alert.Labels["severity"] {
			t.Errorf("the README gives %s the severity %q, want %q", alert.Alert, rows[alert.Alert], alert.Labels["severity"])
		}
		delete(rows, alert.Alert)
	}
	if len(rows) > 0 {
		t.Errorf("these alerts do not exist: %v", rows)
	}
}

// Without a case that fires, an alert may never fire. Without one that does not, it may
// always fire. make monitoring runs the cases.
func TestEachAlertHasACaseThatFiresAndOneThatDoesNot(t *testing.T) {
	t.Parallel()
	var file caseFile
	if err := yaml.Unmarshal(read(t, "alerts_test.yml"), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]int{}, map[string]int{}
	for _, group := range file.Tests {
		for _, test := range group.AlertRuleTest {
			if len(test.ExpAlerts) > 0 {
				fires[test.Alertname]++
			} else {
				silent[test.Alertname]++
			}
		}
	}
	for _, alert := range alerts(t) {
		if fires[alert.Alert] == 0 || silent[alert.Alert] == 0 {
			t.Errorf("%s has %d cases in which it fires, and %d in which it does not", alert.Alert, fires[alert.Alert], silent[alert.Alert])
		}
	}
}

// Grafana is not run. This finds what it would show as an empty panel, or not at all.
func TestTheDashboardShowsMetricsOfTheExporter(t *testing.T) {
	t.Parallel()
	samples := exported(t)
	d := grafana(t)
	var variables []string
	for _, variable := range d.Templating.List {
		variables = append(variables, variable.Name+": "+variable.Type+" "+variable.Definition)
	}
	if want := []string{"datasource: datasource ", "mount: query label_values(finicity_up, mount)"}; !slices.Equal(variables, want) {
		t.Errorf("its variables are %q, want %q", variables, want)
	}
	ids, cells, shown := map[int]bool{}, map[string]string{}, map[string]bool{}
	for _, panel := range d.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Description == "" || panel.Datasource.UID != "${datasource}" || len(panel.Targets) == 0 {
			t.Errorf("the panel %q has no unique ID, title, description, data source or query", panel.Title)
		}
		ids[panel.ID] = true
		at := panel.GridPos
		if at.W <= 0 || at.H <= 0 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("the panel %q is outside of the grid", panel.Title)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				cell := fmt.Sprint(x, " ", y)
				if cells[cell] != "" {
					t.Fatalf("the panels %q and %q overlap", cells[cell], panel.Title)
				}
				cells[cell] = panel.Title
			}
		}
		for _, target := range panel.Targets {
			checkQuery(t, panel.Title, target.Expr, samples)
			if !strings.Contains(target.Expr, `{mount=~"$mount"}`) {
				t.Errorf("the panel %q ignores the variable mount", panel.Title)
			}
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
	}
	// What an alert is about, its reader looks up on the dashboard.
	for _, alert := range alerts(t) {
		for _, name := range metricName.FindAllString(quotes.ReplaceAllString(alert.Expr, ""), -1) {
			if name != "up" && name != "finicity_configured" && name != "finicity_token_refresh_timestamp_seconds" && !shown[name] {
				t.Errorf("%s is about %s, which is in no panel", alert.Alert, name)
			}
		}
	}
}
