// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A snapshot from before the rotation is restored, and the first request is not the
// periodic call.
func TestNoRequestDropsAnUnstoredOutcome(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"tick", "config/verify", "rotate-root", "token", "config"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				snapshot := h.Storage.Snapshot()
				h.Pass(100 * time.Minute)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 3, Always: true})
				h.Write("rotate-root", nil)
				h.Storage.Heal()
				h.Storage.Restore(snapshot) // To repair storage.
				h.Pass(2 * time.Hour)
				switch path {
				case "tick":
				case "token":
					h.Read("token", nil)
				case "config":
					h.Write("config", mounttest.Fields{"request_timeout": "20s"})
				default:
					h.Write(path, nil)
				}
				h.Tick()
				keepsTheSecret(h)
			})
		})
	}
}

// One read fails during the merge.
func TestAFailedReadDropsNoUnstoredOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 3, Always: true})
		h.Write("rotate-root", nil)
		h.Storage.Heal()
		h.Storage.Restore(snapshot)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Skip: 1})
		h.Tick()
		h.Tick()
		keepsTheSecret(h)
	})
}

// The snapshot is restored during a call, and storage fails once after that.
func TestARefusalDuringARestoreSurvivesAFailedWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		snapshot := h.Storage.Snapshot()
		h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Read("token", nil) }, func() {
			h.Storage.Restore(snapshot)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		})
		for range 3 {
			h.Pass(time.Minute)
			h.Tick()
		}
		h.Wrongly(1)
		h.Spent(1, 0)
	})
}

// A rotation instead: only the proof is lost.
func TestAProofDuringARestoreSurvivesAFailedWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() {
			h.Storage.Restore(snapshot)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		})
		for range 3 {
			h.Pass(time.Minute)
			h.Tick()
		}
		keepsTheSecret(h)
		h.Token()
		if h.Read("status", nil).Data["last_vault_rotation"] == nil {
			t.Error("the rotation is not shown")
		}
	})
}

// The status must show the rotation, and a write of the replaced secret must cost no
// attempt.
func TestARotationThatIsMergedIsStillOne(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"merged by the tick", "merged during a refresh"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				snapshot := h.Storage.Snapshot()
				if way == "merged by the tick" {
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 3, Always: true})
					h.Write("rotate-root", nil)
					h.Storage.Heal()
					h.Storage.Restore(snapshot)
				} else {
					h.Rotate()
					h.Pass(2 * time.Hour)
					h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return h.Read("token", nil) }, func() { h.Storage.Restore(snapshot) })
				}
				h.Tick()
				keepsTheSecret(h)
				h.Pass(3 * time.Hour)
				h.Token()
				if h.Read("status", nil).Data["last_vault_rotation"] == nil {
					t.Error("the rotation is not shown")
				}
				h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "was replaced by a rotation on")
				h.Wrongly(0)
			})
		})
	}
}

// The unstored outcome is overtaken: the first delete says so, and the second one
// works.
func TestADeleteThatWasOvertakenMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config/verify", nil)
		one := h.B
		h.Restart()
		h.Succeeds(h.Write("config/verify", nil))
		h.B = one
		h.Remove("config", mounttest.Fields{"force": true})
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		h.Restart()
		h.Fails(h.Read("token", nil), 400, "not configured")
	})
}

// A delete fails on one node, and an operator repeats it on the next node.
func TestADeletedCredentialDoesNotComeBackFromAnotherNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Del("config")})
		h.Fails(h.Remove("config", nil), 500, "storage is out of order")
		one := h.B
		h.Restart()
		h.Succeeds(h.Remove("config", nil))
		h.B = one
		h.Tick()
		h.Fails(h.Read("token", nil), 400, "not configured")
		if h.Storage.Snapshot()["config"] != nil {
			t.Error("the credential is stored again")
		}
	})
}

// A late refusal of the old node, after an operator's forced success on the new node.
func TestALateRefusalFromBeforeAForcedSuccessHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		h.Pass(2 * time.Hour)
		old, release := stepDown(h, logical.ReadOperation, "token")
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
		h.Write("config/verify", mounttest.Fields{"force": true})
		release()
		<-old
		h.Pass(100 * time.Minute)
		statusShows(h, mounttest.Fields{"authentication": "ok"})
		h.Token()
	})
}

// Storage fails for a day with an unstored rotation, and recovers.
func TestADayWithoutStorageLosesNothing(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprint(applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 3, Applied: applied})
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 4, Always: true})
				h.Write("rotate-root", nil)
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
				for range 24 * 60 {
					h.Pass(time.Minute)
					h.Tick()
				}
				h.Storage.Heal()
				h.Tick()
				keepsTheSecret(h)
				if h.Read("status", nil).Data["last_vault_rotation"] == nil {
					t.Error("the rotation is not shown")
				}
				h.Restart()
				h.Token()
				h.Wrongly(0)
			})
		})
	}
}

// The old node has an outcome that storage did not accept. Every request that changes
// something fails once: an app's read without any token, and twenty reads at once.
func TestReadersOfAnOvertakenNodeAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(3 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		h.Read("token", nil)
		one := h.B
		h.Restart()
		h.Token()
		h.B = one
		failed := 0
		for _, r := range readMany(h, 20) {
			if a := <-r; a.Status != 200 {
				failed++
				if failed == 1 {
					t.Log(a.Status, a.Text)
				}
			}
		}
		if failed > 0 {
			t.Errorf("%d of 20 readers fail, and storage has a fresh token", failed)
		}
	})
}

// A token that is due, and usable. A write has failed, and another node has written
// since.
func TestAnOvertakenNodeServesItsUsableToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(100 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		h.Warned(h.Refreshed(), "the refresh of the token failed")
		one := h.B
		h.Restart()
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		h.B = one
		h.Succeeds(h.Read("token", nil))
	})
}

// The write of a proposal took effect, although it failed. The reads after it fail to
// write too.
func TestManyFailedWritesHideNoneThatTookEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Token()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: true})
		h.Fails(h.Write("rotate-root", nil), 500, "no request was sent to Finicity, because the attempt could not be stored")
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		h.Pass(100 * time.Minute)
		for range 70 {
			h.Read("token", nil) // Served anyway, and due.
		}
		h.Storage.Heal()
		h.Tick()
		h.Pass(time.Minute)
		h.Tick()
		h.Read("token", nil)
		if n := len(h.Stored().Secrets.Secrets); n != 1 {
			t.Errorf("%d secrets are stored, of which one was never sent", n)
		}
		h.Spent(0, 0)
		h.Wrongly(0)
	})
}

// The closure runs twice: for a rotation, and after another node has taken over and
// resolved it.
func TestARotationThatBothNodesFindIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.B
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindHoldAfter})
		done := h.Background(func() mounttest.Answer { return h.Write("rotate-root", nil) })
		if err := h.Fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		h.Restart()
		now := h.B
		gets := 0
		h.Storage.BeforeGet = func(key string) {
			if key != "config" {
				return
			}
			if gets++; gets == 2 { // The read of the check.
				h.Storage.BeforeGet = func(string) {}
				h.Storage.AfterGet = func(string) {}
				h.B = now
				h.Tick()
				h.Pass(time.Minute)
				h.Tick()
			}
		}
		_ = old
		h.Fake.Release()
		<-done
		if n := len(h.Recorded("finicity/root-rotate")); n != 1 {
			t.Errorf("announced %d times", n)
		}
	})
}
