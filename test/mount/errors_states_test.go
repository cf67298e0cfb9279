// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// What the engine says is checked in every state that a text speaks of, with every request that may be answered so.

// errorMount is not the default one: a command has to name the mount that it is for.
const errorMount = "team/finicity/"

// newStates are the states of a mount that was never configured.
func newStates() map[string]func(h *mounttest.Harness) {
	guesses := func(n int) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) {
			for i := range n {
				h.Fails(h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})), 400, "10001")
			}
		}
	}
	return map[string]func(h *mounttest.Harness){
		"new":               func(*mounttest.Harness) {},
		"new, a typo":       guesses(1),
		"new, four typos":   guesses(4),
		"new, next: locked": func(h *mounttest.Harness) { h.Fake.Order(mounttest.Rejections()["locked"]) },
		"new, four typos, then deleted": func(h *mounttest.Harness) {
			guesses(4)(h)
			h.Remove("config", nil)
		},
	}
}

// refusedStates are states of a configured mount whose token has expired, that come by refusals.
func refusedStates() map[string]func(h *mounttest.Harness) {
	all := maps.Clone(mounttest.States())
	verify := func(h *mounttest.Harness, n int, fault string) {
		for range n {
			h.Fake.Order(mounttest.Rejections()[fault])
			h.Fails(h.Write("config/verify", nil), 400, "Finicity answered")
		}
	}
	hiccups := func(h *mounttest.Harness, n int) {
		for range n {
			h.Fake.Order(mounttest.Rejections()["10021"])
			h.Fails(h.Read("token", nil), 400, "10021")
			h.Pass(5 * time.Minute)
			h.Token()
			h.Pass(2 * time.Hour)
		}
	}
	maps.Copy(all, map[string]func(h *mounttest.Harness){
		"four typos":      func(h *mounttest.Harness) { h.Guesses(3); verify(h, 1, "10001") },
		"four refused":    func(h *mounttest.Harness) { verify(h, 4, "10001") },
		"locked, at four": func(h *mounttest.Harness) { verify(h, 3, "10001"); verify(h, 1, "locked") },
		"locked twice":    func(h *mounttest.Harness) { verify(h, 2, "locked") },
		"four crashes": func(h *mounttest.Harness) {
			for range 4 {
				h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
			}
		},
		"held, without a code": func(h *mounttest.Harness) { verify(h, 1, "blocked") },
		"held again":           func(h *mounttest.Harness) { verify(h, 2, "blocked") },
		"stopped, three without a code": func(h *mounttest.Harness) {
			verify(h, 3, "blocked")
		},
		"a new process, refused once": func(h *mounttest.Harness) { h.Restart(); verify(h, 1, "10001") },
		"the portal's secret": func(h *mounttest.Harness) {
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(90))
			h.Fails(h.Read("token", nil), 400, "10001")
		},
		"rotated, the portal's secret": func(h *mounttest.Harness) {
			h.Rotate()
			h.Pass(2 * time.Hour)
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(90))
			h.Fails(h.Read("token", nil), 400, "10001")
		},
		"two hiccups":            func(h *mounttest.Harness) { hiccups(h, 2) },
		"two hiccups and a typo": func(h *mounttest.Harness) { hiccups(h, 2); h.Guesses(1) },
		"two hiccups and an outage": func(h *mounttest.Harness) {
			hiccups(h, 2)
			h.Answering(503, "maintenance", 1)
			h.Fails(h.Read("token", nil), 502)
			h.Pass(time.Minute)
		},
		"three hiccups": func(h *mounttest.Harness) {
			hiccups(h, 2)
			h.Fake.Order(mounttest.Rejections()["10021"])
			h.Fails(h.Read("token", nil), 400, "10021")
		},
		"untried": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(80), "verify_connection": false}))
		},
		"untried, three typos": func(h *mounttest.Harness) {
			h.Guesses(3)
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(80), "verify_connection": false}))
		},
		"deleted after a stop": func(h *mounttest.Harness) {
			verify(h, 2, "10001")
			h.Succeeds(h.Remove("config", nil))
		},
	})
	return all
}

