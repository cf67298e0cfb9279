// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strconv"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// situation is a mount in a state that its texts must match. fields are those of the
// first write; nil is a mount without a configuration.
type situation struct {
	fields mounttest.Fields
	enter  func(h *mounttest.Harness)
}

// dueToken lets the token expire first, so that a read needs an attempt.
func dueToken(then func(h *mounttest.Harness)) situation {
	return situation{mounttest.Fields{}, func(h *mounttest.Harness) {
		h.Pass(2 * time.Hour)
		then(h)
	}}
}

func onSchedule(then func(h *mounttest.Harness)) situation {
	return situation{mounttest.Fields{"rotation_period": "24h"}, then}
}

// Steps into a state. Each checks that the mount is in it.
func changedElsewhere(h *mounttest.Harness) {
	h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
}

func refusedBy(request string, n int) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		changedElsewhere(h)
		for range n {
			if request == "token" {
				h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
			} else {
				h.Fails(h.Write(request, nil), http.StatusBadRequest, "10001")
			}
			h.Pass(5 * time.Minute)
		}
	}
}

// refusedToday has a gateway refuse n automatic attempts in a day. Each is followed by
// a success, except for the last.
func refusedToday(n int, then bool) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		for i := range n {
			h.Fake.Order(mounttest.Rejections()["10001"])
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
			h.Pass(5 * time.Minute)
			if i < n-1 || then {
				h.Token()
				h.Pass(2 * time.Hour)
			}
		}
	}
}

func atFour(h *mounttest.Harness) {
	for h.Read("status", nil).Data["attempts_left"] != 0 {
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001")
	}
}

// reservedLast are ways to use up three attempts without a verdict on the stored
// credential.
func reservedLast() map[string]func(h *mounttest.Harness) {
	return map[string]func(h *mounttest.Harness){
		"three refusals without a code": blocked(3),
		"two typos, and a gateway":      inTurn(func(h *mounttest.Harness) { h.Guesses(2) }, blocked(1)),
	}
}

// blocked has a gateway refuse n reads.
func blocked(n int) func(h *mounttest.Harness) { return refusedReads(n, http.StatusForbidden) }

func refusedReads(n, status int) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		for i := range n {
			if i > 0 {
				h.Pass(30 * time.Minute)
			}
			h.Answering(status, "nothing here", 1)
			h.Fails(h.Read("token", nil), http.StatusBadRequest, strconv.Itoa(status))
		}
	}
}

// astray has a server without Finicity's path refuse n authentications.
func astray(n int) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		for range n {
			h.Answering(http.StatusNotFound, "not found", 1)
			h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "check base_url")
		}
	}
}

// unknown has Finicity say that it does not know the partner.
func unknown(h *mounttest.Harness) {
	h.Fake.Order(mounttest.Rejections()["12401"])
	h.Fails(h.Read("token", nil), http.StatusBadRequest, "12401")
}

func crashed(n int) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		for range n {
			h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
		}
	}
}

// lockedOut has Finicity report the lock until support has unlocked the partner.
func lockedOut(h *mounttest.Harness) {
	lock := mounttest.Rejections()["locked"]
	lock.Count = 1000
	h.Fake.Order(lock)
	h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "24302")
}

// unconfirmed makes changes until no more are allowed. Their answers are lost.
func unconfirmed(h *mounttest.Harness) {
	for range 2 {
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
		h.Pass(time.Minute)
		h.Succeeds(h.Write("config/verify", nil))
	}
	h.Pass(2 * time.Hour)
}

// stoppedSchedule has scheduled changes refused until the schedule stops.
func stoppedSchedule(refusal fakefinicity.Fault) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		refusal.Count = 1000
		nextChange(h, refusal)
		for range 10 {
			use(h, 8*time.Hour)
			if h.Read("status", nil).Data["next_vault_rotation"] == nil {
				return
			}
		}
		h.T.Fatalf("the schedule has not stopped: %q", lastRotationError(h))
	}
}

func pausedSchedule(h *mounttest.Harness) {
	h.Pass(10 * time.Hour)
	h.Restart()
	if says(h, "rotation_paused") == "" {
		h.T.Fatal("the schedule is not paused")
	}
}

func untriedSecret(secret string) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": secret, "verify_connection": false}))
	}
}

func inTurn(steps ...func(h *mounttest.Harness)) func(h *mounttest.Harness) {
	return func(h *mounttest.Harness) {
		for _, step := range steps {
			step(h)
		}
	}
}

