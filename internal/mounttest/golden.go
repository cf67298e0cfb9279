// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// Golden is the storage of a mount as an earlier version wrote it, together with
// Finicity's state at that time. internal/engine/testdata has a README for each
// version.
type Golden struct {
	Name        string                     `json:"-"`
	Description string                     `json:"description"`
	Now         time.Time                  `json:"now"`
	Finicity    GoldenFinicity             `json:"finicity"`
	Entries     map[string]json.RawMessage `json:"entries"`
	// Expect is the state that a later version must read. Files have it since version
	// 2.
	Expect json.RawMessage `json:"expect,omitempty"`
}

// GoldenFinicity is Finicity's state of the partner.
type GoldenFinicity struct {
	AlsoAccepts []string `json:"also_accepts"`
	AppKey      string   `json:"app_key"`
	Holds       string   `json:"holds"`
	Locked      bool     `json:"locked"`
	PartnerID   string   `json:"partner_id"`
	TowardLock  int      `json:"toward_lock"`
}

// Goldens reads the files of a folder.
func Goldens(t testing.TB, folder string) (all []Golden) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files in %s (%v)", folder, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		g := Golden{Name: strings.TrimSuffix(filepath.Base(file), ".json")}
		if err := json.Unmarshal(content, &g); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, g)
	}
	return all
}

// Value returns the exact value of an entry. Only the salt is not JSON.
func (g *Golden) Value(key string) []byte {
	var text string
	if json.Unmarshal(g.Entries[key], &text) == nil {
		return []byte(text)
	}
	if g.Expect != nil {
		return bytes.Clone(g.Entries[key])
	}
	return append(bytes.Clone(g.Entries[key]), '\n') // Version 1 stored a line break.
}

// V1 is the configuration in a file of version 1. It is separate from the engine's own
// parser, which is under test.
type V1 struct {
	BaseURL           string          `json:"base_url"`
	CACert            string          `json:"ca_cert"`
	RequestTimeout    time.Duration   `json:"request_timeout"`
	TokenLifetime     time.Duration   `json:"token_lifetime"`
	SecretGracePeriod bool            `json:"secret_grace_period"`
	PasswordPolicy    string          `json:"password_policy"`
	Schedule          json.RawMessage `json:"schedule"`
	Plan              json.RawMessage `json:"plan"`
	Credential        struct {
		PartnerID    string          `json:"partner_id"`
		AppKey       string          `json:"app_key"`
		Current      string          `json:"current"`
		Untried      bool            `json:"untried"`
		Pending      *CandidateV1    `json:"pending"`
		Abandoned    []CandidateV1   `json:"abandoned"`
		Previous     []PreviousV1    `json:"previous"`
		LastRotation time.Time       `json:"last_rotation"`
		RotatedAway  json.RawMessage `json:"rotated_away"`
	} `json:"credential"`
}

// CandidateV1 is a secret that version 1 had sent or retained.
type CandidateV1 struct {
	Secret   string    `json:"secret"`
	Since    time.Time `json:"since"`
	Replaced bool      `json:"replaced"`
	Proven   bool      `json:"proven"`
	Grace    bool      `json:"grace"`
}

// PreviousV1 is a secret with which webhooks may be signed.
type PreviousV1 struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

// V1 returns the configuration of a file of version 1, nil if there is none.
func (g *Golden) V1(t *testing.T) *V1 {
	t.Helper()
	raw, found := g.Entries["config"]
	var later struct {
		Version int `json:"version"`
	}
	if !found || json.Unmarshal(raw, &later) == nil && later.Version > 1 {
		return nil
	}
	cfg := new(V1)
	if err := json.Unmarshal(raw, cfg); err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	return cfg
}

// Candidates returns the secrets that may be in effect, and whether the engine sent
// each of them. It leaves out a secret that an operator brought and replaced before it
// was proven.
func (v *V1) Candidates() map[string]bool {
	all := map[string]bool{v.Credential.Current: false}
	for _, a := range v.Credential.Abandoned {
		if !a.Replaced || a.Proven || a.Secret == v.Credential.Current {
			all[a.Secret] = !a.Replaced
		}
	}
	if v.Credential.Pending != nil {
		all[v.Credential.Pending.Secret] = true
	}
	return all
}

// NewGolden returns a harness with the storage, the wall clock and the Finicity state
// of a golden file.
func NewGolden(t *testing.T, g *Golden) *Harness {
	t.Helper()
	first := append(append([]string{}, g.Finicity.AlsoAccepts...), g.Finicity.Holds)
	partners := []fakefinicity.Partner{{ID: g.Finicity.PartnerID, Secret: first[0], AppKey: g.Finicity.AppKey}}
	for _, other := range []fakefinicity.Partner{
		{ID: PartnerID, Secret: PartnerSecret, AppKey: AppKey}, {ID: OtherID, Secret: OtherSecret, AppKey: OtherKey},
	} {
		if other.ID != g.Finicity.PartnerID {
			partners = append(partners, other)
		}
	}
	h := NewWith(t, fakefinicity.Config{Partners: partners})
	for i, secret := range first[1:] {
		h.direct(http.MethodPut, map[string]any{
			"partnerId": g.Finicity.PartnerID, "partnerSecret": first[i], "newPartnerSecret": secret, "immediate": false,
		}, g.Finicity.AppKey)
	}
	for range g.Finicity.TowardLock {
		h.direct(http.MethodPost, map[string]any{"partnerId": g.Finicity.PartnerID, "partnerSecret": "of-another-program-1"},
			g.Finicity.AppKey)
	}
	if !h.Fake.HoldsSecret(g.Finicity.PartnerID, g.Finicity.Holds) || h.Fake.Counters(g.Finicity.PartnerID).Locked != g.Finicity.Locked {
		t.Fatalf("%s: Finicity does not have the state of the file", g.Name)
	}
	h.Fake.ResetLog()
	for key := range g.Entries {
		h.Storage.Plant(key, g.Value(key))
	}
	h.SetClock(g.Now.Sub(h.Now()))
	h.Leaks.Add(append(first, g.Finicity.AppKey)...)
	h.Leaks.Learn(g.Value("config"))
	if v := g.V1(t); v != nil {
		made := 0
		h.View.SetPasswordPolicy(v.PasswordPolicy, func() (string, error) {
			made++
			return fmt.Sprintf("By-Policy-%04d-rT5yUi8oP", made), nil
		})
		for secret := range v.Candidates() {
			h.Leaks.Add(secret)
		}
		for _, p := range v.Credential.Previous {
			h.Leaks.Add(p.Secret)
		}
	}
	h.Restart()
	return h
}

// direct calls Finicity without the engine.
func (h *Harness) direct(method string, body map[string]any, appKey string) {
	h.T.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		h.T.Fatal(err)
	}
	r := httptest.NewRequestWithContext(h.T.Context(), method, fakefinicity.PathAuthentication, bytes.NewReader(encoded))
	r.Header.Set("Finicity-App-Key", appKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	h.Fake.ServeHTTP(httptest.NewRecorder(), r)
}
