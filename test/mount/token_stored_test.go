// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// rewrite changes the stored entry in a way that no version of the engine does.
func rewrite(h *mounttest.Harness, change func(entry map[string]any)) {
	h.T.Helper()
	value, _ := h.Storage.Peek("config")
	entry := map[string]any{}
	if err := json.Unmarshal(value, &entry); err != nil {
		h.T.Fatal("the stored entry cannot be decoded")
	}
	change(entry)
	value, err := json.Marshal(entry)
	if err != nil {
		h.T.Fatal(err)
	}
	h.Storage.Plant("config", value)
}

// restamp moves the issue time of the stored token.
func restamp(h *mounttest.Harness, by time.Duration) {
	rewrite(h, func(entry map[string]any) {
		token, _ := entry["token"].(map[string]any)
		token["issue_time"] = h.Now().Add(by)
	})
}

// A missing token costs an authentication. An engine that refuses to serve costs
// everything.
func TestAStoredTokenThatCannotBeUsedIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil  func(h *mounttest.Harness)
		logged string
	}{
		"gone": {func(h *mounttest.Harness) { rewrite(h, func(entry map[string]any) { delete(entry, "token") }) }, ""},
		"empty": {func(h *mounttest.Harness) {
			rewrite(h, func(entry map[string]any) { entry["token"] = map[string]any{} })
		}, ""},
		"from the future": {func(h *mounttest.Harness) { restamp(h, time.Hour) }, ""},
		"too old":         {func(h *mounttest.Harness) { restamp(h, -115*time.Minute) }, ""},
		"salt gone":       {func(h *mounttest.Harness) { h.Storage.Discard("salt") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				old := h.Token()
				test.spoil(h)
				h.Restart()
				token := h.Token()
				if token == old {
					t.Error("the token is used anyway")
				}
				if !h.Leaks.Logged(test.logged) {
					t.Error("the log does not say why")
				}
				h.Called(2, 0)
				h.Restart()
				if h.Token() != token {
					t.Error("the one that replaced it was not stored")
				}
				h.Called(2, 0)
			})
		})
	}
}

// A stored token that is due for a refresh is still valid while Finicity is down.
func TestAStoredTokenIsServedAfterARestartDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(100 * time.Minute)
		h.Down()
		h.Restart()
		for range 3 {
			a := h.Refreshed()
			h.Warned(a, "the refresh of the token failed", "maintenance")
			if a.Data["token"] != token || leaseOf(h, a) != 15*time.Minute {
				t.Error("the read returns another token or lease")
			}
		}
		h.Called(2, 0)
	})
}

// An untried write changes the credential of the token. The token must not be served
// with another app key, or as one of another partner. With another secret, Finicity
// still accepts it.
func TestATokenOutlivesNoChangeOfPartnerAppKeyOrAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data mounttest.Fields
		kept bool
	}{
		"secret":  {mounttest.Fields{"partner_secret": mounttest.WrongSecret}, true},
		"app key": {mounttest.Fields{"app_key": mounttest.NewKey}, false},
		"partner": {otherPartner(), false},
		"address": {move(elsewhere, mounttest.PartnerSecret), false},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					token := h.Token()
					h.Fake.SetAppKey(mounttest.PartnerID, map[bool]string{true: mounttest.NewKey, false: mounttest.AppKey}[name == "app key"])
					h.Succeeds(h.Write("config", joined(test.data, mounttest.Fields{"verify_connection": false})))
					if restarted {
						h.Restart()
					}
					if kept := h.Token() == token; kept != test.kept {
						t.Errorf("the token is kept: %v, want %v", kept, test.kept)
					}
				})
			})
		}
	}
}

// Finicity accepted the new credential, and storage did not accept the write: then
// nothing has changed.
func TestAfterAWriteThatStorageDidNotTakeTheOldTokenIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 400, "Finicity accepted the request", "could not be stored")
		h.Restart()
		a := h.Read("token", nil)
		h.Succeeds(a)
		if a.Data["token"] != token || a.Data["app_key"] != mounttest.AppKey {
			t.Error("a token is served that is not the one of the stored credential")
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		if h.Read("token", nil).Data["app_key"] != mounttest.NewKey {
			t.Error("the new app key is not served")
		}
	})
}

// Finicity accepted the new credential, and storage does not accept it. The answer is
// an error. Until the next write, the served values must belong together: a token and
// its own app key.
func TestAnAcceptedWriteThatStorageDidNotTakeIsServedWhole(t *testing.T) {
	t.Parallel()
	for _, skip := range []int{0, 1} { // The charge, and the outcome.
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, applied %v", skip+1, applied), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					old := h.Token()
					h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: skip, Applied: applied})
					h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 500-100*skip, "storage is out of order")
					for range 2 {
						a := h.Read("token", nil)
						h.Succeeds(a)
						accepted := skip == 1
						if isOld := a.Data["token"] == old; isOld == accepted || (a.Data["app_key"] == mounttest.AppKey) != isOld {
							t.Errorf("the old token is served: %v, with the old app key: %v", isOld, a.Data["app_key"] == mounttest.AppKey)
						}
						h.Pass(time.Minute)
						h.Tick()
					}
				})
			})
		}
	}
}

