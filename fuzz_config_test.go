// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	// sub stands in what the fuzzer writes for a value that nothing the engine says may have a part of.
	sub    = "\x1a"
	canary = "kQ7-nobody_may+see2me"
)

// typed makes a request of lines like name=value, each value JSON or else the text itself.
func typed(lines string) fields {
	sent := fields{}
	for line := range strings.Lines(strings.ReplaceAll(lines, sub, canary)) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = strings.ToValidUTF8(text, "?") // As JSON has it on the way into Vault.
		}
		if name = strings.ToValidUTF8(name, "?"); name != "" {
			sent[name] = value
		}
	}
	return sent
}

// inState is a mount before the write: new, configured, with a rotated secret, or with an unsettled rotation.
func inState(t *testing.T, state byte) *harness {
	t.Helper()
	h := newHarness(t)
	if state%4 > 0 {
		h.configure(nil)
	}
	switch state % 4 {
	case 2:
		h.rotate()
	case 3:
		h.fake.Order(fakefinicity.Fault{Call: modify, Kind: fakefinicity.KindLost, Count: 1})
		h.fails(h.write("rotate-root", nil), http.StatusBadRequest)
		h.pass(5 * time.Minute)
	}
	return h
}

// searchedFor has what is said from now on searched for these alone: what the fuzzer makes a secret may be any word.
func (h *harness) searchedFor(secrets ...string) {
	h.t.Helper()
	h.words = newWords(secrets...)
	h.storage.learn = func([]byte) {}
	h.restart()
}

// shows reports whether the canary stands in a field that the engine may show, in its log or on a read.
func shows(sent fields) bool {
	return slices.ContainsFunc([]string{"partner_id", "base_url", "ca_cert", "password_policy", "rotation_schedule"}, func(name string) bool {
		text, isText := sent[name].(string)
		return isText && strings.Contains(text, canary)
	})
}

// snapshot is storage without the mount's salt, which any request may make.
func (h *harness) snapshot() map[string]string {
	kept := map[string]string{}
	h.storage.mu.Lock()
	defer h.storage.mu.Unlock()
	for key, value := range h.storage.entries {
		if key != "salt" {
			kept[key] = string(value)
		}
	}
	return kept
}

// namesAField reports whether a refusal says which field is to be changed, as the first thing after what is wrong.
func namesAField(text string) bool {
	return strings.Contains(text, "unknown field ") || slices.ContainsFunc(slices.Collect(maps.Keys(configFields())), func(name string) bool {
		return strings.Contains(text, name)
	})
}

// checkStored holds what is stored after a write to the bounds of each field, and to what was sent.
func checkStored(t *testing.T, cfg *config, sent fields) {
	t.Helper()
	plain := func(value string) bool {
		return value != "" && len(value) <= 255 && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
	}
	again, err := checkBaseURL(cfg.BaseURL)
	for claim, kept := range map[string]bool{
		"the time-out is 1s to 2m":                     cfg.RequestTimeout >= time.Second && cfg.RequestTimeout <= 2*time.Minute,
		"the lifetime is 1m to 2h":                     cfg.TokenLifetime >= time.Minute && cfg.TokenLifetime <= 2*time.Hour,
		"the schedule is one that is taken as it is":   cfg.Schedule.check() == nil,
		"durations are whole seconds":                  cfg.RequestTimeout%time.Second == 0 && cfg.TokenLifetime%time.Second == 0,
		"the identifiers can be sent":                  plain(cfg.Credential.PartnerID) && plain(cfg.Credential.AppKey) && plain(cfg.Credential.Current),
		"the address is one that is taken as it is":    err == nil && again == cfg.BaseURL,
		"the address is https, or on the loopback":     strings.HasPrefix(cfg.BaseURL, "https://") || strings.HasPrefix(cfg.BaseURL, "http://"),
		"the certificates are some, or there are none": checkCACert(cfg.CACert) == nil,
	} {
		if !kept {
			t.Errorf("stored, although not true that %s", claim)
		}
	}
	for name, got := range map[string]string{
		"partner_id": cfg.Credential.PartnerID, "partner_secret": cfg.Credential.Current, "app_key": cfg.Credential.AppKey,
	} {
		switch value := sent[name].(type) {
		case string:
			if got != value {
				t.Errorf("another %s is stored than was sent", name)
			}
		case float64:
			if got != strconv.FormatFloat(value, 'f', -1, 64) {
				t.Errorf("another %s is stored than the number that was sent", name)
			}
		}
	}
	for name, got := range map[string]time.Duration{"request_timeout": cfg.RequestTimeout, "token_lifetime": cfg.TokenLifetime} {
		if value, isNumber := sent[name].(float64); isNumber && (got.Seconds() != value || value != math.Trunc(value)) {
			t.Errorf("%s is stored as %s", name, got)
		}
	}
	if value, isFlag := sent["secret_grace_period"].(bool); isFlag && cfg.SecretGracePeriod != value {
		t.Error("another secret_grace_period is stored than was sent")
	}
}

