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

// unstored makes this node authenticate, and storage does not accept the outcome.
// Another node takes over. tick makes Vault's periodic call to the first node.
func unstored(h *mounttest.Harness) (old logical.Backend, tick func()) {
	h.T.Helper()
	h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
	h.Write("config/verify", nil)
	old = h.B
	h.Restart()
	return old, func() {
		_, _ = old.HandleRequest(h.T.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
	}
}

func TestANodeThatWasOvertakenServesNoTokenFromBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old, tick := unstored(h)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		tick()
		a := sendTo(h, old, logical.ReadOperation, "token")
		h.Succeeds(a)
		if a.Data["app_key"] != mounttest.NewKey || a.Data["token"] != h.Token() {
			t.Error("the overtaken node serves the token of the old app key")
		}
	})
}

func TestANodeThatWasOvertakenHasNothingToWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		_, tick := unstored(h)
		h.Succeeds(h.Write("config/verify", nil))
		before := h.Storage.Accesses(mounttest.Put("config"))
		tick()
		if n := h.Storage.Accesses(mounttest.Put("config")) - before; n != 0 {
			t.Errorf("the overtaken node writes %d times", n)
		}
	})
}

func TestANodeThatWasOvertakenAddsNothingOfAnotherPartner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		_, tick := unstored(h)
		h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
		h.Succeeds(h.Write("config", mounttest.Credentials(otherPartner())))
		tick()
		if n := len(h.Stored().Secrets.Secrets); n != 1 {
			t.Errorf("the other partner has %d secrets, want 1", n)
		}
	})
}

// The next written secret replaces an operator's secret that was never proven, on
// whichever node.
func TestANodeThatWasOvertakenAddsNothingThatWasBrought(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		untried := func(secret string) mounttest.Fields {
			return mounttest.Fields{"partner_secret": secret, "verify_connection": false}
		}
		h.Succeeds(h.Write("config", untried(mounttest.WrongSecret)))
		h.Answering(503, "maintenance", 1)
		_, tick := unstored(h)
		h.Succeeds(h.Write("config", untried(h.Guess(1))))
		before := h.Stored()
		tick()
		h.Unchanged(before)
	})
}

// An operator has settled the attempts of processes that died.
func TestANodeThatWasOvertakenAddsNoUnansweredAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 3 {
			h.Dies(func() mounttest.Answer { return h.Write("config/verify", nil) })
		}
		_, tick := unstored(h)
		h.Spent(0, 4)
		h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": true}))
		h.Spent(0, 0)
		tick()
		h.Spent(0, 0)
	})
}

// What a newer version has stored, and in which form, is unknown.
func TestANewerEntryReplacesTheStateOfAProcess(t *testing.T) {
	t.Parallel()
	for _, newer := range []string{`{"version":3,"credential":"of a newer version"}`, `{"version":3,"secrets":"in another form"}`, `{"version":3,"clock":5}`} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
			h.Write("config/verify", nil)
			h.Storage.Plant("config", []byte(newer))
			h.Fails(h.Read("config", nil), 500, "has version 3")
			h.Fails(h.Read("token", nil), 500, "has version 3")
			h.Tick()
			if value, _ := h.Storage.Peek("config"); string(value) != newer {
				t.Error("the entry was overwritten")
			}
		})
	}
}

// An undecodable entry is not another node's.
func TestADamagedEntryIsReplacedByTheStateOfAProcess(t *testing.T) {
	t.Parallel()
	for _, damaged := range []string{"{", `{"version":2,"secrets":"damaged"}`} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Rotate()
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
			h.Write("config/verify", nil)
			h.Storage.Plant("config", []byte(damaged))
			h.Tick()
			keepsTheSecret(h)
		})
	}
}

