// SPDX-License-Identifier: MPL-2.0

package monitoring

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A field that is added to the status must become a metric. test/documents compares the
// page with the code.
func TestEachFieldOfTheStatusIsAMetric(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Read the status\n")
	section, _, _ = strings.Cut(section, "\n### Sample request\n")
	fields := regexp.MustCompile("(?m)^- `(\\w+)` `\\((\\w+)\\)`").FindAllStringSubmatch(section, -1)
	status := everything()
	if len(fields) != len(status) {
		t.Errorf("the page has %d fields, and the status of this test has %d", len(fields), len(status))
	}
	got := names(scrape(t, startExporter(t, &proxy{answers: map[string]any{"finicity": status}}, "finicity")))
	for _, field := range fields {
		name, isTime := "finicity_"+field[1], strings.HasSuffix(field[1], "_time") || strings.HasSuffix(field[1], "_vault_rotation")
		switch {
		case field[1] == "version":
			name = "finicity_info"
		case isTime:
			name = strings.TrimSuffix(name, "_time") + "_timestamp_seconds"
		}
		if _, found := status[field[1]]; !found || !got[name] {
			t.Errorf("there is no metric %s", name)
		}
		delete(got, name)
	}
	if delete(got, "finicity_up"); len(got) > 0 {
		t.Errorf("these metrics have no field: %v", got)
	}
}

func TestTheMetricsHaveTheValuesOfTheStatus(t *testing.T) {
	t.Parallel()
	nothing := everything() // Right after the mount was enabled.
	for field, value := range nothing {
		switch text, _ := value.(string); {
		case strings.HasSuffix(field, "_time"), strings.HasSuffix(field, "_vault_rotation"):
			nothing[field] = nil
		case value == true:
			nothing[field] = false
		case text != "" && field != "version" && field != "authentication":
			nothing[field] = ""
		}
	}
	nothing["rejected_attempts"], nothing["attempts_left"], nothing["authentication"] = 0, 4, "stopped"
	got := scrape(t, startExporter(t, &proxy{answers: map[string]any{"finicity": everything(), "teams/bank": nothing}}, "finicity, teams/bank"))
	want := map[string]string{}
	for mount, values := range map[string]string{
		"finicity": `info{,version="v0.1.0"}=1 authentication{,state="ok"}=1 authentication{,state="held"}=0 authentication{,state="stopped"}=0
			authentication{,state="locked"}=0 up=1 configured=1 token_available=1 token_issue_timestamp_seconds=1795342783
			token_expire_timestamp_seconds=1795349683 token_refresh_timestamp_seconds=1795348183 rejected_attempts=1 attempts_left=3
			retry_timestamp_seconds=1795343100 last_error=1 last_error_timestamp_seconds=1795342800 rotation_pending=1
			last_vault_rotation_timestamp_seconds=1795342783 next_vault_rotation_timestamp_seconds=1797934783 last_rotation_error=1
			rotation_paused=1 storage_error=1 storage_error_timestamp_seconds=1795342860`,
		"teams/bank": `info{,version="v0.1.0"}=1 authentication{,state="ok"}=0 authentication{,state="held"}=0 authentication{,state="stopped"}=1
			authentication{,state="locked"}=0 up=1 configured=0 token_available=0 rejected_attempts=0 attempts_left=4 last_error=0
			rotation_pending=0 last_rotation_error=0 rotation_paused=0 storage_error=0`,
	} {
		for sample := range strings.FieldsSeq(values) {
			at := strings.LastIndex(sample, "=")
			name, labels, _ := strings.Cut(sample[:at], "{")
			want[fmt.Sprintf("finicity_%s{mount=%q%s}", name, mount, strings.TrimSuffix(labels, "}"))] = sample[at+1:]
		}
	}
	if !maps.Equal(got, want) {
		for name := range maps.Keys(got) {
			if want[name] != got[name] {
				t.Errorf("%s is %s, want %q", name, got[name], want[name])
			}
		}
		for name := range want {
			if _, found := got[name]; !found {
				t.Errorf("there is no %s", name)
			}
		}
	}
}

