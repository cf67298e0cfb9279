// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A gateway acknowledges a change and never calls Finicity. The previous secret is
// still in effect, and only the engine has it. If an acknowledgment alone counted as a
// proof, no command could reach that secret.
func TestAnAcknowledgmentByAGatewayLosesNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		changed(h, 1)
		h.Pass(time.Hour)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204})
		h.Write("rotate-root", nil)
		changed(h, 1)
		use(h, 6*time.Hour)
		stillServes(h)
		use(h, 6*day)
		stillServes(h)
		h.Rotate()
		changed(h, 2)
		stillServes(h)
	})
}

// The same, and an operator who has the previous secret follows the errors and the
// documents. Each of these commands must succeed. Otherwise only a new secret from the
// developer portal would help.
func TestAnOperatorGetsOverAnAcknowledgmentByAGateway(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(h *mounttest.Harness) mounttest.Answer{
		"verify": func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) },
		"force": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config/verify", mounttest.Fields{"force": true})
		},
		"write": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret})
		},
		"rotate-root": func(h *mounttest.Harness) mounttest.Answer { return h.Write("rotate-root", nil) },
		"write without verifying": func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "verify_connection": false})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 204})
				h.Write("rotate-root", nil)
				changed(h, 0)
				h.Pass(10 * time.Minute)
				h.Succeeds(command(h))
				h.Pass(2 * time.Hour)
				stillServes(h)
			})
		})
	}
}

// Finicity acknowledges a change, and needs minutes until the new secret is in effect
// everywhere. Until then, it refuses the new secret and accepts the old one. That must
// not need an operator.
func TestASecretThatTakesEffectLateNeedsNoOperator(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{time.Minute, 8 * time.Minute} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(time.Hour)
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 204, Delay: delay})
				h.Write("rotate-root", nil)
				for range 4 * 60 {
					h.Pass(time.Minute)
					h.Tick()
					h.Read("token", nil)
					if state := h.Read("status", nil).Data["authentication"]; state == "stopped" || state == "locked" {
						t.Fatalf("authentication is %s", state)
					}
				}
				changed(h, 1)
				h.Token()
			})
		})
	}
}

// A gateway that gets no answer sends a change twice. Finicity carries out the first
// copy and refuses the second one, and the engine gets that refusal. With any code, the
// new secret may be the one in effect.
func TestAChangeSentTwiceLosesNoSecret(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{"24437": 400, "10005": 400, "14020": 400, "10026": 401, "10001": 401} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, grace %v", code, grace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
					nextChange(h, fakefinicity.Fault{
						Kind: fakefinicity.KindMisleading, Status: status, Body: `{"code":"` + code + `","message":"no"}`,
					})
					h.Write("rotate-root", nil)
					changed(h, 1)
					use(h, 3*time.Hour)
					stillServes(h)
					use(h, graceEnded)
					stillServes(h)
				})
			})
		}
	}
}

// An operator rotates five times, no change gets an answer, and the first one takes
// effect hours later. Four attempts find one secret out of four, so the engine must
// refuse a change that would be one too many.
func TestFiveRotationsWithoutAnAnswerLeaveTheSecretInReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		unansweredRotations(h, 5)
		use(h, 4*time.Hour)
		changed(h, 1)
		servesWithin(h, 4)
	})
}

// Three changes got no answer, and an operator then writes two other secrets without
// verifying them. Four attempts must still find the secret in effect: the operator has
// copies of the two, and only the engine has the others.
func TestUntriedSecretsLeaveTheSentOnesInReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		unansweredRotations(h, 3)
		for i := range 2 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i), "verify_connection": false}))
		}
		h.Pass(4 * time.Hour)
		changed(h, 1)
		servesWithin(h, 4)
	})
}

// unansweredRotations is an operator who rotates n times, some minutes apart. No change
// gets an answer. Finicity carries out only the first one, three hours later.
func unansweredRotations(h *mounttest.Harness, n int) {
	nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 3 * time.Hour})
	nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: n})
	for range n {
		h.Write("rotate-root", nil)
		h.Pass(6 * time.Minute)
	}
	h.Fake.ClearFaults()
}

// servesWithin checks that reads work again within the given days, with one
// config/verify a day by an operator, and never with force.
func servesWithin(h *mounttest.Harness, days int) {
	h.T.Helper()
	for range days {
		if h.Read("token", nil).Status == http.StatusOK || h.Write("config/verify", nil).Status == http.StatusNoContent {
			break
		}
		use(h, day)
	}
	stillServes(h)
}

// The wall clock is ahead for one read, by more than the time for which the engine
// retains a secret without an answer. The change takes effect when the clock is right
// again. A wrong clock must not make the engine forget the only copy.
func TestAClockThatIsAheadForgetsNoSecret(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		t.Run(fmt.Sprintf("grace %v", grace), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace})
				ahead := 2 * day
				if grace {
					ahead = 40 * day
				}
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 3 * time.Hour})
				h.Write("rotate-root", nil)
				h.Pass(time.Minute)
				h.Succeeds(h.Write("config/verify", nil)) // The old secret is still in effect.
				h.Pass(time.Hour)
				h.SetClock(ahead)
				h.Read("token", nil)
				h.SetClock(-ahead)
				h.Pass(2 * time.Hour)
				changed(h, 1)
				use(h, graceEnded)
				stillServes(h)
			})
		})
	}
}

// The wall clock is ahead by months while changes get no answer. When it is right
// again, their secrets are dated in the future. The schedule waits for them for about a
// day, and not until that date.
func TestAClockThatWasAheadDoesNotBlockTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.SetClock(90 * day)
		h.Configure(mounttest.Fields{"rotation_period": "24h"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 3})
		for range 3 {
			h.Write("rotate-root", nil)
			h.Pass(6 * time.Minute)
		}
		h.Write("config/verify", nil)
		h.Fake.ClearFaults()
		changed(h, 0)
		h.SetClock(-90 * day)
		use(h, 5*day)
		if h.Fake.Counters(mounttest.PartnerID).SecretChanges == 0 {
			t.Error("after five days the schedule has not rotated")
		}
		stillServes(h)
	})
}
