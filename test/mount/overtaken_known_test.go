// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The refusal of a write for another partner was not stored, and a snapshot was
// restored.
func TestAMergeKeepsTheRefusalsOfOtherPartners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		guess := func(i int) mounttest.Fields {
			return mounttest.Credentials(mounttest.Fields{"partner_id": mounttest.OtherID, "partner_secret": h.Guess(i), "app_key": mounttest.OtherKey})
		}
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config", guess(0))
		h.Storage.Restore(snapshot)
		h.Tick()
		for i := 1; i < 5; i++ {
			h.Write("config", guess(i))
		}
		if c := h.Fake.Counters(mounttest.OtherID); c.Rejected > 4 || c.Locked {
			t.Errorf("Finicity counts %+v", c)
		}
	})
}

func TestAMergeKeepsTheRefusalsOfAnUnconfiguredMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		guess := func(i int) mounttest.Fields {
			return mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(i)})
		}
		h.Write("config", guess(0))
		snapshot := h.Storage.Snapshot()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config", guess(1))
		h.Storage.Restore(snapshot)
		h.Tick()
		for i := 2; i < 5; i++ {
			h.Write("config", guess(i))
		}
		h.Wrongly(4)
	})
}

func TestAMergeKeepsTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		snapshot := h.Storage.Snapshot()
		h.Fake.Order(mounttest.Rejections()["locked"])
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Read("token", nil)
		h.Storage.Restore(snapshot)
		h.Tick()
		if s := h.Read("status", nil).Data["authentication"]; s != "locked" {
			t.Errorf("it is %v", s)
		}
		h.Pass(6 * time.Minute)
		n := h.Calls(fakefinicity.CallAuthenticate)
		h.Read("token", nil)
		if h.Calls(fakefinicity.CallAuthenticate) != n {
			t.Error("an automatic attempt of a locked partner")
		}
	})
}

// The new node has had a success since the refusal that the old one could not store.
func TestALateRefusalFromBeforeASuccessHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(mounttest.Rejections()["10001"])
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Read("token", nil)
		old := h.B
		h.Restart()
		h.Pass(time.Minute)
		h.Token() // The new node's success.
		_, _ = old.HandleRequest(t.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
		h.Restart()
		h.Pass(2 * time.Hour)
		if s := h.Read("status", nil).Data["authentication"]; s != "ok" {
			t.Errorf("it is %v", s)
		}
		h.Token()
	})
}

func TestADamagedEntryWithoutAVersionIsReplaced(t *testing.T) {
	t.Parallel()
	for _, damaged := range []string{`{}`, `null`, `{"credential":5}`} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Rotate()
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
			h.Write("config/verify", nil)
			h.Storage.Plant("config", []byte(damaged))
			h.Tick()
			h.Tick()
			if v, _ := h.Storage.Peek("config"); string(v) == damaged {
				t.Errorf("%s stays", damaged)
			}
			h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		})
	}
}

// Another node changes the configuration while this one waits for a token.
func TestATokenOfAReplacedConfigurationIsNotShared(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"partner", "app key", "deleted"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				old := h.B
				h.Pass(2 * time.Hour)
				h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return sendTo(h, old, logical.ReadOperation, "token") }, func() {
					h.Restart()
					switch kind {
					case "partner":
						h.Succeeds(h.Write("config", mounttest.Credentials(otherPartner())))
					case "app key":
						h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
						h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
					case "deleted":
						h.Succeeds(h.Remove("config", nil))
					}
				})
				b := sendTo(h, old, logical.ReadOperation, "token")
				st := h.Stored()
				if b.Data["token"] != nil && (st == nil || st.PartnerID != b.Data["partner_id"] || b.Data["app_key"] != st.AppKey.Reveal()) {
					t.Error("the node serves a token from before")
				}
			})
		})
	}
}

func TestAReplacedTokenDoesNotComeBackWithASnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Minute)
		leaked := h.Token()
		snapshot := h.Storage.Snapshot()
		h.Succeeds(h.Write("rotate-token", nil))
		h.Pass(30 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config/verify", nil)
		h.Storage.Restore(snapshot)
		h.Tick()
		if h.Token() == leaked {
			t.Error("the leaked token is back")
		}
	})
}

// A proven secret is refused once without a code, and Finicity accepts the older secret,
// which a grace period keeps valid. Then two changes never arrive, and an untried secret
// is written. The proven secret is in effect all the time.
func TestAnOutlivedSecretIsWithinFourAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Rotate()
		h.Rotate()
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 401, Body: "no"})
		h.Read("token", nil)
		h.Pass(6 * time.Minute)
		h.Token()
		for range 2 {
			h.Pass(26 * time.Hour)
			h.Token()
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindDropped})
			h.Write("rotate-root", nil)
			h.Pass(5 * time.Minute)
			h.Tick()
			h.Token()
		}
		h.Pass(24 * 30 * time.Hour)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0), "verify_connection": false}))
		for range 3 {
			h.Write("config/verify", nil)
			h.Pass(time.Hour)
		}
		h.Token()
	})
}

func TestTheFirstWriteOverVersion1WarnsOfNothing(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		if h.Leaks.Logged("a write to storage failed") {
			t.Error("a false warning")
		}
	})
}

// After the refusal, another node has started a rotation: the second attempt of two
// must wait. Vault's client repeats a 503.
func TestARefusalBeforeAPendingRotationIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.B
		h.Pass(2 * time.Hour)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		a := h.During(fakefinicity.CallAuthenticate, func() mounttest.Answer { return sendTo(h, old, logical.UpdateOperation, "config/verify") }, func() {
			h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
			h.Restart()
			h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost})
			h.Write("rotate-root", nil)
		})
		if a.Status != 400 {
			t.Errorf("a refusal is answered %d", a.Status)
		}
	})
}
