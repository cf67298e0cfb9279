// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

const (
	goldenV1 = "../../internal/engine/testdata/v1"
	goldenV2 = "../../internal/engine/testdata/v2"
)

// eachGoldenMount runs a test with a mount for each golden file in a folder.
func eachGoldenMount(t *testing.T, folder string, test func(t *testing.T, h *mounttest.Harness, g mounttest.Golden)) {
	t.Helper()
	for _, g := range mounttest.Goldens(t, folder) {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, mounttest.NewGolden(t, &g), g) })
		})
	}
}

// goldenMount runs a test with a mount from one golden file of version 1.
func goldenMount(t *testing.T, name string, test func(t *testing.T, h *mounttest.Harness, g mounttest.Golden)) {
	t.Helper()
	all := mounttest.Goldens(t, goldenV1)
	i := slices.IndexFunc(all, func(g mounttest.Golden) bool { return g.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	synctest.Test(t, func(t *testing.T) { test(t, mounttest.NewGolden(t, &all[i]), all[i]) })
}

// version returns the version of the stored entry.
func version(t *testing.T, h *mounttest.Harness) int {
	t.Helper()
	value, found := h.Storage.Peek("config")
	entry := struct {
		Version int `json:"version"`
	}{1}
	if !found || json.Unmarshal(value, &entry) != nil {
		t.Fatal("there is no readable entry")
	}
	return entry.Version
}

// recordsV1 returns the number of remaining version 1 records.
func recordsV1(h *mounttest.Harness) (n int) {
	for key := range h.Storage.Snapshot() {
		if strings.HasPrefix(key, "attempts/") {
			n++
		}
	}
	return n
}

func TestAMigratedMountIsReadWithoutAWriteOrACall(t *testing.T) {
	t.Parallel()
	eachGoldenMount(t, goldenV1, func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		before := h.Storage.Snapshot()
		status, config := h.Read("status", nil), h.Read("config", nil)
		h.Succeeds(status)
		v1 := g.V1(t)
		if status.Data["configured"] != (v1 != nil) {
			t.Errorf("configured is %v", status.Data["configured"])
		}
		if v1 != nil {
			h.Succeeds(config)
			for field, want := range map[string]any{
				"partner_id": v1.Credential.PartnerID, "base_url": v1.BaseURL, "ca_cert": v1.CACert,
				"request_timeout": int64(v1.RequestTimeout / time.Second), "token_lifetime": int64(v1.TokenLifetime / time.Second),
				"password_policy": v1.PasswordPolicy, "secret_grace_period": v1.SecretGracePeriod,
			} {
				if got := config.Data[field]; got != want {
					t.Errorf("%s is %v, want %v", field, got, want)
				}
			}
			if last := v1.Credential.LastRotation; !last.IsZero() && config.Data["last_vault_rotation"] != last.Format(time.RFC3339) {
				t.Errorf("last_vault_rotation is %v", config.Data["last_vault_rotation"])
			}
		}
		if !maps.EqualFunc(before, h.Storage.Snapshot(), slices.Equal) {
			t.Error("reading has written")
		}
		h.Called(0, 0)
	})
}

func TestAMigratedMountServesTheTokenThatIsStored(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fresh", "stopped", "locked", "rotated-without-token", "pending", "all-settings-rotated"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenMount(t, name, func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
				var stored struct {
					Token     string    `json:"token"`
					IssueTime time.Time `json:"issue_time"`
				}
				if err := json.Unmarshal(g.Entries["token"], &stored); err != nil {
					t.Fatal(err)
				}
				h.SetClock(stored.IssueTime.Add(time.Hour).Sub(h.Now()))
				h.Restart()
				if h.Token() != stored.Token {
					t.Error("the read returns another token")
				}
				h.Called(0, 0)
			})
		})
	}
}

// getsToken does what a team does after an upgrade: it reads, and if that fails, it
// does what the errors say.
func getsToken(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
	t.Helper()
	if g.Finicity.Locked {
		h.Fake.Unlock(g.Finicity.PartnerID)
	}
	if v1 := g.V1(t); v1 != nil && strings.HasPrefix(v1.BaseURL, "https:") { // Not at an address at which the tests cannot answer.
		h.Configure(mounttest.Fields{"partner_secret": g.Finicity.Holds, "app_key": g.Finicity.AppKey})
		return
	}
	h.Pass(2 * time.Hour) // No stored token is usable any more, and no hold lasts.
	h.Tick()
	h.Pass(time.Minute) // And no call of version 1 is on its way.
	if h.Read("token", nil).Status == 200 {
		return
	}
	fix, st := mounttest.Fields{"verify_connection": false}, h.Stored()
	if !slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool { return s.Value.Reveal() == g.Finicity.Holds }) {
		fix["partner_secret"] = g.Finicity.Holds
	}
	if st.AppKey.Reveal() != g.Finicity.AppKey {
		fix["app_key"] = g.Finicity.AppKey
	}
	if len(fix) > 1 {
		h.Succeeds(h.Write("config", fix))
	}
	for range 3 {
		h.Pass(time.Minute)
		force := h.Read("status", nil).Data["attempts_left"] == 0
		if h.Write("config/verify", mounttest.Fields{"force": force}).Status == 204 {
			return
		}
	}
	t.Fatalf("no token: %s", h.Leaks.Hide(h.Write("config/verify", nil).Text))
}

func TestAMigratedMountWorks(t *testing.T) {
	t.Parallel()
	eachGoldenMount(t, goldenV1, worksOn)
}

func TestAMountOfVersion2Works(t *testing.T) {
	t.Parallel()
	eachGoldenMount(t, goldenV2, worksOn)
}

