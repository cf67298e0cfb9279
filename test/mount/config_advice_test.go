// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Finicity answers a write that the partner is locked. After support has unlocked the
// partner, the commands in the error must work, even on a mount without a credential.
func TestTheAdviceToAWriteThatFindsTheLockWorks(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"on a new mount": false, "on a configured mount": true} {
		for guesses := range 4 {
			t.Run(fmt.Sprintf("%s, after %d refusals", name, guesses), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.New(t)
					if configured {
						h.Configure(nil)
						guesses = min(guesses, 2) // The last attempt is reserved for the stored credential.
					}
					for i := range guesses {
						h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), 400, "10001")
					}
					h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
					right := mounttest.Credentials(mounttest.Fields{"partner_secret": mounttest.WrongSecret})
					h.Fake.Order(mounttest.Rejections()["locked"])
					force := guesses == 3
					command := "vault write -f finicity/config/verify"
					if force {
						command = "vault write finicity/config/verify force=true"
					}
					h.Fails(h.Write("config", right), 400, "nothing was stored", "24302", "After Finicity support has unlocked the partner",
						"type vault write finicity/config partner_id=… partner_secret=… app_key=… base_url=… verify_connection=false, then "+command)
					h.Pass(day / 2) // Support takes some time.
					h.Succeeds(h.Write("config", joined(right, mounttest.Fields{"verify_connection": false})))
					h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": force}))
					h.Token()
					h.Pass(2 * time.Hour)
					h.Token()
					if state := statusNow(h)["authentication"]; state != "ok" {
						t.Errorf("authentication is %v", state)
					}
				})
			})
		}
	}
}

// The restore guard has paused the schedule, and one write of the schedule both
// announces and ends the pause. An event for the pause would page an engineer for
// nothing.
func TestAWriteOfTheScheduleAnnouncesNoPause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		data   mounttest.Fields
		paused int
	}{
		"the schedule":               {mounttest.Fields{"rotation_period": "48h"}, 0},
		"no schedule any more":       {mounttest.Fields{"rotation_period": 0}, 0},
		"something else":             {mounttest.Fields{"request_timeout": "20s"}, 1},
		"a credential":               {mounttest.Fields{"app_key": mounttest.NewKey}, 1},
		"a credential, not verified": {mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				h.Pass(10 * time.Hour)
				h.Restart()
				h.Succeeds(h.Write("config", test.data))
				h.Tick()
				if n := len(h.Recorded("finicity/root-rotate-paused")); n != test.paused {
					t.Errorf("%d events announce a pause, want %d", n, test.paused)
				}
				if paused := says(h, "rotation_paused") != ""; paused != (test.paused == 1) {
					t.Errorf("the schedule is paused: %v", paused)
				}
			})
		})
	}
}

// Finicity refused two scheduled changes, and the schedule stopped. The status says
// that another credential resumes it.
func TestAnotherCredentialResumesAStoppedSchedule(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{
		"a new app key":          {"app_key": mounttest.NewKey},
		"a new app key, untried": {"app_key": mounttest.NewKey, "verify_connection": false},
		"a new secret":           {"partner_secret": mounttest.WrongSecret},
		"another address":        move(elsewhere, mounttest.PartnerSecret),
		"a setting":              {"request_timeout": "20s"},
		"a refused app key":      {"app_key": "of-no-app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
				forbidden(h, 2)
				use(h, 30*time.Hour)
				if text := lastRotationError(h); !strings.Contains(text, "is stopped until you write another credential") {
					t.Fatalf("the status says %q", text)
				}
				switch name {
				case "a new secret":
					h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				case "a new app key", "a new app key, untried":
					h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				}
				h.Write("config", data)
				use(h, 5*time.Hour)
				resumes := name != "a setting" && name != "a refused app key"
				if n := changes(h); (n > 2) != resumes {
					t.Errorf("%d changes were sent, and the schedule should resume: %v", n, resumes)
				}
			})
		})
	}
}

// A refusal without a code is not a verdict on the stored credential, so the last
// attempt is reserved for it. A new credential must be stored untried first.
func TestTheAdviceWhenTheLastAttemptIsReservedWorks(t *testing.T) {
	t.Parallel()
	for name, enter := range reservedLast() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				enter(h)
				changedElsewhere(h)
				h.Fails(h.Read("token", nil), 400, "3 of 5 (five lock the partner), and you can make 1 more without force; the engine ",
					"If the secret or the app key changed, type vault write finicity/config partner_secret=… verify_connection=false "+
						"(or app_key=…), then vault write -f finicity/config/verify; otherwise, type vault write -f finicity/config/verify")
				untriedSecret(mounttest.WrongSecret)(h)
				h.Succeeds(h.Write("config/verify", nil))
				h.Token()
			})
		})
	}
}

// A plain write is shorter than storing the credential untried, and works while no
// attempt is reserved for the stored credential.
func TestTheAdviceIsAPlainWriteAsLongAsThatWorks(t *testing.T) {
	t.Parallel()
	t.Run("after a refusal without a code", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(2 * time.Hour)
			h.Answering(403, "forbidden", 1)
			h.Fails(h.Read("token", nil), 400, "3 more without force", "changed, type vault write finicity/config partner_secret=… (or app_key=…);")
		})
	})
	t.Run("of another partner", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			for i := range 3 {
				h.Fails(h.Write("config", joined(otherPartner(), mounttest.Fields{"partner_secret": h.Guess(i)})), 400,
					fmt.Sprintf("%d more without force", 3-i), "To write another one, type vault write finicity/config partner_id=…")
			}
		})
	})
}
