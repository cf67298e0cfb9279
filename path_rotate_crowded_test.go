// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// The first change of a schedule lands late, and those after it get no answer. Four attempts find the secret again.
func TestTheScheduleKeepsToWhatFourAttemptsCanFind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace         bool
		late, shows   time.Duration
		changesByThen int
	}{
		"at once":             {false, 22 * time.Hour, 23 * time.Hour, 3},
		"with a grace period": {true, 10 * time.Minute, 30 * 24 * time.Hour, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, fields{"rotation_period": "1h", "secret_grace_period": test.grace})
				h.fake.Order(
					fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: test.late},
					fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped, Count: 1000},
				)
				for range test.shows / time.Minute {
					h.pass(time.Minute)
					h.tick()
				}
				if n := h.calls(fakefinicity.CallModifySecret); n != test.changesByThen {
					t.Errorf("%d changes", n)
				}
				if text, _ := h.read("status", nil).data["last_rotation_error"].(string); !strings.Contains(text, "rotate-root does not wait") {
					t.Errorf("the status shows %q", text)
				}
				h.pass(2 * time.Hour) // The old secret has ended, and the token is due.
				h.read("token", nil)
				h.succeeds(h.write("config/verify", nil))
				h.settled()
			})
		})
	}
}

// It goes on by itself once the first of them can't come into force any more.
func TestACrowdedScheduleGoesOnAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped, Count: 3})
		for range 36 * 60 {
			h.pass(time.Minute)
			h.tick()
		}
		if last := h.stored().Credential.LastRotation; last.IsZero() {
			t.Errorf("no rotation after %d changes", h.calls(fakefinicity.CallModifySecret))
		}
		h.settled()
	})
}

func TestAPersonMayGoOnUntilASecretWouldBePushedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped, Count: 1000})
		for range abandonedMost - 1 {
			h.fails(h.write("rotate-root", nil), 400, "unknown")
			h.pass(time.Minute)
			h.succeeds(h.write("config/verify", nil))
		}
		before := h.calls(fakefinicity.CallModifySecret)
		h.fails(h.write("rotate-root", nil), 400, "nothing was sent", "the only copy")
		if n := h.calls(fakefinicity.CallModifySecret); n != before {
			t.Errorf("%d more changes", n-before)
		}
		h.fake.ClearFaults()
		h.pass(25 * time.Hour)
		h.rotate()
	})
}

// Nothing else tells them apart: whatever it is answered by, a change may have been carried out by a gateway's first copy.
func TestASecretThatWasJustSentIsKeptWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	for _, oldRefused := range []bool{false, true} {
		for _, replaced := range []bool{false, true} {
			c := &credential{Current: "current"}
			for i := range abandonedMost {
				c.Abandoned = append(c.Abandoned, candidate{Secret: fmt.Sprint(i), Since: noon, Replaced: replaced, Proven: replaced})
			}
			c.propose("sent", false, time.Second, noon)
			c.doubt(oldRefused, noon)
			if !slices.Contains(c.candidates(), "sent") {
				t.Errorf("the old one refused %v, others replaced %v: the candidates are %v", oldRefused, replaced, c.candidates())
			}
		}
	}
}

// A wrong secret is known to whoever has brought it, and what was sent is known to nobody.
func TestAWrongSecretPushesOutNoneThatWasSent(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "current"}
	for i := range abandonedMost - 1 {
		c.propose(fmt.Sprint(i), false, time.Second, noon)
		c.abandon(noon)
	}
	for i := range 3 {
		c.replace(strings.Repeat("x", i+1), false, noon, plainHash)
	}
	for _, secret := range []string{"current", "0"} {
		if !slices.Contains(c.candidates(), secret) {
			t.Errorf("%s is gone: %v", secret, c.candidates())
		}
	}
}

// A place is kept for the current secret, which an untried one sets aside.
func TestAnUntriedSecretPushesOutNoneThatAPersonHasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.fake.Order(
			fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: 2 * time.Hour},
			fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped, Count: 1000},
		)
		for !strings.Contains(h.write("rotate-root", nil).text, "nothing was sent") {
			h.pass(time.Minute)
			h.succeeds(h.write("config/verify", nil))
		}
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret, "verify_connection": false}))
		h.pass(2 * time.Hour)
		h.keepsTheSecret()
	})
}

