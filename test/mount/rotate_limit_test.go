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

const atLimit = "Rotation is possible again after"

// The first change of a schedule takes effect late, and those after it get no answer.
// Four attempts find the secret again.
func TestTheScheduleKeepsToWhatFourAttemptsCanFind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace       bool
		late, shows time.Duration
	}{
		"at once":             {false, 22 * time.Hour, 23 * time.Hour},
		"with a grace period": {true, 10 * time.Minute, 30 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h", "secret_grace_period": test.grace})
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: test.late})
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 1000})
				everyMinute(h, int(test.shows/time.Minute), func() {})
				if n := changes(h); n != 2 {
					t.Errorf("%d changes were sent", n)
				}
				if text := lastRotationError(h); !strings.Contains(text, atLimit) {
					t.Errorf("the status shows %q", text)
				}
				h.Pass(2 * time.Hour) // The old secret has stopped working, and the token is due.
				servesWithin(h, 2)
				keepsTheSecret(h)
				atMost(h, 4)
			})
		})
	}
}

// The schedule continues once the first of the changes can no longer take effect.
func TestAScheduleAtTheLimitContinuesAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 2})
		everyMinute(h, 36*60, func() {})
		if h.Stored().LastRotation.IsZero() {
			t.Errorf("no rotation, after %d changes", changes(h))
		}
		h.Wrongly(2)
		h.Resolved()
	})
}

// The limit applies to an operator too, and the error says until when.
func TestRotateRootAtTheLimitSaysUntilWhen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 1000})
		for range 2 {
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
			h.Pass(time.Minute)
			h.Succeeds(h.Write("config/verify", nil))
		}
		until := h.Now().Add(25*time.Hour - 2*time.Minute)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the secret has not changed: earlier changes",
			atLimit+" "+until.Format(time.RFC3339))
		h.Called(6, 2) // A success would make no room, so none was requested.
		h.Fake.ClearFaults()
		h.Pass(until.Sub(h.Now()) - time.Second)
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, atLimit)
		h.Pass(2 * time.Second)
		h.Rotate()
		h.Resolved()
	})
}

// A secret that an operator has stored untried does not take the room of one that was
// sent.
func TestAnUntriedSecretDiscardsNoneThatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 2 * time.Hour})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindDropped, Count: 1000})
		for !strings.Contains(h.Write("rotate-root", nil).Text, atLimit) {
			h.Pass(time.Minute)
			h.Succeeds(h.Write("config/verify", nil))
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
		h.Pass(2 * time.Hour)
		changed(h, 1)
		keepsTheSecret(h)
	})
}

// Without readers, only the schedule finds out that the refused changes can no longer
// take effect.
func TestRefusedChangesStopNoScheduleForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
		nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 403, Body: "forbidden", Count: 2})
		everyMinute(h, 25*60, func() {})
		if n := changes(h); n != 2 || !strings.Contains(lastRotationError(h), "Scheduled rotation is stopped until") {
			t.Errorf("%d changes were sent, and the status shows %q", n, lastRotationError(h))
		}
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, atLimit)
		everyMinute(h, 25*60, func() {})
		h.Rotate()
		before := changes(h)
		everyMinute(h, 10*24*60+60, func() {})
		if n := changes(h) - before; n != 10 {
			t.Errorf("%d rotations in ten days", n)
		}
		h.Resolved()
	})
}

