// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// A token that is not there costs an authentication. Refusing to serve costs everything.
func TestAStoredTokenThatCannotBeUsedIsReplaced(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(h *harness){
		"gone":              func(h *harness) { h.storage.discard(tokenKey) },
		"not readable":      func(h *harness) { h.storage.fail(storageFault{on: get(tokenKey)}) },
		"not decodable":     func(h *harness) { h.storage.plant(tokenKey, []byte("\x00{")) },
		"another type":      func(h *harness) { h.storage.plant(tokenKey, []byte(`{"token":["a"]}`)) },
		"empty":             func(h *harness) { h.storage.plant(tokenKey, []byte(`{}`)) },
		"nothing":           func(h *harness) { h.storage.plant(tokenKey, nil) },
		"from the future":   func(h *harness) { h.restamp(time.Hour) },
		"too old":           func(h *harness) { h.restamp(-115 * time.Minute) },
		"salt not readable": func(h *harness) { h.storage.fail(storageFault{on: get("salt")}) },
		"salt gone":         func(h *harness) { h.storage.discard("salt") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				old := h.token()
				spoil(h)
				h.restart()
				token := h.token()
				if token == old {
					t.Error("the token is used all the same")
				}
				phrase := map[string]string{"not readable": "cannot be read", "not decodable": "cannot be decoded"}[name]
				if !h.words.logged(phrase) {
					t.Error("the log does not say why")
				}
				h.called(2, 0)
				h.restart()
				if h.token() != token {
					t.Error("the one that replaced it was not stored")
				}
				h.called(2, 0)
			})
		})
	}
}

// restamp moves the issue time of the stored token.
func (h *harness) restamp(by time.Duration) {
	h.t.Helper()
	value, _ := h.storage.peek(tokenKey)
	var stored storedToken
	if err := json.Unmarshal(value, &stored); err != nil {
		h.t.Fatal("the stored token cannot be decoded")
	}
	stored.IssueTime = stored.IssueTime.Add(by)
	value, err := json.Marshal(stored)
	if err != nil {
		h.t.Fatal(err)
	}
	h.storage.plant(tokenKey, value)
}

// A stored token that is due for a refresh is still good while Finicity is down.
func TestAStoredTokenIsServedAfterARestartDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(100 * time.Minute)
		h.down()
		h.restart()
		for range 3 {
			a := h.read("token", nil)
			h.warned(a, "which failed", "maintenance")
			if a.data["token"] != token || h.lease(a) != 15*time.Minute {
				t.Error("it is another token, or another lease")
			}
		}
		h.called(2, 0)
	})
}

// Between storing the new configuration and the new token, the process may die.
func TestATokenOfAnotherCredentialIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]fields{
		"secret":  {"partner_secret": wrongSecret},
		"app key": {"app_key": newKey},
		"partner": {"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey},
		"place":   {"base_url": "http://127.0.0.2", "partner_secret": partnerSecret, "app_key": appKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				if secret, found := change["partner_secret"].(string); found && name == "secret" {
					h.fake.SetSecret(partnerID, secret)
				}
				if key, found := change["app_key"].(string); found && name == "app key" {
					h.fake.SetAppKey(partnerID, key)
				}
				h.storage.fail(storageFault{on: put(tokenKey)})
				h.succeeds(h.write("config", change))
				h.restart()
				if h.token() == token {
					t.Error("the token of the old credential is used")
				}
				h.called(3, 0)
			})
		})
	}
}

func TestTheFingerprintShowsNothingAndDiffersFromMountToMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := &config{BaseURL: "http://127.0.0.1", Credential: credential{
			PartnerID: partnerID, AppKey: appKey, Current: partnerSecret,
		}}
		seen := map[string]bool{}
		take := func(b *backend, s *fakeStorage, cfg *config) {
			hash, err := b.keyedHash(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			fingerprint := cfg.fingerprint(hash, cfg.Credential.Current)
			if seen[fingerprint] {
				t.Error("two credentials, or two mounts, have the same fingerprint")
			}
			seen[fingerprint] = true
			if strings.Contains(fingerprint, partnerSecret) || strings.Contains(fingerprint, appKey) {
				t.Error("the fingerprint has the credential in it")
			}
		}
		storage := newFakeStorage()
		take(newBackend(), storage, cfg)
		take(newBackend(), newFakeStorage(), cfg)
		for _, vary := range []func(c *config){
			func(c *config) { c.BaseURL += "1" },
			func(c *config) { c.Credential.PartnerID += "1" },
			func(c *config) { c.Credential.AppKey += "1" },
			func(c *config) { c.Credential.Current += "1" },
			func(c *config) { // The same characters in other places.
				c.Credential.PartnerID, c.Credential.AppKey = partnerID+appKey[:1], appKey[1:]
			},
		} {
			other := *cfg
			vary(&other)
			take(newBackend(), storage, &other)
		}
		again, err := newBackend().keyedHash(t.Context(), storage)
		if err != nil || !seen[cfg.fingerprint(again, cfg.Credential.Current)] {
			t.Error("after a restart the same credential has another fingerprint")
		}
	})
}

