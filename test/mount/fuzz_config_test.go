// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"crypto/x509"
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

	"github.com/hashicorp/vault/sdk/framework"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

const (
	// sub marks the canary in the fuzzer's input. The engine must repeat no part of the
	// canary.
	sub    = "\x1a"
	canary = "kQ7-nobody_may+see2me"
)

// typed makes a request from lines such as name=value. Each value is JSON, or else the
// text itself.
func typed(lines string) mounttest.Fields {
	sent := mounttest.Fields{}
	for line := range strings.Lines(strings.ReplaceAll(lines, sub, canary)) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = strings.ToValidUTF8(text, "?") // As JSON does on the way into Vault.
		}
		if name = strings.ToValidUTF8(name, "?"); name != "" {
			sent[name] = value
		}
	}
	return sent
}

// inState returns a mount before the write: new, configured, with a rotated secret, or
// with an unresolved rotation.
func inState(t *testing.T, state byte) *mounttest.Harness {
	t.Helper()
	h := mounttest.New(t)
	if state%4 > 0 {
		h.Configure(nil)
	}
	switch state % 4 {
	case 2:
		h.Rotate()
	case 3:
		h.Interrupt(true)
	}
	return h
}

// searchedFor limits the search from now on to these values, because the fuzzer may use
// any word as a secret. Afterwards, no call is on its way.
func searchedFor(h *mounttest.Harness, secrets ...string) {
	h.T.Helper()
	h.Leaks = mounttest.NewLeakDetector(secrets...)
	h.Storage.Learn = func([]byte) {}
	h.Restart()
	h.Read("status", nil) // The engine's own clock runs from the first read on.
	h.Pass(5 * time.Minute)
}

// shows reports whether the canary is in a field that the engine may show, in its log
// or in a read.
func shows(sent mounttest.Fields) bool {
	return slices.ContainsFunc([]string{"partner_id", "base_url", "ca_cert", "password_policy", "rotation_schedule"}, func(name string) bool {
		text, isText := sent[name].(string)
		return isText && strings.Contains(text, canary)
	})
}

// configFields are the fields of a path.
func configFields(h *mounttest.Harness) map[string]*framework.FieldSchema {
	h.T.Helper()
	b, ok := h.B.(interface {
		Route(path string) *framework.Path
	})
	if !ok {
		h.T.Fatal("the backend has no paths")
	}
	return b.Route("config").Fields
}

// namesAField reports whether a refusal names the field to change.
func namesAField(h *mounttest.Harness, text string) bool {
	h.T.Helper()
	return strings.Contains(text, "unknown field ") ||
		slices.ContainsFunc(slices.Collect(maps.Keys(configFields(h))), func(name string) bool { return strings.Contains(text, name) })
}

// checkStored compares the stored state after a write with the bounds of each field,
// and with the request.
func checkStored(h *mounttest.Harness, st *engine.State, sent mounttest.Fields) {
	t := h.T
	t.Helper()
	plain := func(value string) bool {
		return value != "" && len(value) <= 255 && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
	}
	set := st.Settings
	for claim, kept := range map[string]bool{
		"the timeout is 1s to 2m":                      set.RequestTimeout >= time.Second && set.RequestTimeout <= 2*time.Minute,
		"the lifetime is 1m to 2h":                     set.TokenLifetime >= time.Minute && set.TokenLifetime <= 2*time.Hour,
		"durations are whole seconds":                  set.RequestTimeout%time.Second == 0 && set.TokenLifetime%time.Second == 0,
		"the partner and the app key can be sent":      plain(st.PartnerID) && plain(st.AppKey.Reveal()),
		"the address is https, or on the loopback":     strings.HasPrefix(set.BaseURL, "https://") || strings.HasPrefix(set.BaseURL, "http://"),
		"the certificates are some, or there are none": set.CACert == "" || x509.NewCertPool().AppendCertsFromPEM([]byte(set.CACert)),
	} {
		if !kept {
			t.Errorf("stored, although not true that %s", claim)
		}
	}
	current, _ := st.Secrets.Current()
	newest := st.Secrets.Secrets[len(st.Secrets.Secrets)-1]
	secret := current.Value.Reveal()
	if sent["partner_secret"] == newest.Value.Reveal() { // Untried.
		secret = newest.Value.Reveal()
	}
	if !plain(secret) {
		t.Error("a secret is stored that cannot be sent")
	}
	for name, got := range map[string]string{"partner_id": st.PartnerID, "partner_secret": secret, "app_key": st.AppKey.Reveal()} {
		switch value := sent[name].(type) {
		case string:
			if got != value {
				t.Errorf("another %s is stored than was sent", name)
			}
		case float64:
			if name != "partner_id" || got != strconv.FormatFloat(value, 'f', -1, 64) {
				t.Errorf("another %s is stored than the number that was sent", name)
			}
		}
	}
	for name, got := range map[string]time.Duration{"request_timeout": set.RequestTimeout, "token_lifetime": set.TokenLifetime} {
		if value, isNumber := sent[name].(float64); isNumber && (got.Seconds() != value || value != math.Trunc(value)) {
			t.Errorf("%s is stored as %s", name, got)
		}
	}
	if value, isFlag := sent["secret_grace_period"].(bool); isFlag && set.SecretGracePeriod != value {
		t.Error("another secret_grace_period is stored than was sent")
	}
}