// worksOn uses a mount as if nothing had happened: a token, a rotation, a restart.
func worksOn(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
	t.Helper()
	partner := g.Finicity.PartnerID
	if h.Read("status", nil).Data["configured"] == false {
		h.Configure(mounttest.Fields{
			"partner_id": partner, "partner_secret": g.Finicity.Holds, "app_key": g.Finicity.AppKey,
		})
	}
	getsToken(t, h, g)
	if c := h.Fake.Counters(partner); c.Locked || c.Rejected > 4+g.Finicity.TowardLock {
		t.Errorf("%d wrong attempts, locked: %v", c.Rejected, c.Locked)
	}
	if version(t, h) != 2 {
		t.Errorf("the entry has version %d", version(t, h))
	}
	if _, found := h.Storage.Peek("token"); found {
		t.Error("the token of version 1 is left")
	}
	want := map[string]int{"two-places": 1, "two-partners": 1, "moved-untried": 1, "moved-after-rotation": 1}[g.Name]
	if left := recordsV1(h); g.Expect == nil && left != want { // Those of another partner or address.
		t.Errorf("%d records of version 1 are left, want %d", left, want)
	}
	rotatesInTheEnd(t, h)
	current, _ := h.InEffect()
	if !current {
		t.Error("the current secret is not in effect")
	}
	before, _ := h.Fake.Counters(partner), h.Token()
	h.Restart()
	h.Token()
	if after := h.Fake.Counters(partner); after.Authentications != before.Authentications {
		t.Error("a restart costs an authentication")
	}
}

// rotatesInTheEnd rotates after the waits that the errors announce: until earlier
// changes can no longer take effect, and until attempts are a day old.
func rotatesInTheEnd(t *testing.T, h *mounttest.Harness) {
	t.Helper()
	changes := h.Fake.Counters(h.Stored().PartnerID).SecretChanges
	for range 33 {
		a := h.Write("rotate-root", nil)
		if a.Status == 200 {
			if n := h.Fake.Counters(h.Stored().PartnerID).SecretChanges; n != changes+1 {
				t.Errorf("the secret has changed %d times", n-changes)
			}
			return
		}
		if !strings.Contains(a.Text, "earlier changes are unconfirmed") && !strings.Contains(a.Text, "in the last 24 hours") {
			t.Fatalf("no rotation: %s", h.Leaks.Hide(a.Text))
		}
		h.Pass(24 * time.Hour)
		h.Token()
	}
	t.Fatal("no rotation within 33 days")
}

// Otherwise each read would migrate version 1 again, with other times. After the clock
// was set back, the wait for a call that may be on its way would then never end.
func TestAMigratedMountIsStoredWithinAMinute(t *testing.T) {
	t.Parallel()
	eachGoldenMount(t, goldenV1, func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		h.Tick()
		if g.V1(t) == nil {
			h.Called(0, 0)
			return
		}
		if version(t, h) != 2 {
			t.Fatalf("the entry has version %d", version(t, h))
		}
		paused := g.Name == "schedule-cron" // More than a day after the last sign of life.
		if st := h.Stored(); st.Guard.IsPaused() != paused || st.Guard.Alive.Before(g.Now) {
			t.Errorf("the guard is %+v", st.Guard)
		}
		writes := h.Storage.Accesses(mounttest.Put("config"))
		h.Tick()
		if again := h.Storage.Accesses(mounttest.Put("config")); again != writes {
			t.Error("the migrated entry is stored each minute")
		}
	})
}

func TestAMigratedScheduleRotatesOnTime(t *testing.T) {
	t.Parallel()
	goldenMount(t, "schedule-period", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		due := g.Now.Add(30 * 24 * time.Hour)
		for h.Now().Before(due.Add(-time.Hour)) {
			h.Pass(time.Hour)
			h.Tick()
		}
		h.Called(0, 0)
		for range 61 {
			h.Pass(time.Minute)
			h.Tick()
		}
		if n := h.Fake.Counters(mounttest.PartnerID).SecretChanges; n != 1 {
			t.Errorf("%d changes of the secret", n)
		}
	})
}

// A schedule that had stopped after refused changes stays stopped.
func TestAMigratedScheduleStaysStopped(t *testing.T) {
	t.Parallel()
	goldenMount(t, "schedule-stopped", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		for range 50 {
			h.Pass(time.Hour)
			h.Tick()
		}
		if n := h.Fake.Counters(mounttest.PartnerID).SecretChanges; n != 0 {
			t.Errorf("%d changes of the secret", n)
		}
		if text, _ := h.Read("status", nil).Data["last_rotation_error"].(string); !strings.Contains(text, "rotate-root") {
			t.Errorf("the status says %q", text)
		}
	})
}

func TestAMigratedMountStaysStoppedOrLocked(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]attempts.State{
		"stopped": attempts.Stopped, "stopped-blocked": attempts.Stopped, "four-spent": attempts.Stopped,
		"four-guesses": attempts.Stopped, "charged-four": attempts.Stopped, "locked": attempts.Locked,
		"locked-by-force": attempts.Locked, "held-by-write": attempts.OK, "charged": attempts.OK,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenMount(t, name, func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
				if got := h.Read("status", nil).Data["authentication"]; got != string(want) {
					t.Errorf("it is %v, want %s", got, want)
				}
				h.Pass(3 * time.Hour)
				h.Read("token", nil)
				h.Tick()
				if h.Calls("authenticate") > 0 != (want == attempts.OK) {
					t.Errorf("%d calls were made", h.Calls("authenticate"))
				}
			})
		})
	}
}