// Without a mount, there would be no metric, and so no alert.
func TestTheExporterNeedsAMount(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), exporterBin)
	cmd.Env = []string{"FINICITY_MOUNTS= , /", "LISTEN=127.0.0.1:0"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "FINICITY_MOUNTS") {
		t.Errorf("the exporter prints %q (%v)", out, err)
	}
	got := scrape(t, startExporter(t, &proxy{answers: map[string]any{"finicity": everything()}}, "finicity/"))
	if got[`finicity_up{mount="finicity"}`] != "1" {
		t.Errorf("a mount with a slash has the metrics %v", got)
	}
}

func TestTheExporterShowsAMountOnceThatIsListedTwice(t *testing.T) {
	t.Parallel()
	p := &proxy{answers: map[string]any{"finicity": everything(), "sandbox": everything()}}
	metrics := fetch(t, startExporter(t, p, "sandbox,finicity,sandbox/"))
	for _, mount := range []string{"finicity", "sandbox"} {
		if n := strings.Count(metrics, `finicity_up{mount="`+mount+`"}`); n != 1 {
			t.Errorf("%s is shown %d times", mount, n)
		}
	}
}

// Vault accepts all of these names. A mount that can't be read would page without a cause.
func TestTheExporterReadsMountsWithUnusualNames(t *testing.T) {
	t.Parallel()
	p := &proxy{answers: map[string]any{}}
	mounts := []string{"50%", "a%20b", "what?", "teams/a#1", "zürich", "a;b", "plus+"}
	for _, mount := range mounts {
		p.set(mount, everything())
	}
	got := scrape(t, startExporter(t, p, strings.Join(mounts, ",")))
	for _, mount := range mounts {
		if up := got[`finicity_up{mount="`+mount+`"}`]; up != "1" {
			t.Errorf("finicity_up of %s is %q", mount, up)
		}
	}
}

// A value from before an outage would hide the outage, and one mount that can't be read
// must not hide the others.
func TestAStatusThatCantBeReadIsShown(t *testing.T) {
	t.Parallel()
	p := &proxy{answers: map[string]any{"good": everything(), "bad": everything()}}
	address := startExporter(t, p, "good,\n bad\n")
	with := func(field string, value any) map[string]any {
		status := everything()
		if status[field] = value; value == "remove" {
			delete(status, field)
		}
		return status
	}
	for name, answer := range map[string]any{
		"denied": http.StatusForbidden, "unmounted": http.StatusNotFound, "sealed": http.StatusServiceUnavailable,
		"redirected": http.StatusTemporaryRedirect, "of another kind": []string{}, "empty": map[string]any{},
		"without a time": with("retry_time", "remove"), "without a text": with("storage_error", "remove"),
		"with null for a text": with("storage_error", nil), "with null for a number": with("attempts_left", nil),
		"with null for a boolean": with("configured", nil), "with a number for a boolean": with("configured", 1),
		"with a text for a number": with("attempts_left", "4"), "with a boolean for a text": with("storage_error", false),
		"with no time": with("retry_time", "soon"), "in an unknown state": with("authentication", "sleeping"),
		"without a state": with("authentication", "remove"), "without a version": with("version", ""),
	} {
		p.set("bad", answer)
		bad := 0
		got := scrape(t, address)
		for sample := range got {
			if strings.Contains(sample, `mount="bad"`) {
				bad++
			}
		}
		if got[`finicity_up{mount="bad"}`] != "0" || bad != 1 {
			t.Errorf("%s: finicity_up is %q, and the mount has %d metrics, want only this one", name, got[`finicity_up{mount="bad"}`], bad)
		}
		if got[`finicity_up{mount="good"}`] != "1" || got[`finicity_attempts_left{mount="good"}`] != "3" {
			t.Errorf("%s: the other mount is hidden", name)
		}
	}
	p.set("bad", everything())
	if got := scrape(t, address); got[`finicity_up{mount="bad"}`] != "1" {
		t.Error("after all, the status can be read, and finicity_up is not 1")
	}
}
