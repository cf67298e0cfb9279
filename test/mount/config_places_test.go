// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// stop brings a mount whose secret was changed outside the engine to its two automatic
// refusals.
func stop(h *mounttest.Harness) {
	h.T.Helper()
	h.Fails(h.Read("token", nil), 400, "10001")
	h.Pass(5 * time.Minute)
	h.Fails(h.Read("token", nil), 400, "10001")
	if state := statusNow(h)["authentication"]; state != "stopped" {
		h.T.Fatalf("authentication is %v", state)
	}
}

// Automatic attempts are stopped, and the operator moves to another address, where
// Finicity accepts the credential. If the stop outlived that success, config/verify and
// force would be needed forever.
func TestAMoveThatSucceedsEndsAStop(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(h *mounttest.Harness){
		"verified": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", move(elsewhere, mounttest.WrongSecret)))
		},
		"untried, then verified": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", joined(move(elsewhere, mounttest.WrongSecret), mounttest.Fields{"verify_connection": false})))
			h.Fails(h.Read("token", nil), 400, "no request was sent", "vault write -f finicity/config/verify")
			h.Succeeds(h.Write("config/verify", nil))
		},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewRefused(t)
					stop(h)
					do(h)
					if restart {
						h.Restart()
					}
					status := statusNow(h)
					if status["authentication"] != "ok" || status["rejected_attempts"] != 2 || status["attempts_left"] != 2 {
						t.Errorf("authentication is %v, %v rejected, %v left",
							status["authentication"], status["rejected_attempts"], status["attempts_left"])
					}
					for range 8 {
						h.Pass(2 * time.Hour)
						h.Token()
					}
					h.Pass(24 * time.Hour)
					h.Token()
					if left := statusNow(h)["attempts_left"]; left != 4 {
						t.Errorf("a day later %v attempts are left, want 4", left)
					}
					h.Rotate()
					h.Wrongly(2)
				})
			})
		}
	}
}

// The other address may lead to another Finicity environment, such as the sandbox. Its
// success says nothing about the count at the first address, where the stop is in
// effect again after a move back.
func TestASuccessElsewhereBringsNoAttemptsHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		stop(h)
		h.Succeeds(h.Write("config", move(elsewhere, mounttest.WrongSecret)))
		h.Pass(30 * day)
		h.Token()
		h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
		h.Succeeds(h.Write("config", joined(move(here, h.Guess(1)), mounttest.Fields{"verify_connection": false})))
		h.Fails(h.Read("token", nil), 400, "no request was sent", "2 failed or unanswered attempts", "2 of 5")
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(2)}), 400, "10001")
		h.Fails(h.Write("config/verify", nil), 400, "10001", "4 of 5")
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "force=true")
		h.Wrongly(4)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
		h.Succeeds(h.Write("config", joined(move(here, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false})))
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Token()
	})
}

// An operator needs four tries to get the address right, and a gateway answers each
// with 404. The fifth address is right, and the error says to store it and to force an
// attempt. That success must end what the others began.
func TestFourWrongAddressesDoNotStopTheRightOneForever(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"on a new mount": false, "on a configured mount": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				if configured {
					h.Configure(nil)
				}
				for _, prefix := range []string{"/a", "/b", "/c"} {
					h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"base_url": here + prefix})), 400, "HTTP 404")
				}
				last := h.Write("config", mounttest.Credentials(mounttest.Fields{"base_url": here + "/d"}))
				right := mounttest.Credentials(mounttest.Fields{"base_url": "http://localhost"})
				if configured { // The fourth attempt is reserved for the stored credential.
					h.Fails(last, 400, "no request was sent", "the fourth is reserved for the stored credential")
					h.Fails(h.Write("config", right), 400, "no request was sent", "vault write -f finicity/config/verify")
				} else {
					h.Fails(last, 400, "HTTP 404", "4 of 5")
					h.Fails(h.Write("config", right), 400, "no request was sent", "vault write finicity/config/verify force=true")
				}
				h.Succeeds(h.Write("config", joined(right, mounttest.Fields{"verify_connection": false})))
				h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": !configured}))
				for range 30 {
					h.Token()
					h.Pass(2 * time.Hour)
				}
				status := statusNow(h)
				if status["authentication"] != "ok" || status["attempts_left"] != 4 {
					t.Errorf("authentication is %v, %v attempts left", status["authentication"], status["attempts_left"])
				}
			})
		})
	}
}

// The limit applies to the partner. Without a success anywhere, it does not end with a
// change of the address, however long ago the refusals were.
func TestALimitWithoutASuccessIsAtEachAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		for range 4 {
			h.Fails(h.Write("config/verify", nil), 400, "10001")
		}
		h.Pass(3 * day)
		h.Fails(h.Write("config", move(elsewhere, mounttest.WrongSecret)), 400, "no request was sent", "force=true")
		h.Succeeds(h.Write("config", joined(move(elsewhere, mounttest.WrongSecret), mounttest.Fields{"verify_connection": false})))
		h.Fails(h.Read("token", nil), 400, "no request was sent", "force=true")
		h.Fails(h.Write("config/verify", nil), 400, "no request was sent", "force=true")
		h.Wrongly(4)
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		for range 3 {
			h.Token()
			h.Pass(2 * time.Hour)
		}
	})
}
