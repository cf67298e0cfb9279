// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestRotateTokenReplacesTheSharedTokenAndReturnsTimesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		before := h.Token()
		h.Pass(time.Minute)
		a := h.Write("rotate-token", nil)
		h.Succeeds(a)
		h.Warned(a)
		if a.Data["issue_time"] != "2000-01-01T00:01:00Z" || a.Data["expire_time"] != "2000-01-01T01:56:00Z" || len(a.Data) != 2 {
			t.Errorf("rotate-token returns %v", a.Data)
		}
		after := h.Token()
		if after == before || !h.Fake.AcceptsToken(mounttest.PartnerID, after) {
			t.Error("the token is not replaced by a good one")
		}
		h.Restart()
		if h.Token() != after {
			t.Error("the new one is not stored")
		}
		h.Called(2, 0)
	})
}

// All apps whose token Finicity refuses ask at the same time.
func TestRotateTokenWithinAMinuteChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(time.Hour)
		var all []<-chan mounttest.Answer
		for range 200 {
			all = append(all, h.Background(func() mounttest.Answer { return h.Write("rotate-token", nil) }))
		}
		warned := 0
		for _, each := range all {
			a := <-each
			h.Succeeds(a)
			warned += len(a.Warnings)
		}
		if warned != 199 {
			t.Errorf("%d of 200 were told that nothing was changed", warned)
		}
		h.Called(2, 0)
		h.Pass(time.Minute - 1)
		h.Restart()
		a := h.Write("rotate-token", nil)
		h.Warned(a, "the current token is less than 1 minute old and was kept")
		h.Called(2, 0)
		h.Pass(1)
		h.Warned(h.Write("rotate-token", nil))
		h.Called(3, 0)
		h.Pass(time.Hour)
		h.Rotate()
		h.Warned(h.Write("rotate-token", nil), "the current token is less than 1 minute old and was kept. It might come from rotate-root")
		h.Called(4, 1)
	})
}

func TestWhenRotateTokenFailsTheOldTokenStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(time.Minute)
		h.Fails(h.Write("rotate-token", mounttest.Fields{"force": true}), 400, `unknown field "force"`)
		h.Down()
		h.Fails(h.Write("rotate-token", nil), 400, "maintenance", "does not retry the request")
		for range 20 { // Apps may ask for it as often as for a token.
			h.Fails(h.Write("rotate-token", nil), 503, "maintenance", "the next request is sent in 1s")
		}
		h.Called(2, 0)
		h.Fake.ClearFaults()
		h.Pass(time.Second)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		for _, attempts := range []int{1, 2, 2, 2} {
			for range 6 {
				h.Fails(h.Write("rotate-token", nil), 400, "10001", "vault write -f finicity/config/verify")
			}
			h.Wrongly(attempts)
			h.Pass(5 * time.Minute)
		}
		if h.Token() != token {
			t.Error("the old token is gone")
		}
	})
}

func TestRotateTokenNeedsAConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Write("rotate-token", nil), 400, "not configured", "vault write finicity/config")
	})
}

// rotate-token is for a token that Finicity no longer accepts.
func TestRotateTokenHelpsWhenATokenDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{TokensDieWithSecret: true})
		h.Configure(nil)
		token := h.Token()
		h.Interrupt(true)
		h.Pass(time.Minute)
		if h.Fake.AcceptsToken(mounttest.PartnerID, token) {
			t.Fatal("the token did not die with the secret")
		}
		h.Succeeds(h.Write("rotate-token", nil))
		if !h.Fake.AcceptsToken(mounttest.PartnerID, h.Token()) {
			t.Error("the new token is no good")
		}
		h.Resolved()
	})
}

func TestRotateTokenKeepsNoExpiredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"token_lifetime": "1m"})
		h.Token()
		h.Pass(58 * time.Second)
		a := h.Write("rotate-token", nil)
		if len(a.Warnings) > 0 {
			t.Errorf("a token that is not served any more is kept: %v", a.Warnings)
		}
	})
}

// The new token is not stored, so the old one would return with the next restart. A
// second call must not report success for that.
func TestAReplacedTokenIsGoneOnlyWhenTheNewOneIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		old := h.Token()
		h.Pass(2 * time.Minute)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		h.Fails(h.Write("rotate-token", nil), 400, "could not be stored")
		h.Fails(h.Write("rotate-token", nil), 500, "could not be stored")
		h.Storage.Heal()
		h.Succeeds(h.Write("rotate-token", nil))
		h.Restart()
		if h.Token() == old {
			t.Error("the old token is back")
		}
		h.Called(2, 0)
	})
}
