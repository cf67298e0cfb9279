// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// left reads the token, and checks its remaining lifetime.
func left(h *mounttest.Harness, want time.Duration) {
	h.T.Helper()
	a := h.Read("token", nil)
	h.Succeeds(a)
	if got, _ := a.Data["ttl"].(int64); time.Duration(got)*time.Second != want {
		h.T.Errorf("the token may be used for %ds, want %s", got, want)
	}
}

// The age of a token counts from before its request, even if the wall clock was set
// back since.
func TestAClockThatIsSetBackMakesNoTokenYounger(t *testing.T) {
	t.Parallel()
	const life = 115 * time.Minute
	t.Run("while the answer was on its way", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.New(t)
			h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 20 * time.Second})
			h.Configure(nil)
			h.SetClock(-20 * time.Second)
			left(h, life-20*time.Second)
		})
	})
	t.Run("after a restart", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(20 * time.Minute)
			h.Restart()
			left(h, life-20*time.Minute)
			h.SetClock(-19 * time.Minute)
			left(h, life-20*time.Minute)
		})
	})
}
