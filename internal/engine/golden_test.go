// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// -update writes only missing files: an existing golden file must never change.
var update = flag.Bool("update", false, "write the missing golden files of the current version")

// summary is what the engine must understand from a stored state. Every later version
// must read the same summary from the files of this version.
type summary struct {
	PartnerID   string            `json:"partner_id"`
	AppKey      string            `json:"app_key"`
	Settings    settings          `json:"settings"`
	Current     string            `json:"current"`
	Pending     string            `json:"pending"`
	Wait        time.Duration     `json:"wait"`
	SignCurrent []string          `json:"sign_current"`
	SignBefore  []string          `json:"sign_before"`
	Unresolved  bool              `json:"unsettled"`
	OnlyCopy    bool              `json:"only_copy"`
	RotatedAway int               `json:"rotated_away"`
	Last        time.Time         `json:"last_rotation"`
	Next        time.Time         `json:"next_rotation"`
	Failures    int               `json:"failures"`
	Paused      time.Time         `json:"paused"`
	Token       string            `json:"token"`
	Issued      time.Time         `json:"issued"`
	Serves      bool              `json:"serves"`
	Attempts    map[string]counts `json:"attempts"` // by partner
}

type settings struct {
	BaseURL           string          `json:"base_url"`
	CACert            string          `json:"ca_cert"`
	RequestTimeout    time.Duration   `json:"request_timeout"`
	TokenLifetime     time.Duration   `json:"token_lifetime"`
	SecretGracePeriod bool            `json:"secret_grace_period"`
	PasswordPolicy    string          `json:"password_policy"`
	Schedule          engine.Schedule `json:"schedule"`
}

type counts struct {
	State        attempts.State `json:"state"`
	AfterRestart attempts.State `json:"after_restart"`
	Left         int            `json:"left"`
	Rejected     int            `json:"rejected"`
	Retry        time.Time      `json:"retry"`
	Failure      string         `json:"failure"`
}

// summarize reads an entry like a mount does.
func summarize(t *testing.T, s *mounttest.Storage, wall time.Time) (sum summary) {
	t.Helper()
	e := engine.NewReader(func() time.Time { return wall })
	st, err := e.ReadState(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	now := st.Clock
	reveal := func(all []confidential.Text) (texts []string) {
		for _, text := range all {
			texts = append(texts, text.Reveal())
		}
		return texts
	}
	current, _ := st.Secrets.Current()
	pending, _ := st.Secrets.Pending()
	signCurrent, signBefore := st.Secrets.Signers(now)
	sum = summary{
		PartnerID: st.PartnerID, AppKey: st.AppKey.Reveal(), Settings: settings(st.Settings),
		Current: current.Value.Reveal(), Pending: pending.Value.Reveal(), Wait: max(0, st.Secrets.Wait(now)),
		SignCurrent: reveal(signCurrent), SignBefore: reveal(signBefore),
		Unresolved: doubted(&st.Secrets), OnlyCopy: st.Secrets.OnlyCopy(),
		RotatedAway: len(st.RotatedAway), Last: st.LastRotation, Next: st.NextRotation(), Failures: st.Plan.Failures,
		Paused: st.Guard.Paused, Serves: e.Serves(t.Context(), s, st), Attempts: map[string]counts{},
	}
	if st.Token != nil {
		sum.Token, sum.Issued = st.Token.Value.Reveal(), st.Token.Issued
	}
	facts := attempts.Facts{Succeeded: true, Acknowledged: st.Secrets.Acknowledged()}
	for partner := range st.Records {
		r := st.RecordOf(partner)
		sum.Attempts[partner] = counts{
			r.State(facts, now), r.State(attempts.Facts{}, now), r.Left(now), r.Rejected(now), r.Retry(facts, now), r.Failure,
		}
	}
	return sum
}

// doubted reports whether a change is pending, or a sent secret was refused since the
// last success. These are facts of the entry, and the rules may change what follows
// from them.
func doubted(l *secrets.List) bool {
	_, pending := l.Pending()
	return pending || slices.ContainsFunc(l.Secrets, func(s secrets.Secret) bool {
		return s.Origin == secrets.Sent && s.Place == l.Place && l.Refused(s)
	})
}

const goldenV2 = "testdata/v2"

func TestTheGoldenFilesOfVersion2AreRead(t *testing.T) {
	t.Parallel()
	states := statesOfVersion2()
	for _, g := range mounttest.Goldens(t, goldenV2) {
		delete(states, g.Name)
		s := mounttest.NewStorage()
		for key := range g.Entries {
			s.Plant(key, g.Value(key))
		}
		sum, err := json.Marshal(summarize(t, s, g.Now))
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Compact(&want, g.Expect); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sum, want.Bytes()) {
			t.Errorf("%s: it is read as\n%s\nwant\n%s", g.Name, sum, want.Bytes())
		}
		st, err := engine.Decode(g.Value("config"))
		findsWhatFinicityHolds(t, &g, st)
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		again, err := engine.EncodeState(st)
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		// The first builds of version 2 had one name for two kinds of grace period, and one
		// more trigger.
		old := bytes.Contains(g.Value("config"), []byte(`"grace":true`)) || bytes.Contains(g.Value("config"), []byte(`"follow_up"`))
		if !old && !bytes.Equal(again, g.Value("config")) {
			t.Errorf("%s: it is stored differently the second time", g.Name)
		}
		if second, err := engine.Decode(again); err != nil || !reflect.DeepEqual(second, st) {
			t.Errorf("%s: it is read differently the second time (%v)", g.Name, err)
		}
	}
	for name := range states {
		t.Errorf("%s has no file: go test ./internal/engine -run GoldenFilesOfVersion2AreWritten -update", name)
	}
}