// otherStates are the rest: rotations, outages, storage.
func otherStates() map[string]func(h *mounttest.Harness) {
	next := func(call string, faults ...fakefinicity.Fault) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) {
			for _, f := range faults {
				f.Call = call
				h.Fake.Order(f)
			}
		}
	}
	status := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	all := map[string]func(h *mounttest.Harness){
		"pending, applied":     func(h *mounttest.Harness) { h.Interrupt(true) },
		"pending, not applied": func(h *mounttest.Harness) { h.Interrupt(false) },
		"pending for a minute": func(h *mounttest.Harness) { h.Interrupt(false); h.Pass(time.Minute) },
		"pending, the portal's secret": func(h *mounttest.Harness) {
			h.Interrupt(false)
			h.Pass(time.Minute)
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(90))
			h.Fails(h.Write("config/verify", nil), 400, "10001")
		},
		"pending, four refused": func(h *mounttest.Harness) {
			h.Interrupt(false)
			h.Pass(time.Minute)
			h.Fake.SetSecret(mounttest.PartnerID, h.Guess(90))
			for range 2 {
				h.Fails(h.Write("config/verify", nil), 400, "10001")
			}
		},
		"pending, one attempt left": func(h *mounttest.Harness) {
			h.Guesses(2)
			h.Fake.Order(mounttest.Rejections()["10021"])
			h.Fails(h.Write("config/verify", nil), 400, "10021")
			h.Succeeds(h.Write("config/verify", nil))
			h.Interrupt(false)
			h.Pass(time.Minute)
		},
		"rotated": func(h *mounttest.Harness) { h.Rotate(); h.Pass(2 * time.Hour) },
		"acknowledged by a gateway": func(h *mounttest.Harness) {
			nextChange(h, status(204, ""))
			h.Fails(h.Write("rotate-root", nil), 400, "unknown")
		},
		"two unconfirmed": func(h *mounttest.Harness) {
			for range 2 {
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped})
				h.Fails(h.Write("rotate-root", nil), 400, "unknown")
				h.Pass(time.Minute)
				h.Succeeds(h.Write("config/verify", nil))
			}
		},
		"down":         func(h *mounttest.Harness) { h.Down() },
		"rate limited": next("", fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "90"}),
		"unreachable": func(h *mounttest.Harness) {
			h.RestartWith(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		},
		"next: lost":    next("", fakefinicity.Fault{Kind: fakefinicity.KindLost}),
		"next: dropped": next("", fakefinicity.Fault{Kind: fakefinicity.KindDropped}),
		"next change: policy": next(fakefinicity.CallModifySecret,
			status(400, `{"code":24437,"message":"The new secret is not as per policy."}`)),
		"next change: lost":    next(fakefinicity.CallModifySecret, fakefinicity.Fault{Kind: fakefinicity.KindLost}),
		"next change: dropped": next(fakefinicity.CallModifySecret, fakefinicity.Fault{Kind: fakefinicity.KindDropped}),
		"next change: blocked": next(fakefinicity.CallModifySecret, mounttest.Rejections()["blocked"]),
		"next change: 204 of a gateway": next(fakefinicity.CallModifySecret,
			status(204, "")),
		"next change: 204, then refused": func(h *mounttest.Harness) {
			h.Token() // So that the change comes first.
			h.Pass(2 * time.Hour)
			h.Fake.Order(mounttest.Rejections()["10001"])
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindSlowAnswer})
		},
		"a new process, next change: 204, then refused": func(h *mounttest.Harness) {
			h.Restart()
			next(fakefinicity.CallAuthenticate, mounttest.Rejections()["10001"])(h)
		},
		"storage takes no write": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		},
		"storage takes no outcome": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		},
		"damaged": func(h *mounttest.Harness) { h.Storage.Plant("config", []byte("{")) },
		"leases of ten minutes": func(h *mounttest.Harness) {
			h.View.MaxLeaseTTLVal = 10 * time.Minute
		},
		"the schedule stopped, by the policy": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
			nextChange(h, status(400, `{"code":24437,"message":"The new secret is not as per policy."}`))
			nextChange(h, status(400, `{"code":24437,"message":"The new secret is not as per policy."}`))
			everyMinute(h, 24*60, func() {})
		},
		"the schedule stopped, by refusals": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
			nextChange(h, mounttest.Rejections()["10005"])
			nextChange(h, mounttest.Rejections()["10005"])
			everyMinute(h, 24*60, func() {})
		},
		"the schedule paused": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
			h.Pass(7 * time.Hour)
			h.Restart()
			h.Tick()
		},
		"the schedule paused, four refused": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"rotation_period": "1h"}))
			h.Pass(7 * time.Hour)
			h.Restart()
			for range 4 {
				h.Fake.Order(mounttest.Rejections()["10001"])
				h.Fails(h.Write("config/verify", nil), 400, "10001")
			}
			h.Tick()
		},
	}
	for name, fault := range mounttest.Rejections() {
		all["next: "+name] = next("", fault)
	}
	return all
}