func TestATokenThatCannotBeStoredIsSharedAndTheLogSaysSo(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]storageFault{
		"token":          {on: put(tokenKey)},
		"token, applied": {on: put(tokenKey), applied: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.configure(fields{"verify_connection": false})
				h.storage.fail(fault)
				a := h.read("token", nil)
				h.succeeds(a)
				h.warned(a)
				if !h.words.logged("the token cannot be stored, so a restart will cost an authentication") {
					t.Error("the log does not say so")
				}
				if h.token() != a.data["token"] {
					t.Error("the next reader gets another token")
				}
				h.called(1, 0)
			})
		})
	}
}

// Without it there is neither a fingerprint nor an attempt record.
func TestWithoutASaltNothingIsStoredOrSent(t *testing.T) {
	t.Parallel()
	for _, verify := range []bool{true, false} {
		for _, op := range []string{"get", "put"} {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.storage.fail(storageFault{on: storageAccess{op, "salt"}})
				data := credentials(fields{"verify_connection": verify})
				h.fails(h.write("config", data), 500, "loading the mount's salt")
				if h.stored() != nil {
					t.Error("something is stored")
				}
				h.called(0, 0)
				h.succeeds(h.write("config", data))
				h.token()
				h.called(1, 0)
			})
		}
	}
}

func TestTheSaltIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		before, _ := h.storage.peek("salt")
		h.rotate()
		h.restart()
		h.pass(2 * time.Hour)
		h.token()
		if after, _ := h.storage.peek("salt"); len(before) == 0 || !bytes.Equal(before, after) {
			t.Error("the salt has changed, and with it every fingerprint")
		}
	})
}

func TestFinicitySeesWhoIsCalling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.configure(nil) // Vault need not say which version it is.
		h.view.PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "1.21.2"}
		h.configure(fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey})
		for i, want := range []string{
			"vault-plugin-secrets-finicity/dev", "vault-plugin-secrets-finicity/dev Vault/1.21.2",
		} {
			if got := h.fake.Requests()[i].UserAgent; got != want {
				t.Errorf("the user agent is %q, want %q", got, want)
			}
		}
	})
}

func TestAPlaceThatCannotBeReachedIsAFailureForNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.b.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connect: connection refused")
		}
		h.fails(h.write("config", fields{"app_key": newKey}), 502, "nothing was stored", "connection refused")
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 502, "could not be reached", "connection refused")
		h.called(1, 0)
	})
}

// A bundle that was good when it was stored, and is not any more: say, by a restore from a backup that broke it.
func TestAStoredBundleThatCannotBeUsedSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		cfg := h.stored()
		cfg.CACert = "broken"
		value, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		h.storage.plant(configKey, value)
		h.restart()
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 500, "the CA bundle")
		h.fails(h.write("rotate-root", nil), 500, "the CA bundle")
		h.called(1, 0)
		if h.stored().Credential.Pending != nil {
			t.Error("a secret is pending that could not be sent")
		}
		h.succeeds(h.write("config", fields{"ca_cert": "", "partner_secret": partnerSecret, "app_key": appKey}))
	})
}

func TestARefreshLeavesTracesInTheLogOnBothOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		if !h.words.logged("authenticated: partner_id=" + partnerID) {
			t.Error("the log does not name a success")
		}
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance"})
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 502)
		if !h.words.logged("authentication failed: partner_id="+partnerID) || !h.words.logged("maintenance") {
			t.Error("the log does not name a failure with its reason")
		}
	})
}