// refusedWhole checks a write that was refused.
func refusedWhole(h *mounttest.Harness, a mounttest.Answer, before *engine.State, calls int, encrypted bool) {
	h.T.Helper()
	sentNothing := len(h.Fake.Requests()) == calls
	switch {
	// A failed connection is not a verdict, and the write may be repeated.
	case a.Status == http.StatusBadGateway && encrypted && sentNothing && strings.Contains(a.Text, "nothing was stored: Finicity could not be reached"):
	case a.Status != http.StatusBadRequest:
		h.T.Errorf("got a %d: %s", a.Status, h.Leaks.Hide(a.Text))
	case sentNothing && strings.HasPrefix(a.Text, "a rotation is pending at the current address"):
	case sentNothing && !namesAField(h, a.Text):
		h.T.Errorf("the refusal names no field: %s", h.Leaks.Hide(a.Text))
	case !sentNothing && (!strings.HasPrefix(a.Text, "nothing was stored: ") || !strings.Contains(a.Text, "Finicity answered")):
		h.T.Errorf("the refusal does not say that it is Finicity's: %s", h.Leaks.Hide(a.Text))
	}
	// Also for a field that is not secret.
	if !strings.Contains(a.Text, `"password_policy"`) && strings.Contains(strings.ToLower(a.Text), strings.ToLower(canary)) {
		h.T.Error("the refusal quotes a value")
	}
	h.Unchanged(before)
}

// takenWhole checks a write that was accepted.
func takenWhole(h *mounttest.Harness, sent mounttest.Fields) {
	h.T.Helper()
	st := h.Stored()
	if st == nil || !st.Configured() {
		h.T.Fatal("a write is taken, and nothing is stored")
	}
	checkStored(h, st, sent)
	set := st.Settings
	_, pending := st.Secrets.Pending()
	want := map[string]any{
		"partner_id": st.PartnerID, "base_url": set.BaseURL, "ca_cert": set.CACert,
		"request_timeout": int64(set.RequestTimeout / time.Second), "token_lifetime": int64(set.TokenLifetime / time.Second),
		"secret_grace_period": set.SecretGracePeriod, "rotation_pending": pending,
	}
	read := h.Read("config", nil)
	for name, value := range want {
		if read.Data[name] != value {
			h.T.Errorf("%s is not read as it is stored", name)
		}
	}

	calls := len(h.Fake.Requests())
	h.Succeeds(h.Write("config", sent))
	h.Unchanged(st)
	// Writing the stored values again works, and changes nothing.
	again := mounttest.Fields{"base_url": set.BaseURL, "ca_cert": set.CACert}
	switch {
	case set.Schedule.Cron != "":
		again["rotation_schedule"], again["rotation_window"] = set.Schedule.Cron, int(set.Schedule.Window/time.Second)
	case set.Schedule.Period != 0:
		again["rotation_period"] = int(set.Schedule.Period / time.Second)
	}
	h.Succeeds(h.Write("config", again))
	h.Unchanged(st)
	if len(h.Fake.Requests()) != calls {
		h.T.Error("the same write once more has cost a call")
	}
}

// A write that is half stored, or a wrong value that is sent, costs attempts. An error
// that quotes a value shows it to every reader of the log.
func FuzzAConfigWriteIsTakenWholeOrRefusedByField(f *testing.F) {
	all := "partner_id=" + mounttest.PartnerID + "\npartner_secret=" + mounttest.PartnerSecret + "\napp_key=" + mounttest.AppKey + "\nbase_url=http://127.0.0.1\n"
	for i, lines := range []string{
		"", all, "partner_id=1000000000001\n", "app_key=" + mounttest.AppKey, "partner_secret=" + mounttest.PartnerSecret, "request_timeout=10", `request_timeout="90s"`,
		"request_timeout=1e9", "token_lifetime=59", "token_lifetime=1h1m", "token_lifetime=1.5", "secret_grace_period=true", `secret_grace_period="yes"`,
		"verify_connection=false\npartner_secret=" + sub, "partner_secret=[\"" + sub + "\"]", "app_key={\"" + sub + "\":1}", sub + "=1", "partner_secret=" + sub,
		"partner_secret=null", "app_key=" + sub + " ", "force=true", "ca_cert=" + sub, `ca_cert="-----BEGIN CERTIFICATE-----\n` + sub + `\n-----END CERTIFICATE-----"`,
		"base_url=https://u:" + sub + "@host", "base_url=" + sub, "base_url=http://127.0.0.1:80/", "partnerid=1", "verify_connection=" + sub,
		"rotation_period=720h", "rotation_period=1", "rotation_schedule=0 3 1 * *\nrotation_window=1h", "rotation_schedule=" + sub, "rotation_window=60",
		"rotation_period=1h\nrotation_schedule=* * * * *", "disable_automated_rotation=true", "password_policy=" + sub, "password_policy=",
		"request_timeout=" + sub, "partner_id=" + mounttest.OtherID, "app_key=" + mounttest.NewKey,
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
				searchedFor(h)
			} else {
				searchedFor(h, canary)
			}
			before, calls := h.Stored(), len(h.Fake.Requests())
			base, _ := sent["base_url"].(string)
			a := h.Write("config", sent)
			if a.Status == http.StatusOK || a.Status == http.StatusNoContent {
				takenWhole(h, sent)
			} else {
				refusedWhole(h, a, before, calls, state%4 == 0 && base == "" || strings.HasPrefix(strings.ToLower(base), "https:"))
			}
		})
	})
}