// Without the salt, there is neither a fingerprint nor a hash of the secrets that were
// rotated away.
func TestWithoutASaltNothingIsStoredOrSent(t *testing.T) {
	t.Parallel()
	for _, verify := range []bool{true, false} {
		for _, on := range []mounttest.Access{mounttest.Get("salt"), mounttest.Put("salt")} {
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Storage.Fail(mounttest.Fault{On: on})
				data := mounttest.Credentials(mounttest.Fields{"verify_connection": verify})
				h.Fails(h.Write("config", data), 500, "loading the salt of the mount")
				if h.Stored() != nil {
					t.Error("something is stored")
				}
				h.Called(0, 0)
				h.Succeeds(h.Write("config", data))
				h.Token()
				h.Called(1, 0)
			})
		}
	}
}

func TestTheSaltIsMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		before, _ := h.Storage.Peek("salt")
		h.Rotate()
		h.Restart()
		h.Pass(2 * time.Hour)
		h.Token()
		if after, _ := h.Storage.Peek("salt"); len(before) == 0 || !bytes.Equal(before, after) {
			t.Error("the salt has changed, and with it every fingerprint")
		}
	})
}

func TestFinicitySeesWhoIsCalling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Configure(nil) // Vault may leave out its version.
		h.View.PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "1.21.2"}
		h.Succeeds(h.Write("config/verify", nil))
		for i, want := range []string{
			"vault-plugin-secrets-finicity/dev", "vault-plugin-secrets-finicity/dev Vault/1.21.2",
		} {
			if got := h.Fake.Requests()[i].UserAgent; got != want {
				t.Errorf("the user agent is %q, want %q", got, want)
			}
		}
	})
}

func TestAnAddressThatCannotBeReachedIsAFailureForNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.RestartWith(func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connect: connection refused")
		})
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), 502, "nothing was stored", "connection refused")
		h.Pass(2 * time.Hour)
		for _, do := range []func(h *mounttest.Harness) mounttest.Answer{
			attempting()["read"], attempting()["rotate-token"], attempting()["config/verify"], attempting()["rotate-root"],
		} {
			h.Fails(do(h), 502, "could not be reached", "connection refused")
			h.Fails(h.Read("token", nil), 503, "could not be reached", "the next request is sent in")
			h.Pass(time.Minute)
		}
		h.Called(1, 0)
		h.Spent(0, 0)
		statusShows(h, mounttest.Fields{"authentication": "ok", "rotation_pending": false})
	})
}

// A bundle that was valid when it was stored, and no longer is, for example because a
// restore from a backup has corrupted it.
func TestAStoredBundleThatCannotBeUsedSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		rewrite(h, func(entry map[string]any) {
			settings, _ := entry["settings"].(map[string]any)
			settings["ca_cert"] = "broken"
			sum := sha256.Sum256([]byte("broken"))
			place := here + " ca_cert=" + hex.EncodeToString(sum[:8])
			list, _ := entry["secrets"].([]any)
			for _, each := range list {
				secret, _ := each.(map[string]any)
				secret["place"] = place
			}
		})
		h.Restart()
		h.Pass(2 * time.Hour)
		before := h.Stored()
		for _, name := range []string{"read", "rotate-root", "rotate-token", "config/verify"} {
			h.Fails(attempting()[name](h), 500, "the CA bundle")
		}
		h.Called(1, 0)
		h.Unchanged(before)
		h.Succeeds(h.Write("config", mounttest.Fields{
			"ca_cert": "", "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey,
		}))
		h.Token()
	})
}

func TestARefreshLeavesTracesInTheLogOnBothOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Token()
		if !h.Leaks.Logged("authenticated: partner_id=" + mounttest.PartnerID) {
			t.Error("the log does not name a success")
		}
		h.Answering(503, "maintenance", 1)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 502)
		if !h.Leaks.Logged("authentication failed: partner_id="+mounttest.PartnerID) || !h.Leaks.Logged("maintenance") {
			t.Error("the log does not name a failure with its reason")
		}
	})
}

// The first access to storage fails, and so does the refresh after it. The stored token
// is due, and still valid for a while.
func TestAStoredTokenIsServedThoughTheFirstLookFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(100 * time.Minute)
		h.Restart()
		h.Down()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		a := h.Read("token", nil)
		h.Succeeds(a)
		if a.Data["token"] != token {
			t.Error("another token is served")
		}
	})
}