// refusedWhole checks a write that was refused.
func (h *harness) refusedWhole(a answer, before map[string]string, calls int, encrypted bool) {
	h.t.Helper()
	sentNothing := len(h.fake.Requests()) == calls
	switch {
	// A connection that could not be made is no verdict, and may be tried again.
	case a.status == http.StatusBadGateway && encrypted && sentNothing && strings.Contains(a.text, "nothing was stored: Finicity could not be reached"):
	case a.status != http.StatusBadRequest:
		h.t.Errorf("got a %d: %s", a.status, h.words.hide(a.text))
	case sentNothing && !namesAField(a.text):
		h.t.Errorf("the refusal names no field: %s", h.words.hide(a.text))
	case !sentNothing && (!strings.HasPrefix(a.text, "nothing was stored: ") || !strings.Contains(a.text, "Finicity answered")):
		h.t.Errorf("the refusal does not say that it is Finicity's: %s", h.words.hide(a.text))
	}
	if !strings.Contains(a.text, `"password_policy"`) && leaked(a.text, []string{canary}) >= 0 { // Also of a field that is not secret.
		h.t.Error("the refusal quotes a value")
	}
	after := h.snapshot()
	if !sentNothing || a.status != http.StatusBadRequest { // What was tried is counted.
		for _, kept := range []map[string]string{before, after} {
			maps.DeleteFunc(kept, func(key, _ string) bool { return strings.HasPrefix(key, attemptsPrefix) })
		}
	}
	if !maps.Equal(before, after) {
		h.t.Error("a refused write has changed what is stored")
	}
}

// takenWhole checks a write that was taken.
func (h *harness) takenWhole(sent fields) {
	h.t.Helper()
	cfg := h.stored()
	if cfg == nil {
		h.t.Fatal("a write is taken, and nothing is stored")
	}
	checkStored(h.t, cfg, sent)
	want := map[string]any{
		"partner_id": cfg.Credential.PartnerID, "base_url": cfg.BaseURL, "ca_cert": cfg.CACert,
		"request_timeout": int64(cfg.RequestTimeout / time.Second), "token_lifetime": int64(cfg.TokenLifetime / time.Second),
		"secret_grace_period": cfg.SecretGracePeriod, "rotation_pending": cfg.Credential.Pending != nil,
	}
	read := h.read("config", nil)
	for name, value := range want {
		if read.data[name] != value {
			h.t.Errorf("%s is not read as it is stored", name)
		}
	}

	before, _ := h.storage.peek(configKey)
	calls := len(h.fake.Requests())
	h.succeeds(h.write("config", sent))
	if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
		h.t.Error("the same write once more has changed something")
	}
	if len(h.fake.Requests()) != calls {
		h.t.Error("the same write once more has cost a call")
	}
}

// A write that is half stored, or a wrong value that is sent, costs attempts; an error that quotes a value shows it to
// whoever reads the log.
func FuzzAConfigWriteIsTakenWholeOrRefusedByField(f *testing.F) {
	all := "partner_id=" + partnerID + "\npartner_secret=" + partnerSecret + "\napp_key=" + appKey + "\nbase_url=http://127.0.0.1\n"
	for i, lines := range []string{
		"", all, "partner_id=1000000000001\n", "app_key=" + appKey, "partner_secret=" + partnerSecret, "request_timeout=10", `request_timeout="90s"`,
		"request_timeout=1e9", "token_lifetime=59", "token_lifetime=1h1m", "token_lifetime=1.5", "secret_grace_period=true", `secret_grace_period="yes"`,
		"verify_connection=false\npartner_secret=" + sub, "partner_secret=[\"" + sub + "\"]", "app_key={\"" + sub + "\":1}", sub + "=1", "partner_secret=" + sub,
		"partner_secret=null", "app_key=" + sub + " ", "force=true", "ca_cert=" + sub, `ca_cert="-----BEGIN CERTIFICATE-----\n` + sub + `\n-----END CERTIFICATE-----"`,
		"base_url=https://u:" + sub + "@host", "base_url=" + sub, "base_url=http://127.0.0.1:80/", "partnerid=1", "verify_connection=" + sub,
		"rotation_period=720h", "rotation_period=1", "rotation_schedule=0 3 1 * *\nrotation_window=1h", "rotation_schedule=" + sub, "rotation_window=60",
		"rotation_period=1h\nrotation_schedule=* * * * *", "disable_automated_rotation=true", "password_policy=" + sub, "password_policy=",
		"request_timeout=" + sub, "partner_id=" + otherID, "app_key=" + newKey,
	} {
		f.Add(byte(i), lines)
		f.Add(byte(0), all+lines)
		f.Add(byte(i), all+lines)
		f.Add(byte(1), all+"verify_connection=false\nbase_url=https://host.example/"+sub+"\n"+lines)
		f.Add(byte(i+1), all+"base_url=https://127.0.0.1\n"+lines)
	}
	f.Fuzz(func(t *testing.T, state byte, lines string) {
		if len(lines) > 64<<10 {
			t.Skip("long values are another test's")
		}
		sent := typed(lines)
		synctest.Test(t, func(t *testing.T) {
			h := inState(t, state)
			if shows(sent) {
				h.searchedFor()
			} else {
				h.searchedFor(canary)
			}
			before, calls := h.snapshot(), len(h.fake.Requests())
			base, _ := sent["base_url"].(string)
			a := h.write("config", sent)
			if a.status == http.StatusOK || a.status == http.StatusNoContent {
				h.takenWhole(sent)
			} else {
				h.refusedWhole(a, before, calls, state%4 == 0 && base == "" || strings.HasPrefix(strings.ToLower(base), "https:"))
			}
		})
	})
}