// ask is a request, and what it writes.
type ask struct {
	do   func(h *mounttest.Harness) mounttest.Answer
	data func(h *mounttest.Harness) mounttest.Fields
}

func (a ask) of(h *mounttest.Harness) mounttest.Answer {
	if a.data != nil {
		return h.Write("config", a.data(h))
	}
	return a.do(h)
}

func asks() map[string]ask {
	config := func(data func(h *mounttest.Harness) mounttest.Fields) ask { return ask{data: data} }
	write := func(path string, data mounttest.Fields) ask {
		return ask{do: func(h *mounttest.Harness) mounttest.Answer { return h.Write(path, data) }}
	}
	read := func(path string, data mounttest.Fields) ask {
		return ask{do: func(h *mounttest.Harness) mounttest.Answer { return h.Read(path, data) }}
	}
	return map[string]ask{
		"read token":         read("token", nil),
		"read token min_ttl": read("token", mounttest.Fields{"min_ttl": "80m"}),
		"read token too long": read("token", mounttest.Fields{
			"min_ttl": "91m",
		}),
		"read status":         read("status", nil),
		"read config":         read("config", nil),
		"config/verify":       write("config/verify", nil),
		"config/verify force": write("config/verify", mounttest.Fields{"force": true}),
		"rotate-root":         write("rotate-root", nil),
		"rotate-token":        write("rotate-token", nil),
		"verify a webhook":    write("webhook/verify", mounttest.Fields{"input": "e30=", "signature": "00"}),
		"delete config":       {do: func(h *mounttest.Harness) mounttest.Answer { return h.Remove("config", nil) }},
		"patch config": {do: func(h *mounttest.Harness) mounttest.Answer {
			return h.Patch("config", mounttest.Fields{"password_policy": nil})
		}},
		"write a setting": config(func(*mounttest.Harness) mounttest.Fields { return mounttest.Fields{"request_timeout": "20s"} }),
		"write a secret": config(func(h *mounttest.Harness) mounttest.Fields {
			return mounttest.Fields{"partner_secret": h.Guess(50)}
		}),
		"write a refused secret": config(func(h *mounttest.Harness) mounttest.Fields {
			return mounttest.Fields{"partner_secret": h.Guess(0)}
		}),
		"write an app key": config(func(*mounttest.Harness) mounttest.Fields {
			return mounttest.Fields{"app_key": mounttest.NewKey}
		}),
		"write all": config(func(h *mounttest.Harness) mounttest.Fields {
			return mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(51)})
		}),
		"write untried": config(func(h *mounttest.Harness) mounttest.Fields {
			return mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(52), "verify_connection": false})
		}),
		"move": config(func(h *mounttest.Harness) mounttest.Fields { return move(elsewhere, h.Guess(53)) }),
		"another partner": config(func(h *mounttest.Harness) mounttest.Fields {
			return joined(otherPartner(), mounttest.Fields{"partner_secret": h.Guess(54)})
		}),
	}
}

// spoken is a text, and how to come by it again.
type spoken struct {
	state, ask string
	status     int
	text       string
}

func (s spoken) String() string { return fmt.Sprintf("%s, %s", s.state, s.ask) }

// enter brings a mount into a state.
func enter(t *testing.T, state string) *mounttest.Harness {
	t.Helper()
	h := mounttest.New(t)
	h.Mount = errorMount
	if do, found := newStates()[state]; found {
		do(h)
		return h
	}
	h.Configure(nil)
	h.Pass(2 * time.Hour)
	all := refusedStates()
	maps.Copy(all, otherStates())
	all[state](h)
	return h
}

// texts are what an answer says to people.
func texts(a mounttest.Answer) (all []string) {
	all = append(all, a.Warnings...)
	if a.Text != "" {
		all = append(all, a.Text)
	}
	for _, field := range []string{"last_rotation_error", "rotation_paused"} {
		if text, _ := a.Data[field].(string); text != "" {
			all = append(all, text)
		}
	}
	return all
}