// A wrong password policy is a mistake that must be visible. The schedule stops, and
// the operator gets Finicity's message.
func TestASecretThatFinicityDoesNotTakeStopsTheSchedule(t *testing.T) {
	t.Parallel()
	for _, grace := range []bool{false, true} {
		t.Run(fmt.Sprintf("grace %v", grace), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": grace, "rotation_period": "24h"})
				nextChange(h, fakefinicity.Fault{
					Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"New password is not as per policy"}`, Count: 1000,
				})
				everyMinute(h, 25*60, func() {})
				if n := changes(h); n != 2 {
					t.Errorf("the schedule has made %d changes", n)
				}
				if text := lastRotationError(h); !strings.Contains(text, "24437") || !strings.Contains(text, "vault write -f finicity/rotate-root") {
					t.Errorf("the status shows %q", text)
				}
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, atLimit)
				h.Spent(0, 0)
				h.Fake.ClearFaults()
				for range map[bool]int{false: 2, true: 33}[grace] {
					h.Pass(day)
					h.Token()
				}
				h.Rotate()
				h.Wrongly(0)
				h.Resolved()
			})
		})
	}
}

// A refused change discards no secret of a change without an answer, for any kind of
// refusal.
func TestRefusedChangesDiscardNoneThatGotNoAnswer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"10001", "blocked"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				refusal := mounttest.Rejections()[name]
				refusal.Count = 1000
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLate, Delay: 2 * time.Hour})
				nextChange(h, refusal)
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				for range 12 {
					h.Pass(6 * time.Minute)
					h.Write("rotate-root", nil)
				}
				h.Fake.ClearFaults()
				h.Pass(2 * time.Hour)
				changed(h, 1)
				keepsTheSecret(h)
				servesWithin(h, 3)
				atMost(h, 4)
			})
		})
	}
}

// Finicity carries out a gateway's first copy of a change, and refuses the second copy
// and each change after it because of a minimum age. With a grace period, the old
// secret continues to work.
func TestWithGraceRefusalsByPolicyInARowLoseNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		policy := fakefinicity.Fault{Kind: fakefinicity.KindMisleading, Status: 400, Body: `{"code":24437,"message":"New password is not as per policy"}`}
		nextChange(h, policy)
		policy.Kind, policy.Count = fakefinicity.KindStatus, 1000
		nextChange(h, policy)
		for range 5 {
			h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest)
		}
		changed(h, 1)
		keepsTheSecret(h)
		use(h, graceEnded)
		stillServes(h)
		keepsTheSecret(h)
	})
}

// No change was sent for a wrong secret that an operator brought, and the operator has
// a copy.
func TestWrongSecretsThatWereBroughtDelayNoRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "1h"})
		for i := range 4 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i), "verify_connection": false}))
		}
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		minutesInUse(h, 61)
		if h.Stored().LastRotation.IsZero() {
			t.Error("nothing was rotated")
		}
		h.Wrongly(0)
	})
}

// A job repeats rotate-root while two changes are unconfirmed. An authentication would
// make no room for a third one.
func TestRotateRootAtTheLimitSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		unconfirmed(h)
		before, token := len(h.Fake.Requests()), h.Token()
		before++ // The token had expired.
		for range 100 {
			h.Fails(h.Write("rotate-root", nil), 400, atLimit)
			h.Pass(time.Second)
		}
		if n := len(h.Fake.Requests()) - before; n > 0 {
			t.Errorf("100 calls have sent %d requests", n)
		}
		if h.Token() != token {
			t.Error("they have replaced the fresh token of all readers")
		}
	})
}

// Two changes are unconfirmed, and the answer to the second one was lost: rotate-root
// finds out first which secret is in effect, because that can end the limit.
func TestRotateRootAtTheLimitResolvesAPendingRotation(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]fakefinicity.Fault{
		"after a change that never arrived":   {Kind: fakefinicity.KindDropped},
		"after a change that a proxy refused": mounttest.Rejections()["blocked"],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				nextChange(h, first)
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				h.Pass(time.Minute)
				h.Succeeds(h.Write("config/verify", nil))
				nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				h.Fake.ClearFaults()
				h.Pass(time.Minute)
				h.Rotate()
				h.Resolved()
			})
		})
	}
}

// Two changes are unconfirmed, and an operator has stored another secret untried: a
// success with it ends the limit, so rotate-root tries it first.
func TestRotateRootAtTheLimitTriesAnUntriedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		unconfirmed(h)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.OtherSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.OtherSecret, "verify_connection": false}))
		h.Rotate()
		h.Resolved()
		h.Wrongly(2) // The two changes never arrived.
	})
}

// With a grace period, the success does not end the limit: the announced time is the same
// before and after it, and rotate-root works then.
func TestRotationIsPossibleAtTheAnnouncedTime(t *testing.T) {
	t.Parallel()
	for name, tick := range map[string]bool{"rotate-root alone": false, "with Vault's call once a minute": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
				for range 2 {
					h.Pass(3 * time.Hour)
					nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindLost})
					h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				}
				h.Fake.ClearFaults()
				h.Pass(time.Minute)
				announced := announcedTime(h)
				if tick {
					h.Tick()
					if then := announcedTime(h); !then.Equal(announced) {
						t.Errorf("announced %s, and after a success %s", announced, then)
					}
				}
				h.Pass(announced.Sub(h.Now()) + 2*time.Second)
				h.Rotate()
			})
		})
	}
}

// announcedTime returns when a rotation is possible again, as the error of rotate-root
// says.
func announcedTime(h *mounttest.Harness) time.Time {
	h.T.Helper()
	a := h.Write("rotate-root", nil)
	h.Fails(a, http.StatusBadRequest, atLimit)
	_, rest, _ := strings.Cut(a.Text, atLimit+" ")
	at, err := time.Parse(time.RFC3339, strings.Fields(rest)[0])
	if err != nil {
		h.T.Fatal(err)
	}
	return at
}