// Nobody reads, so that nothing else finds out that they can't come any more.
func TestRefusedChangesStopNoScheduleForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "24h"})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden", Count: 3,
		})
		h.pass(24 * time.Hour)
		h.minutes(10)
		h.fails(h.write("rotate-root", nil), 400, "403")
		h.rotate()
		before := h.calls(fakefinicity.CallModifySecret)
		for range 10 * 24 * 6 {
			h.pass(10 * time.Minute)
			h.tick()
		}
		if n := h.calls(fakefinicity.CallModifySecret) - before; n < 8 {
			t.Errorf("%d rotations in ten days", n)
		}
	})
}

// A policy that is wrong is one, and has to be seen. With a grace period each secret is kept for 32 days.
func TestASecretThatFinicityDoesNotTakeStopsTheScheduleAndNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"secret_grace_period": true, "rotation_period": "24h"})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 400, Count: 1000,
			Body: `{"code":24437,"message":"New password is not as per policy"}`,
		})
		h.pass(24 * time.Hour)
		h.minutes(60)
		if n := h.calls(fakefinicity.CallModifySecret); n != refusedRotations {
			t.Errorf("the schedule has made %d changes", n)
		}
		if text, _ := h.read("status", nil).data["last_rotation_error"].(string); !strings.Contains(text, "24437") {
			t.Errorf("the status shows %q", text)
		}
		for range 2 * abandonedMost {
			h.fails(h.write("rotate-root", nil), 400, "24437")
		}
		h.fake.ClearFaults()
		h.rotate()
	})
}

// The current secret takes no attempt beside itself.
func TestTheCurrentSecretIsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	c := &credential{Current: "current", Abandoned: []candidate{{Secret: "1"}, {Secret: "current", Replaced: true, Proven: true}, {Secret: "2"}}}
	if c.crowded(automatic) {
		t.Error("two others are one too many")
	}
	c.Abandoned = append(c.Abandoned, candidate{Secret: "3"})
	if !c.crowded(automatic) {
		t.Error("three others are not")
	}
}

// One that is refused goes before one that got no answer, wherever it stands.
func TestRefusedChangesPushOutNoneThatGotNoAnswer(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]fakefinicity.Fault{
		"10001": rejections()["10001"],
		"403":   {Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				first := rejections()["10001"]
				first.Call = fakefinicity.CallModifySecret
				then.Call, then.Count = fakefinicity.CallModifySecret, 1000
				h.fake.Order(
					fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: 2 * time.Hour},
					first, then,
				)
				h.fails(h.write("rotate-root", nil), 400, "unknown")
				h.pass(time.Minute)
				for range abandonedMost + 1 {
					h.write("rotate-root", nil)
					h.pass(time.Minute)
				}
				h.pass(2 * time.Hour)
				h.keepsTheSecret()
			})
		})
	}
}

// A minimum age refuses a gateway's second copy, and each change after it. With a grace period the old secret goes on working.
func TestWithGraceRefusalsByPolicyInARowDoNotLoseTheSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"secret_grace_period": true})
		h.fake.Order(fakefinicity.Fault{
			Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 400, Count: 1000,
			Body: `{"code":24437,"message":"New password is not as per policy"}`,
		})
		h.gatewayRepeats(func() { h.fails(h.write("rotate-root", nil), 400, "24437") })
		for range 2 * abandonedMost {
			h.fails(h.write("rotate-root", nil), 400, "24437")
		}
		h.keepsTheSecret()
	})
}

// They are known, and no change was sent for them.
func TestWrongSecretsThatWereBroughtPutOffNoRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{"rotation_period": "1h"})
		for i := range 4 {
			wrong := fmt.Sprintf("%sx%d", wrongSecret, i)
			h.words.add(wrong)
			h.succeeds(h.write("config", fields{"partner_secret": wrong, "verify_connection": false}))
		}
		h.succeeds(h.write("config", fields{"partner_secret": partnerSecret}))
		h.minutes(61)
		if h.stored().Credential.LastRotation.IsZero() {
			t.Error("no rotation")
		}
	})
}
