// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A gateway sends a change twice. Finicity carries out the first copy, and the client
// gets the refusal of the second one, which has the old secret. The engine finds the
// new secret without another failed attempt.
func TestARotationAfterARepeatedChangeFindsTheSecretFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		gatewayRepeats(h)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "10001")
		changed(h, 1)
		sent := lastSent(h)
		h.Pass(5 * time.Minute)
		h.Rotate()
		h.Wrongly(1)
		if storedSecret(h, sent).Proven.IsZero() || storedCurrent(h) == sent {
			t.Error("the secret is not rotated on from the one that was in effect")
		}
		h.Resolved()
	})
}

// Another change was refused on the same day, and its secret is still untested. It is
// tried after the newer one.
func TestARepeatedChangeIsFoundAfterAnyRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "403")
		h.Pass(2 * time.Hour)
		h.Token()
		gatewayRepeats(h)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "10001")
		sent := lastSent(h)
		h.Pass(2 * time.Hour)
		h.Token()
		if storedCurrent(h) != sent {
			t.Error("the secret in effect is not the current one")
		}
		h.Wrongly(1)

		// Two automatic attempts were refused today, so a change first needs an
		// operator's success.
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "so the secret is not changed now",
			"type vault write -f finicity/config/verify first")
		h.Succeeds(h.Write("config/verify", nil))
		h.Rotate()
		h.Resolved()
	})
}

// A successful rotation ends the consecutive refusals.
func TestAfterARotationTheOldSecretMightBeRefusedOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, mounttest.Rejections()["10001"])
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "10001")
		h.Pass(5 * time.Minute)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "10001") // The new secret was never in effect.
		h.Succeeds(h.Write("config/verify", nil))
		h.Rotate()
		h.Pass(12 * time.Hour)
		gatewayRepeats(h)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "10001")
		changed(h, 2)
		h.Pass(5 * time.Minute)
		h.Token()
		keepsTheSecret(h)
		h.Pass(12 * time.Hour)
		h.Rotate()
		h.Wrongly(2)
		h.Resolved()
	})
}

// A secret that was written twice and rotated away with a grace period works for 30
// more days. It must not displace the one that remains.
func TestAReplacedSecretIsTriedLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		h.Rotate()
		rotated := storedCurrent(h)
		h.Pass(2 * time.Hour)
		refuseNext(h, 2, "")
		for range 2 {
			h.Fails(h.Read("token", nil), http.StatusBadRequest, "401")
			h.Pass(30 * time.Minute)
		}
		h.Token()
		if storedCurrent(h) != rotated {
			t.Error("the old secret is the current one again")
		}
		h.Resolved()
	})
}

// An operator sees why a manual rotation failed. It is not a failure of the schedule,
// and neither delays nor stops the schedule.
func TestARotationByHandThatIsRefusedIsNoFailureOfTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "720h"})
		before := statusNow(h)["next_vault_rotation"]
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"not as per policy"}`})
		h.Fails(h.Write("rotate-root", nil), 400, "24437")
		statusShows(h, mounttest.Fields{"next_vault_rotation": before, "last_rotation_error": ""})
	})
}

// A gateway answers 403 or a 401 without a code to a change that Finicity has carried
// out.
func TestAGatewaysRefusalOfAChangeIsNotAFailedRotation(t *testing.T) {
	t.Parallel()
	for _, status := range []int{403, 401} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.Order(fakefinicity.Fault{
					Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindMisleading, Status: status,
					Body: "<html>Access denied</html>", ContentType: "text/html",
				})
				a := h.Write("rotate-root", nil)
				old := h.Fake.AcceptsSecret(mounttest.PartnerID, mounttest.PartnerSecret)
				if !old && strings.Contains(a.Text, "the secret has not changed") {
					t.Errorf("the secret has changed, and the error says: %s", h.Leaks.Hide(a.Text))
				}
				if len(h.Recorded("finicity/root-rotate-fail")) > 0 && !old {
					t.Error("root-rotate-fail was sent for a rotation that Finicity has carried out")
				}
				if pending := h.Read("status", nil).Data["rotation_pending"]; pending != true && !old {
					t.Error("status says that no rotation is open")
				}
				minutes := 0
				for h.Pass(time.Minute); minutes < 200; minutes++ {
					h.Pass(time.Minute)
					h.Tick()
					if len(h.Recorded("finicity/root-rotate")) > 0 {
						break
					}
				}
			})
		})
	}
}

// Finicity has carried out the change. The refusal is for a gateway's repetition of it,
// or comes from the gateway itself.
func TestARefusedChangeMightHaveBeenCarriedOut(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakefinicity.Fault{
		"sent twice": {Kind: fakefinicity.KindTwice},
		"by policy":  {Kind: fakefinicity.KindMisleading, Status: 400, Body: `{"code":24437,"message":"not as per policy"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, fault)
				a := h.Write("rotate-root", nil)
				changed(h, 1)
				h.Fails(a, http.StatusBadRequest, changeRefused)
				for _, wrong := range []string{"has not changed", "stays in effect"} {
					if strings.Contains(a.Text, wrong) {
						t.Errorf("the error says %q: %s", wrong, h.Leaks.Hide(a.Text))
					}
				}
				h.Succeeds(h.Write("config/verify", nil))
				h.Resolved()
			})
		})
	}
}

// A change was acknowledged, and the proof fails. An outage ends without an operator.
// After two refusals, an operator must act.
func TestAnUnknownOutcomeSaysWhoResolvesIt(t *testing.T) {
	t.Parallel()
	const automatic, stopped = "resolves this automatically", "no further attempt automatically"
	for name, test := range map[string]struct {
		fault     fakefinicity.Fault
		says, not string
	}{
		"an outage": {fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance"}, automatic, stopped},
		"a refusal": {mounttest.Rejections()["10001"], stopped, automatic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				test.fault.Call = fakefinicity.CallAuthenticate
				h.Fake.Order(test.fault)
				a := h.Write("rotate-root", nil)
				h.Fails(a, http.StatusBadRequest, "the outcome of the rotation is unknown, and both secrets are stored", test.says)
				if strings.Contains(a.Text, test.not) {
					t.Errorf("the error says %q: %s", test.not, h.Leaks.Hide(a.Text))
				}
				if test.says == stopped {
					h.Fails(a, http.StatusBadRequest, "type vault write -f finicity/config/verify")
					h.Succeeds(h.Write("config/verify", nil))
				} else {
					everyMinute(h, 2, func() {})
				}
				h.Resolved()
			})
		})
	}
}
