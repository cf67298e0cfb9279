// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

func TestAfterARejectionReadsMakeOneMoreCallAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	for name, fault := range rejections() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				token := h.token()
				h.pass(90 * time.Minute)
				fault.Count = 1000
				h.fake.Order(fault)
				for range 5 { // A usable token is served all the same.
					a := h.read("token", nil)
					h.warned(a, "which failed", "Finicity answered HTTP")
					if a.data["token"] != token {
						t.Error("the usable token is not served")
					}
					h.pass(59 * time.Second)
				}
				h.called(2, 0)

				h.pass(30 * time.Minute)
				more := 1
				if name == "locked" {
					more = 0
				}
				for range 100 {
					h.fails(h.read("token", nil), 400, "Finicity answered HTTP", "vault write -f finicity/config/verify")
					h.pass(time.Hour)
					h.restart()
				}
				h.called(2+more, 0)
				h.spent(1+more, 0)
			})
		})
	}
}

func TestTheSecondCallMakesEverythingGoodWhenTheRefusalWasAHiccup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		for range 5 {
			h.fake.Order(rejections()["10021"])
			h.fails(h.read("token", nil), 400, "10021")
			h.pass(5*time.Minute - 1)
			h.fails(h.read("token", nil), 400, "10021", "The engine makes one more by itself, at ")
			h.pass(1)
			h.token()
			h.spent(0, 0)
			h.pass(2 * time.Hour)
		}
		h.called(11, 0)
	})
}

// Without that, an hour's step back would be an hour's outage.
func TestAClockThatWasSetBackBeginsTheHoldAnew(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"same process": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newRefused(t)
				h.fails(h.read("token", nil), 400, "10001")
				h.pass(time.Minute)
				h.setClock(-30 * 24 * time.Hour)
				for range 5 {
					h.fails(h.read("token", nil), 400, "no call was made")
					if restarted {
						h.restart()
					}
					h.called(2, 0)
					h.pass(time.Minute)
				}
				h.fake.SetSecret(partnerID, partnerSecret)
				h.token()
			})
		})
	}
}

func TestNoNumberOfReadersAndRestartsMakesMoreThanTwoAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newRefused(t)
		for minute := range 120 {
			for _, one := range h.readers(20) {
				h.fails(<-one, 400, "10001")
			}
			h.pass(time.Minute)
			if minute%7 == 0 {
				h.restart()
			}
		}
		h.wrongly(2)

		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		h.token()
		h.spent(0, 0)
		h.wrongly(2)
	})
}

// A person's mistake must not be held against the readers: their own credential was not judged. But each of them is one
// of five, so after two the engine makes none by itself.
func TestAPersonsRefusedAttemptsCountForReadsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.guesses(2)
		if h.token() != token {
			t.Error("the fresh token is not served")
		}
		h.pass(100 * time.Minute)
		a := h.read("token", nil)
		h.warned(a, "which failed", "no call was made to Finicity", "10001")
		if a.data["token"] != token {
			t.Error("the usable token is not served")
		}
		h.pass(time.Hour)
		h.fails(h.read("token", nil), 400, "no call was made to Finicity", "10001", "vault write -f finicity/config/verify")
		h.wrongly(2)
		h.succeeds(h.write("config/verify", nil))
		h.token()
		h.called(4, 0)
	})
}

// A time-out, a 503 and a new secret against the policy say nothing of the credential.
func TestAnOutageEndsInNoState(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"down":     {Kind: fakefinicity.KindStatus, Status: 503},
		"time-out": {Kind: fakefinicity.KindSlow, Delay: time.Hour},
		"dropped":  {Kind: fakefinicity.KindDropped},
		"lost":     {Kind: fakefinicity.KindLost},
		"garbage":  {Kind: fakefinicity.KindGarbage},
		"busy":     {Kind: fakefinicity.KindStatus, Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				fault.Count = 20
				h.fake.Order(fault)
				for range 20 {
					h.fails(h.read("token", nil), 502, "Finicity ")
					h.spent(0, 0)
					h.pass(time.Minute)
				}
				h.token()
				h.called(22, 0)
			})
		})
	}
}