var byPolicy = fakefinicity.Fault{
	Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"New password is not as per policy"}`,
}

// situations are the states in which operators read texts.
func situations() map[string]situation {
	interrupted := func(applied bool) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) { h.Interrupt(applied) }
	}
	wait := func(h *mounttest.Harness) { h.Pass(time.Minute) }
	typos := func(n int) func(h *mounttest.Harness) { return func(h *mounttest.Harness) { h.Guesses(n) } }
	refusedChange := func(refusal fakefinicity.Fault) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) {
			nextChange(h, refusal)
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, changeRefused)
		}
	}
	rejections := mounttest.Rejections()
	all := map[string]situation{
		"not configured": {nil, func(*mounttest.Harness) {}},
		"not configured, refused": {nil, func(h *mounttest.Harness) {
			for i := range 2 {
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), 400, "10001")
			}
		}},
		"not configured, at the limit": {nil, func(h *mounttest.Harness) {
			for i := range 4 {
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), 400, "10001")
			}
		}},
		"configured":                       {mounttest.Fields{}, func(*mounttest.Harness) {}},
		"held":                             dueToken(refusedBy("token", 1)),
		"stopped":                          dueToken(refusedBy("token", 2)),
		"stopped, the secret is right":     dueToken(inTurn(refusedToday(1, false), refusedToday(1, false))),
		"stopped after a restart":          dueToken(inTurn(func(h *mounttest.Harness) { h.Restart() }, refusedBy("token", 1))),
		"stopped for a day":                dueToken(refusedToday(3, false)),
		"stopped for a day, and a typo":    dueToken(inTurn(typos(1), refusedToday(3, false))),
		"two refusals today":               dueToken(refusedToday(2, true)),
		"at the limit":                     dueToken(refusedBy("config/verify", 4)),
		"at the limit, the secret is good": dueToken(atFour),
		"at the limit for a day":           dueToken(inTurn(typos(3), refusedToday(1, false))),
		"locked":                           dueToken(lockedOut),
		"locked, at the limit":             dueToken(inTurn(typos(3), lockedOut)),
		"a crash":                          dueToken(crashed(1)),
		"three crashes":                    dueToken(crashed(3)),
		"four crashes":                     dueToken(crashed(4)),
		"a typo":                           dueToken(typos(1)),
		"three typos":                      dueToken(typos(3)),
		"backing off":                      dueToken(mounttest.States()["backing off"]),
		"blocked by a gateway":             dueToken(blocked(1)),
		"a wrong address":                  dueToken(astray(1)),
		"an unknown partner":               dueToken(unknown),
		"a wrong address, and stopped":     dueToken(refusedReads(3, http.StatusNotFound)),
		"a wrong address, at the limit":    dueToken(astray(4)),
		"pending, applied":                 dueToken(interrupted(true)),
		"pending, not applied":             dueToken(interrupted(false)),
		"pending and waited":               dueToken(inTurn(interrupted(true), wait)),
		"pending and stopped":              dueToken(inTurn(interrupted(false), wait, refusedBy("token", 2))),
		"pending and at the limit":         dueToken(inTurn(interrupted(false), wait, refusedBy("token", 2), atFour)),
		"pending and locked":               dueToken(inTurn(interrupted(true), wait, lockedOut)),
		"rotated":                          dueToken(func(h *mounttest.Harness) { h.Rotate() }),
		"a change refused":                 dueToken(refusedChange(rejections["10001"])),
		"a change refused by policy":       dueToken(refusedChange(byPolicy)),
		"at the limit of candidates":       dueToken(unconfirmed),
		"paused":                           onSchedule(pausedSchedule),
		"paused and stopped":               onSchedule(inTurn(pausedSchedule, refusedBy("token", 1))),
		"paused and at the limit":          onSchedule(inTurn(atFour, pausedSchedule)),
		"paused and locked":                onSchedule(inTurn(lockedOut, pausedSchedule)),
		"the schedule stopped by policy":   onSchedule(stoppedSchedule(byPolicy)),
		"the schedule stopped by 403":      onSchedule(stoppedSchedule(rejections["blocked"])),
		"the schedule stopped by 10001":    onSchedule(stoppedSchedule(rejections["10001"])),
		"the schedule is late":             onSchedule(inTurn(typos(3), func(h *mounttest.Harness) { use(h, 25*time.Hour) })),
		"storage takes no writes": dueToken(func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		}),
		"Finicity is down": dueToken(func(h *mounttest.Harness) { h.Down() }),
		"held, and the token is good": {mounttest.Fields{}, func(h *mounttest.Harness) {
			h.Pass(95 * time.Minute)
			h.Fake.Order(rejections["10001"])
			if a := h.Refreshed(); len(a.Warnings) != 1 {
				h.T.Fatalf("a read warns %q", a.Warnings)
			}
		}},
		"a short lease": {mounttest.Fields{}, func(h *mounttest.Harness) { h.View.MaxLeaseTTLVal = time.Hour }},
		"undecodable": {mounttest.Fields{}, func(h *mounttest.Harness) {
			h.Storage.Plant("config", []byte("{"))
			h.Restart()
		}},
		"of a newer version": {mounttest.Fields{}, func(h *mounttest.Harness) {
			h.Storage.Plant("config", []byte(`{"version":99}`))
			h.Restart()
		}},
		"moved":          dueToken(func(h *mounttest.Harness) { h.Succeeds(h.Write("config", move(elsewhere, mounttest.PartnerSecret))) }),
		"untried, right": dueToken(inTurn(changedElsewhere, untriedSecret(mounttest.WrongSecret))),
		"untried, wrong": dueToken(untriedSecret(mounttest.WrongSecret)),
		"known to be bad": dueToken(inTurn(untriedSecret(mounttest.WrongSecret), func(h *mounttest.Harness) {
			refusals := rejections["10001"]
			refusals.Count = 2
			h.Fake.Order(refusals)
			h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "10001")
		})),
	}
	for name, enter := range reservedLast() {
		all[name] = dueToken(enter)
	}
	return all
}