// A snapshot of version 1 was restored while the engine was running.
func TestAnEntryOfVersion1IsNotOverwritten(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(_ *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		h.Tick()
		h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "17s"}))
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
		h.Write("config/verify", nil)
		h.Storage.Restore(snapshot)
		h.Tick()
		if h.Stored().Settings.RequestTimeout == 17*time.Second {
			h.T.Error("it was replaced by what the process went by")
		}
	})
}

// The process has migrated the entry, storage has not accepted that, and another node
// has deleted the configuration.
func TestADeletedEntryOfVersion1DoesNotComeBack(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(_ *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		h.Tick()
		h.Storage.Heal()
		h.Storage.Discard("config")
		h.Tick()
		if h.IsConfigured() {
			h.T.Error("it has come back")
		}
	})
}

// Storage accepts nothing for two hours. It still has the entry from before.
func TestAfterManyFailedWritesTheOutcomeIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		h.Write("config/verify", nil)
		for range 120 {
			h.Pass(time.Minute)
			h.Tick()
		}
		h.Spent(0, 1)
		h.Storage.Heal()
		h.Tick()
		h.Spent(0, 0)
	})
}

// The engine has read the entry, and before it stores the outcome, a snapshot is
// restored.
func TestAnOutcomeIsStoredThoughStorageIsOverwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Succeeds(h.During(fakefinicity.CallModifySecret, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() { once(h, func() { h.Storage.Restore(snapshot) }) }))
		keepsTheSecret(h)
	})
}

// A snapshot is restored between the read of the entry and its write.
func TestARequestThatWasOvertakenMayBeRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		snapshot := h.Storage.Snapshot()
		h.Succeeds(h.Write("config/verify", nil))
		once(h, func() { h.Storage.Restore(snapshot) })
		setting := mounttest.Fields{"request_timeout": "17s"}
		h.Fails(h.Patch("config", setting), 503, "has changed in the meantime: try again")
		h.Succeeds(h.Patch("config", setting))
		if timeout := h.Stored().Settings.RequestTimeout; timeout != 17*time.Second {
			t.Errorf("request_timeout is %s", timeout)
		}
	})
}

// Neither has a time that identifies it.
func TestAnEntryOfVersion1IsNotTakenForNone(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		once(h, func() { h.Storage.Discard("config") })
		h.Tick()
		if h.IsConfigured() {
			t.Error("a deleted configuration has come back")
		}
		h.Restart()
		once(h, func() { h.Storage.Restore(snapshot) })
		untried := mounttest.Credentials(mounttest.Fields{"verify_connection": false})
		h.Fails(h.Send(t.Context(), logical.CreateOperation, "config", untried), 503, "has changed in the meantime: try again")
		if version(t, h) != 1 {
			t.Error("the entry was overwritten")
		}
	})
}

// once calls do after the next read of the entry, before the engine gets the result.
func once(h *mounttest.Harness, do func()) {
	h.Storage.AfterGet = func(key string) {
		if key == "config" {
			h.Storage.AfterGet = func(string) {}
			do()
		}
	}
}

// A read has found the stored token, and rotate-token replaces it before it is shared.
func TestAStoredTokenIsNotSharedInPlaceOfANewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Pass(2 * time.Minute)
		h.Restart()
		h.Read("status", nil) // This reads the salt.
		once(h, func() { h.Succeeds(h.Write("rotate-token", nil)) })
		h.Read("token", nil) // It may get the token that is about to be replaced.
		synctest.Wait()
		if h.Token() == old {
			t.Error("the replaced token is served")
		}
	})
}

// Storage is unreadable for a moment. That says nothing about other nodes.
func TestAFailedReadDropsNoUsableToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(100 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Skip: 1})
		a := h.Refreshed()
		h.Warned(a, "reading the configuration from storage")
		if a.Data["token"] != token {
			t.Error("another token is served")
		}
	})
}

func TestADueTokenIsRefreshedByTheFirstReadAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Pass(100 * time.Minute)
		h.Restart()
		if h.Refreshed().Data["token"] == old {
			t.Error("the token that is due is not refreshed")
		}
		h.Called(2, 0)
	})
}