// findsWhatFinicityHolds checks that four attempts find the secret in effect, unless it
// was changed in the portal. The rules decide about the order.
func findsWhatFinicityHolds(t *testing.T, g *mounttest.Golden, st *engine.State) {
	t.Helper()
	holds := confidential.New(g.Finicity.Holds)
	stored := slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool { return s.Value.Equal(holds) })
	if portal := slices.Contains([]string{"held", "stopped", "four-spent", "deleted", "both-refused"}, g.Name); stored == portal {
		t.Errorf("%s: the secret in effect is stored: %v", g.Name, stored)
	}
	list, now := st.Secrets.Clone(), st.Clock
	if _, found := tries(&list, &now, 4, true, holds.Equal); stored && !found {
		t.Errorf("%s: four attempts do not find the secret in effect", g.Name)
	}
}

func TestTheGoldenFilesOfVersion2AreWritten(t *testing.T) {
	t.Parallel()
	if !*update {
		t.Skip("only with -update")
	}
	for name, state := range statesOfVersion2() {
		file := filepath.Join(goldenV2, name+".json")
		if _, err := os.Stat(file); err == nil {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(time.Minute)
			state.reach(h)
			if err := os.WriteFile(file, written(t, goldenOf(t, h, state.description)), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// written returns the text of a golden file. The entries keep their exact bytes.
func written(t *testing.T, g mounttest.Golden) []byte {
	t.Helper()
	var out bytes.Buffer
	line := func(indent, name string, value any, end string) {
		raw, isRaw := value.(json.RawMessage)
		if !isRaw {
			var encoded bytes.Buffer
			encoder := json.NewEncoder(&encoded)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(value); err != nil {
				t.Fatal(err)
			}
			raw = bytes.TrimSpace(encoded.Bytes())
		}
		fmt.Fprintf(&out, "%s%q: %s%s\n", indent, name, raw, end)
	}
	out.WriteString("{\n")
	line("  ", "description", g.Description, ",")
	line("  ", "now", g.Now, ",")
	line("  ", "finicity", g.Finicity, ",")
	out.WriteString("  \"entries\": {\n")
	keys := slices.Sorted(maps.Keys(g.Entries))
	for i, key := range keys {
		end := ","
		if i == len(keys)-1 {
			end = ""
		}
		line("    ", key, g.Entries[key], end)
	}
	out.WriteString("  },\n")
	line("  ", "expect", g.Expect, "")
	out.WriteString("}\n")
	return out.Bytes()
}

// goldenOf returns the golden file for the current state of a mount.
func goldenOf(t *testing.T, h *mounttest.Harness, description string) mounttest.Golden {
	t.Helper()
	g := mounttest.Golden{Description: description, Now: h.Now(), Entries: map[string]json.RawMessage{}}
	for key, value := range h.Storage.Snapshot() {
		raw := json.RawMessage(value)
		if !json.Valid(value) {
			raw, _ = json.Marshal(string(value))
		}
		g.Entries[key] = raw
	}
	expect, err := json.Marshal(summarize(t, h.Storage, g.Now))
	if err != nil {
		t.Fatal(err)
	}
	g.Expect = expect
	st := h.Stored()
	partner := st.PartnerID
	if partner == "" {
		partner = mounttest.PartnerID
	}
	c := h.Fake.Counters(partner)
	g.Finicity = mounttest.GoldenFinicity{
		PartnerID: partner, AppKey: st.AppKey.Reveal(), TowardLock: c.TowardLock, Locked: c.Locked,
		AlsoAccepts: []string{},
	}
	if g.Finicity.AppKey == "" {
		g.Finicity.AppKey = mounttest.AppKey
	}
	known := []string{mounttest.WrongSecret, mounttest.PartnerSecret}
	for _, s := range st.Secrets.Secrets {
		known = append(known, s.Value.Reveal())
	}
	seen := map[string]bool{}
	for _, secret := range known {
		switch {
		case seen[secret]:
		case h.Fake.HoldsSecret(partner, secret):
			g.Finicity.Holds = secret
		case h.Fake.AcceptsSecret(partner, secret):
			g.Finicity.AlsoAccepts = append(g.Finicity.AlsoAccepts, secret)
		}
		seen[secret] = true
	}
	return g
}
