// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// statesOfVersion2 has the steps that produced the golden files of this version.
func statesOfVersion2() map[string]struct {
	description string
	reach       func(h *mounttest.Harness)
} {
	type state = struct {
		description string
		reach       func(h *mounttest.Harness)
	}
	change := func(f fakefinicity.Fault) fakefinicity.Fault {
		f.Call = fakefinicity.CallModifySecret
		return f
	}
	refuse := func(h *mounttest.Harness, n int) {
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for range n {
			h.Pass(2 * time.Hour)
			h.Fails(h.Read("token", nil), 400)
		}
	}
	return map[string]state{
		"fresh": {"The first write to config, which Finicity accepted.", func(*mounttest.Harness) {}},
		"untried-over-proven": {
			"An operator stored another secret with verify_connection=false. It is wrong, and the first one is in effect.",
			func(h *mounttest.Harness) {
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
			},
		},
		"pending": {
			"rotate-root got no answer, and Finicity carried it out: the pending secret is in effect.",
			func(h *mounttest.Harness) {
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindLost}))
				h.Fails(h.Write("rotate-root", nil), 400, "outcome of the rotation is unknown")
			},
		},
		"denied": {
			"A gateway sent the change of rotate-root twice: Finicity carried out the first copy and refused the second one.",
			func(h *mounttest.Harness) {
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindTwice}))
				h.Fails(h.Write("rotate-root", nil), 400, "10001")
			},
		},
		"candidate-refused": {
			"rotate-root got no answer and never arrived. A read tried the new secret, which Finicity refused, and got no answer for the old one.",
			func(h *mounttest.Harness) {
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindDropped}))
				h.Fails(h.Write("rotate-root", nil), 400, "outcome of the rotation is unknown")
				h.Pass(2 * time.Hour)
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Millisecond})
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503})
				h.Fails(h.Read("token", nil), 502)
			},
		},
		"both-refused": {
			"rotate-root got no answer and never arrived, and an operator changed the secret in the portal: a read tried both secrets. " +
				"Written by one of the first builds, which named the second attempt a follow-up.",
			func(h *mounttest.Harness) {
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindDropped}))
				h.Fails(h.Write("rotate-root", nil), 400, "outcome of the rotation is unknown")
				refuse(h, 1)
			},
		},
		"acknowledged": {
			"A gateway acknowledged rotate-root and never asked Finicity. The authentication after it got no answer.",
			func(h *mounttest.Harness) {
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204}))
				h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503})
				h.Fails(h.Write("rotate-root", nil), 400, "unknown")
			},
		},
		"grace": {
			"One rotation with secret_grace_period, and a second one that got no answer: three secrets work or may work.",
			func(h *mounttest.Harness) {
				h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": true}))
				h.Rotate()
				h.Pass(5 * day)
				h.Token()
				h.Fake.Order(change(fakefinicity.Fault{Kind: fakefinicity.KindDropped}))
				h.Fails(h.Write("rotate-root", nil), 400, "outcome of the rotation is unknown")
			},
		},
		"grace-ended": {
			"A rotation with secret_grace_period, and one without: the engine sent a secret with a grace period, and none keeps it working.",
			func(h *mounttest.Harness) {
				h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": true}))
				h.Rotate()
				h.Pass(5 * day)
				h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": false}))
				h.Rotate()
				h.Pass(5 * day)
				h.Token()
			},
		},
		"moved": {
			"After two rotations an operator moved the mount to another address with a secret from the portal.",
			func(h *mounttest.Harness) {
				h.Rotate()
				h.Pass(time.Hour)
				h.Rotate()
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Succeeds(h.Write("config", mounttest.Fields{
					"base_url": "http://127.0.0.2", "partner_secret": mounttest.WrongSecret, "app_key": mounttest.AppKey,
				}))
			},
		},
		"held": {
			"An operator changed the secret in the portal, and Finicity refused one read with code 10001.",
			func(h *mounttest.Harness) { refuse(h, 1) },
		},
		"stopped": {
			"An operator changed the secret in the portal, and Finicity refused two reads with code 10001.",
			func(h *mounttest.Harness) { refuse(h, 2) },
		},
		"four-spent": {"As stopped, and then Finicity refused config/verify two times.", func(h *mounttest.Harness) {
			refuse(h, 2)
			for range 2 {
				h.Pass(time.Minute)
				h.Fails(h.Write("config/verify", nil), 400, "10001")
			}
		}},
		"locked": {
			"Another program locked the partner, and Finicity answered one read with code 24302.",
			func(h *mounttest.Harness) {
				h.Fake.Order(fakefinicity.Fault{
					Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 500,
					Body: `{"code":"24302","message":"we've locked your account"}`,
				})
				h.Pass(2 * time.Hour)
				h.Fails(h.Read("token", nil), 400, "24302")
			},
		},
		"charged": {"The process died in the middle of a read: one attempt has no answer.", func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
			h.Read("token", nil)
			h.Storage.Heal()
			h.Restart()
		}},
		"schedule": {"A rotation_schedule with a window, and one rotation by it.", func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_schedule": "0 3 * * *", "rotation_window": "1h"}))
			for range 30 {
				h.Pass(time.Hour)
				h.Tick()
			}
		}},
		"schedule-failed": {"A rotation by schedule was refused by Finicity's policy.", func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
			h.Fake.Order(change(fakefinicity.Fault{
				Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":"24437","message":"not as per policy"}`,
			}))
			h.Pass(time.Hour)
			h.Tick()
		}},
		"paused": {"A schedule that was paused, because no engine was alive for a day.", func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "24h"}))
			h.Pass(day)
			h.Restart()
			h.Tick()
		}},
		"deleted": {
			"An operator deleted the configuration after a refused write. The attempts are left.",
			func(h *mounttest.Harness) {
				h.Guesses(2)
				h.Succeeds(h.Remove("config", nil))
			},
		},
		"two-partners": {
			"Finicity refused two secrets for one partner, and then an operator stored another partner.",
			func(h *mounttest.Harness) {
				h.Guesses(2)
				h.Succeeds(h.Write("config", mounttest.Fields{
					"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey,
				}))
			},
		},
	}
}
